//! Ways to spoil the frame of a record: signatures, instants, names, files. Each says whether it found something to
//! spoil.

use pgha::history::{Event, Phase};
use pgha::model::Mono;
use serde_json::json;

use super::find::{again, change, fault, read, remove};
use crate::signed::nobody;
use crate::story::{MS, Plan, Story, ZERO, name, tell};

pub fn some_log(story: &Story, pick: usize) -> Option<pgha::model::MemberId> {
    story.logs.keys().nth(pick % story.logs.len().max(1)).cloned()
}

pub fn log_of_nobody(story: &mut Story, pick: usize) -> bool {
    let Some(member) = some_log(story, pick) else { return false };
    let log = story.logs.remove(&member).expect("it is there");
    story.logs.insert(nobody(), log);
    true
}

pub fn log_gone(story: &mut Story, pick: usize) -> bool {
    some_log(story, pick).is_some_and(|member| story.logs.remove(&member).is_some())
}

pub fn log_empty(story: &mut Story, pick: usize) -> bool {
    some_log(story, pick).is_some_and(|member| story.logs.insert(member, String::new()).is_some())
}

pub fn log_cut(story: &mut Story, pick: usize) -> bool {
    some_log(story, pick).is_some_and(|member| story.logs.get_mut(&member).and_then(String::pop).is_some())
}

pub fn reads_early(story: &mut Story, _: usize) -> bool {
    let reads = story.reads();
    let any = !reads.is_empty();
    for read in reads {
        read.t = Mono(ZERO - MS);
    }
    any
}

pub fn read_early(story: &mut Story, pick: usize) -> bool {
    change(&mut story.events, pick, read, |read| read.t = Mono(ZERO + MS))
}

pub fn end_early(story: &mut Story, of: &str) -> bool {
    let end = |event: &Event| matches!(event, Event::End { writer, .. } if writer == of);
    let Some(Event::End { t, .. }) = story.events.iter_mut().find(|event| end(event)) else { return false };
    *t = Mono(ZERO + MS);
    true
}

pub fn client_ends_early(story: &mut Story, _: usize) -> bool {
    end_early(story, "client")
}

pub fn runner_ends_early(story: &mut Story, _: usize) -> bool {
    end_early(story, "runner")
}

pub fn fault_early(story: &mut Story, _: usize) -> bool {
    fault(story, |fault| {
        fault.intent = Mono(ZERO - 10 * MS);
        fault.began = Some(Mono(ZERO - 9 * MS));
    })
}

pub fn healed_early(story: &mut Story, _: usize) -> bool {
    fault(story, |fault| fault.healed = fault.healed.map(|_| Mono(fault.intent.0 - 1)))
        && story.fault().healed.is_some()
}

pub fn phase_gone(story: &mut Story, pick: usize) -> bool {
    remove(story, pick, |event| matches!(event, Event::Phase { .. }))
}

pub fn never_signed(story: &mut Story, who: &str) -> bool {
    let before = story.events.len();
    story.events.retain(
        |event| !matches!(event, Event::Journal { writer, .. } | Event::End { writer, .. } if writer == who),
    );
    before > story.events.len()
}

pub fn no_client(story: &mut Story, _: usize) -> bool {
    never_signed(story, "client")
}

pub fn no_runner(story: &mut Story, _: usize) -> bool {
    never_signed(story, "runner")
}

pub fn no_witness(story: &mut Story, _: usize) -> bool {
    never_signed(story, "witness")
}

pub fn no_reader(story: &mut Story, _: usize) -> bool {
    never_signed(story, "final-reads")
}

pub fn looks_moved(story: &mut Story, by: impl Fn(u64) -> u64) -> bool {
    story.sightings.iter_mut().for_each(|seen| seen.at = Mono(by(seen.at.0)));
    !story.sightings.is_empty()
}

pub fn looks_earlier(story: &mut Story, pick: usize) -> bool {
    looks_moved(story, |at| at - 100_000 * MS - pick as u64)
}

pub fn looks_later(story: &mut Story, pick: usize) -> bool {
    looks_moved(story, |at| at + 1_000_000 * MS + pick as u64)
}

pub fn look_of_another(story: &mut Story, pick: usize) -> bool {
    let at = pick % story.sightings.len().max(1);
    let Some(stamp) = story.sightings.get_mut(at).and_then(|seen| seen.of.as_mut()) else { return false };
    stamp.run.push('2');
    true
}

pub fn look_gone(story: &mut Story, pick: usize) -> bool {
    let at = pick % story.sightings.len().max(1);
    story.sightings.remove(at);
    true
}

pub fn ledger_of_another(story: &mut Story, _: usize) -> bool {
    let mut stamps = story.ledger.iter_mut().flatten().filter_map(|fault| fault.of.as_mut());
    stamps.next().is_some_and(|stamp| {
        stamp.boot.push('2');
        true
    })
}

pub fn ledger_gone(story: &mut Story, _: usize) -> bool {
    story.ledger.take().is_some()
}

pub fn prepared_twice(story: &mut Story, pick: usize) -> bool {
    again(
        story,
        |event| matches!(event, Event::Prepared { .. }),
        |event| {
            if let Event::Prepared { rows, .. } = event {
                *rows = pick as u64;
            }
        },
    )
}

pub fn searched_twice(story: &mut Story, _: usize) -> bool {
    again(story, |event| matches!(event, Event::Searched { .. }), |_| {})
}

pub fn read_twice(story: &mut Story, pick: usize) -> bool {
    again(
        story,
        |event| matches!(event, Event::FinalRead(_)),
        |event| {
            let rows = read(event).and_then(|read| read.rows.as_mut());
            let rows = rows.filter(|rows| !rows.is_empty());
            rows.map(|rows| rows.remove(pick % rows.len())).unwrap_or_default();
        },
    )
}

pub fn fault_otherwise(story: &mut Story, _: usize) -> bool {
    again(
        story,
        |event| matches!(event, Event::Fault(_)),
        |event| {
            if let Event::Fault(fault) = event {
                fault.began = fault.began.map(|began| Mono(began.0 + 1));
            }
        },
    )
}

pub fn fault_of_no_step(story: &mut Story, _: usize) -> bool {
    !story.scenario.steps.is_empty()
        && again(
            story,
            |event| matches!(event, Event::Fault(_)),
            |event| {
                if let Event::Fault(fault) = event {
                    fault.id = name("another");
                }
            },
        )
}

pub fn fault_of_another_verb(story: &mut Story, _: usize) -> bool {
    fault(story, |fault| {
        fault.verb = serde_json::from_value(json!({ "pause": { "target": "primary" } })).expect("a verb");
    })
}

pub fn client_of_another(story: &mut Story, _: usize) -> bool {
    for event in &mut story.events {
        if let Event::Journal { loads, .. } = event
            && let Some(first) = loads.first_mut()
        {
            *first = name("another");
            return true;
        }
    }
    false
}

pub fn phases_backwards(story: &mut Story, _: usize) -> bool {
    story.events.push(Event::Phase { t: Mono(ZERO - MS), phase: Phase::Settle });
    true
}

pub fn read_of_nobody(story: &mut Story, pick: usize) -> bool {
    change(&mut story.events, pick, read, |read| read.node = nobody())
}

pub fn cut(story: &mut Story, pick: usize) -> bool {
    // in a file the signatures of the ends stand where they were written
    story.events.sort_by_key(|event| matches!(event, Event::End { .. }));
    let whole = story.events.len();
    story.events.truncate(whole * (pick % 97) / 100);
    true
}

pub fn empty(story: &mut Story, _: usize) -> bool {
    story.events.clear();
    true
}

/// Nothing of the journal is younger than the intent of the fault; whoever looked went on.
pub fn killed(story: &mut Story, _: usize) -> bool {
    let Some(intent) = story.events.iter().find_map(|event| match event {
        Event::Fault(fault) => Some(fault.intent),
        _ => None,
    }) else {
        return false;
    };
    story.events.retain(|event| match event {
        Event::Invoke { t, .. } | Event::Done { t, .. } | Event::Phase { t, .. } => *t <= intent,
        Event::FinalRead(_) | Event::End { .. } | Event::Searched { .. } | Event::Logs { .. } => false,
        _ => true,
    });
    fault(story, |fault| {
        (fault.began, fault.healing, fault.healed) = (None, None, None);
        (fault.receipt, fault.heal) = (None, None);
    })
}

/// The journal of another run of the same scenario behind it, in which everything is another.
pub fn mixed(story: &mut Story, pick: usize) -> bool {
    let other = tell(&Plan { before: 20 + pick as u64 % 20, lost: 0, kill: false, ..Plan::small() });
    story.events.extend(other.events);
    true
}

pub fn other_boot(story: &mut Story, _: usize) -> bool {
    let mut journals = story.events.iter_mut().filter_map(|event| match event {
        Event::Journal { boot_id, .. } => Some(boot_id),
        _ => None,
    });
    journals.next().is_some_and(|boot| {
        boot.push('2');
        true
    })
}
