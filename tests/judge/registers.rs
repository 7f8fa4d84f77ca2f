//! The search for an order of operations on a register: against trying every order, against verdicts on public
//! logs, and on histories that were too much for its predecessors.
//!
//! `logs/` holds four logs of Jepsen's test of etcd from the test data of Porcupine
//! (<https://github.com/anishathalye/porcupine>, `test_data/jepsen`, MIT License, Copyright (c) Anish Athalye).

use std::collections::HashMap;
use std::path::Path;

use pgha::check::register::SEARCH_WORK;
use pgha::check::register::search::{KnownValue, RegisterAnswer, RegisterDeed, RegisterStep, linearizable};
use pgha::model::Mono;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the search says with the work a key is given.
fn told(start: KnownValue, steps: &[RegisterStep]) -> RegisterAnswer {
    linearizable(start, steps, &mut SEARCH_WORK.clone())
}

fn step(op: u64, invoked: u64, done: Option<u64>, deed: RegisterDeed) -> RegisterStep {
    RegisterStep { op, invoked: Mono(invoked), done: done.map(Mono), deed }
}

/// Whether any order works, tried one by one.
fn some_order(steps: &[RegisterStep], value: Option<i64>, taken: &mut Vec<bool>) -> bool {
    if steps.iter().zip(&*taken).all(|(step, taken)| *taken || step.done.is_none()) {
        return true;
    }
    for next in 0..steps.len() {
        let late =
            |other: usize| !taken[other] && steps[other].done.is_some_and(|done| done < steps[next].invoked);
        if taken[next] || (0..steps.len()).any(late) {
            continue;
        }
        let after = match steps[next].deed {
            RegisterDeed::Write(new) => Some(Some(new)),
            RegisterDeed::Read(seen) => (seen == value).then_some(value),
            RegisterDeed::Swap(from, new) => (value == Some(from)).then_some(Some(new)),
            RegisterDeed::Refuse(from) => (value != Some(from)).then_some(value),
        };
        if let Some(after) = after {
            taken[next] = true;
            if some_order(steps, after, taken) {
                return true;
            }
            taken[next] = false;
        }
    }
    false
}

/// The same from any first value: one of those that are asked for, or one that is not.
fn some_order_from_anything(steps: &[RegisterStep]) -> bool {
    let asked = steps.iter().filter_map(|step| match step.deed {
        RegisterDeed::Read(value) => Some(value),
        RegisterDeed::Swap(from, _) | RegisterDeed::Refuse(from) => Some(Some(from)),
        RegisterDeed::Write(_) => None,
    });
    asked.chain([None, Some(-1)]).any(|value| some_order(steps, value, &mut vec![false; steps.len()]))
}

/// (when it was sent, how long it took, what it did, which value, whether its end is known)
type Raw = (u64, u64, u8, i64, bool);

fn small(raw: &[Raw], written: impl Fn(i64, i64) -> i64, asked: i64) -> Vec<RegisterStep> {
    let one = |(op, (at, took, what, value, ended)): (u64, &Raw)| {
        let new = written(op.cast_signed(), *value);
        let old = asked + value - 1;
        let deed = match what {
            0 => RegisterDeed::Write(new),
            1 => RegisterDeed::Read((*value > 0).then_some(old)),
            2 => RegisterDeed::Swap(old, new),
            _ => RegisterDeed::Refuse(old),
        };
        let open = !ended && matches!(deed, RegisterDeed::Write(_) | RegisterDeed::Swap(..));
        step(op, *at, (!open).then_some(at + took), deed)
    };
    (0..).zip(raw).map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(1024), ..ProptestConfig::default() })]

    #[test]
    fn a_register_is_judged_as_by_trying_every_order(
        raw in prop::collection::vec((0u64..12, 0u64..6, 0u8..4, 0i64..4, any::<bool>()), 1..7), unique in any::<bool>()
    ) {
        let steps = if unique { small(&raw, |op, _| 100 + op, 100) } else { small(&raw, |_, value| value, 1) };
        let seen = told(KnownValue::Is(None), &steps) == RegisterAnswer::Yes;
        prop_assert_eq!(seen, some_order(&steps, None, &mut vec![false; steps.len()]), "{:?}", steps);
        let seen = told(KnownValue::Anything, &steps) == RegisterAnswer::Yes;
        prop_assert_eq!(seen, some_order_from_anything(&steps), "{:?}", steps);
    }
}

/// A register of five values under clients that read, write and compare, as Jepsen's test of etcd asks for it:
/// a quarter of the operations ends unknown, and half of these took effect, at any time.
fn etcd_like(seed: u64) -> Vec<RegisterStep> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let (clients, number) = (chance.random_range(5..=10), chance.random_range(87..=200));
    let mut now: Option<i64> = None;
    let mut steps: Vec<RegisterStep> = Vec::new();
    let mut idle_from = vec![0; clients];
    // when each takes effect
    let mut coming: Vec<(u64, usize)> = Vec::new();
    for time in 0.. {
        coming.retain(|(at, index)| {
            if *at == time {
                take_effect(&mut steps[*index], &mut now, &mut chance);
            }
            *at != time
        });
        for idle in idle_from.iter_mut().filter(|idle| **idle <= time) {
            if steps.len() == number || !chance.random_bool(0.3) {
                continue;
            }
            let took = chance.random_range(2..14);
            let deed = match chance.random_range(0..3) {
                0 => RegisterDeed::Read(None),
                1 => RegisterDeed::Write(chance.random_range(0..5)),
                _ => RegisterDeed::Swap(chance.random_range(0..5), chance.random_range(0..5)),
            };
            let unknown = !matches!(deed, RegisterDeed::Read(_)) && chance.random_bool(0.38);
            let late = if unknown { chance.random_range(0..60) } else { 0 };
            coming.push((time + chance.random_range(1..took) + late, steps.len()));
            steps.push(step(steps.len() as u64, time, (!unknown).then_some(time + took), deed));
            *idle = time + took + 1;
        }
        if steps.len() == number && coming.is_empty() {
            break;
        }
    }
    steps
}

fn take_effect(step: &mut RegisterStep, now: &mut Option<i64>, chance: &mut ChaCha8Rng) {
    let happens = step.done.is_some() || chance.random_bool(0.5);
    match step.deed {
        RegisterDeed::Read(_) => step.deed = RegisterDeed::Read(*now),
        RegisterDeed::Write(value) if happens => *now = Some(value),
        RegisterDeed::Swap(from, to) if *now == Some(from) && happens => *now = Some(to),
        RegisterDeed::Swap(from, _) if *now != Some(from) && step.done.is_some() => {
            step.deed = RegisterDeed::Refuse(from);
        }
        _ => {}
    }
}

#[test]
fn histories_with_a_quarter_of_unknown_ends_are_decided() {
    let (mut unknown, mut all, mut refused) = (0, 0, 0);
    for seed in 0..60 {
        let mut steps = etcd_like(seed);
        unknown += steps.iter().filter(|step| step.done.is_none()).count();
        all += steps.len();
        assert_eq!(told(KnownValue::Is(None), &steps), RegisterAnswer::Yes, "seed {seed}");
        // three reads that saw something else
        let mut reads: Vec<&mut RegisterStep> =
            steps.iter_mut().filter(|step| matches!(step.deed, RegisterDeed::Read(_))).collect();
        for (part, value) in [(1, 3), (2, 1), (3, 4)] {
            let at = reads.len() * part / 4;
            reads[at].deed = RegisterDeed::Read(Some(value));
        }
        match told(KnownValue::Is(None), &steps) {
            RegisterAnswer::Yes => {}
            RegisterAnswer::No(_) => refused += 1,
            RegisterAnswer::TooMuch(short) => panic!("seed {seed}: {short:?}"),
        }
    }
    assert!(unknown * 5 > all && unknown * 3 < all, "{unknown} of {all}");
    assert!(refused > 0 && refused < 60, "{refused}");
}

/// One key with eighteen writes of unknown end, and compare-and-sets that were refused.
fn refusals(number: u64) -> Vec<RegisterStep> {
    let mut steps = vec![step(0, 0, Some(1), RegisterDeed::Write(1))];
    steps.extend((0..18).map(|op| step(1 + op, 2, None, RegisterDeed::Write(100 + op.cast_signed()))));
    for refusal in 0..number {
        let at = 10 + 10 * refusal;
        steps.push(step(50 + refusal, at, Some(at + 1), RegisterDeed::Write(1)));
        steps.push(step(100 + refusal, at + 2, Some(at + 3), RegisterDeed::Refuse(1)));
    }
    steps
}

#[test]
fn writes_of_unknown_end_beside_refusals_are_decided() {
    for number in 1..=18 {
        assert_eq!(told(KnownValue::Is(None), &refusals(number)), RegisterAnswer::Yes, "{number}");
    }
    // each explains one refusal at most
    assert_eq!(told(KnownValue::Is(None), &refusals(19)), RegisterAnswer::No(118));
}

#[test]
fn a_search_that_is_given_up_says_what_stood_in_its_way() {
    let steps = refusals(1);
    let RegisterAnswer::TooMuch(short) = linearizable(KnownValue::Is(None), &steps, &mut 40) else {
        panic!("it was enough")
    };
    assert_eq!((short.op, short.ended, short.ends, short.unknown), (100, 2, 3, 1));
}

/// A log of Jepsen's test of etcd: lines are in the order of time.
fn log(name: &str) -> Vec<RegisterStep> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/logs").join(name);
    let text = std::fs::read_to_string(path).expect("a log");
    let mut steps: Vec<RegisterStep> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (time, line) in (0..).zip(text.lines()) {
        let Some((_, told)) = line.split_once("jepsen.util - ") else { continue };
        let [process, kind, what, value] = told.split('\t').map(str::trim).collect::<Vec<_>>()[..] else {
            continue;
        };
        let numbers: Vec<i64> =
            value.trim_matches(['[', ']']).split(' ').filter_map(|number| number.parse().ok()).collect();
        if kind == ":invoke" {
            open.insert(process, steps.len());
            let deed = match (what, numbers.as_slice()) {
                (":write", [value]) => RegisterDeed::Write(*value),
                (":cas", [from, to]) => RegisterDeed::Swap(*from, *to),
                _ => RegisterDeed::Read(None),
            };
            steps.push(step(time, time, None, deed));
        } else if let Some(index) = open.remove(process) {
            let step = &mut steps[index];
            step.done = (kind != ":info" && value != ":timed-out").then_some(Mono(time));
            step.deed = match (kind, step.deed) {
                (":ok", RegisterDeed::Read(_)) => RegisterDeed::Read(numbers.first().copied()),
                (":fail", RegisterDeed::Swap(from, _)) => RegisterDeed::Refuse(from),
                (_, deed) => deed,
            };
        }
    }
    // a read that was not answered says nothing
    steps.retain(|step| step.done.is_some() || !matches!(step.deed, RegisterDeed::Read(_)));
    steps
}

#[test]
fn public_logs_end_as_their_publisher_says() {
    let logs =
        [("etcd_013.log", false), ("etcd_031.log", true), ("etcd_092.log", true), ("etcd_097.log", false)];
    for (name, sound) in logs {
        let steps = log(name);
        assert!(steps.len() > 60, "{name}: {}", steps.len());
        match told(KnownValue::Is(None), &steps) {
            RegisterAnswer::Yes => assert!(sound, "{name}"),
            RegisterAnswer::No(_) => assert!(!sound, "{name}"),
            RegisterAnswer::TooMuch(short) => panic!("{name}: {short:?}"),
        }
    }
}
