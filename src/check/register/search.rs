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

mod operation;
mod plan;
mod reach;
mod world;
use operation::WalkEnded;
pub use operation::{KnownValue, RegisterAnswer, RegisterDeed, RegisterStep, Short};
use plan::Plan;
use reach::HistoryWalk;

/// Worlds that walks keep at most, one after the other.
const WIDTHS: [usize; 4] = [8, 64, 1024, usize::MAX];

/// Looks for an order of `steps` that begins with `start`, and takes it off `work`: one for every comparison
/// of two worlds, some for every world that is made.
#[must_use]
pub fn linearizable(start: KnownValue, steps: &[RegisterStep], work: &mut u64) -> RegisterAnswer {
    let plan = Plan::of(steps);
    let starts = starts(start, steps, &plan);
    // the smallest world that all which is open at once fits into
    match plan.slots {
        0..=64 => search::<1>(&plan, &starts, work),
        65..=256 => search::<4>(&plan, &starts, work),
        257..=1024 => search::<16>(&plan, &starts, work),
        1025..=4096 => search::<64>(&plan, &starts, work),
        _ => RegisterAnswer::TooMuch(plan.short(0, 0)),
    }
}

fn search<const N: usize>(plan: &Plan, starts: &[u32], work: &mut u64) -> RegisterAnswer {
    let mut answer = RegisterAnswer::Yes;
    for width in WIDTHS {
        match HistoryWalk::<N>::new(plan, width, work).all(starts) {
            WalkEnded::Through => return RegisterAnswer::Yes,
            WalkEnded::Nowhere(op, true) => return RegisterAnswer::No(op),
            WalkEnded::Nowhere(op, false) => answer = RegisterAnswer::No(op),
            WalkEnded::Spent(short) => return RegisterAnswer::TooMuch(short),
        }
    }
    // the widest walk gives no world up
    answer
}

/// The values a register may begin with. Who was sent after an acknowledged write had ended cannot have met
/// the first value, so only what is asked for before that tells one from another.
fn starts(start: KnownValue, steps: &[RegisterStep], plan: &Plan) -> Vec<u32> {
    let KnownValue::Anything = start else {
        let KnownValue::Is(value) = start else { return Vec::new() };
        return vec![plan.value(value)];
    };
    let writes =
        steps.iter().filter(|step| matches!(step.deed, RegisterDeed::Write(_) | RegisterDeed::Swap(..)));
    let gone = writes.filter_map(|step| step.done).min();
    let early = steps.iter().filter(|step| gone.is_none_or(|gone| step.invoked <= gone));
    let asked = early.filter_map(|step| match step.deed {
        RegisterDeed::Read(value) => Some(plan.value(value)),
        RegisterDeed::Swap(from, _) | RegisterDeed::Refuse(from) => Some(plan.value(Some(from))),
        RegisterDeed::Write(_) => None,
    });
    asked.chain([plan::NEVER_WRITTEN, plan::OTHER]).collect::<BTreeSet<u32>>().into_iter().collect()
}
