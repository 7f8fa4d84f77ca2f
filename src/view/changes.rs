//! What became different between two looks at a lab, in words.

use std::collections::BTreeSet;

use crate::model::status::{MemberStatus, Status};
use crate::model::{HostName, MemberId};

/// Every change from one look to the next, a line each.
pub fn changes(before: &Status, now: &Status) -> Vec<String> {
    let mut said = Vec::new();
    for host in &now.hosts {
        let was = before.hosts.iter().find(|known| known.name == host.name);
        if let Some(was) = was.filter(|was| differ(&was.state, &host.state)) {
            said.push(format!("host {} is {} (it was {})", host.name, host.state, was.state));
        }
    }
    for member in &now.members {
        match before.members.iter().find(|known| known.name == member.name) {
            None => said.push(format!("{} comes to {}", member.name, member.host)),
            Some(was) => said.extend(of_member(was, member)),
        }
    }
    let there: BTreeSet<&MemberId> = now.members.iter().map(|member| &member.name).collect();
    let left = before.members.iter().filter(|member| !there.contains(&member.name));
    said.extend(left.map(|member| format!("{} has left", member.name)));
    if before.ready != now.ready {
        said.push(if now.ready { "the lab is ready".to_owned() } else { "the lab is not ready".to_owned() });
    }
    said
}

/// What nobody looked at did not change.
fn differ(before: &str, now: &str) -> bool {
    const UNSEEN: &str = "not looked at";
    before != now && before != UNSEEN && now != UNSEEN
}

fn of_member(was: &MemberStatus, now: &MemberStatus) -> Vec<String> {
    let name = &now.name;
    let mut said = Vec::new();
    if differ(&was.state, &now.state) {
        said.push(format!("{name} is {} (it was {})", now.state, was.state));
    }
    match (&was.role, &now.role) {
        (Some(was), Some(now)) if was != now => said.push(format!("{name} is {now} (it was {was})")),
        (Some(_), None) => said.push(format!("{name} does not answer")),
        (None, Some(now)) => said.push(format!("{name} answers: {now}")),
        _ => {}
    }
    if let (Some(was), Some(now)) = (&was.routes_rw, &now.routes_rw)
        && was != now
    {
        said.push(format!("{name} leads writes to {} (before: {})", hosts(now), hosts(was)));
    }
    said.extend(of_controller(was, now));
    said
}

/// Hosts in a row; *nowhere* for none.
pub fn hosts(hosts: &[HostName]) -> String {
    if hosts.is_empty() {
        return "nowhere".to_owned();
    }
    hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(",")
}

/// What a controller says of itself now: its step, about whom, and why.
pub fn decision(member: &MemberStatus) -> Option<String> {
    let seen = member.controller.as_ref().filter(|seen| seen.active)?;
    let subject = seen.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
    Some(format!("{}: {}{subject}: {}", member.name, seen.step, seen.reason))
}

fn of_controller(was: &MemberStatus, now: &MemberStatus) -> Vec<String> {
    let (Some(before), Some(after)) = (&was.controller, &now.controller) else { return Vec::new() };
    let mut said = Vec::new();
    // its reason may count seconds: a decision is new when it is about something else
    if after.active && (before.active, &before.step, &before.subject) != (true, &after.step, &after.subject) {
        said.extend(decision(now));
    }
    let raised = after.alarms.iter().filter(|alarm| !before.alarms.contains(alarm));
    said.extend(raised.map(|alarm| format!("{}: ALARM: {alarm}", now.name)));
    let over = before.alarms.iter().filter(|alarm| !after.alarms.contains(alarm));
    said.extend(over.map(|alarm| format!("{}: no alarm any more: {alarm}", now.name)));
    said
}
