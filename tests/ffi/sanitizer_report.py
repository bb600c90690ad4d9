#!/usr/bin/env python3
"""Sorts what the sanitizers said of a run of y-crdt's tests: sanitizer_report.py FILE

An error whose innermost frame outside the sanitizer is in main.cpp is one of the tests. A leak is one of the tests when
a function of libyrs handed the memory out: the innermost frame that is in main.cpp called a y* function or malloc. A
leak without main.cpp in its stack, and any other error, is ours. Exit status 1 when there is one of ours."""
import collections
import re
import sys


def blocks(text):
    """Error reports, and leaks one by one."""
    found = re.split(r"(?m)^(?=(?:==\d+==ERROR|Direct leak|Indirect leak|.*runtime error:))", text)
    return [b for b in found if re.match(r"(==\d+==ERROR: Addr|Direct leak|Indirect leak|.*runtime error:)", b)]


def main():
    with open(sys.argv[1], encoding="utf-8", errors="replace") as report:
        text = report.read()
    ours, leaks, errors = [], collections.Counter(), collections.Counter()
    for block in blocks(text):
        # The first stack of a report is where it happened, or where the memory came from.
        frames = []
        for line in block.split("\n"):
            frame = re.match(r"\s+#(\d+) 0x\w+ in (\S+).*?(\S*)$", line)
            if frame and (frame[1] != "0" or not frames):
                frames.append((frame[2], frame[3]))
            elif frames:
                break
        own = [f for f in frames if "main.cpp" in f[1]]
        inner = [f for f in frames if "main.cpp" not in f[1] and not re.match(r"__|(malloc|calloc|realloc|free|str|mem)", f[0])]
        if re.match(r"(Direct|Indirect) leak", block):
            if own:
                leaks[own[0][1].split("/")[-1]] += 1
            else:
                ours.append(block)
        elif own and frames and (not inner or frames.index(own[0]) < frames.index(inner[0])):
            errors[own[0][1].split("/")[-1]] += 1
        elif "main.cpp" in block.split("\n")[0]:
            errors[block.split(":")[1]] += 1
        else:
            ours.append(block)
    print(f"sanitizers: {sum(errors.values())} errors inside the tests at {', '.join(sorted(errors)) or 'no place'}")
    print(f"sanitizers: {sum(leaks.values())} leaked blocks that the tests were given, at {len(leaks)} places:")
    print("  " + " ".join(f"{place}({n})" for place, n in sorted(leaks.items())))
    print(f"sanitizers: {len(ours)} reports about the library")
    for block in ours:
        print(block)
    return 1 if ours else 0


sys.exit(main())
