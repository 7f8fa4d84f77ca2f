//! From the worlds before the end of an operation to those after it.
//!
//! An order can be put together so that between two ends nothing takes effect but what the next end needs: a chain
//! of open operations with the one that ends as its last. Two rules keep chains short, and lose nothing:
//!
//! - A write makes every open write free: each may have come just before it, and nothing met its value.
//! - A write that no read, refusal or compare-and-set meets before the next write overwrites it might as well not
//!   have been made. So after a step that met nothing only a compare-and-set of that value goes on (*idle*).

use std::collections::{BTreeMap, VecDeque};

use super::operation::WalkEnded;
use super::plan::{Act, Plan, PlanTask};
use super::world::{RegisterWorld, Worlds};

/// What a world that is made costs, in comparisons.
const MAKING: u64 = 8;

/// Operations that were sent and have not ended, by what they do. Lists are in the order of their ends, those of
/// unknown end last.
#[derive(Default)]
struct OpenOps {
    looks: Vec<usize>,
    /// By the value.
    writes: BTreeMap<u32, Vec<usize>>,
    /// By what is expected.
    swaps: BTreeMap<u32, Vec<usize>>,
}

impl OpenOps {
    fn list(&mut self, act: Act) -> &mut Vec<usize> {
        match act {
            Act::Read(_) | Act::Refuse(_) => &mut self.looks,
            Act::Write(value) => self.writes.entry(value).or_default(),
            Act::Swap(from, _) => self.swaps.entry(from).or_default(),
        }
    }

    fn add(&mut self, tasks: &[PlanTask], index: usize) {
        let list = self.list(tasks[index].act);
        let at = list.partition_point(|known| tasks[*known].until <= tasks[index].until);
        list.insert(at, index);
    }

    fn remove(&mut self, tasks: &[PlanTask], index: usize) {
        let list = self.list(tasks[index].act);
        list.retain(|known| *known != index);
        let empty = list.is_empty();
        match tasks[index].act {
            Act::Write(value) if empty => drop(self.writes.remove(&value)),
            Act::Swap(from, _) if empty => drop(self.swaps.remove(&from)),
            _ => {}
        }
    }
}

/// A walk through a history that keeps so many worlds at most.
pub(super) struct HistoryWalk<'a, const N: usize> {
    plan: &'a Plan,
    width: usize,
    work: &'a mut u64,
    open: OpenOps,
    worlds: Worlds<N>,
    next: Worlds<N>,
    met: Worlds<N>,
    /// Whether no world was given up.
    whole: bool,
}

/// The search has used all the work it was given.
struct WorkSpent;

impl<'a, const N: usize> HistoryWalk<'a, N> {
    pub(super) fn new(plan: &'a Plan, width: usize, work: &'a mut u64) -> Self {
        let (worlds, next, met) = (Worlds::default(), Worlds::default(), Worlds::default());
        Self { plan, width, work, open: OpenOps::default(), worlds, next, met, whole: true }
    }

    pub(super) fn all(mut self, starts: &[u32]) -> WalkEnded {
        for value in starts {
            self.worlds.add(RegisterWorld::new(*value));
        }
        let tasks = &self.plan.tasks;
        for (at, (ends, index)) in self.plan.events.iter().enumerate() {
            if !ends {
                self.open.add(tasks, *index);
                if tasks[*index].is_unknown() {
                    self.worlds.iter_mut().for_each(|world| world.set_free(&tasks[*index]));
                }
                continue;
            }
            if self.end(*index).is_err() {
                return WalkEnded::Spent(self.plan.short(at, self.worlds.len().max(self.next.len())));
            }
            self.open.remove(tasks, *index);
            if self.worlds.len() == 0 {
                return WalkEnded::Nowhere(tasks[*index].op, self.whole);
            }
        }
        WalkEnded::Through
    }

    fn end(&mut self, index: usize) -> Result<(), WorkSpent> {
        self.next.clear();
        let worlds = std::mem::take(&mut self.worlds);
        let reached = worlds.iter().try_for_each(|world| self.reach(*world, index));
        self.worlds = worlds;
        reached?;
        std::mem::swap(&mut self.worlds, &mut self.next);
        self.whole &= self.worlds.narrow(self.width);
        Ok(())
    }

    /// Adds every world that follows on one in which the operation that ends has taken effect.
    fn reach(&mut self, mut world: RegisterWorld<N>, last: usize) -> Result<(), WorkSpent> {
        let tasks = &self.plan.tasks;
        let ending = &tasks[last];
        self.look(&mut world);
        if !world.is_bound(ending) {
            self.keep(world, ending)?;
            // a free write may as well be made now
            if world.is_spent(ending) || !matches!(ending.act, Act::Write(_)) {
                return Ok(());
            }
        }
        self.met.clear();
        self.meet(world)?;
        // the shortest chains first: they cover most
        let mut queue = VecDeque::from([(world, false)]);
        while let Some((world, idle)) = queue.pop_front() {
            if let Some(next) = self.last(&world, ending, idle) {
                self.keep(next, ending)?;
            }
            if self.met.len() > self.width {
                self.whole = false;
                break;
            }
            for index in self.choices(&world, last, idle) {
                let next = self.done(&world, &tasks[index]);
                if matches!(ending.act, Act::Read(_) | Act::Refuse(_)) && !next.is_bound(ending) {
                    self.keep(next, ending)?;
                } else if self.meet(next)? {
                    let bound = matches!(tasks[index].act, Act::Swap(..)) && world.is_bound(&tasks[index]);
                    queue.push_back((next, !bound && !self.met_by(&world, &next)));
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, mut world: RegisterWorld<N>, ended: &PlanTask) -> Result<(), WorkSpent> {
        world.forget(ended);
        let (_, compared) = self.next.add(world);
        self.pay(compared)
    }

    fn meet(&mut self, world: RegisterWorld<N>) -> Result<bool, WorkSpent> {
        let (added, compared) = self.met.add(world);
        self.pay(compared)?;
        Ok(added)
    }

    fn pay(&mut self, compared: usize) -> Result<(), WorkSpent> {
        let words = N as u64;
        let cost = (compared as u64 + MAKING).saturating_mul(words);
        *self.work = self.work.checked_sub(cost).ok_or(WorkSpent)?;
        Ok(())
    }

    /// Open reads and refusals that fit the value take effect now: that never closes a way.
    fn look(&self, world: &mut RegisterWorld<N>) {
        for index in &self.open.looks {
            let task = &self.plan.tasks[*index];
            if fits(task.act, world.value) {
                world.set_free(task);
            }
        }
    }

    /// The world after the operation that ends, as the last of its chain.
    fn last(&self, world: &RegisterWorld<N>, ending: &PlanTask, idle: bool) -> Option<RegisterWorld<N>> {
        let can = match ending.act {
            Act::Write(_) => !idle,
            Act::Swap(from, _) => from == world.value,
            Act::Read(_) | Act::Refuse(_) => false,
        };
        can.then(|| self.done(world, ending))
    }

    /// The world after a write or a compare-and-set that found what it expected.
    fn done(&self, world: &RegisterWorld<N>, task: &PlanTask) -> RegisterWorld<N> {
        let mut next = *world;
        if let Act::Write(value) = task.act {
            next.value = value;
            for index in self.open.writes.values().flatten() {
                let other = &self.plan.tasks[*index];
                if next.is_bound(other) {
                    next.set_free(other);
                }
            }
        }
        if let Act::Swap(_, value) = task.act {
            next.value = value;
        }
        next.set_spent(task);
        self.look(&mut next);
        next
    }

    /// Whether a read or a refusal met the value that `next` has and `world` had not.
    fn met_by(&self, world: &RegisterWorld<N>, next: &RegisterWorld<N>) -> bool {
        let tasks = self.open.looks.iter().map(|index| &self.plan.tasks[*index]);
        tasks.into_iter().any(|task| world.is_bound(task) && !next.is_bound(task))
    }

    /// Open operations that are worth a step from here, but for the one that ends.
    fn choices(&self, world: &RegisterWorld<N>, last: usize, idle: bool) -> Vec<usize> {
        let mut chosen = Vec::new();
        if let Some(swaps) = self.open.swaps.get(&world.value) {
            self.of_list(world, swaps, last, &mut chosen);
            chosen.retain(|index| self.is_worth_it(world, *index));
        }
        if idle {
            return chosen;
        }
        for (value, writes) in &self.open.writes {
            if self.is_asked_for(world, *value) {
                self.of_list(world, writes, last, &mut chosen);
            }
        }
        chosen
    }

    fn is_worth_it(&self, world: &RegisterWorld<N>, swap: usize) -> bool {
        let task = &self.plan.tasks[swap];
        let Act::Swap(_, to) = task.act else { return false };
        world.is_bound(task) || self.is_asked_for(world, to)
    }

    /// Whether anything open waits for this value: a read of it, a refusal that does not fit the value there is,
    /// or a compare-and-set from it.
    fn is_asked_for(&self, world: &RegisterWorld<N>, value: u32) -> bool {
        let tasks = &self.plan.tasks;
        let waits = |index: &usize| world.is_bound(&tasks[*index]) && fits(tasks[*index].act, value);
        let goes_on = |swaps: &Vec<usize>| swaps.iter().any(|index| !world.is_spent(&tasks[*index]));
        self.open.looks.iter().any(waits) || self.open.swaps.get(&value).is_some_and(goes_on)
    }

    /// Of operations that do the same and are in the same state, the one that ends first: the others can stand
    /// in for it.
    fn of_list(&self, world: &RegisterWorld<N>, list: &[usize], last: usize, chosen: &mut Vec<usize>) {
        let tasks = &self.plan.tasks;
        let first = chosen.len();
        for index in list.iter().filter(|index| **index != last && !world.is_spent(&tasks[**index])) {
            let task = &tasks[*index];
            let stands_in = |known: &usize| {
                let known = &tasks[*known];
                known.act == task.act
                    && (world.is_bound(known) || world.is_free(task) == world.is_free(known))
            };
            if !chosen[first..].iter().any(stands_in) {
                chosen.push(*index);
            }
        }
    }
}

/// Whether a read or a refusal can have met a value.
fn fits(act: Act, value: u32) -> bool {
    match act {
        Act::Read(seen) => seen == value,
        Act::Refuse(from) => from != value,
        Act::Write(_) | Act::Swap(..) => false,
    }
}
