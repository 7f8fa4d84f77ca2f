//! Ways to spoil operations and what they were answered. Each says whether it found something to spoil.

use std::collections::BTreeMap;

use pgha::history::{Ack, Answer, Asked, Event, Mop, Outcome};
use pgha::model::Mono;

use super::find::{acked, answered, change, remove};
use crate::signed::nobody;
use crate::story::{MS, Story, ZERO, name};

pub fn mark_twice(story: &mut Story, pick: usize) -> bool {
    let mut first = None;
    for event in &story.events {
        if let Event::Invoke { q: Some(q), .. } = event
            && let Asked::Txn(steps) = &**q
        {
            first = first.or_else(|| steps.iter().find(|step| matches!(step, Mop::Append(..))).cloned());
        }
    }
    let Some(first) = first else { return false };
    let other = |event: &mut Event| match event {
        Event::Invoke { q: Some(q), .. } => match &mut **q {
            Asked::Txn(steps) => {
                steps.iter().position(|step| matches!(step, Mop::Append(..)) && *step != first)
            }
            _ => None,
        },
        _ => None,
    };
    let there: Vec<(usize, usize)> =
        (0..story.events.len()).filter_map(|at| Some((at, other(&mut story.events[at])?))).collect();
    let Some((at, step)) = there.get(pick % there.len().max(1)).copied() else { return false };
    let Event::Invoke { l, o, q: Some(q), .. } = &mut story.events[at] else { return false };
    if let Asked::Txn(steps) = &mut **q {
        steps[step] = first.clone();
    }
    let (load, op) = (*l, *o);
    for event in &mut story.events {
        if let Event::Done { l, o, outcome: Outcome::Ok(ack), .. } = event
            && (*l, *o) == (load, op)
            && let Some(Answer::Txn(steps)) = ack.v.as_deref_mut()
        {
            steps[step] = first.clone();
        }
    }
    true
}

/// An instance in recovery has no timeline to tell, so reads of another load's registers are none of these.
pub fn no_timeline(story: &mut Story, pick: usize) -> bool {
    let own: Vec<bool> = story.scenario.loads.iter().map(|load| load.of.is_none()).collect();
    let value = |event: &mut Event| {
        let Event::Done { l, .. } = event else { return false };
        let own = own.get(*l as usize) == Some(&true);
        own && answered(event).is_some_and(|ack| matches!(ack.v.as_deref(), Some(Answer::Value(_))))
    };
    change(
        &mut story.events,
        pick,
        |event| if value(event) { acked(event) } else { None },
        |ack| ack.tl = None,
    )
}

pub fn no_answer(story: &mut Story, pick: usize) -> bool {
    let reads = |ack: &Ack| match ack.v.as_deref() {
        Some(Answer::Txn(steps)) => steps.iter().any(|step| matches!(step, Mop::Read(..))),
        _ => true,
    };
    change(&mut story.events, pick, |event| answered(event).filter(|ack| reads(ack)), |ack| ack.v = None)
}

pub fn other_answer(story: &mut Story, pick: usize) -> bool {
    change(&mut story.events, pick, answered, |ack| {
        let other = match ack.v.as_deref() {
            Some(Answer::Heartbeat(_)) => Answer::Balances(vec![]),
            _ => Answer::Heartbeat(Some(1)),
        };
        ack.v = Some(Box::new(other));
    })
}

pub fn short_answer(story: &mut Story, pick: usize) -> bool {
    fn steps(event: &mut Event) -> Option<&mut Vec<Mop>> {
        match answered(event)?.v.as_deref_mut() {
            Some(Answer::Txn(steps)) => Some(steps),
            _ => None,
        }
    }
    change(&mut story.events, pick, steps, |steps| drop(steps.pop()))
}

pub fn no_node(story: &mut Story, pick: usize) -> bool {
    let reads = |event: &mut Event| {
        let only = |v: &Answer| match v {
            Answer::Txn(steps) => steps.iter().all(|step| matches!(step, Mop::Read(..))),
            Answer::Swapped(_) => false,
            _ => true,
        };
        answered(event).is_some_and(|ack| ack.v.as_deref().is_some_and(only))
    };
    change(
        &mut story.events,
        pick,
        |event| if reads(event) { acked(event) } else { None },
        |ack| ack.n = None,
    )
}

pub fn answer_gone(story: &mut Story, pick: usize) -> bool {
    remove(story, pick, |event| matches!(event, Event::Done { .. }))
}

pub fn question_gone(story: &mut Story, pick: usize) -> bool {
    remove(story, pick, |event| matches!(event, Event::Invoke { .. }))
}

pub fn operation_gone(story: &mut Story, pick: usize) -> bool {
    let ops: Vec<(u32, u64)> = story
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Invoke { l, o, .. } => Some((*l, *o)),
            _ => None,
        })
        .collect();
    let Some(op) = ops.get(pick % ops.len().max(1)) else { return false };
    story.events.retain(
        |event| !matches!(event, Event::Invoke { l, o, .. } | Event::Done { l, o, .. } if (*l, *o) == *op),
    );
    true
}

pub fn answer_twice(story: &mut Story, pick: usize) -> bool {
    let done: Vec<Event> =
        story.events.iter().filter(|event| matches!(event, Event::Done { .. })).cloned().collect();
    let again = done.get(pick % done.len().max(1)).cloned();
    let any = again.is_some();
    story.events.extend(again);
    any
}

pub fn meant_late(story: &mut Story, pick: usize) -> bool {
    let sent = |at: &usize| matches!(story.events[*at], Event::Invoke { .. });
    let there: Vec<usize> = (0..story.events.len()).filter(sent).collect();
    let Some(at) = there.get(pick % there.len().max(1)) else { return false };
    let Event::Invoke { t, i, .. } = &mut story.events[*at] else { return false };
    *i = Mono(t.0 + 1);
    true
}

pub fn answered_early(story: &mut Story, pick: usize) -> bool {
    fn done(event: &mut Event) -> Option<&mut Mono> {
        match event {
            Event::Done { t, .. } => Some(t),
            _ => None,
        }
    }
    // before any operation was sent
    change(&mut story.events, pick, done, |t| *t = Mono(ZERO - MS))
}

pub fn balances(story: &mut Story, to: impl Fn(&mut Vec<i64>)) -> bool {
    let mut any = false;
    for event in &mut story.events {
        if let Some(Answer::Balances(seen)) = answered(event).and_then(|ack| ack.v.as_deref_mut()) {
            to(seen);
            any = true;
        }
    }
    any
}

pub fn bank_empty(story: &mut Story, _: usize) -> bool {
    balances(story, Vec::clear)
}

pub fn bank_other(story: &mut Story, pick: usize) -> bool {
    balances(story, |seen| seen[pick % 2] += 1)
}

pub fn load_of_nobody(story: &mut Story, pick: usize) -> bool {
    let sent = |at: &usize| matches!(story.events[*at], Event::Invoke { .. });
    let there: Vec<usize> = (0..story.events.len()).filter(sent).collect();
    let Some(at) = there.get(pick % there.len().max(1)) else { return false };
    let Event::Invoke { l, o, .. } = &mut story.events[*at] else { return false };
    let (load, op) = (*l, *o);
    *l = 9;
    for event in &mut story.events {
        if let Event::Done { l, o, .. } = event
            && (*l, *o) == (load, op)
        {
            *l = 9;
        }
    }
    true
}

pub fn answered_by_nobody(story: &mut Story, pick: usize) -> bool {
    change(
        &mut story.events,
        pick,
        |event| acked(event).filter(|ack| ack.n.is_some()),
        |ack| {
            ack.n = Some(nobody());
        },
    )
}

/// A transaction ends before the one whose element it reads is sent.
pub fn read_ahead(story: &mut Story, _: usize) -> bool {
    let mut wrote: BTreeMap<(u64, u64), (u32, u64)> = BTreeMap::new();
    let mut saw = None;
    for event in &story.events {
        match event {
            Event::Invoke { l, o, q: Some(q), .. } => {
                if let Asked::Txn(steps) = &**q {
                    wrote.extend(steps.iter().filter_map(|step| match step {
                        Mop::Append(key, element) => Some(((*key, *element), (*l, *o))),
                        Mop::Read(..) => None,
                    }));
                }
            }
            Event::Done { t, l, o, outcome: Outcome::Ok(ack) } => {
                let Some(Answer::Txn(steps)) = ack.v.as_deref() else { continue };
                let lists = steps.iter().filter_map(|step| match step {
                    Mop::Read(key, Some(list)) => Some((*key, *list.last()?)),
                    _ => None,
                });
                for seen in lists {
                    saw = saw.or_else(|| {
                        let writer = wrote.get(&seen).filter(|writer| **writer != (*l, *o))?;
                        Some((*writer, *t))
                    });
                }
            }
            _ => {}
        }
    }
    let Some((writer, done)) = saw else { return false };
    for event in &mut story.events {
        match event {
            Event::Invoke { t, l, o, i, .. } if (*l, *o) == writer => {
                (*t, *i) = (Mono(done.0 + 1), Mono(done.0 + 1));
            }
            Event::Done { t, l, o, .. } if (*l, *o) == writer => *t = Mono(done.0 + 2),
            _ => {}
        }
    }
    true
}

fn beat(event: &mut Event) -> Option<&mut u64> {
    match answered(event)?.v.as_deref_mut() {
        Some(Answer::Heartbeat(Some(seen))) => Some(seen),
        _ => None,
    }
}

pub fn beat_ahead(story: &mut Story, pick: usize) -> bool {
    let last = story.events.iter().filter_map(|event| match event {
        Event::Invoke { o, l, .. }
            if story.scenario.loads.get(*l as usize).is_some_and(|load| load.name == name("beat")) =>
        {
            Some(*o)
        }
        _ => None,
    });
    let Some(last) = last.max() else { return false };
    change(&mut story.events, pick, beat, |seen| *seen = last)
}

/// The last answer of the last load that reads what another one writes.
fn last_read(story: &mut Story) -> Option<(u64, &mut i64)> {
    let of = story.scenario.loads.iter().position(|load| load.name == name("replica-eyes"))?;
    let of = u32::try_from(of).ok()?;
    story.events.iter_mut().rev().find_map(|event| match event {
        Event::Done { t, l, outcome: Outcome::Ok(ack), .. } if *l == of => match ack.v.as_deref_mut() {
            Some(Answer::Value(Some(seen))) => Some((t.0, seen)),
            _ => None,
        },
        _ => None,
    })
}

pub fn value_of_nobody(story: &mut Story, pick: usize) -> bool {
    last_read(story).is_some_and(|(_, seen)| {
        *seen = 1_000_000 + i64::try_from(pick).expect("small");
        true
    })
}

pub fn value_ahead(story: &mut Story, _: usize) -> bool {
    // the story writes 2 after everything was read
    last_read(story).is_some_and(|(_, seen)| {
        *seen = 2;
        true
    })
}
