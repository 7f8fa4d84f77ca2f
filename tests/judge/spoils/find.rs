//! Where in a record something stands that can be spoiled.

use pgha::history::{Ack, Event, FinalRead, Outcome};
use pgha::model::FaultRecord;

use crate::story::Story;

/// Changes the `pick`th of what `find` finds.
pub fn change<T>(
    events: &mut [Event],
    pick: usize,
    find: impl Fn(&mut Event) -> Option<&mut T>,
    to: impl FnOnce(&mut T),
) -> bool {
    let there: Vec<usize> = (0..events.len()).filter(|at| find(&mut events[*at]).is_some()).collect();
    let Some(at) = there.get(pick % there.len().max(1)) else { return false };
    find(&mut events[*at]).map(to).is_some()
}

pub fn remove(story: &mut Story, pick: usize, this: impl Fn(&Event) -> bool) -> bool {
    let there: Vec<usize> = (0..story.events.len()).filter(|at| this(&story.events[*at])).collect();
    let Some(at) = there.get(pick % there.len().max(1)) else { return false };
    story.events.remove(*at);
    true
}

pub fn acked(event: &mut Event) -> Option<&mut Ack> {
    match event {
        Event::Done { outcome: Outcome::Ok(ack), .. } => Some(ack),
        _ => None,
    }
}

pub fn answered(event: &mut Event) -> Option<&mut Ack> {
    acked(event).filter(|ack| ack.v.is_some())
}

pub fn read(event: &mut Event) -> Option<&mut FinalRead> {
    match event {
        Event::FinalRead(read) => Some(read),
        _ => None,
    }
}

/// Changes every line of the first fault, and the ledger with them.
pub fn fault(story: &mut Story, to: impl Fn(&mut FaultRecord)) -> bool {
    let mut any = false;
    for event in &mut story.events {
        if let Event::Fault(fault) = event {
            to(fault);
            any = true;
        }
    }
    story.ledger.iter_mut().flatten().for_each(to);
    any
}

pub fn again(story: &mut Story, this: impl Fn(&Event) -> bool, to: impl FnOnce(&mut Event)) -> bool {
    let Some(mut again) = story.events.iter().find(|event| this(event)).cloned() else { return false };
    to(&mut again);
    story.events.push(again);
    true
}
