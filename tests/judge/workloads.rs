//! Correct histories of every workload, of any size, pass their checker; spoiled in one way each, none does.

use pgha::check::judge;
use pgha::history::{Answer, Event, FinalRead, Mop, Outcome, RegisterOp};
use pgha::model::scenario::VerdictWord;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::story::{Story, error};
use crate::tales::{Did, a, appends, bank, done, fresh, ok, r, register, txn, value};

const LEVELS: [&str; 3] = ["read-committed", "repeatable-read", "serializable"];

/// Transactions one after the other on three lists; in the end each list is read twice.
fn serial(plan: &[Vec<(u8, bool)>]) -> Vec<Vec<Mop>> {
    let mut lists = vec![Vec::new(); 3];
    let mut element = 0;
    let mut run = |steps: &[(u8, bool)]| {
        let step = |(key, append): &(u8, bool)| {
            let number = u64::from(*key % 3);
            let list: &mut Vec<u64> = &mut lists[usize::from(*key % 3)];
            if *append {
                element += 1;
                list.push(element);
                a(number, element)
            } else {
                r(number, list)
            }
        };
        steps.iter().map(step).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = plan.iter().map(|steps| run(steps)).collect();
    // every list has two elements and two readers, so that every spoil finds something to spoil
    let ends = [(0, true), (1, true), (2, true)];
    let reads = [(0, false), (1, false), (2, false)];
    for steps in [ends, ends, reads, reads] {
        all.push(run(&steps));
    }
    all.push(run(&[(0, true), (0, false)]));
    all
}

fn lists(transactions: Vec<Vec<Mop>>, level: usize) -> Story {
    let deeds = (20..).zip(transactions).map(|(at, steps)| txn(at, steps));
    appends(deeds.collect(), LEVELS[level % 3])
}

/// One way to spoil lists: changes a read of at least two elements.
type SpoilList = fn(&mut Vec<u64>);

const SPOILED_LISTS: &[(&str, SpoilList)] = &[
    ("an element is read twice", |list| list.push(list[0])),
    ("a read misses the first element", |list| {
        list.remove(0);
    }),
    ("two elements change places", |list| list.swap(0, 1)),
    ("a read shows what nobody appended", |list| list.push(999_999)),
];

prop_compose! {
    fn plans()(plan in prop::collection::vec(prop::collection::vec((0u8..3, any::<bool>()), 1..5), 0..40))
        -> Vec<Vec<(u8, bool)>> { plan }
}

/// Balances of four accounts after each of some transfers.
fn balances(transfers: &[(u8, u8, i8)]) -> Vec<Vec<i64>> {
    let mut now = vec![100_i64; 4];
    let mut seen = vec![now.clone()];
    for (from, to, amount) in transfers {
        now[usize::from(from % 4)] -= i64::from(*amount);
        now[usize::from(to % 4)] += i64::from(*amount);
        seen.push(now.clone());
    }
    seen
}

fn banked(balances: &[Vec<i64>]) -> Story {
    bank(&balances.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

type Turn = (u64, u64, RegisterOp, crate::tales::End);

/// Writes, reads and swaps of one key, one after the other, each value written once.
fn turns(plan: &[u8]) -> (Vec<Turn>, Option<i64>) {
    let mut now = None;
    let mut next = 0;
    let mut all: Vec<Turn> = Vec::new();
    for (number, what) in (0..).zip(plan) {
        let (sent, ended) = (20 + 10 * number, 25 + 10 * number);
        next += 1;
        let (op, end) = match (what % 4, now) {
            (1, Some(from)) => {
                now = Some(next);
                (RegisterOp::Cas { k: 1, from, to: next }, ok(Answer::Swapped(true)))
            }
            (2, Some(_)) => (RegisterOp::Cas { k: 1, from: 555_555, to: next }, ok(Answer::Swapped(false))),
            (3, seen) => (RegisterOp::Read { k: 1 }, value(seen)),
            _ => {
                now = Some(next);
                (RegisterOp::Write { k: 1, v: next }, done())
            }
        };
        all.push((sent, ended, op, end));
    }
    (all, now)
}

fn verdict(story: &Story, check: &str) -> VerdictWord {
    judge(&story.record()).check(check).expect("a check").verdict
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(128), ..ProptestConfig::default() })]

    #[test]
    fn lists_that_are_right_pass_and_spoiled_ones_fail(
        plan in plans(), level in 0usize..3, which in any::<Index>(), way in 0..SPOILED_LISTS.len()
    ) {
        let mut transactions = serial(&plan);
        prop_assert_eq!(verdict(&lists(transactions.clone(), level), "isolation"), VerdictWord::Pass);
        let mut reads: Vec<&mut Vec<u64>> = transactions
            .iter_mut()
            .flatten()
            .filter_map(|step| match step {
                Mop::Read(_, Some(list)) if list.len() > 1 => Some(list),
                _ => None,
            })
            .collect();
        let at = which.index(reads.len());
        let (what, spoil) = SPOILED_LISTS[way];
        spoil(reads[at]);
        prop_assert_eq!(verdict(&lists(transactions, level), "isolation"), VerdictWord::Fail, "{}", what);
    }

    #[test]
    fn a_transaction_that_failed_and_was_read_is_caught(
        plan in plans(), level in 0usize..3, which in any::<Index>()
    ) {
        let transactions = serial(&plan);
        // nobody but itself reads what the last one appended
        let appended: Vec<usize> = (0..transactions.len() - 1)
            .filter(|at| transactions[*at].iter().any(|step| matches!(step, Mop::Append(..))))
            .collect();
        let mut story = lists(transactions, level);
        let number = story.scenario.loads.len() - 1;
        // ten of its own precede a tale
        let failed = 10 + appended[which.index(appended.len())] as u64;
        for event in &mut story.events {
            if let Event::Done { l, o, outcome, .. } = event
                && (*l as usize, *o) == (number, failed)
            {
                *outcome = Outcome::Fail(error("40001"));
            }
        }
        prop_assert_eq!(verdict(&story, "isolation"), VerdictWord::Fail);
    }

    #[test]
    fn an_append_that_is_gone_in_the_end_is_caught(plan in plans(), which in any::<Index>()) {
        let mut story = lists(serial(&plan), 0);
        story.resolved.lab.postgres.replication = pgha::model::lab::Replication::Sync;
        prop_assert_eq!(verdict(&story, "lost-acks"), VerdictWord::Pass);
        let number = story.scenario.loads.len() - 1;
        let rows: Vec<&mut FinalRead> =
            story.reads().into_iter().filter(|read| read.l as usize == number).collect();
        let at = which.index(rows[0].rows.as_ref().expect("rows").len());
        for read in rows {
            read.rows.as_mut().expect("rows").remove(at);
        }
        prop_assert_eq!(verdict(&story, "lost-acks"), VerdictWord::Fail);
    }

    #[test]
    fn totals_that_stay_pass_and_one_that_moves_fails(
        transfers in prop::collection::vec((0u8..4, 0u8..4, 1i8..50), 1..60),
        which in any::<Index>(), account in 0usize..4, by in 1i64..5, gone in any::<bool>()
    ) {
        let mut seen = balances(&transfers);
        prop_assert_eq!(verdict(&banked(&seen), "bank-total"), VerdictWord::Pass);
        let at = which.index(seen.len());
        if gone {
            seen[at].remove(account);
        } else {
            seen[at][account] += by;
        }
        prop_assert_eq!(verdict(&banked(&seen), "bank-total"), VerdictWord::Fail);
    }

    #[test]
    fn registers_in_turn_pass_and_an_answer_that_cannot_be_fails(
        plan in prop::collection::vec(any::<u8>(), 0..60), which in any::<Index>(), stale in any::<bool>()
    ) {
        // two writes before and a read after, so that every spoil finds something to spoil
        let plan: Vec<u8> = [0, 0].into_iter().chain(plan).chain([3]).collect();
        let (mut turns, _) = turns(&plan);
        prop_assert_eq!(verdict(&register(turns.clone()), "register"), VerdictWord::Pass);
        let answers: Vec<usize> = (0..turns.len())
            .filter(|at| matches!(turns[*at].2, RegisterOp::Read { .. } | RegisterOp::Cas { .. }))
            .collect();
        let at = answers[which.index(answers.len())];
        let (_, _, op, end) = &mut turns[at];
        *end = match op {
            // the first value was overwritten before anything was read
            RegisterOp::Read { .. } => value(if stale { Some(1) } else { Some(777_777) }),
            RegisterOp::Cas { from: 555_555, .. } => ok(Answer::Swapped(true)),
            _ => ok(Answer::Swapped(false)),
        };
        prop_assert_eq!(verdict(&register(turns), "register"), VerdictWord::Fail);
    }

    #[test]
    fn fresh_reads_pass_and_one_that_is_too_old_fails(
        reads in prop::collection::vec((5u64..19, 0u32..4), 20..80), which in any::<Index>(), behind in 3u64..5
    ) {
        // a beat every 10 ms: a read just before the next sees the last. Fewer than a hundred reads in all,
        // so that the oldest is the 99th percentile
        let mut reads: Vec<(u64, u32, Option<u64>)> =
            reads.into_iter().map(|(beat, worker)| (beat * 10 + 8, worker, Some(beat))).collect();
        let asked = |reads: &[(u64, u32, Option<u64>)]| {
            let mut story = fresh(reads);
            story.expect(json!({ "stale-reads": { "max": "20ms" } }));
            story
        };
        prop_assert_eq!(verdict(&asked(&reads), "stale-reads"), VerdictWord::Pass);
        let at = which.index(reads.len());
        reads[at].2 = reads[at].2.map(|beat| beat - behind);
        prop_assert_eq!(verdict(&asked(&reads), "stale-reads"), VerdictWord::Fail);
    }
}

#[test]
fn the_plans_make_what_they_say() {
    let deeds: Vec<Did> =
        serial(&[vec![(0, true), (0, false)]]).into_iter().map(|steps| txn(0, steps)).collect();
    assert_eq!(deeds.len(), 6);
    assert_eq!(balances(&[(0, 1, 5)]), [[100, 100, 100, 100], [95, 105, 100, 100]]);
    assert_eq!(turns(&[0, 1, 3]).1, Some(2));
}
