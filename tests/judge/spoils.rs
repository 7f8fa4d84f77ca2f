//! Records that are right, spoiled in every kind of way: none of them may pass, and one whose record is broken accuses
//! no lab. Right are the stories of this suite and the stored runs, each as it is and as the newest edition signs it.

mod find;
mod frame;
mod values;

use frame::{
    client_ends_early, client_of_another, cut, empty, fault_early, fault_of_another_verb, fault_of_no_step,
    fault_otherwise, healed_early, killed, ledger_gone, ledger_of_another, log_cut, log_empty, log_gone,
    log_of_nobody, look_gone, look_of_another, looks_earlier, looks_later, mixed, no_client, no_reader,
    no_runner, no_witness, other_boot, phase_gone, phases_backwards, prepared_twice, read_early,
    read_of_nobody, read_twice, reads_early, runner_ends_early, searched_twice,
};
use pgha::check::judge;
use pgha::history::RegisterOp;
use pgha::model::scenario::VerdictWord;
use serde_json::json;
use values::{
    answer_gone, answer_twice, answered_by_nobody, answered_early, bank_empty, bank_other, beat_ahead,
    load_of_nobody, mark_twice, meant_late, no_answer, no_node, no_timeline, operation_gone, other_answer,
    question_gone, read_ahead, short_answer, value_ahead, value_of_nobody,
};

use crate::signed::signed;
use crate::story::{Plan, Story, tell};
use crate::{stored, tales};

/// What a spoiled record must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    /// It proves nothing, and accuses no lab.
    Unknown,
    /// What is in it is wrong by itself.
    Fail,
}

/// One way to spoil a record; `pick` says where. It says whether it found something to spoil.
type Spoil = fn(&mut Story, usize) -> bool;

/// Row of the table of kinds, the way, the first edition that notices, and what must come of it.
type Kind = (&'static str, &'static str, Spoil, u32, Must);

use Must::{Fail, Unknown};

const KINDS: &[Kind] = &[
    ("J1", "a mark is given twice", mark_twice, 0, Unknown),
    ("J2", "a read says no timeline", no_timeline, 0, Unknown),
    ("J2", "an answer has nothing in it", no_answer, 0, Unknown),
    ("J2", "an answer is of another kind", other_answer, 0, Unknown),
    ("J2", "a step of a transaction has no answer", short_answer, 0, Unknown),
    ("J3", "a reader does not say who answered", no_node, 0, Unknown),
    ("J4", "a log is named after nobody", log_of_nobody, 1, Unknown),
    ("J4", "a log is gone", log_gone, 2, Unknown),
    ("J4", "a log is empty", log_empty, 2, Unknown),
    ("J4", "a log lost its end", log_cut, 2, Unknown),
    ("J5", "final reads before the first operation", reads_early, 0, Unknown),
    ("J5", "one final read before the last operation", read_early, 0, Unknown),
    ("J5", "the client ends before its operations", client_ends_early, 0, Unknown),
    ("J5", "the runner ends before the final reads", runner_ends_early, 1, Unknown),
    ("J5", "a fault before the load", fault_early, 0, Unknown),
    ("J5", "a fault is healed before it is injected", healed_early, 0, Unknown),
    ("J5", "a phase is left out", phase_gone, 2, Unknown),
    ("J6", "the client never signed", no_client, 0, Unknown),
    ("J6", "the runner never signed", no_runner, 0, Unknown),
    ("J6", "whoever looked never signed", no_witness, 2, Unknown),
    ("J6", "whoever read in the end never signed", no_reader, 2, Unknown),
    ("J7", "an answer is gone", answer_gone, 1, Unknown),
    ("J7", "a question is gone", question_gone, 0, Unknown),
    ("J7", "an operation is gone", operation_gone, 2, Unknown),
    ("J7", "an answer is there twice", answer_twice, 0, Unknown),
    ("J8", "an operation was sent before it was meant", meant_late, 0, Unknown),
    ("J8", "an answer is older than its question", answered_early, 0, Unknown),
    ("J9", "every read of a bank is empty", bank_empty, 0, Fail),
    ("J9", "every read of a bank has another total", bank_other, 1, Fail),
    ("J10", "sightings of an earlier run", looks_earlier, 0, Unknown),
    ("J10", "sightings of a later run", looks_later, 0, Unknown),
    ("J10", "one sighting of another run", look_of_another, 2, Unknown),
    ("J10", "a sighting is gone", look_gone, 2, Unknown),
    ("J10", "the ledger of another run", ledger_of_another, 2, Unknown),
    ("J10", "the ledger is gone", ledger_gone, 2, Unknown),
    ("J11", "tables prepared twice", prepared_twice, 0, Unknown),
    ("J11", "searched twice", searched_twice, 2, Unknown),
    ("J11", "a node read twice", read_twice, 0, Unknown),
    ("J11", "a fault told otherwise", fault_otherwise, 0, Unknown),
    ("J12", "a fault without a step", fault_of_no_step, 0, Unknown),
    ("J12", "a fault that is not its step", fault_of_another_verb, 2, Unknown),
    ("J12", "an operation of no load", load_of_nobody, 0, Unknown),
    ("J12", "a client with another load", client_of_another, 0, Unknown),
    ("J12", "phases go backwards", phases_backwards, 0, Unknown),
    ("J12", "a member that the lab has not was read", read_of_nobody, 0, Unknown),
    ("J12", "a member that the lab has not answered", answered_by_nobody, 2, Unknown),
    ("cut", "the journal ends early", cut, 0, Unknown),
    ("cut", "the journal is empty", empty, 0, Unknown),
    ("cut", "the runner is killed between deed and line", killed, 0, Unknown),
    ("mixed", "two runs in one journal", mixed, 0, Unknown),
    ("mixed", "another boot", other_boot, 0, Unknown),
    ("ahead", "a list is read before it was written", read_ahead, 0, Fail),
    ("ahead", "a heartbeat is read before it was sent", beat_ahead, 0, Fail),
    ("ahead", "a replica shows a value that no client wrote", value_of_nobody, 0, Fail),
    ("ahead", "a replica shows a value before it was written", value_ahead, 0, Fail),
];

/// Every record of this suite that is right.
fn right() -> Vec<(String, Story)> {
    let told = tales::TALES.iter().map(|(tale, _, story, _)| ((*tale).to_owned(), story()));
    let plans = (0..4).map(|more| {
        let plan = Plan { before: 30 + more * 7, lost: more, kill: more != 3, ..Plan::small() };
        (format!("plan {more}"), tell(&plan))
    });
    let founded = tales::bank(&[&[100; 10], &[90, 110, 100, 100, 100, 100, 100, 100, 100, 100]]);
    let founded = ("a bank as it is founded".to_owned(), founded);
    let replica = ("registers on a replica".to_owned(), tales::register_on_a_replica());
    let all = told.chain(plans).chain([founded, replica]).chain(stored::stories());
    let all = all.flat_map(|(what, story)| {
        let newest = (format!("{what}, signed"), signed(story.clone()));
        [(what, story), newest]
    });
    all.filter(|(_, story)| judge(&story.record()).verdict == VerdictWord::Pass).collect()
}

/// One record in so many is spoiled in each way; all of them where the long search is asked for.
fn part() -> usize {
    if crate::long() { 1 } else { 6 }
}

#[test]
fn no_record_that_is_spoiled_slips() {
    let right = right();
    let newest = right.iter().filter(|(_, story)| story.resolved.edition >= 2).count();
    assert!(newest > 30, "{newest} records that are signed are right");
    let mut table: Vec<(&str, &str, usize, usize)> = Vec::new();
    let mut slipped: Vec<String> = Vec::new();
    let part = part();
    for (kind, (row, what, spoil, since, must)) in KINDS.iter().enumerate() {
        let (mut made, mut wrong) = (0, 0);
        let old_enough = right.iter().filter(|(_, story)| story.resolved.edition >= *since);
        for (number, (base, story)) in old_enough.enumerate() {
            // every way is tried once at least, and every record by some
            if made > 0 && !(number + kind).is_multiple_of(part) {
                continue;
            }
            // the early and the late one take turns
            let pick = [7, 66][number % 2];
            let mut story = story.clone();
            if !spoil(&mut story, pick) {
                continue;
            }
            made += 1;
            let judgement = judge(&story.record());
            let wanted = match must {
                Must::Unknown => judgement.verdict == VerdictWord::Unknown,
                // a signed record whose content is changed is not what was signed
                Must::Fail => judgement.verdict != VerdictWord::Pass,
            };
            if !wanted {
                wrong += 1;
                let reasons = judgement.reasons.join("; ");
                slipped.push(format!("{row} {what}: {base} ({pick}): {}: {reasons}", judgement.verdict));
            }
        }
        table.push((row, what, made, wrong));
    }
    for (row, what, made, wrong) in &table {
        println!("{row:6} {what:50} {made:5} made {wrong:3} slipped");
    }
    let made: usize = table.iter().map(|(_, _, made, _)| made).sum();
    println!("{} kinds, {made} spoiled records, {} slipped", table.len(), slipped.len());
    assert!(slipped.is_empty(), "{}", slipped.join("\n"));
    let idle: Vec<&str> =
        table.iter().filter(|(_, _, made, _)| *made == 0).map(|(_, what, ..)| *what).collect();
    assert_eq!(idle, [""; 0], "nothing to spoil in any record");
}

#[test]
fn what_is_wrong_in_a_whole_record_is_a_fail() {
    let right = right();
    for (row, what, spoil, since, _) in KINDS.iter().filter(|kind| kind.4 == Must::Fail) {
        let old_enough = right.iter().filter(|(_, story)| story.resolved.edition >= *since);
        let mut spoiled = old_enough.filter_map(|(_, story)| {
            let mut story = story.clone();
            spoil(&mut story, 7).then_some(story)
        });
        assert!(spoiled.any(|story| judge(&story.record()).verdict == VerdictWord::Fail), "{row} {what}");
    }
}

#[test]
fn an_end_is_met_by_a_whole_record_alone() {
    for share in [20, 40, 66, 90] {
        for newest in [false, true] {
            let mut story = tell(&Plan::small());
            if newest {
                story = signed(story);
            }
            story.scenario.ends = serde_json::from_value(json!({ "verdict": "unknown" })).expect("an end");
            assert!(cut(&mut story, share));
            let judgement = judge(&story.record());
            assert_eq!(
                (judgement.verdict, judgement.as_wanted()),
                (VerdictWord::Unknown, false),
                "{share} %"
            );
        }
    }
}

#[test]
fn a_register_is_asked_and_answered_in_kind() {
    // a read that was answered as if it had been a swap
    let mut story = tales::register(vec![(20, 21, RegisterOp::Read { k: 1 }, tales::value(None))]);
    assert_eq!(judge(&story.record()).verdict, VerdictWord::Pass);
    assert!(other_answer(&mut story, 0));
    let judgement = judge(&story.record());
    assert_eq!(
        judgement.reasons,
        ["journal: operation 10 of load `keys` was not answered what it asked for (1 such)"]
    );
}
