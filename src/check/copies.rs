//! How many databases a lab should have at an instant: as declared, until the broker was told otherwise. Shared by
//! `converged` and `redundancy`.

use super::brokered::Orders;
use super::record::Record;
use crate::model::Mono;
use crate::model::control::{Answer, Deed};

/// Numbers of databases, each from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    declared: u32,
    told: Vec<(Mono, u32)>,
}

impl Copies {
    /// What a run's record says of them.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let orders = Orders::of(record);
        let told = orders.given().filter(|order| matches!(order.answer, Answer::Done));
        let mut told: Vec<(Mono, u32)> = told
            .filter_map(|order| match order.order.deed {
                Deed::Scale { count, .. } => Some((order.at, count)),
                _ => None,
            })
            .collect();
        told.sort_unstable();
        Self { declared: record.resolved.lab.postgres.instances.start, told }
    }

    /// How many there should be.
    #[must_use]
    pub fn at(&self, at: Mono) -> usize {
        let last = self.told.iter().rev().find(|(since, _)| *since <= at);
        last.map_or(self.declared, |(_, count)| *count) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_before_an_instant_holds() {
        let copies = Copies { declared: 3, told: vec![(Mono(10), 5), (Mono(20), 4)] };
        assert_eq!([0, 9, 10, 19, 20, 99].map(|at| copies.at(Mono(at))), [3, 3, 5, 5, 4, 4]);
    }
}
