//! A run of every workload and of every other thing a checker looks at: one it accepts and ones it refuses,
//! with the exact finding. Each tale spoils one thing; the same are stored in `tests/histories`.

use pgha::check::judge;
use pgha::history::{Answer, Asked, Counted, Event, FinalRead, Mop, Outcome, Phase, RegisterOp};
use pgha::model::sighting::EngineEvent;
use pgha::model::{Lsn, Mono, Sight};
use serde_json::{Value, json};

use crate::refusals::{clients, stuck};
use crate::story::{MS, Plan, Story, ZERO, error, name, tell};

/// How an operation of a tale ended.
#[derive(Clone)]
pub enum End {
    Ok(&'static str, u32, Option<Answer>),
    Fail,
    Info,
}

/// One operation of a tale: when it was sent and ended (milliseconds), its worker, what it asked, its end.
pub type Did = (u64, u64, u32, Option<Asked>, End);

/// Adds a load and what it did to a story; what it left is read on every node in the end.
pub fn add(story: &mut Story, load: Value, deeds: Vec<Did>) -> u32 {
    let number = u32::try_from(story.scenario.loads.len()).expect("few loads");
    story.scenario.loads.push(serde_json::from_value(load).expect("a load"));
    story.events.push(Event::Prepared { t: Mono(ZERO), l: number, rows: 0 });
    let mut marks = Vec::new();
    for (op, (sent, ended, worker, asked, end)) in (0..).zip(deeds) {
        let (sent, ended) = (Mono(ZERO + sent * MS), Mono(ZERO + ended * MS));
        let kept = matches!(end, End::Ok(..));
        let outcome = match end {
            End::Ok(node, timeline, answer) => {
                let ack = pgha::history::Ack {
                    n: Some(name(node)),
                    tl: Some(timeline),
                    sys: Some("7300".to_owned()),
                    v: answer.map(Box::new),
                    ..pgha::history::Ack::default()
                };
                Outcome::Ok(ack)
            }
            End::Fail => Outcome::Fail(error("40001")),
            End::Info => Outcome::Info(error("eof")),
        };
        let left = match &asked {
            Some(Asked::Txn(steps)) => steps
                .iter()
                .filter_map(|step| match step {
                    Mop::Append(_, element) => Some(*element),
                    Mop::Read(..) => None,
                })
                .collect(),
            Some(Asked::Transfer { .. }) | None => vec![op],
            Some(_) => vec![],
        };
        marks.extend(left.into_iter().filter(|_| kept));
        let q = asked.map(Box::new);
        story.events.push(Event::Invoke { t: sent, l: number, o: op, w: worker, i: sent, q, c: None });
        story.events.push(Event::done(ended, number, op, outcome));
    }
    let first =
        story.reads().into_iter().filter(|read| read.l == 0).map(|read| read.clone()).collect::<Vec<_>>();
    for read in first {
        let read = FinalRead { l: number, rows: Some(marks.clone()), ..read };
        story.events.push(Event::FinalRead(Box::new(read)));
    }
    number
}

pub fn calm() -> Story {
    tell(&Plan { kill: false, ..Plan::small() })
}

pub fn ok(answer: Answer) -> End {
    End::Ok("postgres-1", 1, Some(answer))
}

/// A transaction with what it was answered; ten of its own precede a tale, so that there is a baseline.
pub fn txn(sent: u64, steps: Vec<Mop>) -> Did {
    (sent, sent + 1, 0, Some(Asked::Txn(asked(&steps))), ok(Answer::Txn(steps)))
}

pub fn asked(steps: &[Mop]) -> Vec<Mop> {
    let ask = |step: &Mop| match step {
        Mop::Read(key, _) => Mop::Read(*key, None),
        Mop::Append(..) => step.clone(),
    };
    steps.iter().map(ask).collect()
}

pub fn a(key: u64, element: u64) -> Mop {
    Mop::Append(key, element)
}

pub fn r(key: u64, list: &[u64]) -> Mop {
    Mop::Read(key, Some(list.to_vec()))
}

pub fn appends(deeds: Vec<Did>, level: &str) -> Story {
    let mut story = calm();
    let before = (0..10).map(|n| txn(n, vec![a(1000 + n, 1000 + n)]));
    add(
        &mut story,
        json!({ "name": "lists", "endpoint": "rw", "workload": "append" }),
        before.chain(deeds).collect(),
    );
    story.expect(json!({ "isolation": { "level": level } }));
    story
}

pub fn bank(totals: &[&[i64]]) -> Story {
    let mut story = calm();
    let transfer = |n: u64| {
        (n, n + 1, 0, Some(Asked::Transfer { from: 0, to: 1, amount: 1 }), End::Ok("postgres-1", 1, None))
    };
    let reads = (20..).zip(totals).map(|(at, balances): (u64, _)| {
        (at, at + 1, 1, Some(Asked::Read), ok(Answer::Balances(balances.to_vec())))
    });
    add(
        &mut story,
        json!({ "name": "bank", "endpoint": "rw", "workload": "bank" }),
        (0..10).map(transfer).chain(reads).collect(),
    );
    story
}

pub fn register(deeds: Vec<(u64, u64, RegisterOp, End)>) -> Story {
    let mut story = calm();
    let before = (0..10).map(|n| {
        (
            n,
            n + 1,
            0,
            Some(Asked::Register(RegisterOp::Write { k: 1000 + n, v: 7 })),
            End::Ok("postgres-1", 1, None),
        )
    });
    let deeds =
        deeds.into_iter().map(|(sent, ended, op, end)| (sent, ended, 1, Some(Asked::Register(op)), end));
    add(
        &mut story,
        json!({ "name": "keys", "endpoint": "rw", "workload": "register" }),
        before.chain(deeds).collect(),
    );
    story
}

/// Two writes of one key, and a replica that shows the first between them.
pub fn register_on_a_replica() -> Story {
    let mut story = register(vec![(20, 21, write(1), done()), (60, 61, write(2), done())]);
    let load = json!({ "name": "replica-eyes", "endpoint": "ro", "workload": "register", "of": "keys" });
    let read = |at: u64| {
        let seen = End::Ok("postgres-2", 1, Some(Answer::Value(Some(1))));
        (at, at + 1, 5, Some(Asked::Register(READ)), seen)
    };
    add(&mut story, load, (30..45).map(read).collect());
    story
}

const fn write(v: i64) -> RegisterOp {
    RegisterOp::Write { k: 1, v }
}

const READ: RegisterOp = RegisterOp::Read { k: 1 };

pub const fn done() -> End {
    End::Ok("postgres-1", 1, None)
}

pub fn value(v: Option<i64>) -> End {
    ok(Answer::Value(v))
}

/// A heartbeat every 10 ms, acknowledged after 1 ms; reads at 100 ms, each seeing what is given.
pub fn fresh(reads: &[(u64, u32, Option<u64>)]) -> Story {
    let mut story = calm();
    let beats = (0..20).map(|n| (n * 10, n * 10 + 1, 0, None, End::Ok("postgres-1", 1, None)));
    add(&mut story, json!({ "name": "beat", "endpoint": "rw", "workload": "freshness" }), beats.collect());
    let before = (0..10).map(|n| (10, 11, 100 + n, Some(1)));
    let reads = before.chain(reads.iter().map(|(at, worker, seen)| (*at, at + 1, *worker, *seen)));
    let reads = reads.map(|(sent, ended, worker, seen)| {
        (sent, ended, worker, Some(Asked::Read), End::Ok("postgres-2", 1, Some(Answer::Heartbeat(seen))))
    });
    add(
        &mut story,
        json!({ "name": "eyes", "endpoint": "ro", "workload": "freshness", "of": "beat" }),
        reads.collect(),
    );
    story
}

fn lagging(bytes: u64) -> Story {
    let mut story = calm();
    for seen in &mut story.sightings {
        for (member, postgres) in &mut seen.postgres {
            let Sight::Seen(sql) = &mut postgres.sql else { continue };
            sql.lsn = Some(Lsn(10_000));
            sql.replayed = (member.as_str() != "postgres-1").then_some(Lsn(10_000 - bytes));
        }
    }
    story.expect(json!({ "lag": { "max": "1KiB" } }));
    story
}

fn asking(expects: &[Value]) -> Story {
    let mut story = tell(&Plan::small());
    for expect in expects {
        story.expect(expect.clone());
    }
    story
}

fn streaming(member: usize, there: bool) -> Story {
    let mut story = asking(&[json!({ "redundancy": { "after": "kill", "within": "3s" } })]);
    for seen in story.sightings.iter_mut().skip(1).take(member) {
        for postgres in seen.postgres.values_mut() {
            let Sight::Seen(sql) = &mut postgres.sql else { continue };
            if !there {
                sql.streaming.retain(|name| name != "postgres-1");
            }
        }
    }
    story
}

/// A run that keeps everything: the engine told of the kill and of the start, logs are there, nobody found a secret.
pub fn kept() -> Story {
    let mut story = tell(&Plan::small());
    story.resolved.edition = 1;
    story.events.push(Event::Searched { t: Mono(ZERO), files: 9, found: vec![] });
    let last = story.sightings.last().expect("a look").at;
    story.events.push(Event::Phase { t: last, phase: Phase::FinalReads });
    story.logs.insert(name("postgres-1"), "LOG: ready\n".to_owned());
    let (began, healed) = {
        let fault = story.fault();
        (fault.began.expect("injected"), fault.healed.expect("healed"))
    };
    happened(&mut story, began, "kill", "postgres-1");
    happened(&mut story, began, "die", "postgres-1");
    happened(&mut story, healed, "start", "postgres-1");
    story
}

fn happened(story: &mut Story, at: Mono, action: &str, member: &str) {
    let event = EngineEvent {
        at,
        happened: None,
        action: action.to_owned(),
        id: "id-3".to_owned(),
        member: member.to_owned(),
        service: "postgres".to_owned(),
    };
    story.sightings.first_mut().expect("a look").events.push(event);
}

fn last_heard(story: &mut Story) -> &mut EngineEvent {
    story.sightings.first_mut().expect("a look").events.last_mut().expect("an event")
}

/// The runner was too busy to hear of it at once.
fn heard_late(story: &mut Story) {
    let event = last_heard(story);
    event.happened = Some(event.at);
    event.at = Mono(event.at.0 + 4_500 * MS);
}

/// A lab with a repair controller whose broker started `postgres-2`; with or without a decision that says so.
fn ordered(story: &mut Story, decided: bool) {
    let at = unhealed_body(100);
    let controller = json!({ "name": "repair", "replicas": 1, "image": "pgha" });
    story.resolved.lab.controllers = vec![serde_json::from_value(controller).expect("a controller")];
    let member = json!({ "id": "repair-1", "service": "controller", "host": "h5",
        "size": { "cpus": 1.0, "memory": "128MiB", "disk": "0B" } });
    story.resolved.members.push(serde_json::from_value(member).expect("a member"));
    let start = json!({ "start": { "member": "postgres-2", "container": "id-3" } });
    let steps = if decided { vec![start] } else { vec![] };
    let decision = json!({ "entry": "decided", "at": at.0 - MS, "looked": at.0 - 2 * MS, "step": "start",
        "subject": "postgres-2", "reason": "its body is there and does not run", "alarms": [], "steps": steps });
    let token = json!({ "key": "/pgha/lab/controllers/repair/leader", "revision": 7 });
    let order =
        json!({ "token": token, "deadline": at.0 + 1000 * MS, "deed": { "start": { "container": "id-3" } } });
    let brokered = json!({ "began": at.0, "at": at.0 + MS, "order": order, "answer": "done" });
    story.logs.insert(name("repair-1"), format!("2026-01-01T00:00:00Z {decision}\n"));
    story.logs.insert(name("broker"), format!("2026-01-01T00:00:00Z {brokered}\nfor people\n"));
    happened(story, at, "start", "postgres-2");
}

/// The same lab, in which a balancer more was wanted, and `balancer-1` was taken out as it ran.
fn numbered(story: &mut Story) {
    ordered(story, true);
    let at = unhealed_body(100);
    let token = json!({ "key": "/pgha/lab/controllers/repair/leader", "revision": 7 });
    let log = story.logs.get_mut("broker").expect("its log");
    let scale = json!({ "scale": { "service": "balancer", "generation": 1, "count": 5, "leaving": [] } });
    for deed in [scale, json!({ "retire": { "member": "balancer-1" } })] {
        let order = json!({ "token": token, "deadline": at.0 + 1000 * MS, "deed": deed });
        let brokered = json!({ "began": at.0, "at": at.0 + MS, "order": order, "answer": "done" });
        *log = format!("{log}2026-01-01T00:00:00Z {brokered}\n");
    }
    let steps = json!([{ "scale": { "service": "balancer" } }, { "retire": { "member": "balancer-1" } }]);
    let decision = json!({ "entry": "decided", "at": at.0 - MS, "looked": at.0 - 2 * MS, "step": "retire",
        "subject": "balancer-1", "reason": "it is one too many", "alarms": [], "steps": steps });
    let own = story.logs.get_mut("repair-1").expect("its log");
    *own = format!("{own}2026-01-01T00:00:00Z {decision}\n");
    for action in ["kill", "die", "destroy"] {
        happened(story, at, action, "balancer-1");
    }
}

/// A lab whose repair controller wrote these of alarms, each at milliseconds after the kill: what became of which kind
/// about `postgres-2`. And what is asked of them.
fn alarmed(lines: &[(u64, &str, &str)], asked: Value) -> Story {
    keeping(|story| {
        ordered(story, true);
        story.expect(Value::Object([("alarm".to_owned(), asked)].into_iter().collect()));
        let began = story.fault().began.expect("injected");
        let log = story.logs.get_mut("repair-1").expect("its log");
        for (at, became, kind) in lines {
            let at = began.0 + at * MS;
            let line = json!({ "entry": "alarm", "at": at, "became": became, "kind": kind,
                "subject": "postgres-2", "text": "no host is free", "since": at });
            *log = format!("{log}2026-01-01T00:00:00Z {line}\n");
        }
    })
}

fn keeping(change: impl FnOnce(&mut Story)) -> Story {
    let mut story = kept();
    change(&mut story);
    story
}

fn unhealed_body(at: u64) -> Mono {
    // far from the kill and its heal
    Mono(ZERO + at * MS)
}

fn counted(story: &mut Story, p99_ms: u64, ok: u64) {
    let load = json!({ "name": "bench", "endpoint": "rw", "workload": "select", "record": "histogram" });
    let number = add(story, load, vec![]);
    for second in 0..3 {
        story.events.push(Event::Counted(Box::new(Counted {
            t: Mono(ZERO + second * 1000 * MS),
            l: number,
            ok,
            latency: vec![(MS, ok - 2), (p99_ms * MS, 2)],
            ..Counted::default()
        })));
    }
}

/// Name, check, the story, the exact finding.
type Tale = (&'static str, &'static str, fn() -> Story, &'static str);

pub const TALES: &[Tale] = &[
    (
        "good-isolation",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![a(1, 1), r(1, &[1])]),
                    txn(30, vec![r(1, &[1]), a(1, 2)]),
                    txn(40, vec![r(1, &[1, 2])]),
                ],
                "serializable",
            )
        },
        "pass: 3 transactions that read lists kept their level; 0 anomalies across nodes",
    ),
    (
        "bad-g0",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![a(1, 1), a(2, 2)]),
                    txn(20, vec![a(1, 3), a(2, 4)]),
                    txn(40, vec![r(1, &[1, 3]), r(2, &[4, 2])]),
                ],
                "read-committed",
            )
        },
        "fail: G0 on `postgres-1`, timeline 1: a circle of transactions: 10 was overwritten by 11 was overwritten by 10",
    ),
    (
        "bad-aborted-read",
        "isolation",
        || {
            appends(
                vec![(20, 21, 0, Some(Asked::Txn(vec![a(1, 1)])), End::Fail), txn(40, vec![r(1, &[1])])],
                "read-committed",
            )
        },
        "fail: G1a on `postgres-1`, timeline 1: element 1 of 10, which did not commit, is in list 1",
    ),
    (
        "bad-intermediate-read",
        "isolation",
        || appends(vec![txn(20, vec![a(1, 1), a(1, 2)]), txn(40, vec![r(1, &[1])])], "read-committed"),
        "fail: G1b on `postgres-1`, timeline 1: 11 read list 1 as it was inside of 10",
    ),
    (
        "bad-g1c",
        "isolation",
        || {
            appends(
                vec![txn(20, vec![a(1, 1), r(2, &[2])]), txn(20, vec![a(2, 2), r(1, &[1])])],
                "read-committed",
            )
        },
        "fail: G1c on `postgres-1`, timeline 1: a circle of transactions: 10 was read by 11 was read by 10",
    ),
    (
        "bad-g-single",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![a(1, 1), a(2, 2)]),
                    txn(20, vec![r(1, &[1]), r(2, &[])]),
                    txn(40, vec![r(2, &[2])]),
                ],
                "repeatable-read",
            )
        },
        "fail: G-single on `postgres-1`, timeline 1: a circle of transactions: 10 was read by 11 did not see 10",
    ),
    (
        "good-g-single-at-read-committed",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![a(1, 1), a(2, 2)]),
                    txn(20, vec![r(1, &[1]), r(2, &[])]),
                    txn(40, vec![r(2, &[2])]),
                ],
                "read-committed",
            )
        },
        "pass: 2 transactions that read lists kept their level; 0 anomalies across nodes",
    ),
    (
        "bad-lost-update",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![r(1, &[]), a(1, 1)]),
                    txn(20, vec![r(1, &[]), a(1, 2)]),
                    txn(40, vec![r(1, &[1, 2])]),
                ],
                "repeatable-read",
            )
        },
        "fail: G-single on `postgres-1`, timeline 1: a circle of transactions: 10 was overwritten by 11 did not see 10",
    ),
    (
        "bad-write-skew",
        "isolation",
        || appends(skew(), "serializable"),
        "fail: G2-item on `postgres-1`, timeline 1: a circle of transactions: 10 did not see 11 did not see 10",
    ),
    (
        "bad-write-skew-nobody-read",
        "isolation",
        || appends(skew()[..2].to_vec(), "serializable"),
        "fail: G2-item on `postgres-1`, timeline 1: a circle of transactions: 10 did not see 11 did not see 10",
    ),
    (
        "bad-lost-update-nobody-read",
        "isolation",
        || {
            appends(
                vec![txn(20, vec![r(1, &[]), a(1, 1)]), txn(20, vec![r(1, &[]), a(1, 2)])],
                "repeatable-read",
            )
        },
        "fail: G-single on `postgres-1`, timeline 1: 10 and 11 both appended to the same state of list 1",
    ),
    (
        "good-lost-update-at-read-committed",
        "isolation",
        || {
            appends(
                vec![txn(20, vec![r(1, &[]), a(1, 1)]), txn(20, vec![r(1, &[]), a(1, 2)])],
                "read-committed",
            )
        },
        "pass: 2 transactions that read lists kept their level; 0 anomalies across nodes",
    ),
    (
        "good-write-skew-in-a-snapshot",
        "isolation",
        || appends(skew(), "repeatable-read"),
        "pass: 3 transactions that read lists kept their level; 0 anomalies across nodes",
    ),
    (
        "bad-element-twice",
        "isolation",
        || appends(vec![txn(20, vec![a(1, 1)]), txn(40, vec![r(1, &[1, 1])])], "read-committed"),
        "fail: duplicate element on `postgres-1`, timeline 1: element 1 is twice in list 1",
    ),
    (
        "bad-element-nobody-appended",
        "isolation",
        || appends(vec![txn(20, vec![a(2, 1)]), txn(40, vec![r(1, &[1])])], "read-committed"),
        "fail: unwritten element on `postgres-1`, timeline 1: element 1 is in list 1 and nobody appended it",
    ),
    (
        "bad-incompatible-order",
        "isolation",
        || {
            appends(
                vec![
                    txn(20, vec![a(1, 1)]),
                    txn(21, vec![a(1, 2)]),
                    txn(40, vec![r(1, &[1, 2])]),
                    txn(41, vec![r(1, &[2])]),
                ],
                "read-committed",
            )
        },
        "fail: incompatible order on `postgres-1`, timeline 1: a read of list 1 by 13 is no prefix of the longest one",
    ),
    (
        "bad-forgets-itself",
        "isolation",
        || appends(vec![txn(20, vec![a(1, 1), r(1, &[])])], "read-committed"),
        "fail: internal inconsistency on `postgres-1`, timeline 1: 10 does not see its own past in list 1",
    ),
    (
        "bad-sees-its-future",
        "isolation",
        || appends(vec![txn(20, vec![r(1, &[1]), a(1, 1)])], "read-committed"),
        "fail: internal inconsistency on `postgres-1`, timeline 1: 10 does not see its own past in list 1",
    ),
    (
        "bad-snapshot-moves",
        "isolation",
        || appends(vec![txn(20, vec![a(1, 1)]), txn(20, vec![r(1, &[]), r(1, &[1])])], "repeatable-read"),
        "fail: internal inconsistency on `postgres-1`, timeline 1: 11 does not see its own past in list 1",
    ),
    (
        "good-statements-move",
        "isolation",
        || appends(vec![txn(20, vec![a(1, 1)]), txn(20, vec![r(1, &[]), r(1, &[1])])], "read-committed"),
        "pass: 1 transactions that read lists kept their level; 0 anomalies across nodes",
    ),
    (
        "good-long-fork-across-nodes",
        "isolation",
        long_fork,
        "pass: 2 transactions that read lists kept their level; 1 anomalies across nodes",
    ),
    (
        "unknown-no-list-read",
        "isolation",
        || appends(vec![], "serializable"),
        "unknown: no list was read, so nothing shows how transactions were isolated",
    ),
    (
        "good-bank",
        "bank-total",
        || bank(&[&[100, 100], &[90, 110], &[-1, 201]]),
        "pass: the total was the same in 3 reads",
    ),
    (
        "bad-bank-total",
        "bank-total",
        || bank(&[&[100, 100], &[90, 109]]),
        "fail: a read showed 199 in all accounts, there are 200 (operation 11; 1 reads are wrong)",
    ),
    (
        "bad-bank-account-gone",
        "bank-total",
        || bank(&[&[100, 100], &[200]]),
        "fail: a read showed 1 accounts, there are 2 (operation 11; 1 reads are wrong)",
    ),
    ("unknown-bank-unread", "bank-total", || bank(&[]), "unknown: nobody read the balances"),
    (
        "good-register",
        "register",
        || {
            register(vec![
                (20, 30, write(1), done()),
                (25, 26, READ, value(Some(1))),
                (27, 40, write(2), End::Info),
                (50, 51, READ, value(Some(1))),
                (60, 61, READ, value(Some(2))),
                (70, 71, RegisterOp::Cas { k: 1, from: 2, to: 3 }, ok(Answer::Swapped(true))),
                (80, 81, RegisterOp::Cas { k: 1, from: 2, to: 4 }, ok(Answer::Swapped(false))),
                (90, 91, READ, value(Some(3))),
            ])
        },
        "pass: 17 operations on registers are linearizable",
    ),
    (
        "bad-register-stale",
        "register",
        || {
            register(vec![
                (20, 21, write(1), done()),
                (30, 31, write(2), done()),
                (40, 41, READ, value(Some(1))),
            ])
        },
        "fail: key 1 of load `keys` on timeline 1 is not linearizable at operation 12",
    ),
    (
        "bad-register-flips-back",
        "register",
        || {
            register(vec![
                (20, 21, write(1), done()),
                (30, 31, write(2), End::Info),
                (40, 41, READ, value(Some(2))),
                (50, 51, READ, value(Some(1))),
            ])
        },
        "fail: key 1 of load `keys` on timeline 1 is not linearizable at operation 13",
    ),
    (
        "bad-register-swap",
        "register",
        || {
            register(vec![
                (20, 21, write(1), done()),
                (30, 31, RegisterOp::Cas { k: 1, from: 5, to: 6 }, ok(Answer::Swapped(true))),
            ])
        },
        "fail: key 1 of load `keys` on timeline 1 is not linearizable at operation 11",
    ),
    (
        "bad-register-refused",
        "register",
        || {
            register(vec![
                (20, 21, write(1), done()),
                (30, 31, RegisterOp::Cas { k: 1, from: 1, to: 6 }, ok(Answer::Swapped(false))),
            ])
        },
        "fail: key 1 of load `keys` on timeline 1 is not linearizable at operation 11",
    ),
    (
        "bad-register-from-nowhere",
        "register",
        || register(vec![(20, 21, READ, value(Some(4)))]),
        "fail: key 1 of load `keys` on timeline 1 is not linearizable at operation 10",
    ),
    (
        "good-register-new-epoch",
        "register",
        || {
            register(vec![
                (20, 21, write(1), done()),
                (30, 31, write(2), done()),
                (40, 41, READ, End::Ok("postgres-2", 2, Some(Answer::Value(Some(1))))),
            ])
        },
        "pass: 13 operations on registers are linearizable",
    ),
    (
        "good-fresh-reads",
        "stale-reads",
        || {
            let mut story = fresh(&[(100, 1, Some(9)), (110, 1, Some(10))]);
            story.expect(json!({ "stale-reads": { "max": "1ms" } }));
            story
        },
        "pass: 99 of 100 reads were at most 0 ms old, the oldest 0 ms",
    ),
    (
        "bad-stale-reads",
        "stale-reads",
        || {
            let mut story = fresh(&[(100, 1, Some(4))]);
            story.expect(json!({ "stale-reads": { "max": "48ms" } }));
            story
        },
        "fail: 1 of 100 reads was at least 49.023 ms old, at most 48 ms are allowed",
    ),
    (
        "unknown-nothing-read-after",
        "stale-reads",
        || {
            let mut story = fresh(&[]);
            story.expect(json!({ "stale-reads": { "max": "48ms", "when": "after" } }));
            story
        },
        "unknown: nobody read a heartbeat after the last heal",
    ),
    (
        "good-lag",
        "lag",
        || lagging(1024),
        "pass: the replica furthest behind was `postgres-3` with 1024 bytes",
    ),
    (
        "bad-lag",
        "lag",
        || lagging(1025),
        "fail: `postgres-3` was 1025 bytes behind, at most 1024 are allowed",
    ),
    (
        "unknown-lag",
        "lag",
        || {
            let mut story = calm();
            story.expect(json!({ "lag": { "max": "1KiB" } }));
            story
        },
        "unknown: nobody saw a replica and its primary at once",
    ),
    (
        "good-failovers",
        "failovers",
        || asking(&[json!({ "failovers": { "min": 1, "max": 1 } })]),
        "pass: the primary changed 1 times",
    ),
    (
        "bad-no-failover",
        "failovers",
        || {
            let mut story = calm();
            story.expect(json!({ "failovers": { "min": 1 } }));
            story
        },
        "fail: the primary changed 0 times, at least 1 are wanted",
    ),
    (
        "bad-failover",
        "failovers",
        || asking(&[json!({ "failovers": { "max": 0 } })]),
        "fail: the primary changed 1 times, at most 0 may be",
    ),
    (
        "good-not-replaced",
        "replaced",
        || asking(&[json!({ "replaced": { "target": "postgres:all", "max": 0 } })]),
        "pass: 0 bodies were replaced",
    ),
    (
        "bad-replaced",
        "replaced",
        || replaced("postgres:all", "max", 0),
        "fail: 1 bodies of `postgres:all` were replaced, at most 0 may be",
    ),
    (
        "bad-not-replaced",
        "replaced",
        || replaced("etcd:all", "min", 1),
        "fail: 0 bodies of `etcd:all` were replaced, at least 1 are wanted",
    ),
    ("good-redundancy", "redundancy", || streaming(3, false), "pass: every copy streamed again in time"),
    (
        "bad-redundancy",
        "redundancy",
        || {
            let mut story = streaming(3, false);
            story.expect(json!({ "redundancy": { "within": "1s" } }));
            story
        },
        "fail: after `kill` every copy streamed again after 2510 ms, 1000 ms are allowed",
    ),
    (
        "bad-redundancy-never",
        "redundancy",
        || {
            let mut story = streaming(9, false);
            story.expect(json!({ "redundancy": { "within": "1s" } }));
            story
        },
        "fail: after `kill` a copy was still missing after 3010 ms",
    ),
    (
        "good-latency",
        "latency",
        || {
            let mut story = calm();
            story
                .expect(json!({ "latency": { "load": "writer", "p50": "3ms", "p99": "3ms", "max": "3ms" } }));
            story
        },
        "pass: latencies stayed within what was asked",
    ),
    (
        "bad-latency",
        "latency",
        || {
            let mut story = calm();
            story.expect(json!({ "latency": { "load": "writer", "p99": "1ms" } }));
            story
        },
        "fail: the 99th percentile of the latency of `writer` was 2 ms, at most 1 ms are allowed",
    ),
    (
        "bad-counted-latency",
        "latency",
        || {
            let mut story = calm();
            counted(&mut story, 50, 100);
            story.expect(json!({ "latency": { "load": "bench", "p50": "2ms", "p99": "40ms" } }));
            story
        },
        "fail: the 99th percentile of the latency of `bench` was 50.015 ms, at most 40 ms are allowed",
    ),
    (
        "unknown-latency-during-no-fault",
        "latency",
        || {
            let mut story = calm();
            story.expect(json!({ "latency": { "load": "writer", "p99": "1ms", "when": "during-fault" } }));
            story
        },
        "unknown: load `writer` had no acknowledged operation while a fault was on",
    ),
    (
        "good-throughput",
        "throughput",
        || {
            let mut story = calm();
            story.expect(json!({ "throughput": { "load": "writer", "min": 190.0 } }));
            story
        },
        "pass: throughput was what was asked",
    ),
    (
        "bad-throughput",
        "throughput",
        || {
            let mut story = calm();
            counted(&mut story, 5, 100);
            story.expect(json!({ "throughput": { "load": "bench", "min": 101.0 } }));
            story
        },
        "fail: `bench` had 100.0 operations a second acknowledged, at least 101 are wanted",
    ),
    (
        "bad-errors-during-fault",
        "errors",
        || {
            asking(&[
                json!({ "errors": { "max-ratio": 0.6 } }),
                json!({ "errors": { "max-ratio": 0.59, "when": "during-fault" } }),
            ])
        },
        "fail: 60 of 100 operations failed while a fault was on (0.6000), at most 0.59 may",
    ),
    ("good-kept", "audit", kept, "pass: all 2 deeds of the engine are explained"),
    (
        "bad-strange-hand",
        "audit",
        || keeping(|story| happened(story, unhealed_body(100), "start", "postgres-2")),
        "fail: the engine told of `start` on `postgres-2`, and no fault explains it",
    ),
    (
        "good-dies-alone",
        "audit",
        || keeping(|story| happened(story, unhealed_body(100), "die", "postgres-2")),
        "pass: all 2 deeds of the engine are explained",
    ),
    (
        "good-start-by-policy",
        "audit",
        || {
            keeping(|story| {
                story.resolved.lab.postgres.restart = pgha::model::lab::RestartRule::Always;
                happened(story, unhealed_body(90), "die", "postgres-2");
                happened(story, unhealed_body(100), "start", "postgres-2");
            })
        },
        "pass: all 3 deeds of the engine are explained",
    ),
    (
        "unknown-engine-not-heard",
        "audit",
        || keeping(|story| story.sightings.iter_mut().for_each(|seen| seen.events.clear())),
        "unknown: fault `kill` hit `postgres-1`, and nobody heard the engine tell of it",
    ),
    (
        "unknown-new-container-not-heard",
        "audit",
        || keeping(new_container),
        "unknown: `postgres-3` got a new container, and nobody heard the engine tell of it",
    ),
    (
        "good-ordered",
        "audit",
        || keeping(|story| ordered(story, true)),
        "pass: all 3 deeds of the engine are explained",
    ),
    (
        "good-a-balancer-leaves-as-it-runs",
        "audit",
        || keeping(numbered),
        "pass: all 5 deeds of the engine are explained",
    ),
    (
        "good-a-frozen-balancer-is-removed",
        "audit",
        || {
            keeping(|story| {
                numbered(story);
                happened(story, unhealed_body(100), "unpause", "balancer-1");
                happened(story, unhealed_body(100), "stop", "balancer-1");
            })
        },
        "pass: all 7 deeds of the engine are explained",
    ),
    (
        "bad-nobody-had-it-leave",
        "audit",
        || {
            keeping(|story| {
                numbered(story);
                happened(story, unhealed_body(100), "kill", "balancer-2");
            })
        },
        "fail: the engine told of `kill` on `balancer-2`, and no fault explains it",
    ),
    (
        "good-ordered-heard-late",
        "audit",
        || {
            keeping(|story| {
                ordered(story, true);
                heard_late(story);
            })
        },
        "pass: all 3 deeds of the engine are explained",
    ),
    (
        "bad-strange-hand-heard-late",
        "audit",
        || {
            keeping(|story| {
                // it was heard while somebody else's order was carried out
                ordered(story, true);
                happened(story, unhealed_body(100), "start", "postgres-2");
                let late = last_heard(story);
                late.happened = Some(Mono(late.at.0 - 50 * MS));
            })
        },
        "fail: the engine told of `start` on `postgres-2`, and no fault explains it",
    ),
    (
        "bad-ordered-by-nobody",
        "audit",
        || keeping(|story| ordered(story, false)),
        "fail: the broker was told to `start` in the name of /pgha/lab/controllers/repair/leader, and no decision explains it",
    ),
    (
        "good-ordered-by-a-replica-that-moved",
        "audit",
        || {
            keeping(|story| {
                ordered(story, true);
                let log = story.logs.remove("repair-1").expect("its log");
                story.logs.insert(name("repair-3"), log);
            })
        },
        "pass: all 3 deeds of the engine are explained",
    ),
    (
        "unknown-broker-not-heard",
        "audit",
        || {
            keeping(|story| {
                ordered(story, true);
                story.logs.remove("broker");
            })
        },
        "unknown: the lab has controllers, and the broker's journal was not kept",
    ),
    (
        "good-decision",
        "controller",
        || {
            keeping(|story| {
                ordered(story, true);
                story.expect(json!({ "controller": { "name": "repair", "decision": "start" } }));
            })
        },
        "pass: 1 decisions that were asked for were taken",
    ),
    (
        "bad-decision-never-taken",
        "controller",
        || {
            keeping(|story| {
                ordered(story, true);
                story.expect(json!({ "controller": { "name": "repair", "decision": "release" } }));
            })
        },
        "fail: controller `repair` never decided to `release`",
    ),
    (
        "good-alarm",
        "alarm",
        || {
            let lines = [(20, "raised", "waits-for-host"), (60, "cleared", "waits-for-host")];
            let mut story = alarmed(
                &lines,
                json!({ "kind": "waits-for-host", "member": "postgres-2", "after": "kill", "within": "50ms" }),
            );
            story.expect(json!({ "alarm": { "kind": "waits-for-host", "is": "cleared" } }));
            story.expect(json!({ "alarm": { "kind": "no-leader", "is": "never" } }));
            let later = json!({ "kind": "waits-for-host", "is": "never", "within": "100ms" });
            story.expect(json!({ "alarm": later }));
            story
        },
        "pass: 4 expectations of alarms hold",
    ),
    (
        "bad-alarm-never-raised",
        "alarm",
        || {
            let asked = json!({ "kind": "waits-for-host", "member": "postgres-3" });
            alarmed(&[(20, "raised", "waits-for-host")], asked)
        },
        "fail: alarm `waits-for-host` of postgres-3 was not raised after the load began",
    ),
    (
        "bad-alarm-raised-late",
        "alarm",
        || {
            let asked = json!({ "kind": "waits-for-host", "after": "kill", "within": "10ms" });
            alarmed(&[(20, "raised", "waits-for-host")], asked)
        },
        "fail: alarm `waits-for-host` was not raised within 10ms after `kill` was injected",
    ),
    (
        "bad-alarm-not-cleared",
        "alarm",
        || {
            let asked = json!({ "kind": "waits-for-host", "is": "cleared" });
            alarmed(&[(20, "raised", "waits-for-host")], asked)
        },
        "fail: alarm `waits-for-host` was not cleared after the load began",
    ),
    (
        "bad-alarm-cleared-late",
        "alarm",
        || {
            let lines = [(20, "raised", "waits-for-host"), (900, "cleared", "waits-for-host")];
            let asked =
                json!({ "kind": "waits-for-host", "is": "cleared", "after": "kill", "within": "10ms" });
            alarmed(&lines, asked)
        },
        "fail: alarm `waits-for-host` was cleared later than within 10ms after `kill` was healed",
    ),
    (
        "bad-alarm-cleared-and-never-raised",
        "alarm",
        || alarmed(&[], json!({ "kind": "frozen", "is": "cleared" })),
        "fail: alarm `frozen` was never raised, so nothing cleared it",
    ),
    (
        "bad-alarm-was-on",
        "alarm",
        || {
            let asked = json!({ "kind": "waits-for-host", "is": "never", "after": "kill" });
            alarmed(&[(20, "raised", "waits-for-host")], asked)
        },
        "fail: alarm `waits-for-host` was on after `kill` was injected: no host is free",
    ),
    (
        "unknown-alarm-nobody-wrote",
        "alarm",
        || {
            let mut story = alarmed(&[], json!({ "kind": "frozen", "is": "never" }));
            story.logs.remove("repair-1");
            story
        },
        "unknown: no controller's journal was kept",
    ),
    (
        "unknown-alarm-of-a-replica-not-kept",
        "alarm",
        || {
            let mut story = alarmed(&[], json!({ "kind": "frozen", "is": "never" }));
            let mut other = story.resolved.members.last().expect("the replica").clone();
            other.id = name("repair-2");
            story.resolved.members.push(other);
            story.logs.insert(name("repair-2"), "no logs: gone\n".to_owned());
            story
        },
        "unknown: the journal of `repair-2` was not kept",
    ),
    (
        "unknown-alarm-record-too-short",
        "alarm",
        || alarmed(&[], json!({ "kind": "frozen", "within": "10m" })),
        "unknown: alarm `frozen` was not raised within 10m after the load began, and the record ends before that time is over",
    ),
    (
        "unknown-alarm-after-what-never-came",
        "alarm",
        || {
            let mut story = alarmed(&[], json!({ "kind": "frozen", "after": "kill" }));
            story.fault().began = None;
            story
        },
        "unknown: nothing says when `kill` was injected",
    ),
    (
        "good-ordered-restart",
        "restarts",
        || {
            keeping(|story| {
                ordered(story, true);
                story.expect(json!({ "restarts": { "max": 0 } }));
            })
        },
        "pass: 0 restarts that no fault explains",
    ),
    (
        "good-restarts",
        "restarts",
        || keeping(|story| story.expect(json!({ "restarts": { "max": 0 } }))),
        "pass: 0 restarts that no fault explains",
    ),
    (
        "bad-restarts",
        "restarts",
        || {
            keeping(|story| {
                story.expect(json!({ "restarts": { "max": 0 } }));
                happened(story, unhealed_body(100), "start", "postgres-2");
            })
        },
        "fail: 1 restarts that no fault explains, at most 0 may be; the first of `postgres-2`",
    ),
    (
        "unknown-restarts",
        "restarts",
        || asking(&[json!({ "restarts": { "max": 0 } })]),
        "unknown: nobody looked when bodies were started",
    ),
    ("good-secrets", "secrets", kept, "pass: no password stands in 9 files"),
    (
        "bad-secrets",
        "secrets",
        || {
            keeping(|story| {
                story.events.push(Event::Searched {
                    t: Mono(ZERO),
                    files: 9,
                    found: vec!["logs/etcd-1.log:3".to_owned()],
                });
            })
        },
        "fail: a password stands in 1 places, the first is logs/etcd-1.log:3",
    ),
    (
        "unknown-secrets",
        "secrets",
        || keeping(|story| story.events.retain(|event| !matches!(event, Event::Searched { .. }))),
        "unknown: nobody searched the run's files for passwords",
    ),
    (
        "unknown-secrets-in-nothing",
        "secrets",
        || keeping(|story| story.events.push(Event::Searched { t: Mono(ZERO), files: 0, found: vec![] })),
        "unknown: nothing was searched for passwords",
    ),
    (
        "bad-panic",
        "log",
        || logged("PANIC:  could not write to file", None),
        "fail: `PANIC` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    (
        "bad-invalid-page",
        "log",
        || logged("ERROR:  invalid page in block 3", None),
        "fail: `invalid page` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    (
        "bad-system-id",
        "log",
        || logged("CRITICAL: system ID mismatch, node postgres-2", None),
        "fail: `system ID mismatch` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    (
        "good-panic-on-a-full-disk",
        "log",
        || logged("PANIC:  could not write to file", Some("postgres-2")),
        "pass: nothing forbidden in 2 logs; 1 lines excused by a fault",
    ),
    (
        "bad-panic-beside-a-full-disk",
        "log",
        || logged("PANIC:  could not write to file", Some("postgres-3")),
        "fail: `PANIC` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    (
        "bad-forbidden-text",
        "log",
        || {
            let mut story = logged("something odd", None);
            story.expect(json!({ "log": { "absent": "odd" } }));
            story
        },
        "fail: `odd` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    (
        "good-panic-that-is-tolerated",
        "log",
        || {
            let mut story = logged("PANIC:  could not open file \"pg_wal/1\"", None);
            story.expect(json!({ "log": { "tolerated": "could not open file \"pg_wal/" } }));
            story
        },
        "pass: nothing forbidden in 2 logs; 1 lines excused by a fault or by the scenario",
    ),
    (
        "bad-panic-beside-a-tolerated-one",
        "log",
        || {
            let mut story = logged("PANIC:  could not write to file", None);
            story.expect(json!({ "log": { "tolerated": "could not open file \"pg_wal/" } }));
            story
        },
        "fail: `PANIC` stands in the log of `postgres-2`, line 2 (1 lines)",
    ),
    ("unknown-no-logs", "log", || keeping(|story| story.logs.clear()), "unknown: no log was kept"),
    (
        "unknown-no-logs-asked",
        "log",
        || asking(&[json!({ "log": { "absent": "odd" } })]),
        "unknown: no log was kept, so what is not in it is not known",
    ),
    (
        "good-last-back",
        "outage",
        || clients::asking(&clients::three(), json!({ "endpoint": "rw", "after": "kill-0", "max": "910ms" })),
        "pass: the last of 3 hurt clients of `rw` after `kill-0` was back after 910 ms, the first after 310 ms (load \
         `writer`), within what was asked",
    ),
    (
        "bad-last-back",
        "outage",
        || clients::asking(&clients::three(), json!({ "endpoint": "rw", "after": "kill-0", "max": "400ms" })),
        "fail: the last client of `rw` after `kill-0` was back after 910 ms, at most 400 ms are allowed (load `writer`, \
         client 2)",
    ),
    (
        "good-first-back",
        "outage",
        || {
            let bound = json!({ "endpoint": "rw", "after": "kill-0", "of": "first", "max": "400ms" });
            clients::asking(&clients::three(), bound)
        },
        "pass: the last of 3 hurt clients of `rw` after `kill-0` was back after 910 ms, the first after 310 ms (load \
         `writer`), within what was asked",
    ),
    (
        "bad-never-back",
        "outage",
        || clients::asking(&clients::hangs(), json!({ "endpoint": "rw", "after": "kill-0", "max": "1s" })),
        "fail: 1 of 8 hurt clients of `rw` after `kill-0` never came back: 2000 ms without an acknowledgement, at most \
         1000 ms are allowed (load `writer`, client 0)",
    ),
    (
        "unknown-never-back",
        "outage",
        || clients::asking(&clients::hangs(), json!({ "endpoint": "rw", "after": "kill-0", "max": "45s" })),
        "unknown: the load ended while 1 of 8 hurt clients of `rw` after `kill-0` were out, 2000 ms at most (load \
         `writer`, client 0)",
    ),
    (
        "good-stuck",
        "stuck",
        || stuck::looked(Some(json!({ "max": 0 })), |_, _| {}),
        "pass: no session was left behind, within what was asked",
    ),
    (
        "bad-stuck-sessions",
        "stuck",
        || {
            stuck::looked(Some(json!({ "max": 0 })), |_, seen| {
                stuck::server(seen, "balancer-1", "rw", "h1").sessions = 2;
            })
        },
        "fail: 2 sessions were left behind on `h1` (`balancer-1`) by the balancers' count, 3000 ms after another member \
         took writes; at most 0 are allowed",
    ),
    (
        "bad-stuck-read-only",
        "stuck",
        || {
            let bound = Some(json!({ "max": 0, "after": "100ms" }));
            let refused: Vec<_> = (520..650).step_by(10).map(|ms| (ms, ms + 1, "25006")).collect();
            stuck::met(stuck::looked(bound, |_, _| {}), &refused)
        },
        "fail: 1 client was left behind: client 70 of load `writer` was answered read-only 109 ms after another \
         member took writes, 100 ms after another member took writes; at most 0 are allowed",
    ),
    (
        "unknown-stuck",
        "stuck",
        || stuck::looked(Some(json!({ "max": 0, "after": "1m" })), |_, _| {}),
        "unknown: no look at the sessions of a balancer came 60000 ms after a member took writes",
    ),
];

fn skew() -> Vec<Did> {
    vec![
        txn(20, vec![r(1, &[]), a(2, 2)]),
        txn(20, vec![r(2, &[]), a(1, 1)]),
        txn(40, vec![r(1, &[1]), r(2, &[2])]),
    ]
}

/// Two commits, seen in another order by the replica than by the primary.
fn long_fork() -> Story {
    let mut story = appends(
        vec![txn(20, vec![a(1, 1)]), txn(20, vec![a(2, 2)]), txn(30, vec![r(1, &[1]), r(2, &[])])],
        "repeatable-read",
    );
    let steps = vec![r(1, &[]), r(2, &[2])];
    let did =
        (31, 32, 3, Some(Asked::Txn(asked(&steps))), End::Ok("postgres-2", 1, Some(Answer::Txn(steps))));
    add(
        &mut story,
        json!({ "name": "eyes", "endpoint": "ro", "workload": "append", "of": "lists" }),
        vec![did],
    );
    story
}

fn new_container(story: &mut Story) {
    for seen in story.sightings.iter_mut().skip(2) {
        "another".clone_into(&mut seen.bodies.get_mut("postgres-3").expect("a body").id);
    }
}

fn replaced(target: &str, bound: &str, number: u32) -> Story {
    let mut story = asking(&[json!({ "replaced": { "target": target, bound: number } })]);
    new_container(&mut story);
    story
}

fn logged(line: &str, full: Option<&str>) -> Story {
    keeping(|story| {
        story.logs.insert(name("postgres-2"), format!("LOG: ready\n{line}\n"));
        if let Some(member) = full {
            let fault = story.fault();
            fault.verb =
                serde_json::from_value(json!({ "disk-fill": { "target": "primary" } })).expect("a verb");
            fault.targets = vec![pgha::model::FaultTarget::Member(name(member))];
        }
    })
}

#[test]
fn every_tale_ends_with_its_finding() {
    let mut wrong = Vec::new();
    for (tale, check, story, wanted) in TALES {
        let judgement = judge(&story().record());
        let seen = judgement.check(check).map_or_else(
            || "no such check".to_owned(),
            |check| format!("{}: {}", check.verdict, check.summary),
        );
        if seen != *wanted {
            wrong.push(format!("{tale}:\n  wanted {wanted}\n  seen   {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_readers_missed_is_counted() {
    // worker 0 of the readers is the client of worker 0 of the writers
    let story = fresh(&[(100, 1, Some(9)), (110, 1, Some(4)), (120, 0, Some(3)), (130, 2, None)]);
    let record = story.record();
    let evidence = judge(&record).check("stale-reads").expect("a check").evidence.clone();
    assert_eq!(
        (evidence["went_backwards"].clone(), evidence["missed_own_write"].clone()),
        (json!(1), json!(1))
    );
    let stale: Vec<u64> =
        pgha::check::stale_reads::measure(&record).iter().map(|read| read.stale / MS).collect();
    assert_eq!(stale[10..], [0, 59, 79, 129]);
}
