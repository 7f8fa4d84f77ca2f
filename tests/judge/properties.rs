//! Correct runs of any size pass; spoiled in one way each, none of them does.

use pgha::check::judge;
use pgha::history::{Event, Outcome, decode};
use pgha::model::scenario::VerdictWord;
use proptest::prelude::*;

use crate::refusals::stuck::{met, server};
use crate::story::{Plan, Story, name, tell};

prop_compose! {
    fn plans()(
        before in 20u64..120,
        in_flight in 1u64..8,
        refused in 1u64..200,
        after in 10u64..80,
        lost in 0u64..10,
    ) -> Plan {
        Plan { before, in_flight, refused, after, lost, kill: true }
    }
}

/// One way to spoil a run; `pick` chooses where.
type Spoil = fn(&mut Story, &Plan, u64);

/// Each with the check that must speak up and the verdict it must give.
const SPOILS: &[(&str, Spoil, &str, VerdictWord)] = &[
    ("drop an acknowledged row", drop_row, "lost-acks", VerdictWord::Fail),
    ("drop a row on one replica", drop_on_replica, "lost-acks", VerdictWord::Fail),
    ("double a row", double_row, "unexpected", VerdictWord::Fail),
    ("add a row nobody wrote", strange_row, "unexpected", VerdictWord::Fail),
    ("add a row of a failed operation", failed_row, "unexpected", VerdictWord::Fail),
    ("fork a timeline", fork, "one-writer", VerdictWord::Fail),
    ("a receipt is missing", no_receipt, "receipts", VerdictWord::Unknown),
    ("the fault did not bite", refuted, "receipts", VerdictWord::Unknown),
    ("a node was not read", unread, "lost-acks", VerdictWord::Unknown),
    ("a session hangs on the dead server", hang, "stuck", VerdictWord::Fail),
    ("a client is answered read-only for ever", read_only, "stuck", VerdictWord::Fail),
    ("the journal ends early", cut, "journal", VerdictWord::Unknown),
];

fn drop_row(story: &mut Story, plan: &Plan, pick: u64) {
    let row = pick % (plan.before - plan.lost);
    story.rows(|rows| rows.retain(|known| *known != row));
}

fn drop_on_replica(story: &mut Story, _: &Plan, pick: u64) {
    let mut reads = story.reads();
    let rows = reads[2].rows.as_mut().expect("rows");
    let at = usize::try_from(pick).expect("small") % rows.len();
    rows.remove(at);
}

fn double_row(story: &mut Story, plan: &Plan, pick: u64) {
    let row = pick % (plan.before - plan.lost);
    story.rows(|rows| rows.push(row));
}

fn strange_row(story: &mut Story, _: &Plan, pick: u64) {
    story.rows(|rows| rows.push(1_000_000 + pick));
}

fn failed_row(story: &mut Story, plan: &Plan, pick: u64) {
    let row = plan.before + plan.in_flight + pick % plan.refused;
    story.rows(|rows| rows.push(row));
}

fn fork(story: &mut Story, plan: &Plan, pick: u64) {
    story.ack(pick % plan.before).n = Some(name("postgres-3"));
}

fn no_receipt(story: &mut Story, _: &Plan, _: u64) {
    story.fault().receipt = None;
}

fn refuted(story: &mut Story, _: &Plan, _: u64) {
    story.fault().receipt.as_mut().expect("a receipt").state = pgha::model::ReceiptState::Refuted;
}

fn unread(story: &mut Story, _: &Plan, pick: u64) {
    let nodes = ["postgres-1", "postgres-2", "postgres-3"];
    let node = nodes[usize::try_from(pick % 3).expect("small")];
    for read in story.reads().into_iter().filter(|read| read.node.as_str() == node) {
        read.rows = None;
    }
}

fn no_stuck(story: &mut Story, after: &str) {
    story.expect(serde_json::json!({ "stuck": { "max": 0, "after": after } }));
}

fn hang(story: &mut Story, _: &Plan, pick: u64) {
    no_stuck(story, "2s");
    let balancer = if pick.is_multiple_of(2) { "balancer-1" } else { "balancer-2" };
    let last = story.sightings.last_mut().expect("a look");
    server(last, balancer, "rw", if pick.is_multiple_of(3) { "h1" } else { "h3" }).sessions = 1;
}

fn read_only(story: &mut Story, plan: &Plan, _: u64) {
    no_stuck(story, "20ms");
    // so much later than the first acknowledgement of the new primary
    let back = (plan.before + plan.refused) * 5 + 30;
    let mut spoiled = met(story.clone(), &[(back, back + 1, "25006")]);
    std::mem::swap(story, &mut spoiled);
}

fn cut(story: &mut Story, _: &Plan, pick: u64) {
    let text = story.journal();
    // both writers end on the last two lines, so any cut takes at least one of them
    let end = usize::try_from(pick).expect("small") % (text.len() - 1);
    let decoded = decode(&text[..end]).expect("torn, not wrong");
    story.events = decoded.events;
    story.complete = !decoded.cut;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(64), ..ProptestConfig::default() })]

    #[test]
    fn a_correct_run_passes(plan in plans()) {
        let story = tell(&plan);
        let judgement = judge(&story.record());
        prop_assert_eq!(judgement.reasons, Vec::<String>::new());
        prop_assert_eq!(judgement.verdict, VerdictWord::Pass);
    }

    #[test]
    fn a_run_spoiled_in_one_way_does_not(plan in plans(), pick in 0u64..1_000_000, which in 0..SPOILS.len()) {
        let (what, spoil, check, verdict) = SPOILS[which];
        let mut story = tell(&plan);
        spoil(&mut story, &plan, pick);
        let judgement = judge(&story.record());
        prop_assert_eq!(judgement.check(check).expect("a check").verdict, verdict, "{}", what);
        prop_assert_ne!(judgement.verdict, VerdictWord::Pass, "{}", what);
    }

    #[test]
    fn losing_any_acknowledged_row_of_a_synchronous_run_is_caught(plan in plans(), pick in 0u64..1000) {
        let mut story = tell(&plan);
        story.resolved.lab.postgres.replication = pgha::model::lab::Replication::Sync;
        let row = pick % plan.before;
        story.rows(|rows| rows.retain(|known| *known != row));
        let judgement = judge(&story.record());
        prop_assert_eq!(judgement.check("lost-acks").expect("a check").verdict, VerdictWord::Fail);
    }

    #[test]
    fn the_order_of_lines_means_nothing(plan in plans(), seed in any::<u64>()) {
        let story = tell(&plan);
        let mut mixed = story.clone();
        // a shuffle by a multiplicative hash of the position: the clock orders, the file does not. Only
        // the frame stays: a writer's first line is before its last one.
        let (mut frame, mut body): (Vec<Event>, Vec<Event>) =
            mixed.events.into_iter().partition(|event| matches!(event, Event::Journal { .. } | Event::End { .. }));
        let key = |index: usize| (index as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut keyed: Vec<(u64, Event)> = body.drain(..).enumerate().map(|(index, event)| (key(index), event)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        let tail = frame.split_off(2);
        mixed.events = frame.into_iter().chain(keyed.into_iter().map(|(_, event)| event)).chain(tail).collect();
        mixed.sightings.reverse();
        prop_assert_eq!(judge(&mixed.record()), judge(&story.record()));
    }

    #[test]
    fn a_garbled_journal_never_panics(plan in plans(), at in 0usize..10_000, byte in any::<u8>()) {
        let mut bytes = tell(&plan).journal().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(text) = String::from_utf8(bytes) && let Ok(decoded) = decode(&text) {
            let mut story = tell(&plan);
            story.events = decoded.events;
            let _ = judge(&story.record());
        }
    }
}

#[test]
fn every_spoiled_run_is_caught_at_least_once() {
    // the property picks ways by chance; this one leaves none out
    let plan = Plan { lost: 2, ..Plan::small() };
    for (what, spoil, check, verdict) in SPOILS {
        let mut story = tell(&plan);
        assert!(matches!(story.outcome(0), Outcome::Ok(_)));
        spoil(&mut story, &plan, 7);
        assert_eq!(judge(&story.record()).check(check).expect("a check").verdict, *verdict, "{what}");
    }
}

#[test]
fn no_spoiled_run_slips() {
    let (mut caught, mut slipped) = (0, Vec::new());
    for (what, spoil, check, verdict) in SPOILS {
        for case in 0..40 {
            let plan = Plan { before: 20 + case, refused: 1 + case * 3, lost: case % 5, ..Plan::small() };
            let mut story = tell(&plan);
            spoil(&mut story, &plan, case * 7919);
            if judge(&story.record()).check(check).expect("a check").verdict == *verdict {
                caught += 1;
            } else {
                slipped.push((what, case));
            }
        }
    }
    println!("{} ways to spoil a run: {caught} caught, {} slipped", SPOILS.len(), slipped.len());
    assert_eq!(slipped, vec![]);
}
