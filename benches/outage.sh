#!/usr/bin/env bash
# The write outage of a killed primary, preset beside preset, in turn: blocks of trials, one lab at a time, the fault
# at an instant of its own within Patroni's loop. Needs a Docker engine and the program, release build; founds labs
# of its own and takes them down again. Points and run directories are kept; points that stand are not made again.
#   benches/outage.sh DIR [BLOCKS] [PRESET:TRIALS]...      5 blocks of repair:6 and stock:2 unless told
set -euo pipefail
cd "$(dirname "$0")/.."

dir=$(mkdir -p "${1:?where to keep points and runs}" && cd "$1" && pwd)
blocks=${2:-5}
arms=("${@:3}")
[ ${#arms[@]} = 0 ] && arms=(repair:6 stock:2)
pgha=${PGHA:-target/release/pgha}
lab=outage
trap '"$pgha" down --lab "$lab" >/dev/null 2>&1 || true' EXIT
touch "$dir/points.jsonl"

# seconds from 4 to 14, the same for the same trial
phase() { python3 -c 'import random, sys; print(f"{random.Random(sys.argv[1]).uniform(4, 14):.2f}")' "$1"; }

for block in $(seq "$blocks"); do
    for arm in "${arms[@]}"; do
        preset=${arm%%:*} trials=${arm##*:} stands=no
        for trial in $(seq "$trials"); do
            name="$preset-$block-$trial"
            grep -q "\"trial\": \"$name\"" "$dir/points.jsonl" && continue
            [ "$stands" = yes ] || "$pgha" up --lab "$lab" --preset "$preset" >/dev/null 2>&1
            stands=yes
            at=$(phase "$name")
            # the lease has to run out where nobody proves the death
            down=$([ "$preset" = repair ] && echo 6 || echo 40)
            cat >"$dir/$name.toml" <<TOML
schema = 1
name = "outage-$preset"
about = "SIGKILL of the primary under 200 writes a second."
seed = $((block * 100 + trial))
timeout = "5m"
duration = "$(python3 -c "print(round($at + $down + 3, 2))")s"

[lab]
preset = "$preset"

[[load]]
name = "writer"
endpoint = "rw"
workload = "set"
model = "open"
rate = 200
connections = 8

[[step]]
id = "kill"
at = "${at}s"
for = "${down}s"
do.kill = { target = "primary", signal = "KILL" }

[[expect]]
outage = { endpoint = "rw", after = "kill", max = "60s" }
TOML
            "$pgha" run "$dir/$name.toml" --lab "$lab" --keep --runs "$dir/runs" -o json \
                >"$dir/report.json" 2>"$dir/said" || true
            python3 - "$dir/report.json" "$name" "$preset" "$at" <<'POINT' | tee -a "$dir/points.jsonl"
import json, sys
report, trial, preset, at = json.load(open(sys.argv[1])), *sys.argv[2:]
print(json.dumps({"trial": trial, "preset": preset, "at_s": float(at), "verdict": report["verdict"],
                  "outage_ms": report["endpoints"]["rw"]["outage_max_ms"], "lost": report["loss"]["lost"]}))
POINT
        done
        "$pgha" down --lab "$lab" >/dev/null 2>&1 || true
    done
done

python3 - "$dir/points.jsonl" <<'SUM'
import collections, json, random, statistics, sys
arms = collections.defaultdict(list)
for point in map(json.loads, open(sys.argv[1])):
    # a fail is a point, an unknown proves nothing
    if point["verdict"] != "unknown":
        arms[point["preset"]].append(point["outage_ms"])
for preset, points in arms.items():
    points.sort()
    p95 = points[min(len(points) - 1, int(0.95 * len(points)))]
    print(f"{preset}: {len(points)} points, {points[0]:.0f} to {points[-1]:.0f} ms, "
          f"median {statistics.median(points):.0f}, p95 {p95:.0f}")
if len(arms) == 2:
    chance = random.Random(1)
    (first, a), (second, b) = arms.items()
    median = lambda points: statistics.median(chance.choices(points, k=len(points)))
    ratios = sorted(median(b) / median(a) for _ in range(10000))
    print(f"{second} ÷ {first}: {statistics.median(b) / statistics.median(a):.1f}, "
          f"95 % {ratios[250]:.1f} to {ratios[9750]:.1f}")
SUM
