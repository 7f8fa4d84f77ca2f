//! Writes run directories of any size, for whoever wants to see what `pgha check` costs as a whole ([judge.py](judge.py)):
//! `cargo bench --bench runs -- DIR` makes `DIR/WORKLOAD-OPERATIONS` for each workload at 10⁴, 10⁵ and 10⁶ operations.
//!
//! Each is a run in which a primary is killed half-way and every check passes. What operations ask for is drawn as the
//! generator draws it, and answered by a database in memory; eight clients are under way at once.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on should say so loudly"
)]

#[path = "../tests/judge/story.rs"]
#[allow(dead_code, reason = "the bench tells stories, it does not spoil them")]
mod story;

use std::collections::HashMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use pgha::check::judge;
use pgha::history::{Answer, Asked, Event, Mop, Outcome, RegisterOp, encode};
use pgha::load::workload::dice::Dice;
use pgha::load::workload::{OpTask, append, bank, register};
use pgha::model::Mono;
use pgha::model::scenario::{BANK_ACCOUNTS, BANK_BALANCE, Isolation, VerdictWord};
use serde::Serialize;
use serde_json::json;
use story::{MS, Plan, Story, tell};

const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];
const WORKLOADS: [&str; 4] = ["set", "append", "register", "bank"];
/// An operation takes so much longer than the next one waits for its turn, so that several are under way.
const LONGER: u64 = 14 * MS;

/// A database in memory.
#[derive(Default)]
struct Database {
    lists: HashMap<u64, Vec<u64>>,
    registers: HashMap<u64, i64>,
    balances: Vec<i64>,
    marks: Vec<u64>,
}

impl Database {
    fn answer(&mut self, op: u64, asked: Option<&Asked>) -> Option<Answer> {
        match asked {
            None => self.marks.push(op),
            Some(Asked::Txn(steps)) => {
                return Some(Answer::Txn(steps.iter().map(|step| self.step(step)).collect()));
            }
            Some(Asked::Register(asked)) => return self.register(asked),
            Some(Asked::Transfer { from, to, amount }) => {
                self.marks.push(op);
                self.balances[*from as usize] -= amount;
                self.balances[*to as usize] += amount;
            }
            Some(Asked::Read) => return Some(Answer::Balances(self.balances.clone())),
        }
        None
    }

    fn step(&mut self, step: &Mop) -> Mop {
        match step {
            Mop::Append(key, element) => {
                self.lists.entry(*key).or_default().push(*element);
                self.marks.push(*element);
                step.clone()
            }
            Mop::Read(key, _) => Mop::Read(*key, Some(self.lists.get(key).cloned().unwrap_or_default())),
        }
    }

    fn register(&mut self, asked: &RegisterOp) -> Option<Answer> {
        match *asked {
            RegisterOp::Read { k } => Some(Answer::Value(self.registers.get(&k).copied())),
            RegisterOp::Write { k, v } => {
                self.registers.insert(k, v);
                None
            }
            RegisterOp::Cas { k, from, to } => {
                let swapped = self.registers.get(&k) == Some(&from);
                if swapped {
                    self.registers.insert(k, to);
                }
                Some(Answer::Swapped(swapped))
            }
        }
    }
}

fn asked(workload: &str, dice: &Dice, op: u64) -> Option<Asked> {
    match workload {
        "append" => Some(Asked::Txn(append::draw(dice, op, op, false))),
        "register" => Some(Asked::Register(register::draw(dice, op, op, false))),
        "bank" => match bank::draw(dice, op) {
            OpTask::Transfer { from, to, amount } => Some(Asked::Transfer { from, to, amount }),
            _ => Some(Asked::Read),
        },
        _ => None,
    }
}

fn story_of(workload: &str, operations: u64) -> Story {
    let mut story = tell(&Plan { before: operations / 2, after: operations / 2, ..Plan::small() });
    let load = &mut story.scenario.loads[0];
    load.workload = serde_json::from_value(json!(workload)).expect("a workload");
    if workload == "append" {
        load.isolation = Some(Isolation::Serializable);
        story.expect(json!({ "isolation": { "level": "serializable" } }));
    }
    let dice = Dice::new(7, 0);
    let mut database =
        Database { balances: vec![BANK_BALANCE; BANK_ACCOUNTS as usize], ..Database::default() };
    let mut sent: HashMap<u64, Option<Asked>> = HashMap::new();
    for event in &mut story.events {
        match event {
            Event::Invoke { o, q, c, w, .. } => {
                let asked = asked(workload, &dice, *o);
                *q = asked.clone().map(Box::new);
                *c = Some(*w);
                sent.insert(*o, asked);
            }
            Event::Done { t, o, outcome, .. } => {
                let asked = sent.remove(o).flatten();
                if let Outcome::Ok(ack) = outcome {
                    ack.v = database.answer(*o, asked.as_ref()).map(Box::new);
                    *t = Mono(t.0 + LONGER);
                }
            }
            _ => {}
        }
    }
    let marks = database.marks;
    story.rows(|rows| rows.clone_from(&marks));
    story.events.retain(|event| workload != "register" || !matches!(event, Event::FinalRead(_)));
    // an engine keeps a journal in the order in which things happened
    story.events.sort_by_key(at);
    story
}

fn at(event: &Event) -> (bool, Mono) {
    match event {
        Event::Invoke { t, .. } | Event::Done { t, .. } => (false, *t),
        Event::Journal { .. } | Event::Prepared { .. } | Event::Phase { .. } => (false, Mono(0)),
        _ => (true, Mono(0)),
    }
}

fn write(story: &Story, dir: &Path) {
    fs::create_dir_all(dir).expect("a directory");
    let lines = |name: &str, lines: &mut dyn Iterator<Item = String>| {
        let mut file = BufWriter::new(fs::File::create(dir.join(name)).expect("a file"));
        lines.for_each(|line| writeln!(file, "{line}").expect("a line"));
    };
    lines("scenario.json", &mut [line(&story.scenario)].into_iter());
    lines("resolved.json", &mut [line(&story.resolved)].into_iter());
    lines("sightings.jsonl", &mut story.sightings.iter().map(line));
    lines("history.jsonl", &mut story.events.iter().map(encode));
}

fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

fn main() {
    let dir = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    // `cargo test --benches` asks for nothing
    let Some(dir) = dir else { return };
    for operations in SIZES {
        for workload in WORKLOADS {
            let story = story_of(workload, operations);
            if operations == SIZES[0] {
                let judgement = judge(&story.record());
                assert!(judgement.verdict == VerdictWord::Pass, "{workload}: {:?}", judgement.reasons);
            }
            let dir = Path::new(&dir).join(format!("{workload}-{operations}"));
            write(&story, &dir);
            println!("{}", dir.display());
        }
    }
}
