//! A second opinion on list-append histories: ours against the crate `adya`, on histories that a small
//! simulated database made, sound ones and ones it spoiled.

use adya::{History, Opts, Valid, Workload, check};
use pgha::check::isolation::{Kind, Txn, anomalies};
use pgha::history::{Class, Mop};
use pgha::model::scenario::Isolation;
use proptest::prelude::*;
use serde_json::json;

/// A transaction as it ended.
#[derive(Clone, Debug)]
struct Ran {
    class: Class,
    steps: Vec<Mop>,
}

/// Runs transactions under snapshot isolation: each reads what had been committed when it began, and the first
/// committer of a list wins. `serial` begins each only after the one before ended; `looked` reads everything
/// once more in the end, so that every append is read.
fn simulate(plan: &[(u8, Vec<(u8, bool)>)], serial: bool, looked: bool) -> Vec<Ran> {
    let mut lists: Vec<Vec<Vec<u64>>> = vec![vec![vec![]; 3]];
    let mut element = 0;
    let mut ran = Vec::new();
    for (delay, steps) in plan {
        let now = lists.len() - 1;
        let began = if serial { now } else { now.saturating_sub(usize::from(*delay)) };
        let mut view = lists[began].clone();
        let mut wrote = [false; 3];
        let mut done = Vec::new();
        for (key, append) in steps {
            let key = usize::from(*key) % 3;
            let number = key as u64;
            if *append {
                element += 1;
                view[key].push(element);
                wrote[key] = true;
                done.push(Mop::Append(number, element));
            } else {
                done.push(Mop::Read(number, Some(view[key].clone())));
            }
        }
        let taken = (0..3).any(|key| wrote[key] && lists[began][key] != lists[now][key]);
        if taken {
            let asked = crate::tales::asked(&done);
            ran.push(Ran { class: Class::Fail, steps: asked });
            continue;
        }
        let mut next = lists[now].clone();
        (0..3).filter(|key| wrote[*key]).for_each(|key| next[key].clone_from(&view[key]));
        lists.push(next);
        ran.push(Ran { class: Class::Ok, steps: done });
    }
    let last = lists.last().expect("a state");
    if looked {
        ran.push(Ran {
            class: Class::Ok,
            steps: (0..3).map(|key| Mop::Read(key as u64, Some(last[key].clone()))).collect(),
        });
    }
    ran
}

fn ours(ran: &[Ran], level: Isolation) -> Vec<Kind> {
    let txns: Vec<Txn<'_>> = (0..)
        .zip(ran)
        .map(|(op, ran)| Txn {
            load: 0,
            op,
            class: ran.class,
            steps: ran.steps.as_slice().into(),
            counted: true,
        })
        .collect();
    let kinds = anomalies(&txns, level).into_iter().map(|anomaly| anomaly.kind);
    // that a transaction sees its own appends is asked from read committed on by us alone: PostgreSQL locks the row
    kinds.filter(|kind| *kind != Kind::Internal || level != Isolation::ReadCommitted).collect()
}

fn theirs(ran: &[Ran], level: Isolation) -> (bool, Vec<String>) {
    let mut text = String::new();
    for (process, ran) in ran.iter().enumerate() {
        let value = |answered: bool| {
            let step = |step: &Mop| match step {
                Mop::Append(key, element) => json!(["append", key, element]),
                Mop::Read(key, list) => json!(["r", key, list.as_ref().filter(|_| answered)]),
            };
            ran.steps.iter().map(step).collect::<Vec<_>>()
        };
        let end = match ran.class {
            Class::Ok | Class::OkLocal => "ok",
            Class::Fail => "fail",
            Class::Info => "info",
        };
        let (sent, ended) = (value(false), value(end == "ok"));
        text += &json!({ "type": "invoke", "process": process, "value": sent }).to_string();
        text.push('\n');
        text += &json!({ "type": end, "process": process, "value": ended }).to_string();
        text.push('\n');
    }
    let model = match level {
        Isolation::ReadCommitted => "read-committed",
        Isolation::RepeatableRead => "snapshot-isolation",
        Isolation::Serializable => "serializable",
    };
    let history = History::from_json(&text).expect("a history");
    let report =
        check(&history, Workload::ListAppend, &Opts { models: vec![model.to_owned()], ..Opts::default() });
    (report.valid != Valid::False, report.anomaly_types)
}

const LEVELS: [Isolation; 3] = [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable];

/// Changes what one read saw; `None` when there is nothing to change in that way.
fn spoil(ran: &mut [Ran], way: u8, pick: usize) -> Option<()> {
    let mut lists: Vec<&mut Vec<u64>> = ran
        .iter_mut()
        .filter(|ran| ran.class == Class::Ok)
        .flat_map(|ran| &mut ran.steps)
        .filter_map(|step| match step {
            Mop::Read(_, Some(list)) if list.len() > 1 => Some(list),
            _ => None,
        })
        .collect();
    let number = lists.len();
    let list = lists.get_mut(pick.checked_rem(number)?)?;
    match way % 4 {
        0 => list.swap(0, 1),
        1 => list.push(list[0]),
        2 => drop(list.pop()),
        _ => drop(list.remove(0)),
    }
    Some(())
}

prop_compose! {
    fn plans()(plan in prop::collection::vec((0u8..3, prop::collection::vec((0u8..3, any::<bool>()), 1..5)), 2..25))
        -> Vec<(u8, Vec<(u8, bool)>)> { plan }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(256), ..ProptestConfig::default() })]

    #[test]
    fn serial_and_snapshot_histories_are_sound_to_both(plan in plans(), looked in any::<bool>()) {
        let serial = simulate(&plan, true, looked);
        for level in LEVELS {
            prop_assert_eq!(ours(&serial, level), vec![], "{:?}", level);
            prop_assert!(theirs(&serial, level).0);
        }
        let snapshot = simulate(&plan, false, looked);
        prop_assert_eq!(ours(&snapshot, Isolation::RepeatableRead), vec![]);
        prop_assert!(theirs(&snapshot, Isolation::RepeatableRead).0);
    }

    #[test]
    fn both_say_the_same_of_spoiled_histories(
        plan in plans(), way in any::<u8>(), pick in any::<usize>(), looked in any::<bool>()
    ) {
        let mut ran = simulate(&plan, false, looked);
        if spoil(&mut ran, way, pick).is_some() {
            for level in LEVELS {
                let (sound, named) = theirs(&ran, level);
                let found = ours(&ran, level);
                prop_assert_eq!(found.is_empty(), sound, "{:?}: ours {:?}, theirs {:?}, {:?}", level, found, named, ran);
            }
        }
    }

    #[test]
    fn both_say_the_same_of_histories_that_never_were(
        steps in prop::collection::vec(prop::collection::vec((0u64..2, 0u8..3), 1..4), 2..7),
        looked in any::<bool>(),
    ) {
        // every list ends as 1, 2, 3 …; each read saw some beginning of it
        let mut totals = [Vec::new(), Vec::new()];
        let mut element = 0;
        let mut ran: Vec<Ran> = Vec::new();
        for steps in &steps {
            let mut done = Vec::new();
            for (key, what) in steps {
                if *what == 0 {
                    element += 1;
                    totals[usize::try_from(*key).expect("small")].push(element);
                    done.push(Mop::Append(*key, element));
                } else {
                    done.push(Mop::Read(*key, Some(vec![u64::from(*what)])));
                }
            }
            ran.push(Ran { class: Class::Ok, steps: done });
        }
        for ran in &mut ran {
            for at in 0..ran.steps.len() {
                let (before, later) = ran.steps.split_at_mut(at + 1);
                if let Some(Mop::Read(key, Some(list))) = before.last_mut() {
                    let total = &totals[usize::try_from(*key).expect("small")];
                    let upto = total.len() * usize::try_from(list[0] - 1).expect("small") / 2;
                    // nobody sees what it will append itself
                    let own = |element: &u64| later.contains(&Mop::Append(*key, *element));
                    let seen = total[..upto].iter().copied().take_while(|element| !own(element));
                    *list = seen.collect();
                }
            }
        }
        let whole = |key: u64| Mop::Read(key, Some(totals[usize::try_from(key).expect("small")].clone()));
        ran.extend(looked.then(|| Ran { class: Class::Ok, steps: (0..2).map(whole).collect() }));
        for level in LEVELS {
            let (sound, named) = theirs(&ran, level);
            let found = ours(&ran, level);
            prop_assert_eq!(found.is_empty(), sound, "{:?}: ours {:?}, theirs {:?}, {:?}", level, found, named, ran);
        }
    }
}
