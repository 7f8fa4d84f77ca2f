#!/usr/bin/env python3
"""What `pgha check` costs as a whole: CPU and peak memory of the process, medians of five, programs in turn.

    cargo bench --bench runs -- /tmp/runs
    benches/judge.py /tmp/runs target/release/pgha [another program ...]

Prints one line for each run directory and program. A program that ends in anything but *pass* is said.
"""

import os
import statistics
import sys
from pathlib import Path

TIMES = 5


def once(program, run):
    """CPU seconds, peak in MiB and exit code of one check."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    child = os.posix_spawn(
        program,
        [program, "check", str(run)],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)],
    )
    os.close(nowhere)
    _, status, used = os.wait4(child, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def main(runs, programs):
    print("| run | program | CPU, s | each | peak, MiB | exit |")
    print("|---|---|---|---|---|---|")
    for run in sorted(Path(runs).iterdir(), key=lambda run: (run.name.split("-")[0], len(run.name))):
        seen = {program: [] for program in programs}
        for turn in range(TIMES):
            # A B, B A, A B …
            for program in programs[:: 1 if turn % 2 == 0 else -1]:
                seen[program].append(once(program, run))
        for program, points in seen.items():
            cpu, peak, ends = zip(*points)
            each = " ".join(f"{seconds:.2f}" for seconds in cpu)
            codes = "/".join(sorted({str(code) for code in ends}))
            middle = statistics.median(cpu)
            print(f"| {run.name} | {program} | {middle:.2f} | {each} | {statistics.median(peak):.0f} | {codes} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
