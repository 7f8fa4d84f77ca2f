#!/usr/bin/env bash
# HAProxy 3.0.10 and 3.0.11: a session that is ended while it waits for its server connection never ends.
#
#   scenarios/found/haproxy-freezes-a-session.sh [path of haproxy]
#
# It needs HAProxy and bash. A client connects, its server refuses, HAProxy waits a second before it tries again
# (`retries`), and in that second the sessions of the server are shut down, as `on-marked-down shutdown-sessions` does.
# Expected: HAProxy closes the connection of the client. Seen with 3.0.11: the client side stays open without any
# expiry (`exp=` is empty), `shutdown session` does not end it, and it stays when the client has closed.
#
# Cause: 51611a5b7 (BUG/MEDIUM: stream: Fix a possible freeze during a forced shut on a stream) was backported to 3.0.10
# without 6365eb85e (MEDIUM: stream: Save SC and channel flags earlier in process_stream()). process_stream() shuts the
# stream down before it saves the flags, so it does not see what changed and never forwards the shutdown to the client.
# 3.2-dev at 51611a5b7 freezes, its parent and 6365eb85e do not; 3.0.11 with 6365eb85e applied does not either.
#
# Exit: 0 the session ended, 1 it froze, 3 it could not be tried.
set -euo pipefail
haproxy=${1:-haproxy}
command -v "$haproxy" >/dev/null || { echo "there is no $haproxy" >&2; exit 3; }
scratch=$(mktemp -d)
balancer=
ended() { [ -z "$balancer" ] || kill "$balancer" 2>/dev/null || true; rm -rf "$scratch"; }
trap ended EXIT

cat >"$scratch/haproxy.cfg" <<'CFG'
global
    stats socket ipv4@127.0.0.1:17999 level admin
defaults
    mode tcp
    retries 3
    timeout connect 4s
    timeout client 30s
    timeout server 30s
listen service
    bind 127.0.0.1:17000
    # nobody listens there
    server dead 127.0.0.1:17001
CFG
say() {
    exec 4<>/dev/tcp/127.0.0.1/17999
    printf '%s\n' "$1" >&4
    cat <&4
    exec 4<&- 4>&-
}
sessions() { say 'show sess' | grep 'fe=service' || true; }

version=$("$haproxy" -v)
echo "${version%%$'\n'*}"
"$haproxy" -db -f "$scratch/haproxy.cfg" >"$scratch/log" 2>&1 &
balancer=$!
for _ in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/17999) 2>/dev/null && break; sleep 0.1; done

exec 3<>/dev/tcp/127.0.0.1/17000
printf 'a question' >&3
sleep 0.3
echo "before: $(sessions)"
say 'shutdown sessions server service/dead' >/dev/null
# a session that is not frozen ends at once, or with the next try of its connection after a second
sleep 3
after=$(sessions)
echo "after:  ${after:-no session}"
if [ -z "$after" ]; then
    echo "the session ended"
    exit 0
fi
say "shutdown session ${after%%:*}" >/dev/null
exec 3<&- 3>&-
sleep 3
left=$(sessions)
echo "3 s after its client has closed: ${left:-no session}"
echo "the session froze"
exit 1
