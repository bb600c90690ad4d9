#!/bin/sh
# Runs persist_only with every sync 2 s late: save, kill -9, load gives the same JSON; delete beats a
# pending save; flush_pending counts right; and no call takes longer than 1 ms.
# usage: persist_only.sh PERSIST_ONLY SLOW_SYNC_SO
#
# GESSO_CALL_MAX_US=n puts another limit in the place of 1 ms: the suite that every change runs through must
# not fail because a machine is busy, so it only asks that no call waits for a sync.
set -eu
program=$1
GESSO_SYNC_DELAY_MS=${GESSO_SYNC_DELAY_MS:-2000}
export GESSO_SYNC_DELAY_MS
GESSO_CALL_MAX_US=${GESSO_CALL_MAX_US:-1000}
export GESSO_CALL_MAX_US
work=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill -9 "$pid" 2>/dev/null || :; rm -rf "$work"' EXIT

# A sanitizer's runtime insists on coming first.
preload=$2
asan=$(ldd "$program" | sed -n 's/.*=> \(.*lib[atu][sb]an.*\.so[^ ]*\) .*/\1/p' | tr '\n' ' ')
slow() { LD_PRELOAD="$asan$preload" "$program" "$@"; }

# A store that waits for the disk is slow every time; a machine that is busy with other things holds
# up a call now and then. So exit 3, a slow call, is believed when it comes three times.
thrice() {
  for attempt in 1 2 3; do
    "$@" && return 0 || status=$?
    test "$status" -eq 3 || return "$status"
    echo "attempt $attempt: a call took longer than $GESSO_CALL_MAX_US us" >&2
  done
  return 3
}

write_and_kill() {
  rm -rf "$work/data"
  LD_PRELOAD="$asan$preload" "$program" write "$work/data" >"$work/written" 2>"$work/write.err" &
  pid=$!
  while ! grep -q '^longest' "$work/written"; do
    if ! kill -0 "$pid" 2>/dev/null; then
      cat "$work/write.err" >&2
      pid=
      return 1
    fi
    sleep 0.1
  done
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || :
  pid=
  cat "$work/write.err"
  slow_us=$(sed -n 's/^longest //p' "$work/written")
  test "$slow_us" -le "$GESSO_CALL_MAX_US" || return 3
}
thrice write_and_kill

load() { slow load "$work/data" >"$work/loaded"; }
thrice load
grep -v '^longest' "$work/written" | cmp - "$work/loaded"
echo "save, kill -9, load: the JSON is the same ($(wc -c <"$work/loaded") bytes)"

delete() {
  rm -rf "$work/data2"
  slow delete "$work/data2"
}
thrice delete
flush() {
  rm -rf "$work/data3" "$work/fail"
  GESSO_SYNC_FAIL="$work/fail" slow flush "$work/data3" "$work/fail"
}
thrice flush
