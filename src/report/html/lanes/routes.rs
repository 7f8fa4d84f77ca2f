//! Where each balancer leads, port by port, as it says itself.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::states::{LaneState, bands};
use crate::model::sighting::{BalancerSeen, ServerSeen};
use crate::model::{HostName, MemberId, Service, Sight, Sighting};
use crate::report::html::page::{Lane, Row, Tone};

/// Which instance stands on a host.
type Standing = BTreeMap<HostName, MemberId>;

/// Where each balancer leads.
pub(super) fn lane(run: &Run<'_>) -> Option<Lane> {
    let looks = with_hosts(run);
    let members: BTreeSet<&MemberId> = looks.iter().flat_map(|(_, seen, _)| seen.balancers.keys()).collect();
    let rows = members.into_iter().flat_map(|member| {
        let writes = looks.iter().map(|(at, seen, hosts)| {
            (*at, seen.balancers.get(member).map(|balancer| writes(balancer, hosts, primary(seen))))
        });
        let reads = looks.iter().map(|(at, seen, hosts)| {
            (*at, seen.balancers.get(member).map(|balancer| reads(balancer, hosts)))
        });
        let row = |port: u16, bands| Row { label: format!("{member} {port}"), bands, marks: Vec::new() };
        [row(5432, bands(writes)), row(5433, bands(reads))]
    });
    Lane::of_rows("Balancers", "servers that are up, by the balancer's own word", rows.collect())
}

/// Looks at the services, each with the instances as the engine showed them last.
fn with_hosts<'a>(run: &Run<'a>) -> Vec<(f64, &'a Sighting, Standing)> {
    let planned = run.record.resolved.members.iter().filter(|member| member.service == Service::Postgres);
    let mut hosts: Standing = planned.map(|member| (member.host.clone(), member.id.clone())).collect();
    let mut looks = Vec::new();
    for seen in &run.looks {
        for (member, body) in &seen.bodies {
            if body.service == Service::Postgres.as_str() {
                hosts.insert(body.host.clone(), member.clone());
            }
        }
        if !seen.balancers.is_empty() {
            looks.push((run.ms(seen.at), *seen, hosts.clone()));
        }
    }
    looks
}

/// The instance out of recovery on the newest timeline.
fn primary(seen: &Sighting) -> Option<&MemberId> {
    let sql = seen.postgres.iter().filter_map(|(member, postgres)| Some((member, postgres.sql.seen()?)));
    sql.filter(|(_, sql)| !sql.in_recovery).max_by_key(|(_, sql)| sql.timeline).map(|(member, _)| member)
}

fn writes(seen: &BalancerSeen, hosts: &Standing, primary: Option<&MemberId>) -> LaneState {
    let up = match &seen.rw {
        Sight::Blind(why) => return blind(why),
        Sight::Seen(servers) => up(servers, hosts),
    };
    let label = up.join(", ");
    let serves = match &seen.rw_serves {
        Sight::Seen(true) => "; a connection reached an instance that writes".to_owned(),
        Sight::Seen(false) => "; a connection reached an instance that does not write".to_owned(),
        Sight::Blind(why) => format!("; a connection failed: {why}"),
    };
    match (up.as_slice(), primary) {
        ([], _) => LaneState::new(Tone::Bad, "nowhere", format!("no server is up{serves}")),
        ([one], Some(primary)) if one == primary.as_str() => {
            LaneState::new(Tone::Primary, label, format!("leads to the primary {one}{serves}"))
        }
        (_, Some(primary)) => {
            let says = format!("leads to {label}, the primary is {primary}{serves}");
            LaneState::new(Tone::Warn, label, says)
        }
        (_, None) => {
            let says = format!("leads to {label}, no primary was seen{serves}");
            LaneState::new(Tone::Warn, label, says)
        }
    }
}

fn reads(seen: &BalancerSeen, hosts: &Standing) -> LaneState {
    let up = match &seen.ro {
        Sight::Blind(why) => return blind(why),
        Sight::Seen(servers) => up(servers, hosts),
    };
    let label = up.join(", ");
    match up.len() {
        0 => LaneState::new(Tone::Bad, "nowhere", "no server is up"),
        number => {
            let says = format!("leads to {number}: {label}");
            LaneState::new(Tone::Replica, label, says)
        }
    }
}

fn blind(why: &str) -> LaneState {
    LaneState::new(Tone::Blind, "no answer", format!("does not answer: {why}"))
}

/// Servers that are up, by the instance that stands on their host.
fn up(servers: &BTreeMap<HostName, ServerSeen>, hosts: &Standing) -> Vec<String> {
    let up = servers.iter().filter(|(_, server)| server.up() && server.weight > 0);
    up.map(|(host, _)| hosts.get(host).map_or_else(|| host.to_string(), ToString::to_string)).collect()
}
