//! What deeds are allowed, and what they make of the lab's record: the record as it is, a deed, and what is known → the
//! record as it shall be, or why not. Pure.
//!
//! Invariants: a name is never used twice; nobody leaves whose place the declared number needs, of etcd but for one at a
//! time; a database leaves only when its body has no process.

use super::refusal::{NotDone, not_allowed};
use super::scale::scaled;
use crate::decide::placement;
use crate::lab::record::LabRecord;
use crate::model::body::LABEL_LAB;
use crate::model::control::{BrokerDeed, BrokerRefusal};
use crate::model::lab::{controller_of, kind};
use crate::model::{Bytes, Container, ContainerStatus, HostName, Member, MemberId, Service, Size};

/// Services whose bodies controllers may start and make.
pub(super) const MOVABLE: [Service; 4] =
    [Service::Postgres, Service::Etcd, Service::Balancer, Service::Controller];

/// What the engine shows of whom a deed is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// The state of its body, where that has a process.
    pub running: Option<ContainerStatus>,
    /// Memory that it uses.
    pub memory: Bytes,
    /// Whether volumes have no size of their own on this machine.
    pub plain: bool,
    /// Whether its container is that of a member of the record.
    pub named: bool,
}

/// The record as it shall be when a deed is done; `None`: as it is.
///
/// # Errors
/// Why the deed is not done.
pub(super) fn judged(
    record: &LabRecord,
    deed: &BrokerDeed,
    facts: &Facts,
) -> Result<Option<LabRecord>, NotDone> {
    match deed {
        BrokerDeed::Create { member, service, host } => {
            created(record, member, *service, host).map_err(not_allowed)
        }
        BrokerDeed::Retire { member } => retired(record, member, facts.running),
        BrokerDeed::Scale { service, generation, count, leaving } => {
            let scaled = scaled(record.clone(), *service, *generation, *count, leaving);
            scaled.map(Some).map_err(not_allowed)
        }
        BrokerDeed::Resize { member, from, to } => resized(record, member, *from, *to, facts),
        BrokerDeed::Discard { member } if !record.left(member) => {
            Err(not_allowed(format!("{member} did not leave the lab")))
        }
        BrokerDeed::Remove { .. } if facts.named => Err(not_allowed("a member of the record has it")),
        BrokerDeed::Remove { .. } => match facts.running {
            Some(status) => Err(not_allowed(format!("it is {}: fence it first", status.as_str()))),
            None => Ok(None),
        },
        BrokerDeed::Discard { .. } | BrokerDeed::Fence { .. } | BrokerDeed::Start { .. } => Ok(None),
    }
}

/// Whether a deed about one container may be done to this one; `id` is what the order calls it.
///
/// # Errors
/// Why not.
pub(super) fn allowed(lab: &str, deed: &BrokerDeed, id: &str, container: &Container) -> Result<(), String> {
    if container.labels.get(LABEL_LAB).map(String::as_str) != Some(lab) {
        return Err("it is not this lab's".to_owned());
    }
    if container.id != id {
        return Err("containers are named by their whole id".to_owned());
    }
    let may: &[Service] = match deed {
        BrokerDeed::Fence { .. } => &[Service::Postgres, Service::Controller],
        _ => &MOVABLE,
    };
    let service = container.service().unwrap_or_default();
    let said = || format!("`{}` is not for bodies of `{service}`", deed.name());
    if may.iter().any(|may| may.as_str() == service) { Ok(()) } else { Err(said()) }
}

/// The record with a member of another size; `None`: it has that size.
fn resized(
    record: &LabRecord,
    id: &MemberId,
    from: Size,
    to: Size,
    facts: &Facts,
) -> Result<Option<LabRecord>, NotDone> {
    let Some(member) = record.members.iter().find(|member| member.id == *id) else {
        return Err(NotDone::Refused(BrokerRefusal::NotThere, format!("no member is called {id}")));
    };
    if member.size != from && member.size != to {
        return Err(not_allowed(format!("{id} has another size by now")));
    }
    placement::resizable(&record.spec, &record.members, member, &to).map_err(not_allowed)?;
    // version 1 of cgroups refuses that, version 2 kills
    if to.memory < facts.memory {
        return Err(not_allowed(format!("{id} uses {} of memory", facts.memory)));
    }
    if to.disk != from.disk && facts.plain {
        return Err(not_allowed("volumes have no size of their own on this machine"));
    }
    let mut with = record.clone();
    Ok(set_size(&mut with, id, to).then_some(with))
}

/// The record with a member that it does not know yet; `None`: it knows it.
///
/// # Errors
/// Why it may not stand there.
fn created(
    record: &LabRecord,
    id: &MemberId,
    service: Service,
    host: &HostName,
) -> Result<Option<LabRecord>, String> {
    if !MOVABLE.contains(&service) {
        return Err(format!("`create` is not for bodies of `{service}`"));
    }
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

/// The record without a member that leaves; `None`: it has left already. `running`: the state of its body where that has a
/// process.
///
/// # Errors
/// Why it stays.
fn retired(
    record: &LabRecord,
    id: &MemberId,
    running: Option<ContainerStatus>,
) -> Result<Option<LabRecord>, NotDone> {
    // out of its cluster a member of etcd ends by itself, and neither it nor a balancer holds what anybody needs
    if let Some(status) = running.filter(|_| is_database(id)) {
        return Err(not_allowed(format!("its body is {}: fence it first", status.as_str())));
    }
    let Some(at) = record.members.iter().position(|member| member.id == *id) else {
        let left = record.left(id);
        let nobody = || NotDone::Refused(BrokerRefusal::NotThere, format!("no member is called {id}"));
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
    Ok(Some(without))
}

/// Gives a member of a record another size; whether it is another.
pub(super) fn set_size(record: &mut LabRecord, id: &MemberId, size: Size) -> bool {
    let known = record.members.iter_mut().find(|known| known.id == *id && known.size != size);
    known.map(|known| known.size = size).is_some()
}

/// Whether this is the name of a database, in the lab or not.
pub(super) fn is_database(id: &MemberId) -> bool {
    id.as_str().starts_with(&format!("{}-", Service::Postgres))
}

/// How many there should be of the kind of a member.
fn wanted(record: &LabRecord, id: &MemberId, service: Service) -> u32 {
    if service != Service::Controller {
        return record.desired.counts.get(&service).copied().unwrap_or(0);
    }
    let mut declared = record.spec.controllers.iter();
    declared
        .find(|declared| declared.name.as_str() == controller_of(id))
        .map_or(0, |declared| declared.replicas)
}

/// A member the lab does not know yet, where it may stand; or why not.
fn newcomer(record: &LabRecord, id: &MemberId, service: Service, host: &HostName) -> Result<Member, String> {
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
    use crate::broker::scale::tests::one_too_many;

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    /// What is said of a deed.
    fn said(record: &LabRecord, deed: &BrokerDeed, facts: &Facts) -> String {
        match judged(record, deed, facts) {
            Err(NotDone::Refused(_, text) | NotDone::Failed(text)) => text,
            Ok(Some(_)) => "the record changes".to_owned(),
            Ok(None) => "the record stays".to_owned(),
        }
    }

    fn retire(id: &str) -> BrokerDeed {
        BrokerDeed::Retire { member: name(id) }
    }

    fn create(id: &str, service: Service, host: &str) -> BrokerDeed {
        BrokerDeed::Create { member: name(id), service, host: name(host) }
    }

    fn running() -> Facts {
        Facts { running: Some(ContainerStatus::Running), ..Facts::default() }
    }

    /// A lab with a number of everything, and with two replicas of a controller.
    fn counted() -> LabRecord {
        let mut record = one_too_many();
        for service in [Service::Etcd, Service::Balancer] {
            let there = u32::try_from(record.of(service).count()).expect("a few");
            record.desired.counts.insert(service, there);
        }
        record
    }

    #[test]
    fn a_database_leaves_dead_and_only_where_enough_stay() {
        let record = one_too_many();
        let (last, none) = (retire("postgres-9"), Facts::default());
        assert_eq!(said(&record, &last, &running()), "its body is running: fence it first");
        let without = judged(&record, &last, &none).expect("it leaves").expect("it was there");
        assert_eq!(without.desired.generation, record.desired.generation + 1);
        assert!(without.left(&name("postgres-9")));
        assert_eq!(said(&without, &last, &none), "the record stays", "twice is once");
        assert_eq!(said(&without, &retire("postgres-1"), &none), "2 would be left, 3 must be");
        assert_eq!(said(&without, &retire("postgres-77"), &none), "no member is called postgres-77");
        assert_eq!(said(&without, &retire("client"), &none), "members of `client` do not leave");
    }

    #[test]
    fn of_etcd_one_at_a_time_leaves_and_one_joins_in_its_place() {
        let record = counted();
        let ids: Vec<MemberId> = record.of(Service::Etcd).map(|(member, _)| member.id.clone()).collect();
        let [first, second, ..] = ids.as_slice() else { panic!("two members of etcd at least") };
        let without = judged(&record, &retire(first.as_str()), &running()).expect("it leaves as it runs");
        let without = without.expect("it was there");
        let (left, least) = (ids.len() - 2, ids.len() - 1);
        let more = said(&without, &retire(second.as_str()), &Facts::default());
        assert_eq!(more, format!("{left} would be left, {least} must be"));
        let full = said(&record, &create("etcd-99", Service::Etcd, "h1"), &Facts::default());
        assert_eq!(full, format!("there are {} members of `etcd` already", ids.len()));
    }

    #[test]
    fn a_name_is_used_once_and_a_place_by_one() {
        let (record, none) = (one_too_many(), Facts::default());
        let postgres = |id: &str, host: &str| create(id, Service::Postgres, host);
        assert_eq!(said(&record, &postgres("postgres-7", "h1"), &none), "postgres-7 is not the next name");
        let known = record.members.iter().find(|member| member.service == Service::Postgres).expect("one");
        let same = create(known.id.as_str(), Service::Postgres, known.host.as_str());
        assert_eq!(said(&record, &same, &none), "the record stays", "it is known");
        let elsewhere = said(&record, &create(known.id.as_str(), Service::Etcd, known.host.as_str()), &none);
        assert!(elsewhere.contains("is a postgres on"), "{elsewhere}");
        let beside = said(&record, &postgres("postgres-10", known.host.as_str()), &none);
        assert_ne!(beside, "the record changes", "two of a kind would stand on one host");
    }

    #[test]
    fn newcomers_are_of_services_that_move_and_no_more_than_one_too_many() {
        let (record, none) = (counted(), Facts::default());
        let client = said(&record, &create("client-2", Service::Client, "h1"), &none);
        assert_eq!(client, "`create` is not for bodies of `client`");
        let unknown = said(&record, &create("mend-1", Service::Controller, "h1"), &none);
        assert_eq!(unknown, "nobody wants a mend-1");
        let mut many = record.clone();
        let one =
            many.members.iter().find(|member| member.service == Service::Balancer).expect("one").clone();
        many.members.push(Member { id: name("balancer-98"), ..one });
        let wanted = record.desired.counts[&Service::Balancer];
        let more = said(&many, &create("balancer-99", Service::Balancer, "h1"), &none);
        assert_eq!(more, format!("there is one more than the {wanted} that are wanted"));
    }

    #[test]
    fn a_size_is_given_to_whom_it_was_decided_for_and_never_below_what_is_in_use() {
        let record = one_too_many();
        let member = record.members.iter().find(|member| member.service == Service::Postgres).expect("one");
        let (id, from, none) = (member.id.as_str(), member.size, Facts::default());
        let resize = |id: &str, from: Size, to: Size| BrokerDeed::Resize { member: name(id), from, to };
        assert_eq!(said(&record, &resize(id, from, from), &none), "the record stays");
        assert_eq!(
            said(&record, &resize("postgres-77", from, from), &none),
            "no member is called postgres-77"
        );
        let other = Size { memory: Bytes(from.memory.0 * 2), ..from };
        let stale = resize(id, other, Size { memory: Bytes(from.memory.0 * 3), ..from });
        assert_eq!(said(&record, &stale, &none), format!("{id} has another size by now"));
        let used = Facts { memory: Bytes(from.memory.0 + 1), ..none };
        assert_eq!(
            said(&record, &resize(id, from, from), &used),
            format!("{id} uses {} of memory", used.memory)
        );
        let huge = said(&record, &resize(id, from, Size { cpus: 4096.0, ..from }), &none);
        assert_ne!(huge, "the record changes", "its host has less");
        // a lab in which disks may grow
        let mut grows = record.clone();
        let disk = Bytes(from.disk.0 * 2);
        grows.spec.postgres.disk.max = disk;
        let plain = Facts { plain: true, ..none };
        let more = resize(id, from, Size { disk, ..from });
        assert_eq!(said(&grows, &more, &plain), "volumes have no size of their own on this machine");
        assert_eq!(said(&grows, &more, &none), "the record changes");
    }

    #[test]
    fn what_is_removed_belongs_to_no_member_and_has_no_process() {
        let (record, remove) = (one_too_many(), BrokerDeed::Remove { container: "id".to_owned() });
        assert_eq!(said(&record, &remove, &Facts::default()), "the record stays");
        assert_eq!(said(&record, &remove, &running()), "it is running: fence it first");
        let named = Facts { named: true, ..Facts::default() };
        assert_eq!(said(&record, &remove, &named), "a member of the record has it");
        let discard = |id: &str| BrokerDeed::Discard { member: name(id) };
        assert_eq!(
            said(&record, &discard("postgres-1"), &Facts::default()),
            "postgres-1 did not leave the lab"
        );
        let without = judged(&record, &retire("postgres-9"), &Facts::default()).expect("it leaves");
        let without = without.expect("it was there");
        assert_eq!(said(&without, &discard("postgres-9"), &Facts::default()), "the record stays");
    }

    #[test]
    fn a_deed_about_a_container_is_about_one_of_this_lab_by_its_whole_id() {
        let container = |service: &str| Container {
            id: "0123456789abcdef".to_owned(),
            name: String::new(),
            image: String::new(),
            status: ContainerStatus::Running,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: [(LABEL_LAB, "lab"), (crate::model::body::LABEL_SERVICE, service)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            address: None,
        };
        let (start, id) = (BrokerDeed::Start { container: String::new() }, "0123456789abcdef");
        let fence = BrokerDeed::Fence { container: String::new(), leader: None };
        assert_eq!(allowed("lab", &start, id, &container("etcd")), Ok(()));
        assert_eq!(allowed("lab", &fence, id, &container("postgres")), Ok(()));
        for (lab, deed, id, service, said) in [
            ("other", &start, id, "etcd", "it is not this lab's"),
            ("lab", &start, "0123456789ab", "etcd", "containers are named by their whole id"),
            ("lab", &start, id, "client", "`start` is not for bodies of `client`"),
            ("lab", &fence, id, "etcd", "`fence` is not for bodies of `etcd`"),
        ] {
            assert_eq!(allowed(lab, deed, id, &container(service)), Err(said.to_owned()));
        }
    }
}
