//! A story as the newest edition records it: every writer signs, and every part says which run it is of.

use pgha::check::whole::SIGNED;
use pgha::history::{Event, History, Phase, Signed, Tally};
use pgha::model::lab::Service;
use pgha::model::{MemberId, Mono, Name, Stamp};

use crate::story::{MS, Story, ZERO, name};

/// The name of the run.
pub const RUN: &str = "primary-dies@1";

/// The same story, signed.
pub fn signed(mut story: Story) -> Story {
    story.resolved.edition = SIGNED;
    story.resolved.run = Some(RUN.to_owned());
    one_search(&mut story);
    phases(&mut story);
    stamped(&mut story);
    logs(&mut story);
    writers(&mut story);
    sign(&mut story);
    story
}

/// What belongs to the run, and to its boot.
pub fn stamp() -> Stamp {
    Stamp { run: RUN.to_owned(), boot: "boot".to_owned() }
}

fn history(story: &Story) -> History {
    History::from_events(story.events.clone())
}

fn end(story: &Story) -> Mono {
    let ends = story.events.iter().filter_map(|event| match event {
        Event::End { t, .. } => Some(*t),
        _ => None,
    });
    let looks = story.sightings.iter().map(|seen| seen.at);
    let reads = history(story).reads.into_iter().map(|read| read.t);
    Mono(ends.chain(looks).chain(reads).max().expect("an end").0 + MS)
}

fn one_search(story: &mut Story) {
    let mut searches = history(story).searches;
    story.events.retain(|event| !matches!(event, Event::Searched { .. }));
    let last = searches.pop();
    let (files, found) = last.map_or((9, vec![]), |last| (last.files, last.found));
    let t = end(story);
    story.events.push(Event::Searched { t, files, found });
}

fn phases(story: &mut Story) {
    let past = history(story);
    story.events.retain(|event| !matches!(event, Event::Phase { .. }));
    let over = past.load_end().expect("a load");
    let hurt = past.faults.iter().map(|fault| fault.intent).min();
    let healed = past.faults.iter().filter_map(|fault| fault.healed.max(fault.began)).max();
    let settle = over.max(healed.unwrap_or_default());
    let reads = past.reads.iter().map(|read| read.t).min().expect("final reads");
    let heal = over.max(hurt.unwrap_or_default());
    let all = [
        (Some(Mono(ZERO)), Phase::Baseline),
        (hurt, Phase::Hurt),
        (Some(heal), Phase::Heal),
        (Some(settle), Phase::Settle),
        (Some(reads), Phase::FinalReads),
    ];
    story.events.extend(all.into_iter().filter_map(|(t, phase)| Some(Event::Phase { t: t?, phase })));
}

fn stamped(story: &mut Story) {
    for seen in &mut story.sightings {
        seen.of = Some(stamp());
    }
    let mut ledger = history(story).faults;
    for fault in &mut ledger {
        fault.of = Some(stamp());
    }
    story.ledger = Some(ledger);
}

/// Every member has a log, and the runner says how long it is.
fn logs(story: &mut Story) {
    let members: Vec<MemberId> = story.resolved.members.iter().map(|member| member.id.clone()).collect();
    for member in members {
        story.logs.entry(member).or_insert_with(|| "LOG: ready\n".to_owned());
    }
    if !story.resolved.lab.controllers.is_empty() {
        story.logs.entry(MemberId::from(Service::Broker)).or_insert_with(|| "LOG: ready\n".to_owned());
    }
    let bytes = story.logs.iter().map(|(member, log)| (member.clone(), log.len() as u64)).collect();
    let t = end(story);
    story.events.push(Event::Logs { t, bytes });
}

/// Whoever writes begins before it, and ends after it.
fn writers(story: &mut Story) {
    let (over, last) = (history(story).load_end().expect("a load"), end(story));
    let reads = history(story).reads.iter().map(|read| read.t).max().expect("final reads");
    let first = story.sightings.iter().map(|seen| seen.at).min().expect("looks");
    story.events.retain(|event| !matches!(event, Event::Journal { .. } | Event::End { .. }));
    let loads: Vec<Name> = story.scenario.loads.iter().map(|load| load.name.clone()).collect();
    let begin = Mono(first.0.min(ZERO) - 50 * MS);
    let spans = [
        ("runner", begin, Mono(last.0 + MS), vec![]),
        ("witness", begin, last, vec![]),
        ("client", Mono(ZERO - 40 * MS), over, loads),
        ("final-reads", over, reads, vec![]),
    ];
    for (writer, from, to, loads) in spans {
        let (boot_id, run) = ("boot".to_owned(), Some(RUN.to_owned()));
        story.events.push(Event::Journal { t: from, writer: writer.to_owned(), boot_id, loads, run });
        story.events.push(Event::end(to, writer));
    }
}

/// Every writer signs what is there now.
pub fn sign(story: &mut Story) {
    let past = history(story);
    let tally = |l: u32| {
        let ops = past.ops.iter().filter(|op| op.load == l);
        let counted = past.counted.iter().filter(|second| second.l == l);
        let counted: u64 = counted
            .map(|second| second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>())
            .sum();
        let answered = ops.clone().filter(|op| op.done.is_some()).count() as u64 + counted;
        Tally { l, answered, open: ops.filter(|op| op.done.is_none()).count() as u64 }
    };
    let loads: Vec<Tally> = (0..).zip(&story.scenario.loads).map(|(l, _)| tally(l)).collect();
    let (lines, looks, reads) =
        (story.events.len() as u64 - 1, story.sightings.len() as u64, past.reads.len() as u64);
    for event in &mut story.events {
        let Event::End { writer, signed, .. } = event else { continue };
        let wrote = match writer.as_str() {
            "runner" => Signed { lines: Some(lines), loads: vec![] },
            "witness" => Signed { lines: Some(looks), loads: vec![] },
            "final-reads" => Signed { lines: Some(reads), loads: vec![] },
            _ => Signed { lines: None, loads: loads.clone() },
        };
        *signed = Some(Box::new(wrote));
    }
}

/// Another member.
pub fn nobody() -> MemberId {
    name("postgres-77")
}
