//! Whether one state of the lab is whole: sentences for what is wrong, and for what nobody saw.

use std::collections::BTreeSet;

use crate::check::copies::Copies;
use crate::check::record::RunRecord;
use crate::model::lab::Service;
use crate::model::observed::ContainerStatus;
use crate::model::sighting::{PostgresSeen, SqlSeen};
use crate::model::{HostName, MemberId, Sight, Sighting};

/// What is wrong, and what was not seen.
type Doubts = (Vec<String>, Vec<String>);

/// Judges one state.
pub(super) fn judge(record: &RunRecord, copies: &Copies, state: &Sighting) -> Doubts {
    let mut doubts = Doubts::default();
    bodies(copies, state, &mut doubts);
    let primary = postgres(record, state, &mut doubts);
    etcd(record, state, &mut doubts);
    balancers(record, state, primary, &mut doubts);
    doubts
}

fn bodies(copies: &Copies, state: &Sighting, (wrong, blind): &mut Doubts) {
    if state.bodies.is_empty() {
        blind.push("no look at the bodies".to_owned());
        return;
    }
    for (member, body) in &state.bodies {
        if body.status != ContainerStatus::Running {
            wrong.push(format!("`{member}` is {}", body.status.as_str()));
        }
    }
    for (service, wanted) in copies.at(state.at) {
        let there = state.bodies.values().filter(|body| body.service == service.as_str()).count();
        if there < wanted {
            wrong.push(format!("{there} of {wanted} bodies of {service} exist"));
        } else if there > wanted {
            wrong.push(format!("{there} bodies of {service} exist, and {wanted} are wanted"));
        }
    }
}

/// Members of a service: by the bodies, or by the plan when nobody looked at them.
fn members(record: &RunRecord, state: &Sighting, service: Service) -> BTreeSet<MemberId> {
    if state.bodies.is_empty() {
        let planned = record.resolved.members.iter().filter(|member| member.service == service);
        return planned.map(|member| member.id.clone()).collect();
    }
    let there = state.bodies.iter().filter(|(_, body)| body.service == service.as_str());
    there.map(|(member, _)| member.clone()).collect()
}

fn host_of<'a>(record: &'a RunRecord, state: &'a Sighting, member: &MemberId) -> Option<&'a HostName> {
    let planned =
        || record.resolved.members.iter().find(|planned| planned.id == *member).map(|planned| &planned.host);
    state.bodies.get(member).map(|body| &body.host).or_else(planned)
}

/// The databases; the primary when there is exactly one.
fn postgres<'a>(
    record: &RunRecord,
    state: &'a Sighting,
    (wrong, blind): &mut Doubts,
) -> Option<&'a MemberId> {
    let mut sql: Vec<(&MemberId, &PostgresSeen, &SqlSeen)> = Vec::new();
    for member in members(record, state, Service::Postgres) {
        match state.postgres.get_key_value(&member) {
            None => blind.push(format!("nobody looked at `{member}`")),
            Some((_, PostgresSeen { sql: Sight::Blind(why), .. })) => {
                blind.push(format!("`{member}` does not answer: {why}"));
            }
            Some((member, postgres)) => sql.extend(postgres.sql.seen().map(|seen| (member, postgres, seen))),
        }
    }
    let primaries: Vec<_> = sql.iter().filter(|(_, _, seen)| !seen.in_recovery).collect();
    let (primary, seen) = match primaries.as_slice() {
        [(member, _, seen)] => (*member, *seen),
        [] if !blind.is_empty() => return None,
        [] => {
            wrong.push("there is no primary".to_owned());
            return None;
        }
        many => {
            let names: Vec<&str> = many.iter().map(|(member, ..)| member.as_str()).collect();
            wrong.push(format!("{} databases are primaries: {}", many.len(), names.join(", ")));
            return None;
        }
    };
    if seen.writable == Some(false) {
        wrong.push(format!("the primary `{primary}` refuses writes"));
    }
    for (member, postgres, theirs) in sql.iter().filter(|(member, ..)| *member != primary) {
        follows(primary, seen, member, postgres, theirs, wrong);
    }
    Some(primary)
}

fn follows(
    primary: &MemberId,
    seen: &SqlSeen,
    member: &MemberId,
    postgres: &PostgresSeen,
    theirs: &SqlSeen,
    wrong: &mut Vec<String>,
) {
    let patroni = postgres.patroni.seen();
    let says_so = patroni.and_then(|patroni| patroni.replication_state.as_deref()) == Some("streaming");
    if !seen.streaming.iter().any(|name| name == member.as_str()) && !says_so {
        wrong.push(format!("`{member}` does not stream from `{primary}`"));
    }
    // the control file of a replica names the timeline of its last restart point, so Patroni's word is
    // enough where the two differ
    let timelines = [theirs.timeline, patroni.and_then(|patroni| patroni.timeline)];
    let known = timelines.iter().flatten().next().is_some();
    if let Some(timeline) = seen.timeline.filter(|timeline| known && !timelines.contains(&Some(*timeline))) {
        wrong.push(format!("`{member}` is not on timeline {timeline} of the primary"));
    }
    let systems = (&seen.system_identifier, &theirs.system_identifier);
    if let (Some(ours), Some(its)) = systems
        && ours != its
    {
        wrong.push(format!("`{member}` belongs to another database system than `{primary}`"));
    }
}

fn etcd(record: &RunRecord, state: &Sighting, (wrong, blind): &mut Doubts) {
    let expected = members(record, state, Service::Etcd);
    let mut leaders: BTreeSet<&str> = BTreeSet::new();
    for member in &expected {
        match state.etcd.get(member) {
            None => blind.push(format!("nobody looked at `{member}`")),
            Some(Sight::Blind(why)) => blind.push(format!("`{member}` does not answer: {why}")),
            Some(Sight::Seen(seen)) => {
                if !seen.linearizable {
                    wrong.push(format!("`{member}` cannot read linearizably"));
                }
                if seen.members as usize != expected.len() {
                    wrong.push(format!(
                        "`{member}` knows {} voting members, there are {}",
                        seen.members,
                        expected.len()
                    ));
                }
                match &seen.leader {
                    Some(leader) => {
                        leaders.insert(leader);
                    }
                    None => wrong.push(format!("`{member}` knows no leader")),
                }
            }
        }
    }
    if leaders.len() > 1 {
        wrong.push(format!("the members of etcd name {} leaders", leaders.len()));
    }
}

fn balancers(record: &RunRecord, state: &Sighting, primary: Option<&MemberId>, (wrong, blind): &mut Doubts) {
    let host = primary.and_then(|primary| host_of(record, state, primary));
    for member in members(record, state, Service::Balancer) {
        let Some(seen) = state.balancers.get(&member) else {
            blind.push(format!("nobody looked at `{member}`"));
            continue;
        };
        match (&seen.rw, host) {
            (Sight::Blind(why), _) => {
                blind.push(format!("the statistics of `{member}` do not answer: {why}"));
            }
            (Sight::Seen(servers), Some(host)) => {
                let up: Vec<&str> =
                    servers.iter().filter(|(_, server)| server.up()).map(|(name, _)| name.as_str()).collect();
                if up != [host.as_str()] {
                    let up =
                        if up.is_empty() { "nowhere".to_owned() } else { format!("to {}", up.join(", ")) };
                    wrong.push(format!("`{member}` routes writes {up}, the primary stands on {host}"));
                }
            }
            // without a single primary there is no truth to agree with, and that is said already
            (Sight::Seen(_), None) => {}
        }
        for (port, serves) in [(5432, &seen.rw_serves), (5433, &seen.ro_serves)] {
            match serves {
                Sight::Seen(true) => {}
                Sight::Seen(false) => wrong.push(format!("`{member}` does not serve {port}")),
                Sight::Blind(why) => blind.push(format!("{port} of `{member}` was not tried: {why}")),
            }
        }
    }
}
