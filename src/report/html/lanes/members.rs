//! What each member was, look by look: role and timeline of PostgreSQL, role of etcd, and what the engine did to the body.

use std::collections::BTreeSet;

use super::run::Run;
use super::states::{LaneState, bands};
use crate::model::sighting::{EngineEvent, EtcdSeen, PostgresSeen};
use crate::model::{MemberId, Sight};
use crate::report::html::page::{Lane, Mark, Row, Tone};

/// Role and timeline of each instance of PostgreSQL.
pub(super) fn databases(run: &Run<'_>) -> Option<Lane> {
    let members: BTreeSet<&MemberId> = run.services().flat_map(|(_, seen)| seen.postgres.keys()).collect();
    let row = |member: &MemberId| {
        let mut newest = 0;
        let states = run.services().map(|(at, seen)| {
            let state = seen.postgres.get(member).map(|seen| postgres(seen, newest));
            newest = newest.max(seen.postgres.get(member).and_then(timeline).unwrap_or(0));
            (at, state)
        });
        Row { label: member.to_string(), bands: bands(states), marks: events(run, member) }
    };
    let note = "role and timeline; triangles: what the engine did to the body";
    Lane::of_rows("PostgreSQL", note, members.into_iter().map(row).collect())
}

/// Each member of etcd.
pub(super) fn store(run: &Run<'_>) -> Option<Lane> {
    let members: BTreeSet<&MemberId> = run.services().flat_map(|(_, seen)| seen.etcd.keys()).collect();
    let row = |member: &MemberId| Row {
        label: member.to_string(),
        bands: bands(run.services().map(|(at, seen)| (at, seen.etcd.get(member).map(etcd)))),
        marks: events(run, member),
    };
    Lane::of_rows("etcd", "", members.into_iter().map(row).collect())
}

fn timeline(seen: &PostgresSeen) -> Option<u32> {
    seen.sql.seen()?.timeline
}

/// What an instance was at a look, and `newest`, the newest timeline that it was seen on before.
fn postgres(seen: &PostgresSeen, newest: u32) -> LaneState {
    let sql = match &seen.sql {
        Sight::Seen(sql) => sql,
        Sight::Blind(why) => return silent(seen, why),
    };
    // a replica without a stream tells the timeline of its last checkpoint, which may be an older one
    if let Some(checkpoint) = sql.timeline.filter(|timeline| sql.in_recovery && *timeline < newest) {
        let says = format!("replica without a stream; its last checkpoint is of timeline {checkpoint}");
        return LaneState::new(Tone::Replica, "replica", says);
    }
    let timeline = sql.timeline.map_or_else(String::new, |timeline| format!(" · {timeline}"));
    let on = sql.timeline.map_or_else(String::new, |timeline| format!(" on timeline {timeline}"));
    match (sql.in_recovery, sql.writable) {
        (true, _) => LaneState::new(Tone::Replica, format!("replica{timeline}"), format!("replica{on}")),
        (false, Some(false)) => LaneState::new(
            Tone::Warn,
            format!("read-only{timeline}"),
            format!("out of recovery{on}, refuses writes"),
        ),
        (false, writable) => {
            let writes = writable.map_or("", |_| ", takes writes");
            LaneState::new(Tone::Primary, format!("primary{timeline}"), format!("primary{on}{writes}"))
        }
    }
}

/// PostgreSQL does not answer; Patroni may.
fn silent(seen: &PostgresSeen, why: &str) -> LaneState {
    match &seen.patroni {
        Sight::Seen(patroni) if !patroni.state.is_empty() => LaneState::new(
            Tone::Blind,
            patroni.state.clone(),
            format!("PostgreSQL does not answer: {why}. Patroni says: {} {}", patroni.role, patroni.state),
        ),
        Sight::Seen(patroni) => {
            let says = format!("PostgreSQL does not answer: {why}. Patroni says: {}", patroni.role);
            LaneState::new(Tone::Blind, "no answer", says)
        }
        Sight::Blind(patroni) => {
            let says = format!("PostgreSQL does not answer: {why}. Patroni does not answer: {patroni}");
            LaneState::new(Tone::Blind, "no answer", says)
        }
    }
}

fn etcd(seen: &Sight<EtcdSeen>) -> LaneState {
    let seen = match seen {
        Sight::Blind(why) => {
            return LaneState::new(Tone::Blind, "no answer", format!("does not answer: {why}"));
        }
        Sight::Seen(seen) => seen,
    };
    let says = format!("knows {} voters, raft term {}", seen.members, seen.term);
    match &seen.leader {
        None => LaneState::new(Tone::Bad, "no leader", format!("knows no leader; {says}")),
        Some(_) if !seen.linearizable => {
            LaneState::new(Tone::Warn, "no quorum", format!("answers no linearizable read; {says}"))
        }
        Some(leader) if *leader == seen.id => LaneState::new(Tone::Primary, "leader", says),
        Some(_) => LaneState::new(Tone::Replica, "follower", says),
    }
}

/// What the engine did to the body of a member.
fn events(run: &Run<'_>, member: &MemberId) -> Vec<Mark> {
    let all = run.looks.iter().flat_map(|seen| &seen.events);
    let of_member = all.filter(|event| event.member == member.as_str());
    of_member.filter_map(|event| Some(mark(run, event, tone(&event.action)?))).collect()
}

fn mark(run: &Run<'_>, event: &EngineEvent, tone: Tone) -> Mark {
    let says = format!("engine: {}", event.action);
    Mark { at_ms: run.ms(event.when()), label: String::new(), says, tone }
}

/// How what the engine did looks; `None` for what changes no body.
fn tone(action: &str) -> Option<Tone> {
    match action {
        "kill" | "die" | "oom" | "destroy" | "pause" | "stop" => Some(Tone::Bad),
        "create" | "start" | "unpause" | "restart" => Some(Tone::Good),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replica_without_a_stream_is_on_no_older_timeline() {
        let seen = |in_recovery: bool, timeline: u32| -> PostgresSeen {
            let sql = json!({ "seen": { "in-recovery": in_recovery, "writable": null, "timeline": timeline,
                "system-identifier": null, "lsn": null, "replayed": null, "streaming": [], "sync": [] } });
            serde_json::from_value(json!({ "patroni": { "blind": "asked nobody" }, "sql": sql }))
                .expect("a look")
        };
        let label = |in_recovery, timeline, newest| postgres(&seen(in_recovery, timeline), newest).label;
        assert_eq!(
            [label(true, 2, 0), label(true, 2, 2), label(true, 1, 2)],
            ["replica · 2", "replica · 2", "replica"]
        );
        assert_eq!(label(false, 1, 2), "primary · 1", "a primary knows its own");
    }
}
