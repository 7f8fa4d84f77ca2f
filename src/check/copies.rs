//! How many bodies of a service a lab should have at an instant: as declared, until the broker was told otherwise.
//! Shared by `converged` and `redundancy`.

use super::brokered::BrokeredOrders;
use super::record::RunRecord;
use crate::model::Mono;
use crate::model::control::{BrokerAnswer, BrokerDeed};
use crate::model::lab::{Desired, Service};

/// Numbers, each from an instant on.
#[derive(Clone, Debug, PartialEq)]
pub struct Copies {
    declared: Desired,
    told: Vec<(Mono, Service, u32)>,
}

impl Copies {
    /// What a run's record says of them.
    #[must_use]
    pub fn of(record: &RunRecord) -> Self {
        let orders = BrokeredOrders::of(record);
        let told = orders.given().filter(|order| matches!(order.answer, BrokerAnswer::Done));
        let mut told: Vec<(Mono, Service, u32)> = told
            .filter_map(|order| match order.order.deed {
                BrokerDeed::Scale { service, count, .. } => Some((order.at, service, count)),
                _ => None,
            })
            .collect();
        told.sort_unstable();
        Self { declared: Desired::founding(&record.resolved.lab), told }
    }

    /// How many of each service there should be.
    pub fn at(&self, at: Mono) -> impl Iterator<Item = (Service, usize)> {
        self.declared.counts.keys().map(move |service| (*service, self.of_at(*service, at)))
    }

    /// How many databases there should be.
    #[must_use]
    pub fn databases_at(&self, at: Mono) -> usize {
        self.of_at(Service::Postgres, at)
    }

    fn of_at(&self, service: Service, at: Mono) -> usize {
        let mut told = self.told.iter().rev().filter(|(_, of, _)| *of == service);
        let last = told.find(|(since, ..)| *since <= at).map(|(_, _, count)| *count);
        last.or_else(|| self.declared.counts.get(&service).copied()).unwrap_or_default() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_before_an_instant_holds_for_its_service_alone() {
        let counts = [(Service::Postgres, 3), (Service::Balancer, 2)].into();
        let (postgres, balancer) = (Service::Postgres, Service::Balancer);
        let copies = Copies {
            declared: Desired { counts, ..Desired::default() },
            told: vec![(Mono(10), postgres, 5), (Mono(15), balancer, 3), (Mono(20), postgres, 4)],
        };
        assert_eq!([0, 9, 10, 19, 20, 99].map(|at| copies.databases_at(Mono(at))), [3, 3, 5, 5, 4, 4]);
        let at = |at| copies.at(Mono(at)).collect::<Vec<_>>();
        assert_eq!(at(14), [(postgres, 5), (balancer, 2)]);
        assert_eq!(at(99), [(postgres, 4), (balancer, 3)]);
    }
}
