#!/bin/sh
# tests/install/run.sh BUILD_DIR: see README.md. Prints "N passed, N failed".
set -u
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND...
  name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
    cat "$work/log"
  fi
}

same() { # what the program printed is what it should
  "$1" "$work/data" >"$work/out" 2>&1 && diff -u "$root/tests/install/expected/$2" "$work/out"
}

check "meson install" env DESTDIR="$work/root" meson install -C "$build" --no-rebuild --quiet
prefix=$(find "$work/root" -name gesso.pc -printf '%h' -quit)
export PKG_CONFIG_PATH="$prefix" PKG_CONFIG_SYSROOT_DIR="$work/root"
flags=$(pkg-config --cflags --libs gesso)
includes=$(pkg-config --cflags gesso)
libdir=$work/root$(pkg-config --variable=libdir gesso)
[ -d "$libdir" ] || libdir=$(pkg-config --variable=libdir gesso)
export LD_LIBRARY_PATH="$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

cxx=$(command -v clang++ || command -v g++ || echo none)
for header in "$root"/include/gesso/*.h; do
  name=gesso/$(basename "$header")
  echo "#include <$name>" >"$work/one.c"
  # shellcheck disable=SC2086
  check "$name as C99" cc -std=c99 -pedantic -Wall -Wextra -Werror -fsyntax-only $includes "$work/one.c"
  # shellcheck disable=SC2086
  check "$name as C++11" "$cxx" -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -fsyntax-only $includes "$work/one.c"
done

for example in sync observe undo persist; do
  # shellcheck disable=SC2086
  check "build $example" cc -std=c99 -pedantic -Wall -Wextra -Werror "$root/examples/$example.c" -o "$work/$example" $flags
  check "run $example" same "$work/$example" "$example"
done
check "run persist again" same "$work/persist" persist-again

# The program that docs/library.md shows.
sed -n '/^```python$/,/^```$/{/^```/d;p}' "$root/docs/library.md" >"$work/persist.py"
in_python() {
  python3 "$work/persist.py" "$work/python" >"$work/out" 2>&1 && diff -u "$root/tests/install/expected/$1" "$work/out"
}
check "persist in Python" in_python persist
check "persist in Python again" in_python persist-again

check "amalgamate" "$root/tools/amalgamate" "$work"
for compiler in cc clang; do
  command -v $compiler >/dev/null || continue
  check "gesso.c with $compiler" $compiler -std=gnu11 -O1 -Wall -Wextra -Werror -c "$work/gesso.c" -o "$work/gesso.o"
  mkdir -p "$work/gesso"
  cp "$work/gesso.h" "$work/gesso/gesso.h"
  for example in sync observe undo; do
    check "build $example from one file" $compiler -std=c99 -I"$work" "$root/examples/$example.c" "$work/gesso.o" -lm -o "$work/$example"
    check "run $example from one file" same "$work/$example" "$example"
  done
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
