//! Who may join a lab and who may leave it: the record as it is, what is wanted and what is known → the record as it shall
//! be, or why not. Pure.
//!
//! Invariants: a name is never used twice; nobody leaves whose place the declared number needs, of etcd but for one at a
//! time; a database leaves only when its body has no process.

use super::membership::{MOVABLE, Not, not_allowed};
use crate::decide::placement;
use crate::lab::record::Record;
use crate::model::control::Refusal;
use crate::model::lab::{controller_of, kind};
use crate::model::{ContainerStatus, HostName, Member, MemberId, Service, Size};

/// The record with a member that it does not know yet; `None`: it knows it.
///
/// # Errors
/// Why it may not stand there.
pub(super) fn created(
    record: &Record,
    id: &MemberId,
    service: Service,
    host: &HostName,
) -> Result<Option<Record>, String> {
    match record.members.iter().find(|member| member.id == *id) {
        Some(known) if known.service == service && known.host == *host => Ok(None),
        Some(known) => Err(format!("{id} is a {} on {}", known.service, known.host)),
        None => {
            let member = newcomer(record, id, service, host)?;
            let mut with = record.clone();
            with.members.push(member);
            placement::sort(&mut with.members);
            with.desired.generation += 1;
            Ok(Some(with))
        }
    }
}

/// The record without a member that leaves, and who that was; `None`: it has left already. `running`: the state of its body
/// where that has a process.
///
/// # Errors
/// Why it stays.
pub(super) fn retired(
    record: &Record,
    id: &MemberId,
    running: Option<ContainerStatus>,
) -> Result<Option<(Record, Member)>, Not> {
    // out of its cluster a member of etcd ends by itself, and neither it nor a balancer holds what anybody needs
    if let Some(status) = running.filter(|_| is_database(id)) {
        return Err(not_allowed(format!("its body is {}: fence it first", status.as_str())));
    }
    let Some(at) = record.members.iter().position(|member| member.id == *id) else {
        let left = record.left(id);
        let nobody = || Not::Refused(Refusal::NotThere, format!("no member is called {id}"));
        return if left { Ok(None) } else { Err(nobody()) };
    };
    let mut without = record.clone();
    let member = without.members.remove(at);
    if !MOVABLE.contains(&member.service) {
        return Err(not_allowed(format!("members of `{}` do not leave", member.service)));
    }
    let wanted = wanted(&without, &member.id, member.service);
    let left = without.members.iter().filter(|other| other.kind() == member.kind()).count();
    // etcd is removed from first and added to then, one at a time
    let least = wanted - u32::from(member.service == Service::Etcd && wanted > 0);
    if left < least as usize {
        return Err(not_allowed(format!("{left} would be left, {least} must be")));
    }
    without.desired.without.insert(id.clone());
    without.desired.generation += 1;
    Ok(Some((without, member)))
}

/// Gives a member of a record another size; whether it is another.
pub(super) fn resized(record: &mut Record, id: &MemberId, size: Size) -> bool {
    let known = record.members.iter_mut().find(|known| known.id == *id && known.size != size);
    known.map(|known| known.size = size).is_some()
}

/// Whether this is the name of a database, in the lab or not.
pub(super) fn is_database(id: &MemberId) -> bool {
    id.as_str().starts_with(&format!("{}-", Service::Postgres))
}

/// How many there should be of the kind of a member.
fn wanted(record: &Record, id: &MemberId, service: Service) -> u32 {
    if service != Service::Controller {
        return record.desired.counts.get(&service).copied().unwrap_or(0);
    }
    let mut declared = record.spec.controllers.iter();
    declared
        .find(|declared| declared.name.as_str() == controller_of(id))
        .map_or(0, |declared| declared.replicas)
}

/// A member the lab does not know yet, where it may stand; or why not.
fn newcomer(record: &Record, id: &MemberId, service: Service, host: &HostName) -> Result<Member, String> {
    match service {
        Service::Postgres => {}
        // one that leaves is followed, and nobody else joins
        Service::Etcd => {
            let wanted = wanted(record, id, service);
            if record.of(service).count() >= wanted as usize {
                return Err(format!("there are {wanted} members of `{service}` already"));
            }
        }
        // one more than are wanted, until it has taken somebody's place
        Service::Balancer | Service::Controller => {
            let wanted = wanted(record, id, service);
            let there = record
                .members
                .iter()
                .filter(|member| {
                    member.kind() == kind(id, service.as_str())
                        && !record.desired.without.contains(&member.id)
                })
                .count();
            if wanted == 0 {
                return Err(format!("nobody wants a {id}"));
            }
            if there > wanted as usize {
                return Err(format!("there is one more than the {wanted} that are wanted"));
            }
        }
        _ => return Err(format!("there are no new members of `{service}`")),
    }
    let used = record.members.iter().map(|member| &member.id).chain(&record.desired.without);
    if placement::new_name(kind(id, service.as_str()), used).as_ref() != Some(id) {
        return Err(format!("{id} is not the next name"));
    }
    placement::one(&record.spec, &record.members, id, service, |known| known == host)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::number::tests::one_too_many;

    fn name(text: &str) -> MemberId {
        text.parse().expect("a name")
    }

    fn said(outcome: Result<Option<(Record, Member)>, Not>) -> String {
        match outcome {
            Err(Not::Refused(_, text) | Not::Failed(text)) => text,
            Ok(_) => "it leaves".to_owned(),
        }
    }

    #[test]
    fn a_database_leaves_dead_and_only_where_enough_stay() {
        let record = one_too_many();
        let last = name("postgres-9");
        let running = Some(ContainerStatus::Running);
        assert_eq!(said(retired(&record, &last, running)), "its body is running: fence it first");
        let (without, member) = retired(&record, &last, None).expect("it leaves").expect("it was there");
        assert_eq!((member.id, without.desired.generation), (last.clone(), record.desired.generation + 1));
        assert!(without.left(&last));
        assert!(retired(&without, &last, None).expect("twice is once").is_none());
        assert_eq!(said(retired(&without, &name("postgres-1"), None)), "2 would be left, 3 must be");
        assert_eq!(said(retired(&without, &name("postgres-77"), None)), "no member is called postgres-77");
        assert_eq!(said(retired(&without, &name("client"), None)), "members of `client` do not leave");
    }

    #[test]
    fn a_name_is_used_once_and_a_place_by_one() {
        let record = one_too_many();
        let create = |id: &str, host: &str| created(&record, &name(id), Service::Postgres, &name(host));
        assert_eq!(create("postgres-7", "h1").expect_err("a name"), "postgres-7 is not the next name");
        let known = record.members.iter().find(|member| member.service == Service::Postgres).expect("one");
        let same = created(&record, &known.id, Service::Postgres, &known.host).expect("it is known");
        assert!(same.is_none());
        let elsewhere = created(&record, &known.id, Service::Etcd, &known.host).expect_err("another service");
        assert!(elsewhere.contains("is a postgres on"), "{elsewhere}");
    }
}
