//! Where a number stands: elements and keys are dense numbers in the journals of this program, so a table finds
//! them at once. Numbers from elsewhere are searched for in order.

/// A table may have so many places for every number.
const SPARE: usize = 8;
const NO_INDEX: u32 = u32::MAX;

/// Places of numbers; of equal numbers the last one's.
#[derive(Debug, Default)]
pub(super) struct Index {
    first: u64,
    dense: Vec<u32>,
    sparse: Vec<(u64, u32)>,
    /// Whether no number was there twice.
    pub(super) distinct: bool,
}

impl Index {
    /// Numbers by their places, from 0.
    pub(super) fn of(numbers: impl Iterator<Item = u64> + Clone) -> Self {
        let (mut first, mut last, mut count) = (u64::MAX, 0, 0_usize);
        for number in numbers.clone() {
            (first, last, count) = (first.min(number), last.max(number), count + 1);
        }
        let mut index = Self { first, distinct: true, ..Self::default() };
        let width = usize::try_from(last.saturating_sub(first)).unwrap_or(usize::MAX);
        if width > count.saturating_mul(SPARE) {
            index.sparse = numbers.zip(0..).collect();
            index.sparse.sort_unstable();
            index.distinct = index.sparse.windows(2).all(|pair| pair[0].0 != pair[1].0);
            return index;
        }
        index.dense = if count == 0 { Vec::new() } else { vec![NO_INDEX; width + 1] };
        for (number, at) in numbers.zip(0..) {
            if let Some(known) = index.slot(number).and_then(|slot| index.dense.get_mut(slot)) {
                index.distinct &= *known == NO_INDEX;
                *known = at;
            }
        }
        index
    }

    fn slot(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// The place of a number.
    pub(super) fn get(&self, number: u64) -> Option<usize> {
        let dense = self.slot(number).and_then(|slot| self.dense.get(slot)).copied();
        let place = dense.filter(|place| *place != NO_INDEX).or_else(|| self.searched(number))?;
        usize::try_from(place).ok()
    }

    fn searched(&self, number: u64) -> Option<u32> {
        let behind = self.sparse.partition_point(|(known, _)| *known <= number);
        let (known, place) = self.sparse.get(behind.checked_sub(1)?)?;
        (*known == number).then_some(*place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_found_at_its_last_place(
            numbers in prop::collection::vec(prop_oneof![0u64..40, 1000u64..1010, any::<u64>()], 0..40), asked in 0u64..50
        ) {
            let index = Index::of(numbers.iter().copied());
            let wanted: HashMap<u64, usize> = (0..).zip(&numbers).map(|(at, number)| (*number, at)).collect();
            for number in numbers.iter().copied().chain([asked]) {
                prop_assert_eq!(index.get(number), wanted.get(&number).copied());
            }
            prop_assert_eq!(index.distinct, wanted.len() == numbers.len());
        }
    }
}
