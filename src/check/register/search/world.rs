//! Worlds that are still possible.

use super::plan::PlanTask;

/// The value, and what became of every open operation.
///
/// An operation is *bound* until it has taken effect. It is *free* when it need not any more, but still can: a
/// write of unknown end, and a write that another one has overwritten since it was sent, for it may have come just
/// before. A read or a refusal is free once it met a value that fits. It is *spent* when it has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RegisterWorld<const N: usize> {
    pub(super) value: u32,
    spent: [u64; N],
    free: [u64; N],
}

impl<const N: usize> RegisterWorld<N> {
    /// Nothing is open.
    pub(super) const fn new(value: u32) -> Self {
        Self { value, spent: [0; N], free: [0; N] }
    }

    pub(super) fn is_spent(&self, task: &PlanTask) -> bool {
        bit(&self.spent, task)
    }

    pub(super) fn is_free(&self, task: &PlanTask) -> bool {
        bit(&self.free, task)
    }

    pub(super) fn is_bound(&self, task: &PlanTask) -> bool {
        !self.is_spent(task) && !self.is_free(task)
    }

    pub(super) fn set_free(&mut self, task: &PlanTask) {
        raise(&mut self.free, task);
    }

    pub(super) fn set_spent(&mut self, task: &PlanTask) {
        clear(&mut self.free, task);
        raise(&mut self.spent, task);
    }

    /// Its place is for another one.
    pub(super) fn forget(&mut self, task: &PlanTask) {
        clear(&mut self.free, task);
        clear(&mut self.spent, task);
    }

    /// Operations that have taken effect and are not forgotten.
    pub(super) fn used(&self) -> u32 {
        self.spent.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether all that can follow on `other` can follow on this one: each operation is free here, or is the same
    /// in both.
    fn covers(&self, other: &Self) -> bool {
        let same = |at: usize| {
            let differs = (self.spent[at] ^ other.spent[at]) | other.free[at];
            !self.free[at] & differs == 0
        };
        self.value == other.value && (0..N).all(same)
    }
}

fn bit(words: &[u64], task: &PlanTask) -> bool {
    words.get(task.slot / 64).is_some_and(|word| word >> (task.slot % 64) & 1 == 1)
}

fn raise(words: &mut [u64], task: &PlanTask) {
    if let Some(word) = words.get_mut(task.slot / 64) {
        *word |= 1 << (task.slot % 64);
    }
}

fn clear(words: &mut [u64], task: &PlanTask) {
    if let Some(word) = words.get_mut(task.slot / 64) {
        *word &= !(1 << (task.slot % 64));
    }
}

/// Worlds of which none covers another.
#[derive(Debug, Default)]
pub(super) struct Worlds<const N: usize>(Vec<RegisterWorld<N>>);

impl<const N: usize> Worlds<N> {
    /// Adds one, unless one that is there covers it; says whether it was added, and how many it was compared with.
    pub(super) fn add(&mut self, world: RegisterWorld<N>) -> (bool, usize) {
        let number = self.0.len();
        if self.0.iter().any(|known| known.covers(&world)) {
            return (false, number);
        }
        self.0.retain(|known| !world.covers(known));
        self.0.push(world);
        (true, number)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RegisterWorld<N>> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut RegisterWorld<N>> {
        self.0.iter_mut()
    }

    /// Keeps the `width` worlds in which the fewest operations had to happen; says whether that is all of them.
    pub(super) fn narrow(&mut self, width: usize) -> bool {
        if self.0.len() <= width {
            return true;
        }
        self.0.sort_unstable_by_key(|world| (world.used(), *world));
        self.0.truncate(width);
        false
    }
}
