//! First back, median back, last back: how long the clients of an endpoint were out because of a fault.
//!
//! A fault answers for the outages that overlap the time from its intent to the intent of the next one, with one
//! exception: an outage that could be seen only after the next intent belongs to the next fault alone, if this
//! one had been on for longer than an ordinary silence when the outage began. Faults that strike together thus
//! answer together.
//!
//! A client is *hurt* when it has such an outage. It was out for the longest of them, and never for less than
//! the time in which nobody was acknowledged ([`Outage`]): it would have been refused as well. *First back* is
//! the shortest of these times over the hurt clients, *median back* the middle one (the lower of two), *last
//! back* the longest. A client that never came back is behind all others. So
//! last back ≥ median back ≥ first back ≥ the outage of the endpoint, always.

use super::clients::{Out, OutageEnd};
use super::windows::{ClientOutage, EndpointOutages, Outage};
use crate::check::record::RunRecord;
use crate::model::{FaultRecord, Mono, Name};

/// How the clients of an endpoint came back. Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backs {
    /// How many clients the endpoint had.
    pub clients: usize,
    /// Of these, those that were hurt.
    pub hurt: usize,
    /// Of the hurt ones, those that were out before the fault was meant.
    pub out_before: usize,
    /// Of the hurt ones, those that never came back.
    pub never_back: usize,
    /// Clients nobody can tell of: an older edition does not name their successors.
    pub untraced: usize,
    /// The first hurt client back; `None` when nobody was hurt, none came back or not all are known.
    pub first: Option<u64>,
    /// The middle one, under the same conditions.
    pub median: Option<u64>,
    /// The last one; `None` also when one never came back.
    pub last: Option<u64>,
    /// The longest time a client was out, whether it came back or not; 0 when nobody was hurt.
    pub longest: u64,
    /// The shortest time a hurt client was out, whether it came back or not; 0 when nobody was hurt.
    pub least: u64,
    /// Load and client of the longest time.
    pub worst: Option<(u32, u32)>,
    /// When the last client was back, under the conditions of `last`.
    pub last_at: Option<Mono>,
    /// The time in which nobody was acknowledged; 0 when there was none.
    pub nobody: u64,
}

/// A time in which nobody, or one client, was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// When it began.
    pub from: Mono,
    /// When that could be seen first.
    pub felt: Mono,
    /// When it ended.
    pub to: Mono,
}

/// The part of a run a fault answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    from: Mono,
    began: Mono,
    next: Option<Mono>,
}

impl Part {
    /// The whole run.
    pub const WHOLE: Self = Self { from: Mono(0), began: Mono(0), next: None };

    /// That of a fault; `None` when it never began.
    #[must_use]
    pub fn of_fault(record: &RunRecord, fault: &Name) -> Option<Self> {
        let faults = || record.history.faults.iter().filter(|known| known.began.is_some());
        let fault: &FaultRecord = faults().find(|known| known.id == *fault)?;
        let next = faults().map(|other| other.intent).filter(|other| *other > fault.intent).min();
        Some(Self { from: fault.intent, began: fault.began?, next })
    }

    /// Whether the fault answers for a silence; `ordinary` is one that is no outage, nanoseconds.
    #[must_use]
    pub const fn holds(&self, silence: Silence, ordinary: u64) -> bool {
        let Silence { from, felt, to } = silence;
        let Some(next) = self.next else { return to.0 > self.from.0 };
        let settled = from.0 > self.began.0.saturating_add(ordinary);
        let of_next = felt.0 >= next.0 && settled;
        to.0 > self.from.0 && from.0 < next.0 && !of_next
    }

    const fn holds_out(&self, out: &Out, ordinary: u64) -> bool {
        self.holds(Silence { from: out.from, felt: out.felt, to: out.to }, ordinary)
    }
}

/// The longest outage of an endpoint in a part of the run.
#[must_use]
pub fn nobody<'a>(seen: &'a EndpointOutages, part: &Part) -> Option<&'a Outage> {
    let silence = |window: &Outage| Silence { from: window.from, felt: window.felt, to: window.to };
    let held = seen.windows.iter().filter(|window| part.holds(silence(window), seen.ordinary));
    held.max_by_key(|window| window.nanos())
}

/// How the clients of an endpoint came back in a part of the run.
#[must_use]
pub fn of_part(seen: &EndpointOutages, part: &Part) -> Backs {
    let nobody = nobody(seen, part).map_or(0, Outage::nanos);
    let mine: Vec<&Out> = seen.crowd.outs.iter().filter(|out| part.holds_out(out, seen.ordinary)).collect();
    let traced = mine.iter().filter(|out| out.end != OutageEnd::Untraced);
    let worst = traced.max_by_key(|out| (out.nanos(), out.end != OutageEnd::Back)).copied();
    let (untraced, mut outs) = by_client(&mine);
    // who came back comes first, the sooner the earlier
    outs.sort_by_key(|out| (out.end != OutageEnd::Back, out.nanos()));
    let hurt = outs.len();
    let known = |at: usize| {
        let out = outs.get(at).filter(|out| out.end == OutageEnd::Back && untraced == 0)?;
        Some(out.nanos().max(nobody))
    };
    Backs {
        clients: seen.crowd.number,
        hurt,
        out_before: outs.iter().filter(|out| out.felt < part.from).count(),
        never_back: outs.iter().filter(|out| out.end != OutageEnd::Back).count(),
        untraced,
        first: known(0),
        median: known(hurt.saturating_sub(1) / 2),
        last: known(hurt.saturating_sub(1)),
        longest: worst.map_or(0, |out| out.nanos().max(nobody)),
        last_at: known(hurt.saturating_sub(1)).and_then(|_| outs.iter().map(|out| out.to).max()),
        least: outs.first().map_or(0, |out| out.nanos().max(nobody)),
        worst: worst.map(|out| (out.load, out.client)),
        nobody,
    }
}

/// How many clients nobody can tell of, and the outage that counts of each other one: the one it never came
/// back from, else its longest.
fn by_client<'a>(outs: &[&'a Out]) -> (usize, Vec<&'a Out>) {
    let (mut untraced, mut longest): (usize, Vec<&Out>) = (0, Vec::new());
    for out in outs.iter().copied() {
        if out.end == OutageEnd::Untraced {
            untraced += 1;
            continue;
        }
        let key = |out: &Out| (out.end != OutageEnd::Back, out.nanos());
        // the outages of a client stand together
        match longest.last_mut() {
            Some(known) if (known.load, known.client) == (out.load, out.client) => {
                if key(out) > key(known) {
                    *known = out;
                }
            }
            _ => longest.push(out),
        }
    }
    (untraced, longest)
}

/// The span a fault answers for: from its injection to the next one; to the end of time for the last.
fn span_of(record: &RunRecord, fault: &Name) -> Option<(Mono, Mono)> {
    let began = record.history.faults.iter().find(|known| known.id == *fault)?.began?;
    let next =
        record.history.faults.iter().filter_map(|known| known.began).filter(|other| *other > began).min();
    Some((began, next.unwrap_or(Mono(u64::MAX))))
}

/// The longest outage a fault answers for on an endpoint; `None` when there was none.
#[must_use]
pub fn of_fault<'a>(record: &RunRecord, outages: &'a EndpointOutages, fault: &Name) -> Option<&'a Outage> {
    if outages.crowd.numbered {
        return nobody(outages, &Part::of_fault(record, fault)?);
    }
    let (began, next) = span_of(record, fault)?;
    outages
        .windows
        .iter()
        .filter(|window| window.to > began && window.from < next)
        .max_by_key(|window| window.nanos())
}

/// The longest outage of a single client a fault answers for on an endpoint; `None` when there was none.
#[must_use]
pub fn client_of_fault<'a>(
    record: &RunRecord,
    outages: &'a EndpointOutages,
    fault: &Name,
) -> Option<&'a ClientOutage> {
    let (began, next) = span_of(record, fault)?;
    let overlapping = outages.clients.iter().filter(|outage| outage.to > began && outage.from < next);
    overlapping.max_by_key(|outage| outage.nanos())
}

/// How the clients of an endpoint came back after a fault, or over the whole run; `None` when the fault never began.
#[must_use]
pub fn backs_of(record: &RunRecord, seen: &EndpointOutages, after: Option<&Name>) -> Option<Backs> {
    let part = after.map_or(Some(Part::WHOLE), |fault| Part::of_fault(record, fault))?;
    Some(of_part(seen, &part))
}

/// The longest outage of an endpoint that a fault answers for, or of the whole run.
pub(super) fn blamed<'a>(
    record: &RunRecord,
    seen: &'a EndpointOutages,
    after: Option<&Name>,
) -> Option<&'a Outage> {
    match after {
        Some(fault) => of_fault(record, seen, fault),
        None => seen.windows.iter().max_by_key(|window| window.nanos()),
    }
}
