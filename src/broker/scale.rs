//! How many PostgreSQL instances or balancers the record shall want, and who shall leave: what may be written, and what
//! not. Pure.

use std::collections::BTreeSet;

use crate::lab::record::LabRecord;
use crate::model::{MemberId, Service};

/// The record with another number, or with others who are to leave; or why not.
pub(super) fn scaled(
    mut record: LabRecord,
    service: Service,
    generation: u64,
    count: u32,
    leaving: &BTreeSet<MemberId>,
) -> Result<LabRecord, String> {
    let now = record.desired.generation;
    if now != generation {
        return Err(format!("the record is at version {now} by now, not {generation}"));
    }
    // a lab whose number never moves may have one too many all the same: one that was replaced came back
    if !Service::SIZED.contains(&service) || record.desired.counts.get(&service) != Some(&count) {
        record.spec.may_have(service, count)?;
    }
    let stands = |id: &MemberId| record.of(service).any(|(member, _)| member.id == *id);
    if let Some(id) = leaving.iter().find(|id| !stands(id)) {
        return Err(format!("{id} is no `{service}` of this lab"));
    }
    let stay = record.of(service).filter(|(member, _)| !leaving.contains(&member.id)).count();
    if !leaving.is_empty() && stay < count as usize {
        return Err(format!("{stay} would stay, {count} are wanted"));
    }
    // of this service nobody else leaves
    let kept: Vec<MemberId> = record.desired.without.iter().filter(|id| !stands(id)).cloned().collect();
    record.desired.without = kept.into_iter().chain(leaving.iter().cloned()).collect();
    record.desired.counts.insert(service, count);
    record.desired.generation += 1;
    Ok(record)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::decide::body::samples;
    use crate::lab::record::{new_secrets, new_token};
    use crate::model::lab::{Desired, Range};

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    /// A lab of three at version 7, with one instance more than that.
    pub(in crate::broker) fn one_too_many() -> LabRecord {
        let spec = samples::spec();
        let mut members = samples::members(&spec);
        let three = members.iter().filter(|member| member.service == Service::Postgres).count();
        let mut more =
            members.iter().find(|member| member.service == Service::Postgres).expect("one").clone();
        more.id = name("postgres-9");
        members.push(more);
        let count = u32::try_from(three).expect("a few");
        LabRecord {
            schema_version: crate::lab::record::SCHEMA,
            pgha: None,
            preset: None,
            spec,
            subnet: std::net::Ipv4Addr::LOCALHOST,
            desired: Desired {
                generation: 7,
                counts: [(Service::Postgres, count)].into(),
                ..Desired::default()
            },
            members,
            secrets: new_secrets(),
            token: new_token("lab"),
            images: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn one_too_many_may_leave_also_where_the_number_never_moves() {
        let mut record = one_too_many();
        let three = record.desired.counts[&Service::Postgres];
        record.spec.postgres.instances = Range::fixed(three);
        let leaving = BTreeSet::from([name("postgres-9")]);
        let written = scaled(record.clone(), Service::Postgres, 7, three, &leaving).expect("it may leave");
        assert_eq!((written.leaving(), written.desired.generation), (leaving, 8));
        let more =
            scaled(record, Service::Postgres, 7, three + 1, &BTreeSet::new()).expect_err("it never moves");
        assert!(more.contains("never another number"), "{more}");
    }

    #[test]
    fn what_may_not_be_is_not_written() {
        let record = one_too_many();
        let three = record.desired.counts[&Service::Postgres];
        let refused = |generation, count, leaving: &[&str]| {
            let leaving = leaving.iter().copied().map(name).collect();
            scaled(record.clone(), Service::Postgres, generation, count, &leaving).expect_err("it is refused")
        };
        assert_eq!(refused(6, three, &[]), "the record is at version 7 by now, not 6");
        assert_eq!(refused(7, three, &["postgres-4711"]), "postgres-4711 is no `postgres` of this lab");
        assert_eq!(
            refused(7, three, &["postgres-1", "postgres-9"]),
            format!("{} would stay, {three} are wanted", three - 1)
        );
    }

    #[test]
    fn numbers_of_services_stand_side_by_side() {
        let mut record = one_too_many();
        record.spec.balancers.instances = Range { start: 1, min: 1, max: 3 };
        record.desired.without.insert(name("postgres-9"));
        let more =
            scaled(record.clone(), Service::Balancer, 7, 2, &BTreeSet::new()).expect("it may be written");
        assert_eq!(more.leaving(), BTreeSet::from([name("postgres-9")]), "it leaves all the same");
        assert_eq!(more.desired.counts[&Service::Balancer], 2);
        let too_many = scaled(record.clone(), Service::Balancer, 7, 4, &BTreeSet::new());
        assert_eq!(too_many.expect_err("a limit"), "4 is not between 1 and 3, the limits of this lab");
        let etcd = scaled(record, Service::Etcd, 7, 3, &BTreeSet::new());
        assert_eq!(etcd.expect_err("never"), "the number of `etcd` does not change");
    }
}
