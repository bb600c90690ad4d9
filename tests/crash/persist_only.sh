#!/bin/sh
# Runs persist_only with every sync 2 s late: save, kill -9, load gives the same JSON; delete beats a
# pending save; flush_pending counts right; and no call takes longer than 1 ms.
# usage: persist_only.sh PERSIST_ONLY SLOW_SYNC_SO
set -eu
program=$1
GESSO_SYNC_DELAY_MS=${GESSO_SYNC_DELAY_MS:-2000}
export GESSO_SYNC_DELAY_MS
work=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill -9 "$pid" 2>/dev/null || :; rm -rf "$work"' EXIT

# A sanitizer's runtime insists on coming first.
preload=$2
asan=$(ldd "$program" | sed -n 's/.*=> \(.*lib[atu][sb]an.*\.so[^ ]*\) .*/\1/p' | tr '\n' ' ')
slow() { LD_PRELOAD="$asan$preload" "$program" "$@"; }

LD_PRELOAD="$asan$preload" "$program" write "$work/data" >"$work/written" 2>"$work/write.err" &
pid=$!
while ! grep -q '^saved$' "$work/written"; do
  if ! kill -0 "$pid" 2>/dev/null; then
    cat "$work/write.err"
    echo "write ended before it had saved" >&2
    pid=
    exit 1
  fi
  sleep 0.1
done
sleep 0.2
kill -9 "$pid"
wait "$pid" || :
pid=
cat "$work/write.err"
limit=$(sed -n 's/.*, \([0-9]*\) us of those left undisturbed/\1/p' "$work/write.err")
test "$limit" -le 1000

slow load "$work/data" >"$work/loaded"
grep -v '^saved$' "$work/written" | cmp - "$work/loaded"
echo "save, kill -9, load: the JSON is the same ($(wc -c <"$work/loaded") bytes)"

slow delete "$work/data"
GESSO_SYNC_FAIL="$work/fail" slow flush "$work/data" "$work/fail"
