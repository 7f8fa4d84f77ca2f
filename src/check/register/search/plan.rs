//! A history as the walk needs it: values as small numbers, and a place in every world for what is open.

use std::collections::{HashMap, HashSet};

use super::operation::{RegisterDeed, RegisterStep, Short};
use crate::model::Mono;

/// The value of a register that was never written.
pub(super) const NEVER_WRITTEN: u32 = 0;
/// Every value that no operation asks for: nothing tells one from another.
pub(super) const OTHER: u32 = 1;

/// What an operation did, by the numbers of the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Read(u32),
    Refuse(u32),
    Write(u32),
    Swap(u32, u32),
}

/// One operation that is worth asking.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlanTask {
    pub(super) op: u64,
    pub(super) act: Act,
    /// When it ended; the end of time for one of unknown end.
    pub(super) until: Mono,
    /// Its place in a world.
    pub(super) slot: usize,
}

impl PlanTask {
    /// Whether its end is unknown, so that it need not happen.
    pub(super) const fn is_unknown(&self) -> bool {
        self.until.0 == u64::MAX
    }
}

/// The history.
pub(super) struct Plan {
    pub(super) tasks: Vec<PlanTask>,
    /// Beginnings and ends in time: (whether it ends, which task).
    pub(super) events: Vec<(bool, usize)>,
    /// Places a world needs.
    pub(super) slots: usize,
    /// Operations that end.
    pub(super) ends: usize,
    values: HashMap<i64, u32>,
}

impl Plan {
    pub(super) fn of(steps: &[RegisterStep]) -> Self {
        let mut plan =
            Self { tasks: Vec::new(), events: Vec::new(), slots: 0, ends: 0, values: asked_for(steps) };
        let kept = worth_asking(steps);
        plan.tasks = kept.iter().map(|step| plan.task(step)).collect();
        // an operation that ends when another begins is before it only if its end is earlier: at one instant
        // beginnings come first, so that they count as concurrent
        let mut events: Vec<(Mono, bool, usize)> = Vec::with_capacity(kept.len() * 2);
        for (index, step) in kept.iter().enumerate() {
            events.push((step.invoked, false, index));
            events.extend(step.done.map(|done| (done, true, index)));
        }
        events.sort_unstable();
        plan.events = events.into_iter().map(|(_, ends, index)| (ends, index)).collect();
        plan.ends = plan.events.iter().filter(|(ends, _)| *ends).count();
        plan.seat();
        plan
    }

    fn task(&self, step: &RegisterStep) -> PlanTask {
        let act = match step.deed {
            RegisterDeed::Read(value) => Act::Read(self.value(value)),
            RegisterDeed::Refuse(from) => Act::Refuse(self.value(Some(from))),
            RegisterDeed::Write(value) => Act::Write(self.value(Some(value))),
            RegisterDeed::Swap(from, to) => Act::Swap(self.value(Some(from)), self.value(Some(to))),
        };
        PlanTask { op: step.op, act, until: step.done.unwrap_or(Mono(u64::MAX)), slot: 0 }
    }

    /// The number of a value.
    pub(super) fn value(&self, value: Option<i64>) -> u32 {
        value.map_or(NEVER_WRITTEN, |value| self.values.get(&value).copied().unwrap_or(OTHER))
    }

    /// Gives every task a place while it is open.
    fn seat(&mut self) {
        let mut free: Vec<usize> = Vec::new();
        for (ends, index) in &self.events {
            if *ends {
                free.push(self.tasks[*index].slot);
            } else {
                self.tasks[*index].slot = free.pop().unwrap_or(self.slots);
                self.slots = self.slots.max(self.tasks[*index].slot + 1);
            }
        }
    }

    /// A search that is given up at an event, with so many worlds.
    pub(super) fn short(&self, at: usize, worlds: usize) -> Short {
        let until = self.events.get(..=at).unwrap_or_default();
        let of = |(_, index): &(bool, usize)| self.tasks[*index];
        Short {
            op: until.last().map(of).map_or(0, |task| task.op),
            ended: until.iter().filter(|(ends, _)| *ends).count().saturating_sub(1),
            ends: self.ends,
            worlds,
            unknown: until.iter().map(of).filter(PlanTask::is_unknown).count(),
        }
    }
}

/// The values that operations ask for, with their numbers.
fn asked_for(steps: &[RegisterStep]) -> HashMap<i64, u32> {
    let mut values = HashMap::new();
    for step in steps {
        if let RegisterDeed::Read(Some(value)) | RegisterDeed::Swap(value, _) | RegisterDeed::Refuse(value) =
            step.deed
        {
            let next = u32::try_from(values.len()).unwrap_or(u32::MAX - 2) + 2;
            values.entry(value).or_insert(next);
        }
    }
    values
}

/// All steps but writes of unknown end that explain nothing.
fn worth_asking(steps: &[RegisterStep]) -> Vec<RegisterStep> {
    let (mut wanted, mut refused) = (HashSet::new(), HashSet::new());
    let mut refusals = 0;
    for step in steps {
        match step.deed {
            RegisterDeed::Read(Some(value)) | RegisterDeed::Swap(value, _) => drop(wanted.insert(value)),
            RegisterDeed::Refuse(value) => {
                refused.insert(value);
                refusals += 1;
            }
            RegisterDeed::Read(None) | RegisterDeed::Write(_) => {}
        }
    }
    let plain = |step: &RegisterStep| match step.deed {
        RegisterDeed::Write(value) => {
            step.done.is_none() && !wanted.contains(&value) && !refused.contains(&value)
        }
        _ => false,
    };
    // a value that no operation asks for is only ever something else than what was refused: as many as were
    // refused are enough, and the earlier one was sent the more it can explain
    let mut sent: Vec<(Mono, u64)> =
        steps.iter().filter(|step| plain(step)).map(|step| (step.invoked, step.op)).collect();
    sent.sort_unstable();
    sent.truncate(refusals);
    let enough = sent.last().copied();
    let helps = |step: &&RegisterStep| match step.deed {
        _ if step.done.is_some() => true,
        RegisterDeed::Write(_) if plain(step) => Some((step.invoked, step.op)) <= enough,
        RegisterDeed::Write(value) | RegisterDeed::Swap(_, value) => refusals > 0 || wanted.contains(&value),
        RegisterDeed::Read(_) | RegisterDeed::Refuse(_) => false,
    };
    steps.iter().filter(helps).copied().collect()
}
