#!/bin/sh
# The header compiles alone, in the oldest languages that it promises. C++ where there is a compiler for it.
set -eu
printf '#include "%s"\n' "$1" | cc -std=c99 -pedantic -Wall -Wextra -Werror -x c -fsyntax-only -
if command -v c++ >/dev/null 2>&1; then
  printf '#include "%s"\n' "$1" | c++ -std=c++11 -pedantic -Wall -Wextra -Werror -x c++ -fsyntax-only -
fi
