#!/usr/bin/env python3
"""Clients that nobody here wrote, through the published ports: psycopg 3, threads in a closed loop, one insert each, a
new connection a moment after an error, and no limit on any wait. Prints one line for every event: when the first, the
median and the last client wrote again, how many hang, and each client's time.

A client's time is the longest one between two of its acknowledgements around an event: from the last before to the
first after. One that has written nothing since the event hangs; it is left hanging, and another takes its number.

By itself, the command being the event:

    python3 clients.py --times 30 --between "pgha heal" --pause 10 "$(pgha dsn rw)" -- pgha inject kill --target primary

With `--stdin` somebody else makes the events: `begin NAME` and `end` on the input, a line of answer for each `end`.

Where psycopg is missing the clients are psql, one process each, fed a statement at a time.

What needs saying of psycopg: it goes through the hosts of a connection string itself, each by an attempt of libpq of
its own, and gives up on one that does not answer after 130 s where nothing is said (`connect_timeout`).
"""

import argparse
import re
import shlex
import statistics
import subprocess
import sys
import threading
import time

try:
    import psycopg
except ImportError:
    psycopg = None

# between two looks at whether everybody is back, and how many writes in a row say so
LOOK_SECONDS, RUN = 0.02, 3


class Psql:
    """A session of psql that is fed a statement at a time and ends with its connection."""

    def __init__(self, dsn):
        words = ["psql", "--no-psqlrc", "--dbname", dsn]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(words, text=True, bufsize=1, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def execute(self, statement):
        try:
            self.process.stdin.write(statement + ";\n")
            answer = self.process.stdout.readline()
        except OSError as problem:
            answer = str(problem)
        if not answer.startswith(("INSERT", "CREATE")):
            self.process.kill()
            raise ConnectionError(answer + self.process.stderr.read())


def connect(dsn):
    return psycopg.connect(dsn, autocommit=True) if psycopg else Psql(dsn)


PROBLEMS = (ConnectionError, psycopg.Error) if psycopg else (ConnectionError,)


class Client:
    """One client; `acks` are the instants at which its inserts were acknowledged."""

    def __init__(self, number, dsn, reconnect):
        self.number, self.dsn, self.reconnect = number, dsn, reconnect
        self.acks, self.errors, self.last_error = [], 0, ""
        self.given_up = False
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while not self.given_up:
            try:
                with connect(self.dsn) as connection:
                    while not self.given_up:
                        connection.execute(f"insert into pgha_foreign (client) values ({self.number})")
                        self.acks.append(time.monotonic())
            except PROBLEMS as problem:
                self.errors += 1
                self.last_error = str(problem).strip().splitlines()[0] if str(problem).strip() else repr(problem)
                time.sleep(self.reconnect)

    def since(self, instant):
        """How many acknowledgements are younger; the newest are looked at first."""
        count = 0
        for ack in reversed(self.acks):
            if ack <= instant:
                break
            count += 1
        return count

    def silence(self, begin):
        """The longest time between two acknowledgements of which the later one came after `begin`."""
        acks = list(self.acks)
        young = self.since(begin)
        around = acks[max(0, len(acks) - young - 1) :]
        gaps = [later - earlier for earlier, later in zip(around, around[1:])]
        return max(gaps, default=0.0)


class Clients:
    def __init__(self, args):
        self.args = args
        prepare(args.dsn)
        self.all = [self.client(number) for number in range(args.clients)]
        deadline = time.monotonic() + 60
        while not all(client.acks for client in self.all):
            if time.monotonic() > deadline:
                raise SystemExit("not every client wrote within a minute")
            time.sleep(LOOK_SECONDS)
        self.begun = ("", time.monotonic())

    def client(self, number):
        return Client(number, self.args.dsn, self.args.reconnect)

    def begin(self, name):
        self.begun = (name, time.monotonic())

    def end(self):
        """The event has happened: waits until everybody is back, and says how long each was away."""
        name, begin = self.begun
        happened = time.monotonic()
        settled = happened + self.args.settle
        while True:
            away = [client for client in self.all if client.since(happened) < RUN]
            now = time.monotonic()
            # one that wrote after the event and is silent again is still away
            away += [c for c in self.all if c not in away and now - c.acks[-1] > 1.0]
            if (not away and now >= settled) or now >= max(settled, happened + self.args.hang):
                break
            time.sleep(LOOK_SECONDS)
        return self.said(name, begin, away)

    def said(self, name, begin, hung):
        times = {client.number: client.silence(begin) for client in self.all if client not in hung}
        back = sorted(times.values())
        figures = "nobody is back"
        if back:
            figures = f"first {back[0]:.3f} s, median {statistics.median(back):.3f} s, last {back[-1]:.3f} s"
        each = " ".join("hung" if c in hung else f"{times[c.number]:.3f}" for c in self.all)
        line = f"{name}: {figures}, hung {len(hung)} | {each}"
        for client in hung:
            line += f" | client {client.number} was last told: {client.last_error or 'nothing'}"
            client.given_up = True
            self.all[client.number] = self.client(client.number)
        return line, len(hung)


def prepare(dsn):
    with connect(dsn) as connection:
        table = "pgha_foreign (id bigserial, client int, at timestamptz default now())"
        connection.execute(f"create table if not exists {table}")


def without_limit(dsn):
    """`pgha dsn` prints a limit for the connection; these clients have none."""
    dsn = re.sub(r"([?&])connect_timeout=\d+&?", r"\1", dsn).rstrip("?&")
    return re.sub(r"\s*\bconnect_timeout=\d+", "", dsn)


def until_done(words):
    """A command that may have to be tried more than once until the lab is ready for it."""
    deadline = time.monotonic() + 120
    while subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise SystemExit(f"{shlex.join(words)} did not succeed within two minutes")
        time.sleep(1)


def by_command(clients, args):
    hung, lasts = 0, []
    for number in range(1, args.times + 1):
        if number > 1:
            if args.between:
                until_done(shlex.split(args.between))
            time.sleep(args.pause)
        clients.begin(f"{args.name}-{number}")
        event = subprocess.run(args.event, stdout=subprocess.DEVNULL, check=False)
        if event.returncode != 0:
            raise SystemExit(f"{shlex.join(args.event)} ended with {event.returncode}")
        line, left = clients.end()
        hung += left
        last = re.search(r"last ([\d.]+) s", line)
        lasts += [float(last.group(1))] if last else []
        print(line, flush=True)
    if lasts:
        print(f"{args.times} events: last back p50 {statistics.median(lasts):.3f} s, max {max(lasts):.3f} s, hung {hung}")
    return hung


def by_input(clients):
    hung = 0
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, name = line.strip().partition(" ")
        if word == "begin":
            clients.begin(name)
        elif word == "end":
            said, left = clients.end()
            hung += left
            print(said, flush=True)
    return hung


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="connection string; its connect_timeout is taken out unless --limit")
    parser.add_argument("event", nargs="*", help="the command that is the event, after --")
    parser.add_argument("--stdin", action="store_true", help="events are told on the input")
    parser.add_argument("--name", default="event", help="what its events are called")
    parser.add_argument("--times", type=int, default=10, help="how often")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--reconnect", type=float, default=0.005, help="seconds from an error to the next attempt")
    parser.add_argument("--hang", type=float, default=15, help="seconds after which a client counts as hung")
    parser.add_argument("--settle", type=float, default=3, help="seconds for which an event is looked at in any case")
    parser.add_argument("--pause", type=float, default=10, help="seconds between two events")
    parser.add_argument("--between", help="a command before the next event, tried until it succeeds")
    parser.add_argument("--limit", action="store_true", help="the connection string keeps its connect_timeout")
    args = parser.parse_args()
    if not args.limit:
        args.dsn = without_limit(args.dsn)
    if bool(args.event) == args.stdin:
        parser.error("either --stdin or a command after --")
    return args


def main():
    args = arguments()
    clients = Clients(args)
    hung = by_input(clients) if args.stdin else by_command(clients, args)
    sys.exit(1 if hung else 0)


main()
