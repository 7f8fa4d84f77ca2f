#!/usr/bin/env python3
"""A repair controller that is not pgha's: the least that keeps the contract of docs/src/own-controller.md.

It shares no code with pgha. Whoever leads and lies dead is fenced, its key released by a transaction that compares
everything it rests on; whoever lies dead and does not lead is started. Balancers are left to their health checks.
"""

import base64
import http.server
import json
import threading
import time
import urllib.request

with open("/etc/pgha/controller.json", encoding="utf-8") as file:
    PLAN = json.load(file)
LAB = PLAN["spec"]["name"]
# Patroni's leader key, and the one by which the replicas of this controller agree
LEADER = f"/service/{LAB}/leader"
OWN = f"/pgha/{LAB}/controllers/{PLAN['controller']}/leader"
LEASE_SECONDS = 4
DEED_SECONDS = 20
DEAD = ("created", "exited", "dead")

wake = threading.Event()
token = None
done = "nothing was to be done"
status = {"active": False, "step": "begin", "reason": "no look yet", "subject": None}


def say(step, reason, subject=None):
    """What `/status` shows, and a line of the journal when it is news."""
    global status
    now = {"active": token is not None, "step": step, "reason": reason, "subject": subject}
    if now != status:
        print(json.dumps(now), flush=True)
    status = now


def ask(url, body=None, headers=None, timeout=3):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


def etcd(path, body):
    """The JSON gateway of whichever member answers."""
    problem = RuntimeError("the plan names no etcd")
    for address in PLAN["etcd"]:
        try:
            return ask(f"http://{address}/v3/{path}", body)
        except OSError as error:
            problem = error
    raise problem


def text(plain):
    return base64.b64encode(plain.encode()).decode()


def get(key):
    """A key, linearizably: value, revision that wrote it, lease."""
    found = etcd("kv/range", {"key": text(key)}).get("kvs")
    if not found:
        return None
    value = base64.b64decode(found[0]["value"]).decode()
    return value, int(found[0]["mod_revision"]), int(found[0].get("lease", 0))


def written_by(key, revision):
    return {"key": text(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}


def broker(path, body=None, timeout=DEED_SECONDS):
    door = PLAN["broker"]
    secret = {"Authorization": f"Bearer {door['secret']}"}
    return ask(f"http://{door['address']}/v1/{path}", body, secret, timeout)


def order(deed, revision):
    deadline = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + DEED_SECONDS * 10**9
    return broker("orders", {"token": {"key": OWN, "revision": revision}, "deadline": deadline, "deed": deed})


def campaign():
    """Keeps a lease and, while the key is free, writes it; for ever."""
    global token
    lease = None
    while True:
        try:
            if lease and int(etcd("lease/keepalive", {"ID": lease})["result"].get("TTL", 0)) == 0:
                lease = None
            lease = lease or etcd("lease/grant", {"TTL": str(LEASE_SECONDS)})["ID"]
            mine = {"key": text(OWN), "value": text(PLAN["replica"]), "lease": lease}
            etcd("kv/txn", {"compare": [written_by(OWN, 0)], "success": [{"requestPut": mine}]})
            held = get(OWN)
            token = held[1] if held and held[2] == int(lease) else None
        except (OSError, RuntimeError, KeyError):
            token = None  # not knowing is not leading
        time.sleep(1)


def listen():
    """Events only wake; what is, is in the list of bodies."""
    door = PLAN["broker"]
    request = urllib.request.Request(f"http://{door['address']}/v1/events")
    request.add_header("Authorization", f"Bearer {door['secret']}")
    while True:
        try:
            with urllib.request.urlopen(request) as events:
                for _ in events:
                    wake.set()
        except OSError:
            time.sleep(1)


def release(name, revision, lease, mine):
    """The key of a dead leader goes, if it is the one that was seen and this replica still acts."""
    global done
    compare = [
        {"key": text(LEADER), "target": "VALUE", "result": "EQUAL", "value": text(name)},
        written_by(LEADER, revision),
        written_by(OWN, mine),
    ]
    gone = etcd("kv/txn", {"compare": compare, "success": [{"requestDeleteRange": {"key": text(LEADER)}}]})
    if gone.get("succeeded"):
        etcd("lease/revoke", {"ID": str(lease)})
        done = f"{name} was proved dead and its key was released"


def turn(mine):
    bodies = broker("bodies", timeout=3)
    leader = get(LEADER)
    if not leader:
        return say("elect", f"nobody holds the leader key: Patroni elects; {done}")
    name, revision, lease = leader
    found = bodies["members"].get(name, [])
    if len(found) != 1:
        return say("refuse", "which container leads is not certain", name)
    if found[0]["status"] in DEAD:
        say("fence", "its body does not run: it must be proved dead", name)
        answer = order({"fence": {"container": found[0]["id"]}}, mine)
        proof = answer.get("proof", {}) if isinstance(answer, dict) else {}
        if proof.get("level") == "dead":
            say("release", proof["evidence"], name)
            release(name, revision, lease, mine)
        return wake.set()
    for member in bodies["placed"]:
        lies = [body for body in bodies["members"].get(member["id"], []) if body["status"] in DEAD]
        if member["service"] == "postgres" and member["id"] != name and len(lies) == 1:
            say("start", f"its body does not run and {name} leads", member["id"])
            order({"start": {"container": lies[0]["id"]}}, mine)
    return say("watch", f"{name} leads; {done}", name)


class Board(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pages = {"/healthz": "ok", "/status": json.dumps(status)}
        page = pages.get(self.path, "")
        self.send_response(200 if page else 404)
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_):
        pass


def serve():
    host, port = PLAN["listen"].rsplit(":", 1)
    http.server.ThreadingHTTPServer((host, int(port)), Board).serve_forever()


for task in (campaign, listen, serve):
    threading.Thread(target=task, daemon=True).start()
while True:
    wake.clear()
    acts = token
    try:
        if acts is None:
            say("standby", "another replica acts, or nobody can say")
        else:
            turn(acts)
    except (OSError, RuntimeError, KeyError, ValueError) as problem:
        say("blind", f"{type(problem).__name__}: {problem}")
    wake.wait(1)
