//! How long until as many members of every service answered as before a fault, by the sightings of the client host.
//!
//! A look counts a database that answers a query, a member of etcd that answers a linearizable read, a balancer that leads
//! a connection of 5432 to a writable instance, and a controller that tells its status. The counts of the last look before
//! the fault are the measure. A member that another took the place of is counted as well: what counts is how many there are.

use super::record::RunRecord;
use super::redundancy::{self, Spell};
use crate::model::{FaultRecord, Mono, Sight, Sighting};

/// Members that answer: databases, members of etcd, balancers, controllers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Answering {
    databases: usize,
    etcd: usize,
    balancers: usize,
    controllers: usize,
}

impl Answering {
    /// Who answers in a look; `None` where the look was not at the services.
    fn of(seen: &Sighting) -> Option<Self> {
        let looked = !seen.postgres.is_empty() && !seen.etcd.is_empty();
        looked.then(|| Self {
            databases: seen.postgres.values().filter(|one| one.sql.seen().is_some()).count(),
            etcd: seen.etcd.values().filter_map(Sight::seen).filter(|one| one.linearizable).count(),
            balancers: seen.balancers.values().filter(|one| one.rw_serves.seen() == Some(&true)).count(),
            controllers: seen.controllers.values().filter(|one| one.seen().is_some()).count(),
        })
    }

    /// Whether no service has fewer than `before`.
    const fn reaches(self, before: Self) -> bool {
        self.databases >= before.databases
            && self.etcd >= before.etcd
            && self.balancers >= before.balancers
            && self.controllers >= before.controllers
    }
}

/// What a fault did to the number of members that answer; `None` where it never began, or nobody looked before it.
#[must_use]
pub fn measure(record: &RunRecord, fault: &FaultRecord) -> Option<Spell> {
    of_looks(&record.sightings_in_order(), fault, &record.history.faults)
}

/// The same, of looks in their order.
fn of_looks(looks: &[&Sighting], fault: &FaultRecord, faults: &[FaultRecord]) -> Option<Spell> {
    let began = fault.began?;
    let looks: Vec<(Mono, Answering)> =
        looks.iter().filter_map(|seen| Some((seen.at, Answering::of(seen)?))).collect();
    let before = looks.iter().rev().find(|(at, _)| *at < began)?.1;
    let whole: Vec<(Mono, bool)> = looks.iter().map(|(at, now)| (*at, now.reaches(before))).collect();
    redundancy::spell(fault, faults, &whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::scenario::Verb;
    use crate::model::sighting::{BalancerSeen, EtcdSeen, PostgresSeen, SqlSeen};
    use crate::model::{MemberId, Name, Target};

    /// A look: one database, one member of etcd, and balancers that serve or not.
    fn look(second: u64, balancers: &[(&str, bool)]) -> Sighting {
        let id = |text: &str| MemberId::new(text).expect("an id");
        let sql = Sight::Seen(SqlSeen::default());
        let etcd = Sight::Seen(EtcdSeen { linearizable: true, ..EtcdSeen::default() });
        let serves =
            |serves: bool| BalancerSeen { rw_serves: Sight::Seen(serves), ..BalancerSeen::default() };
        Sighting {
            at: Mono(second * 1_000_000_000),
            postgres: BTreeMap::from([(id("pg-1"), PostgresSeen { sql, ..PostgresSeen::default() })]),
            etcd: BTreeMap::from([(id("etcd-1"), etcd)]),
            balancers: balancers.iter().map(|(name, one)| (id(name), serves(*one))).collect(),
            ..Sighting::default()
        }
    }

    /// How long a frozen balancer is missed: `looks` are of seconds 1, 2, …, and it freezes after two and a half.
    fn missed(looks: &[&[(&str, bool)]]) -> (Option<f64>, Option<f64>) {
        let looks: Vec<Sighting> = (1..).zip(looks).map(|(second, seen)| look(second, seen)).collect();
        let looks: Vec<&Sighting> = looks.iter().collect();
        let verb: Verb = Verb::Pause { target: Target::Primary };
        let at = Mono(2_500_000_000);
        let fault =
            FaultRecord { began: Some(at), ..FaultRecord::meant(Name::new("f").expect("a name"), verb, at) };
        let spell = of_looks(&looks, &fault, std::slice::from_ref(&fault)).expect("looks around the fault");
        (spell.lost_ms, spell.restored_ms)
    }

    const BOTH: &[(&str, bool)] = &[("lb-1", true), ("lb-2", true)];
    const ONE: &[(&str, bool)] = &[("lb-1", false), ("lb-2", true)];

    #[test]
    fn a_newcomer_counts_once_it_serves() {
        let starts: &[(&str, bool)] = &[("lb-1", false), ("lb-2", true), ("lb-3", false)];
        let serves: &[(&str, bool)] = &[("lb-2", true), ("lb-3", true)];
        assert_eq!(missed(&[BOTH, BOTH, ONE, starts, serves]), (Some(500.0), Some(2500.0)));
    }

    #[test]
    fn who_is_lost_for_good_never_comes_back() {
        assert_eq!(missed(&[BOTH, BOTH, ONE, ONE, ONE]), (Some(500.0), None));
    }

    #[test]
    fn a_fault_that_nobody_noticed_lost_nobody() {
        assert_eq!(missed(&[BOTH, BOTH, BOTH, BOTH]).0, None);
    }

    #[test]
    fn who_comes_back_and_goes_again_is_waited_for() {
        assert_eq!(missed(&[BOTH, BOTH, ONE, BOTH, ONE, BOTH]), (Some(500.0), Some(3500.0)));
    }
}
