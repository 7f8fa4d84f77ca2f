#!/usr/bin/env bash
# The load generator beside pgbench: the same transactions, clients, host and balancer, closed loop, in
# turn (A B B A …). Needs a Docker engine and the program, release build; founds a lab of its own and takes
# it down again.
#   benches/pgbench.sh [PAIRS] [SECONDS]        5 pairs of 10 seconds unless told
set -euo pipefail
cd "$(dirname "$0")/.."

pairs=${1:-5}
seconds=${2:-10}
pgha=${PGHA:-target/release/pgha}
lab=pgbench
work=$(mktemp -d)
trap '"$pgha" down --lab "$lab" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

for load in "tpcb 2" "select 4"; do
    read -r workload clients <<<"$load"
    cat >"$work/$workload.toml" <<TOML
schema = 1
name = "$workload"
about = "As many as $clients clients can."
seed = 1
duration = "${seconds}s"
timeout = "10m"
load = [{ name = "clients", endpoint = "rw", workload = "$workload", model = "closed", clients = $clients, record = "histogram" }]
TOML
done

"$pgha" up --lab "$lab" --preset stock
inspect() { docker inspect --format "$1" "$2"; }
image=$(inspect '{{.Config.Image}}' "pgha-$lab-postgres-1")
host=$(inspect '{{index .Config.Labels "pgha.host"}}' "pgha-$lab-balancer-1")
balancer=$(inspect '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "pgha-$lab-host-$host")
password=$("$pgha" dsn rw --lab "$lab" | sed -E 's#.*://[^:]*:([^@]*)@.*#\1#')

# pgbench on the host of the generator; the password is in no command line
pgbench() {
    docker run --rm --network "container:pgha-$lab-host-client" --env PGPASSWORD --entrypoint bash "$image" \
        -c "exec /usr/lib/postgresql/*/bin/pgbench $* 'host=$balancer port=5432 user=pgha dbname=pgha'"
}
export PGPASSWORD=$password

ours() {
    "$pgha" run "$work/$1.toml" --lab "$lab" --runs "$work/runs" -o json 2>"$work/said" >"$work/report.json" || true
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["loads"][0]["throughput"])' "$work/report.json"
}
theirs() {
    local how=""
    [ "$1" = select ] && how="-S"
    pgbench -n $how -M prepared -j 1 -c "$2" -T "$seconds" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

pgbench -i -q -s 1 >/dev/null 2>&1
for load in "tpcb 2" "select 4"; do
    read -r workload clients <<<"$load"
    for pair in $(seq "$pairs"); do
        if [ $((pair % 2)) = 1 ]; then
            a=$(ours "$workload") b=$(theirs "$workload" "$clients")
        else
            b=$(theirs "$workload" "$clients") a=$(ours "$workload")
        fi
        awk -v w="$workload" -v c="$clients" -v a="$a" -v b="$b" -v n="$pair" \
            'BEGIN { printf "%s, %d clients, pair %d: pgha %.0f, pgbench %.0f a second, ratio %.3f\n", w, c, n, a, b, a / b }'
    done
done
