//! Who may stand where. Two of one service never share a host, what a host's bodies start with fits
//! into what it has, `only` and pins hold, and nobody who stands is moved.
//!
//! Placement looks for the tidiest way first (fewest bodies a host, balancers away from databases)
//! and goes back on its steps where that leads nowhere, so that it finds a way whenever there is
//! one. It decides by the declared order of hosts and by names: the same question has the same
//! answer.

use std::collections::BTreeSet;
use std::fmt;

use rustc_hash::FxHashMap;

use crate::model::lab::{Desired, Host, Size, kind};
use crate::model::{Bytes, HostName, LabSpec, Member, MemberId, Service};

/// Services in the order in which they are founded.
const ORDER: [Service; 4] = [Service::Client, Service::Etcd, Service::Postgres, Service::Balancer];

/// Why a body found no place: what each host had against it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} finds no host: {}", in_words(hosts))]
pub struct Unplaceable {
    /// The body that found no place.
    pub member: MemberId,
    /// The service it is of.
    pub service: Service,
    /// Every host and what it had against the body, in the order of the declaration.
    pub hosts: Vec<(HostName, WhyNot)>,
}

/// What a host has against a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// It is kept for other services, or the service is pinned elsewhere.
    NotAllowed,
    /// One of the same service stands there.
    Has(MemberId),
    /// The host has not enough cores left.
    Cores {
        /// Thousandths of a core that are left.
        left: u64,
        /// Thousandths of a core that the host has.
        of: u64,
        /// Thousandths of a core that are wanted.
        wanted: u64,
    },
    /// The host has not enough memory left.
    Memory {
        /// Bytes that are left.
        left: Bytes,
        /// Bytes that are wanted.
        wanted: Bytes,
    },
    /// The host has not enough disk left.
    Disk {
        /// Bytes that are left.
        left: Bytes,
        /// Bytes that are wanted.
        wanted: Bytes,
    },
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("`only` or pins keep it away"),
            Self::Has(member) => write!(f, "has {member} already"),
            Self::Cores { left, of, wanted } => {
                write!(f, "{} of {} cores left, {} wanted", cores(*left), cores(*of), cores(*wanted))
            }
            Self::Memory { left, wanted } => write!(f, "{left} of memory left, {wanted} wanted"),
            Self::Disk { left, wanted } => write!(f, "{left} of disk left, {wanted} wanted"),
        }
    }
}

fn in_words(hosts: &[(HostName, WhyNot)]) -> String {
    if hosts.is_empty() {
        return "there is none".to_owned();
    }
    hosts.iter().map(|(host, why)| format!("{host}: {why}")).collect::<Vec<_>>().join("; ")
}

/// Thousandths of a core as people write them: `0.5`, `2.0`.
fn cores(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// Where everybody stands: the existing members where they are, except those `desired.without`
/// names, and a new one with a new name for every one that is missing. Members beyond the wanted
/// number stay: to remove is somebody else's decision. Sorted by service, then by number.
///
/// # Errors
/// [`Unplaceable`] when no way exists to place all that are missing.
pub fn place(spec: &LabSpec, desired: &Desired, existing: &[Member]) -> Result<Vec<Member>, Unplaceable> {
    let mut members: Vec<Member> =
        existing.iter().filter(|member| !desired.without.contains(&member.id)).cloned().collect();
    let missing = missing(spec, desired, &members);
    let mut search = PlacementSearch { spec, missing: &missing, hopeless: BTreeSet::new(), stuck: None };
    if search.place(0, &mut members) {
        sort(&mut members);
        return Ok(members);
    }
    // when the search fails it has been stuck at least once; the other arm cannot be reached
    Err(search.stuck.map_or_else(
        || Unplaceable { member: missing[0].0.clone(), service: missing[0].1, hosts: Vec::new() },
        |(_, why)| why,
    ))
}

/// The tidiest host for one more body among those that `may` take it, everybody else staying where they are.
///
/// # Errors
/// [`Unplaceable`] when there is none; hosts that may not take it are not named.
pub fn one(
    spec: &LabSpec,
    members: &[Member],
    id: &MemberId,
    service: Service,
    may: impl Fn(&HostName) -> bool,
) -> Result<Member, Unplaceable> {
    let start = spec.start_size(service);
    // a copy needs as much disk as those it is made from
    let disks = members.iter().filter(|member| member.service == service).map(|member| member.size.disk);
    let size = Size { disk: disks.max().unwrap_or(start.disk).max(start.disk), ..start };
    let (mut best, mut against) = (None, Vec::new());
    for (index, host) in spec.hosts.iter().enumerate().filter(|(_, host)| may(&host.name)) {
        if let Some(why) = refusal(spec, host, id, service, &size, members) {
            against.push((host.name.clone(), why));
            continue;
        }
        let this = (dislike(spec, host, service, members), index);
        best = Some(best.map_or(this, |best: ((bool, usize), usize)| best.min(this)));
    }
    match best.and_then(|(_, index)| spec.hosts.get(index)) {
        Some(host) => Ok(Member { id: id.clone(), service, host: host.name.clone(), size }),
        None => Err(Unplaceable { member: id.clone(), service, hosts: against }),
    }
}

/// What hosts have and what stands there takes, so that a question costs the same in a large lab as in a small one.
#[derive(Clone, Debug)]
pub struct Rooms<'a> {
    hosts: FxHashMap<&'a HostName, (Room, Room)>,
}

impl<'a> Rooms<'a> {
    /// Hosts of a spec, and what `members` take there.
    #[must_use]
    pub fn new<'b>(spec: &'a LabSpec, members: impl IntoIterator<Item = &'b Member>) -> Self {
        let none = Room { cores: 0, memory: 0, disk: 0 };
        let has =
            |host: &Host| Room { cores: thousandths(host.cpus), memory: host.memory.0, disk: host.disk.0 };
        let mut rooms =
            Self { hosts: spec.hosts.iter().map(|host| (&host.name, (has(host), none))).collect() };
        for member in members {
            rooms.take(&member.host, &member.size);
        }
        rooms
    }

    fn take(&mut self, host: &HostName, size: &Size) {
        if let Some((_, taken)) = self.hosts.get_mut(host) {
            taken.cores = taken.cores.saturating_add(thousandths(size.cpus));
            taken.memory = taken.memory.saturating_add(size.memory.0);
            taken.disk = taken.disk.saturating_add(size.disk.0);
        }
    }

    /// What the host of `member`, which has been counted, has for it: all that the others there leave.
    #[must_use]
    pub fn of(&self, member: &Member) -> Size {
        let Some((has, taken)) = self.hosts.get(&member.host) else {
            return Size { cpus: 0.0, memory: Bytes(0), disk: Bytes(0) };
        };
        let own = &member.size;
        let left = |has: u64, taken: u64, own: u64| has.saturating_sub(taken.saturating_sub(own));
        let cpus = left(has.cores, taken.cores, thousandths(own.cpus)) as f64 / 1000.0;
        let memory = Bytes(left(has.memory, taken.memory, own.memory.0));
        Size { cpus, memory, disk: Bytes(left(has.disk, taken.disk, own.disk.0)) }
    }

    /// Counts with another size of a member from now on.
    pub fn give(&mut self, member: &Member, to: &Size) {
        if let Some((_, taken)) = self.hosts.get_mut(&member.host) {
            taken.cores = taken.cores.saturating_sub(thousandths(member.size.cpus));
            taken.memory = taken.memory.saturating_sub(member.size.memory.0);
            taken.disk = taken.disk.saturating_sub(member.size.disk.0);
        }
        self.take(&member.host, to);
    }
}

/// What the host of `member` has for it: all that the others there leave.
#[must_use]
pub fn room_for(spec: &LabSpec, members: &[Member], member: &Member) -> Size {
    let mut rooms = Rooms::new(spec, members.iter().filter(|other| other.id != member.id));
    rooms.take(&member.host, &member.size);
    rooms.of(member)
}

/// Whether `member` may have this size where it stands: between the limits of the spec, within what its host has
/// left, and no smaller disk.
///
/// # Errors
/// Why not, for a person.
pub fn resizable(spec: &LabSpec, members: &[Member], member: &Member, to: &Size) -> Result<(), String> {
    fits(spec, &room_for(spec, members, member), member, to)
}

/// The same, where `room` is all that its host has for it.
///
/// # Errors
/// Why not, for a person.
pub fn fits(spec: &LabSpec, room: &Size, member: &Member, to: &Size) -> Result<(), String> {
    let (id, from) = (&member.id, &member.size);
    let Some((min, max)) = spec.limits(member.service) else {
        return Err(format!("{id} is a {}, whose size never moves", member.service));
    };
    if to.disk < from.disk {
        return Err(format!(
            "disk: {} is less than the {} it has, and a disk never shrinks",
            to.disk, from.disk
        ));
    }
    let sizes = WantedOf { wanted: to, now: from, least: &min, most: &max, left: room };
    possible("cpu", sizes.map(|size| thousandths(size.cpus)), cores)?;
    possible("memory", sizes.map(|size| size.memory), |bytes| bytes.to_string())?;
    possible("disk", sizes.map(|size| size.disk), |bytes| bytes.to_string())
}

/// What is wanted of something, and what bounds it.
#[derive(Clone, Copy)]
struct WantedOf<T> {
    wanted: T,
    now: T,
    least: T,
    most: T,
    /// What the host has for it.
    left: T,
}

impl<T: Copy> WantedOf<T> {
    fn map<U>(self, of: impl Fn(T) -> U) -> WantedOf<U> {
        let Self { wanted, now, least, most, left } = self;
        WantedOf { wanted: of(wanted), now: of(now), least: of(least), most: of(most), left: of(left) }
    }
}

/// Whether an amount may be given. What does not change is nobody's business.
fn possible<T: Copy + Ord>(
    what: &str,
    amount: WantedOf<T>,
    words: impl Fn(T) -> String,
) -> Result<(), String> {
    let WantedOf { wanted, now, least, most, left } = amount;
    if wanted == now {
        return Ok(());
    }
    let asked = words(wanted);
    if wanted < least || wanted > most {
        return Err(format!(
            "{what}: {asked} is not between {} and {}, its limits",
            words(least),
            words(most)
        ));
    }
    if wanted > left {
        return Err(format!("{what}: {asked} is wanted, and its host has {} for it", words(left)));
    }
    Ok(())
}

/// By service, then by number.
pub fn sort(members: &mut [Member]) {
    members.sort_by_key(|member| (member.service, number(&member.id), member.id.clone()));
}

/// A name that nobody of a kind has or had.
#[must_use]
pub fn new_name<'a>(kind: &str, used: impl Iterator<Item = &'a MemberId>) -> Option<MemberId> {
    let highest = used.filter(|id| stem(id) == kind).map(number).max().unwrap_or(0);
    MemberId::new(format!("{kind}-{}", highest.checked_add(1)?)).ok()
}

/// A name without its number.
fn stem(id: &MemberId) -> &str {
    id.as_str().rsplit_once('-').map_or(id.as_str(), |(stem, _)| stem)
}

/// The bodies to place: new names, lowest unused number first.
fn missing(spec: &LabSpec, desired: &Desired, members: &[Member]) -> Vec<(MemberId, Service, Size)> {
    let mut missing = Vec::new();
    for service in ORDER {
        let wanted = desired.counts.get(&service).copied().unwrap_or(0);
        let there = members.iter().filter(|member| member.service == service).count();
        let lacking = (wanted as usize).saturating_sub(there);
        let free = (1..=u32::MAX)
            .filter_map(|n| member_id(service, n))
            .filter(|id| !desired.without.contains(id) && members.iter().all(|member| member.id != *id));
        for id in free.take(lacking) {
            let size = desired.sizes.get(&id).copied().unwrap_or_else(|| spec.start_size(service));
            missing.push((id, service, size));
        }
    }
    for controller in &spec.controllers {
        let there = members.iter().filter(|member| member.controller() == Some(controller.name.as_str()));
        let lacking = (controller.replicas as usize).saturating_sub(there.count());
        let free = (1..=u32::MAX)
            .filter_map(|n| MemberId::new(format!("{}-{n}", controller.name)).ok())
            .filter(|id| !desired.without.contains(id) && members.iter().all(|member| member.id != *id));
        for id in free.take(lacking) {
            missing.push((id, Service::Controller, spec.start_size(Service::Controller)));
        }
    }
    missing
}

/// `postgres-2`; the client is alone and has no number.
fn member_id(service: Service, n: u32) -> Option<MemberId> {
    match (service, n) {
        (Service::Client, 1) => MemberId::new(service.as_str()).ok(),
        _ => MemberId::new(format!("{service}-{n}")).ok(),
    }
}

/// The number at the end of a name; 0 when it has none.
pub(super) fn number(id: &MemberId) -> u32 {
    id.as_str().rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// What a host has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Room {
    cores: u64,
    memory: u64,
    disk: u64,
}

/// What a host has left, and which kinds of bodies it carries.
type HostLeft = (Room, BTreeSet<String>);

struct PlacementSearch<'a> {
    spec: &'a LabSpec,
    missing: &'a [(MemberId, Service, Size)],
    /// States that lead nowhere: how many are placed, and what each host has left and carries.
    hopeless: BTreeSet<(usize, Vec<HostLeft>)>,
    /// The furthest the search came, and why no further.
    stuck: Option<(usize, Unplaceable)>,
}

impl PlacementSearch<'_> {
    /// Places everything from `next` on; on failure `members` is as it was.
    fn place(&mut self, next: usize, members: &mut Vec<Member>) -> bool {
        let missing = self.missing;
        let Some((id, service, size)) = missing.get(next) else { return true };
        let state = (next, self.spec.hosts.iter().map(|host| carries(host, members)).collect::<Vec<_>>());
        if self.hopeless.contains(&state) {
            return false;
        }
        let mut candidates = Vec::new();
        let mut against = Vec::new();
        for (index, host) in self.spec.hosts.iter().enumerate() {
            match refusal(self.spec, host, id, *service, size, members) {
                None => candidates.push((dislike(self.spec, host, *service, members), index)),
                Some(why) => against.push((host.name.clone(), why)),
            }
        }
        candidates.sort_unstable();
        if candidates.is_empty() && self.stuck.as_ref().is_none_or(|(furthest, _)| *furthest < next) {
            let why = Unplaceable { member: id.clone(), service: *service, hosts: against };
            self.stuck = Some((next, why));
        }
        for (_, index) in candidates {
            let host = self.spec.hosts[index].name.clone();
            members.push(Member { id: id.clone(), service: *service, host, size: *size });
            if self.place(next + 1, members) {
                return true;
            }
            members.pop();
        }
        self.hopeless.insert(state);
        false
    }
}

/// What `host` has against one more body.
fn refusal(
    spec: &LabSpec,
    host: &Host,
    id: &MemberId,
    service: Service,
    size: &Size,
    members: &[Member],
) -> Option<WhyNot> {
    if !spec.may_stand(service, host) {
        return Some(WhyNot::NotAllowed);
    }
    let kind = kind(id, service.as_str());
    if let Some(twin) = members.iter().find(|member| member.host == host.name && member.kind() == kind) {
        return Some(WhyNot::Has(twin.id.clone()));
    }
    let (left, _) = carries(host, members);
    let wanted = thousandths(size.cpus);
    if left.cores < wanted {
        return Some(WhyNot::Cores { left: left.cores, of: thousandths(host.cpus), wanted });
    }
    if left.memory < size.memory.0 {
        return Some(WhyNot::Memory { left: Bytes(left.memory), wanted: size.memory });
    }
    if left.disk < size.disk.0 {
        return Some(WhyNot::Disk { left: Bytes(left.disk), wanted: size.disk });
    }
    None
}

/// Lower is better: balancers and databases apart (one lost host should not cost both), then
/// the host with fewest bodies.
fn dislike(spec: &LabSpec, host: &Host, service: Service, members: &[Member]) -> (bool, usize) {
    let here = || members.iter().filter(|member| member.host == host.name);
    let carries = |service| here().any(|member| member.service == service);
    let mixed = match service {
        // nor should the host of a lost primary take the active controller with it
        Service::Balancer | Service::Controller => carries(Service::Postgres),
        Service::Postgres => carries(Service::Balancer) || spec.balancers.hosts.contains(&host.name),
        _ => false,
    };
    (mixed, here().count())
}

/// What a host has left, and what it carries.
fn carries(host: &Host, members: &[Member]) -> HostLeft {
    let mut room = Room { cores: thousandths(host.cpus), memory: host.memory.0, disk: host.disk.0 };
    let mut kinds = BTreeSet::new();
    for member in members.iter().filter(|member| member.host == host.name) {
        room.cores = room.cores.saturating_sub(thousandths(member.size.cpus));
        room.memory = room.memory.saturating_sub(member.size.memory.0);
        room.disk = room.disk.saturating_sub(member.size.disk.0);
        kinds.insert(member.kind().to_owned());
    }
    (room, kinds)
}

/// Cores in whole thousandths, so that sums are exact.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates; cores are few and positive"
)]
fn thousandths(cores: f64) -> u64 {
    (cores * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_has_left_follows_what_is_given() {
        let spec = crate::decide::body::samples::spec();
        let host = spec.hosts[0].name.clone();
        let size = Size { cpus: 0.5, memory: Bytes::mib(256), disk: Bytes::gib(1) };
        let member = |id: &str| Member {
            id: id.parse().expect("a name"),
            service: Service::Postgres,
            host: host.clone(),
            size,
        };
        let (one, other) = (member("postgres-1"), member("postgres-2"));
        let members = [one.clone(), other.clone()];
        let mut rooms = Rooms::new(&spec, &members);
        assert_eq!(rooms.of(&one), room_for(&spec, &members, &one));
        let more = Size { cpus: 0.75, memory: Bytes::mib(512), ..size };
        rooms.give(&other, &more);
        let before = room_for(&spec, &members, &one);
        let left = Size { cpus: before.cpus - 0.25, memory: Bytes(before.memory.0 - (256 << 20)), ..before };
        assert_eq!(rooms.of(&one), left);
        let nowhere = Member { host: "nowhere".parse().expect("a name"), ..one };
        assert_eq!(rooms.of(&nowhere), Size { cpus: 0.0, memory: Bytes(0), disk: Bytes(0) });
    }
}
