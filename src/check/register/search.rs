//! Whether operations on one register can be put into one order that respects time and values.
//!
//! Method (after Wing and Gong 1993, and Lowe, *Testing for linearizability*, 2017): walk through the ends of
//! operations in time and keep every *world* that is still possible: the value, and what became of the operations
//! that are open. An operation takes effect no sooner than one that ends needs it (`reach`). A world that
//! can do all that another one can replaces it (`world`). A realistic history has few writes of one key open at
//! once, so there are few worlds at any time and the walk is near-linear.
//!
//! A write of unknown end stays open for ever and need not happen, so it is used last. Where no operation asks
//! for its value and no compare-and-set was refused it cannot help to explain anything, and is left out.
//!
//! Where many orders are possible one is enough: a walk that keeps few worlds is tried before one that keeps all.
//! Only the latter shows that there is no order. The work of all of them together is bounded by a number of steps,
//! not by a clock, so that the answer is the same on every machine.

use std::collections::BTreeSet;

use crate::model::Mono;

mod plan;
mod reach;
mod world;
use plan::Plan;
use reach::Walk;

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
    /// More work than the budget allows.
    TooMuch(Short),
}

/// How far a search came that was given up, and what stood in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// The operation at whose end the work was spent.
    pub op: u64,
    /// So many operations had ended by then …
    pub ended: usize,
    /// … of so many that end.
    pub ends: usize,
    /// Worlds that were possible there.
    pub worlds: usize,
    /// Writes of unknown end that were open there and may explain something.
    pub unknown: usize,
}

/// Worlds that walks keep at most, one after the other.
const WIDTHS: [usize; 4] = [8, 64, 1024, usize::MAX];

/// How one walk ended.
enum Ended {
    /// At the end of the history.
    Through,
    /// Without a world at the end of this operation; whether none had been given up before.
    Nowhere(u64, bool),
    /// The work is spent.
    Spent(Short),
}

/// Looks for an order of `steps` that begins with `start`, and takes it off `work`: one for every comparison
/// of two worlds, some for every world that is made.
#[must_use]
pub fn linearizable(start: Known, steps: &[Step], work: &mut u64) -> Told {
    let plan = Plan::of(steps);
    let starts = starts(start, steps, &plan);
    // the smallest world that all which is open at once fits into
    match plan.slots {
        0..=64 => search::<1>(&plan, &starts, work),
        65..=256 => search::<4>(&plan, &starts, work),
        257..=1024 => search::<16>(&plan, &starts, work),
        1025..=4096 => search::<64>(&plan, &starts, work),
        _ => Told::TooMuch(plan.short(0, 0)),
    }
}

fn search<const N: usize>(plan: &Plan, starts: &[u32], work: &mut u64) -> Told {
    let mut answer = Told::Yes;
    for width in WIDTHS {
        match Walk::<N>::new(plan, width, work).all(starts) {
            Ended::Through => return Told::Yes,
            Ended::Nowhere(op, true) => return Told::No(op),
            Ended::Nowhere(op, false) => answer = Told::No(op),
            Ended::Spent(short) => return Told::TooMuch(short),
        }
    }
    // the widest walk gives no world up
    answer
}

/// The values a register may begin with. Who was sent after an acknowledged write had ended cannot have met
/// the first value, so only what is asked for before that tells one from another.
fn starts(start: Known, steps: &[Step], plan: &Plan) -> Vec<u32> {
    let Known::Anything = start else {
        let Known::Is(value) = start else { return Vec::new() };
        return vec![plan.value(value)];
    };
    let writes = steps.iter().filter(|step| matches!(step.deed, Deed::Write(_) | Deed::Swap(..)));
    let gone = writes.filter_map(|step| step.done).min();
    let early = steps.iter().filter(|step| gone.is_none_or(|gone| step.invoked <= gone));
    let asked = early.filter_map(|step| match step.deed {
        Deed::Read(value) => Some(plan.value(value)),
        Deed::Swap(from, _) | Deed::Refuse(from) => Some(plan.value(Some(from))),
        Deed::Write(_) => None,
    });
    asked.chain([plan::NEVER, plan::OTHER]).collect::<BTreeSet<u32>>().into_iter().collect()
}
