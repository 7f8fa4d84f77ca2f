//! What operations ask for, told from the seed and the number alone.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::history::event::{Mop, RegisterOp};
use crate::history::{Event, History};
use crate::model::Mono;

/// A plan with one writing and one reading load of each workload that has both.
fn plan(seed: u64, loads: &str) -> LoadPlan {
    let text = format!(
        r#"{{"loads":{loads},"duration":"1s","seed":{seed},"endpoints":{{}},"nodes":{{}},
        "credentials":{{"user":"pgha","password":"x","database":"pgha"}}}}"#
    );
    serde_json::from_str(&text).expect("a plan")
}

fn pair(seed: u64, workload: &str) -> (Script, Script) {
    let loads = format!(
        r#"[{{"name":"w","workload":"{workload}","rate":1}},{{"name":"r","workload":"{workload}","rate":1,"of":"w"}}]"#
    );
    let plan = plan(seed, &loads);
    (Script::new(&plan, 0).expect("it writes"), Script::new(&plan, 1).expect("it reads"))
}

const PAIRED: [&str; 4] = ["append", "bank", "register", "freshness"];

/// The marks an operation leaves, as every judge will reckon them.
fn marks_of(task: &OpTask, op: u64) -> Vec<u64> {
    let invoke = Event::Invoke { t: Mono(1), l: 0, o: op, w: 0, i: Mono(1), q: task.asked(), c: Some(0) };
    History::from_events([invoke]).ops.first().expect("an operation").marks().collect()
}

proptest! {
    #[test]
    fn marks_are_unique_within_a_load(seed: u64, from in 0_u64..1_000_000) {
        for workload in ["set", "append", "bank", "tpcb"] {
            let loads = format!(r#"[{{"name":"w","workload":"{workload}","rate":1}}]"#);
            let script = Script::new(&plan(seed, &loads), 0).expect("it runs");
            let mut seen = HashSet::new();
            for op in from..from + 50 {
                for mark in marks_of(&script.task(op, op), op) {
                    prop_assert!(seen.insert(mark), "{workload}: mark {mark} of operation {op} is there already");
                }
            }
            prop_assert!(seen.len() > 20, "{workload} hardly writes: {}", seen.len());
        }
    }

    #[test]
    fn a_load_that_reads_what_another_writes_only_reads(seed: u64, op in 0_u64..1_000_000, near in 0_u64..1_000_000) {
        for workload in PAIRED {
            let task = pair(seed, workload).1.task(op, near);
            prop_assert!(marks_of(&task, op).is_empty(), "{workload}: {task:?}");
            let reads = match &task {
                OpTask::Steps(steps) => steps.iter().all(|step| matches!(step, Mop::Read(_, None))),
                OpTask::Register(asked) => matches!(asked, RegisterOp::Read { .. }),
                OpTask::Balances | OpTask::Heartbeat => true,
                _ => false,
            };
            prop_assert!(reads, "{workload}: {task:?}");
        }
    }

    #[test]
    fn the_number_decides_and_not_who_asks_or_when(seed: u64, op in 0_u64..1_000_000) {
        for workload in PAIRED.into_iter().chain(["tpcb", "select"]) {
            let loads = format!(r#"[{{"name":"w","workload":"{workload}","rate":1}}]"#);
            let script = || Script::new(&plan(seed, &loads), 0).expect("it runs");
            let (one, other) = (script(), script());
            for earlier in [3, 7, op] {
                let _ = other.task(earlier, earlier);
            }
            prop_assert_eq!(one.task(op, op), other.task(op, op));
        }
    }

    #[test]
    fn readers_look_where_the_writer_is(seed: u64, op in 0_u64..1000, near in 0_u64..1_000_000) {
        let keys = |task: OpTask| match task {
            OpTask::Steps(steps) => steps.iter().map(|step| match step { Mop::Append(k, _) | Mop::Read(k, _) => *k }).collect::<Vec<_>>(),
            OpTask::Register(RegisterOp::Read { k } | RegisterOp::Write { k, .. } | RegisterOp::Cas { k, .. }) => vec![k],
            _ => Vec::new(),
        };
        for (workload, apart) in [("append", 15), ("register", 3)] {
            let (writer, reader) = pair(seed, workload);
            for read in keys(reader.task(op, near)) {
                for written in keys(writer.task(near, near)) {
                    prop_assert!(read.abs_diff(written) <= apart, "{workload}: {read} and {written}");
                }
            }
        }
    }

    #[test]
    fn a_transfer_moves_something_between_two_accounts(seed: u64, op: u64) {
        let (writer, _) = pair(seed, "bank");
        if let OpTask::Transfer { from, to, amount } = writer.task(op % (1 << 40), 0) {
            prop_assert!(from != to && from < crate::model::scenario::BANK_ACCOUNTS && to < crate::model::scenario::BANK_ACCOUNTS && amount > 0);
        }
    }
}

#[test]
fn a_compare_and_set_expects_what_was_asked_for_last() {
    let (writer, _) = pair(7, "register");
    let mut last = std::collections::HashMap::new();
    let (mut right, mut all) = (0, 0);
    for op in 0..4000 {
        match writer.task(op, op) {
            OpTask::Register(RegisterOp::Write { k, v }) => {
                last.insert(k, v);
            }
            OpTask::Register(RegisterOp::Cas { k, from, to }) => {
                all += 1;
                right += u32::from(last.insert(k, to) == Some(from));
            }
            _ => {}
        }
    }
    assert!(right * 10 > all * 9, "{right} of {all}");
}

#[test]
fn every_workload_has_its_operations_in_their_share() {
    let share = |workload: &str, wanted: &dyn Fn(&OpTask) -> bool| {
        let (writer, _) = pair(3, workload);
        (0..2000).filter(|op| wanted(&writer.task(*op, *op))).count()
    };
    let reads = share("bank", &|task| *task == OpTask::Balances);
    assert!((400..600).contains(&reads), "{reads}");
    let cas = share("register", &|task| matches!(task, OpTask::Register(RegisterOp::Cas { .. })));
    assert!((320..480).contains(&cas), "{cas}");
    let writes = share("append", &|task| !marks_of(task, 0).is_empty());
    assert!((1200..1700).contains(&writes), "{writes}");
}

#[test]
fn what_reads_another_load_needs_one_that_writes() {
    for (loads, why) in [
        (r#"[{"name":"r","workload":"append","rate":1,"of":"w"}]"#, "none of that name"),
        (
            r#"[{"name":"w","workload":"set","rate":1},{"name":"r","workload":"set","rate":1,"of":"w"}]"#,
            "goes with",
        ),
        (
            r#"[{"name":"w","workload":"bank","rate":1},{"name":"r","workload":"append","rate":1,"of":"w"}]"#,
            "of its workload",
        ),
        (r#"[{"name":"r","workload":"append","rate":1,"of":"r"}]"#, "of its workload"),
    ] {
        let plan = plan(1, loads);
        let said = Script::new(&plan, plan.loads.len() - 1).expect_err(why);
        assert!(said.contains(why), "{said}");
    }
    let plan =
        plan(1, r#"[{"name":"a","workload":"append","rate":1,"endpoint":"ro","isolation":"serializable"}]"#);
    assert!(Script::new(&plan, 0).expect_err("no replica can").contains("repeatable-read"));
}

#[test]
fn marks_are_read_of_loads_that_leave_them_and_locked_on_the_primary() {
    let of = |text: &str| plan(1, &format!("[{text}]")).loads.remove(0);
    for workload in ["set", "append", "bank", "tpcb"] {
        let load = of(&format!(r#"{{"name":"a","workload":"{workload}"}}"#));
        assert!(marks(&load, true).expect("marks").contains("for update"));
        assert!(!marks(&load, false).expect("marks").contains("for update"));
        let counted = of(&format!(r#"{{"name":"a","workload":"{workload}","record":"histogram"}}"#));
        assert_eq!(marks(&counted, true), None);
    }
    for none in ["register", "select", "freshness", "sql"] {
        assert_eq!(marks(&of(&format!(r#"{{"name":"a","workload":"{none}"}}"#)), true), None);
    }
    let reader = of(r#"{"name":"a","workload":"append","of":"b"}"#);
    assert_eq!((marks(&reader, true), tables(&reader)), (None, None));
    assert_eq!(owner(&reader).as_str(), "b");
}

#[test]
fn the_longest_name_leaves_room_for_every_table() {
    let name = "n".repeat(41);
    for workload in ["set", "append", "bank", "register", "tpcb", "select", "freshness"] {
        let load = plan(1, &format!(r#"[{{"name":"{name}","workload":"{workload}"}}]"#)).loads.remove(0);
        let made = tables(&load).expect("tables").make;
        for table in made.split('"').filter(|part| part.starts_with("pgha_")) {
            assert!(table.len() <= 63, "{table}"); // PostgreSQL cuts longer names, and two may become one
        }
    }
}
