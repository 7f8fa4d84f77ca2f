//! Whether operations on one register can be put into one order that respects time and values.
//!
//! Method (after Wing and Gong 1993, and Lowe, *Testing for linearizability*, 2017): walk through
//! invocations and ends in time and keep every *world* that is still possible: the value, and which of the
//! open operations have taken effect. An end keeps only the worlds in which its operation has. Reads and
//! refusals change nothing, so they take effect as soon as they can; only writes branch. A realistic history has few
//! writes of one key open at once, so there are few worlds at any time and the walk is near-linear.
//!
//! A write nobody knows the end of stays open for ever. Where nobody ever saw its value and no
//! compare-and-set was refused it cannot help to explain anything, so it is left out.

use std::collections::{BTreeSet, HashSet};

use crate::model::Mono;

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Read this value.
    Read(Option<i64>),
    /// Wrote this value.
    Write(i64),
    /// Found the first and wrote the second.
    Swap(i64, i64),
    /// Expected this value and did not find it.
    Refuse(i64),
}

/// One operation on the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub op: u64,
    /// When it was sent.
    pub invoked: Mono,
    /// When it was acknowledged; `None`: nobody knows its end.
    pub done: Option<Mono>,
    /// What it did.
    pub deed: Deed,
}

/// What is known of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Nothing yet: any one value.
    Anything,
    /// It is this one.
    Is(Option<i64>),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// There is such an order.
    Yes,
    /// There is none; the operation at whose end the last possible world was gone.
    No(u64),
    /// More worlds than the budget allows.
    TooMuch,
}

/// The value, and the open operations that have taken effect, in order of their index.
type World = (Known, BTreeSet<usize>);

/// Looks for an order of `steps` that begins with `start`, looking at `budget` worlds at most.
#[must_use]
pub fn linearizable(start: Known, steps: &[Step], budget: usize) -> Told {
    let steps = worth_asking(steps);
    // an operation that ends when another begins is before it only if its end is earlier: at one instant
    // invocations come first, so that they count as concurrent
    let mut events: Vec<(Mono, bool, usize)> = Vec::with_capacity(steps.len() * 2);
    for (index, step) in steps.iter().enumerate() {
        events.push((step.invoked, false, index));
        events.extend(step.done.map(|done| (done, true, index)));
    }
    events.sort_unstable();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut worlds: BTreeSet<World> = BTreeSet::from([(start, BTreeSet::new())]);
    let mut left = budget;
    for (_, ends, index) in events {
        if !ends {
            open.insert(index);
            continue;
        }
        worlds = match after(&steps, &open, worlds, index, &mut left) {
            Some(worlds) => worlds,
            None => return Told::TooMuch,
        };
        open.remove(&index);
        if worlds.is_empty() {
            return Told::No(steps[index].op);
        }
    }
    Told::Yes
}

fn worth_asking(steps: &[Step]) -> Vec<Step> {
    let mut seen: HashSet<i64> = HashSet::new();
    let mut refused = false;
    for step in steps {
        match step.deed {
            Deed::Read(value) => seen.extend(value),
            Deed::Swap(from, _) => {
                seen.insert(from);
            }
            Deed::Refuse(_) => refused = true,
            Deed::Write(_) => {}
        }
    }
    let helps = |step: &&Step| match step.deed {
        _ if step.done.is_some() || refused => true,
        Deed::Write(value) | Deed::Swap(_, value) => seen.contains(&value),
        Deed::Read(_) | Deed::Refuse(_) => false,
    };
    steps.iter().filter(helps).copied().collect()
}

/// The worlds after the end of one operation: those in which it has taken effect. `None`: over budget.
fn after(
    steps: &[Step],
    open: &BTreeSet<usize>,
    worlds: BTreeSet<World>,
    index: usize,
    left: &mut usize,
) -> Option<BTreeSet<World>> {
    let mut kept: BTreeSet<World> = BTreeSet::new();
    let worlds: BTreeSet<World> = worlds.into_iter().map(|world| settle(steps, open, world)).collect();
    let mut met: BTreeSet<World> = worlds.clone();
    let mut queue: Vec<World> = worlds.into_iter().collect();
    while let Some(world) = queue.pop() {
        *left = left.checked_sub(1)?;
        if world.1.contains(&index) {
            let mut world = world;
            // it has ended, so nothing more is to be remembered of it
            world.1.remove(&index);
            kept.insert(world);
            continue;
        }
        for next in open.iter().filter(|next| !world.1.contains(next)) {
            let Some(value) = apply(world.0, steps[*next].deed) else { continue };
            let mut taken = world.1.clone();
            taken.insert(*next);
            let world = settle(steps, open, (value, taken));
            if met.insert(world.clone()) {
                queue.push(world);
            }
        }
    }
    Some(kept)
}

/// Open operations that change nothing and fit the value take effect now: that never closes a way.
fn settle(steps: &[Step], open: &BTreeSet<usize>, mut world: World) -> World {
    if let Known::Is(_) = world.0 {
        let still = |index: &&usize| match steps[**index].deed {
            deed @ (Deed::Read(_) | Deed::Refuse(_)) => apply(world.0, deed).is_some(),
            Deed::Write(_) | Deed::Swap(..) => false,
        };
        world.1.extend(open.iter().filter(still));
    }
    world
}

/// The value after a deed; `None` when it could not be done on this one.
fn apply(value: Known, deed: Deed) -> Option<Known> {
    match (deed, value) {
        (Deed::Read(seen), Known::Anything) => Some(Known::Is(seen)),
        (Deed::Read(seen), Known::Is(value)) => (seen == value).then_some(Known::Is(value)),
        (Deed::Write(new), _) | (Deed::Swap(_, new), Known::Anything) => Some(Known::Is(Some(new))),
        (Deed::Swap(from, new), Known::Is(value)) => (value == Some(from)).then_some(Known::Is(Some(new))),
        // whatever it was, it was something else; which one stays open
        (Deed::Refuse(_), Known::Anything) => Some(Known::Anything),
        (Deed::Refuse(from), Known::Is(value)) => (value != Some(from)).then_some(Known::Is(value)),
    }
}
