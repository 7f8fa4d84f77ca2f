//! Reading every node after the run, of each load that leaves marks.
//!
//! The primary is read with `FOR UPDATE`: a row lock is something only a real primary gives. Its
//! flush position after those reads is what every replica must have replayed before its own read
//! counts. A node that cannot be read is an event with the reason, never an absence.

use std::time::Duration;

use futures_util::future::{join_all, try_join};

use super::tally::Tallied;
use super::timeline;
use super::workload;
use crate::engine::clock;
use crate::engine::postgres::{Broken, Session, sql_seen};
use crate::history::Event;
use crate::history::event::FinalRead;
use crate::model::plan::FinalReadPlan;
use crate::model::sighting::SqlSeen;
use crate::model::{Load, Lsn, MemberId, Mono};

/// Pause between two looks at a replica's replay position.
const REPLAY_POLL: Duration = Duration::from_millis(50);

struct NodeRead {
    member: MemberId,
    session: Session,
    seen: SqlSeen,
}

/// What is the same for every load of one node.
#[derive(Clone, Default)]
struct Footing {
    lsn: Option<Lsn>,
    timelines: Vec<(u32, Lsn)>,
}

/// Reads all nodes and says one [`FinalRead`] for each node and load.
pub async fn run(plan: &FinalReadPlan, journal: &Tallied) {
    let deadline = clock::now().plus(plan.timeout.0);
    let nodes = join_all(plan.nodes.iter().map(|(member, address)| async {
        let limit = left(deadline);
        let met = async {
            let session = Session::connect(*address, &plan.superuser, "pgha-final-read", limit).await?;
            let seen = sql_seen(&session, limit).await?;
            Ok::<_, Broken>(NodeRead { member: member.clone(), session, seen })
        };
        met.await.map_err(|broken| (member.clone(), broken.to_string()))
    }))
    .await;

    let mut primaries = Vec::new();
    let mut replicas = Vec::new();
    for node in nodes {
        match node {
            Ok(node) if node.seen.in_recovery => replicas.push(node),
            Ok(node) => primaries.push(node),
            Err((member, error)) => silent(plan, journal, &member, &error),
        }
    }
    // of two that both claim to write, the one on the later timeline is the one to follow; both are reported
    primaries.sort_by_key(|node| std::cmp::Reverse(node.seen.timeline));
    let mut target = Err("there is no primary whose position it could reach".to_owned());
    for (rank, node) in primaries.iter().enumerate() {
        let reached = primary(plan, journal, node, deadline).await;
        if rank == 0 {
            target = reached.map_err(|error| format!("the primary's position is not known: {error}"));
        }
    }
    join_all(replicas.iter().map(|node| replica(plan, journal, node, target.as_ref(), deadline))).await;
}

async fn primary(
    plan: &FinalReadPlan,
    journal: &Tallied,
    node: &NodeRead,
    deadline: Mono,
) -> Result<Lsn, String> {
    let mut read = Vec::new();
    for (index, load) in read_in_the_end(plan) {
        read.push((index, rows(node, load, true, left(deadline)).await));
    }
    // behind the reads, so that what they saw lies before it
    let footing = try_join(flushed(node, left(deadline)), ancestry(node, left(deadline))).await;
    for (index, rows) in read {
        let rows = match &footing {
            Ok(_) => rows,
            Err(error) => rows.and_then(|_| Err(error.clone())),
        };
        let footing = footing
            .clone()
            .map_or_else(|_| Footing::default(), |(lsn, timelines)| Footing { lsn: Some(lsn), timelines });
        journal.say(event(node, index, true, rows, footing));
    }
    footing.map(|(lsn, _)| lsn)
}

async fn replica(
    plan: &FinalReadPlan,
    journal: &Tallied,
    node: &NodeRead,
    target: Result<&Lsn, &String>,
    deadline: Mono,
) {
    let replayed = match target {
        Ok(target) => {
            let position = async |limit| position(node, "select pg_last_wal_replay_lsn()::text", limit).await;
            replayed(position, *target, deadline).await
        }
        Err(error) => Err(error.clone()),
    };
    for (index, load) in read_in_the_end(plan) {
        let found = match &replayed {
            Ok(_) => rows(node, load, false, left(deadline)).await,
            Err(error) => Err(error.clone()),
        };
        let footing = Footing { lsn: replayed.clone().ok(), timelines: Vec::new() };
        journal.say(event(node, index, false, found, footing));
    }
}

async fn rows(node: &NodeRead, load: &Load, lock: bool, limit: Duration) -> Result<Vec<u64>, String> {
    let select = workload::marks(load, lock).ok_or_else(|| "it leaves no marks".to_owned())?;
    let found = ask(node, &select, limit).await?;
    let row = |row: &tokio_postgres::Row| row.try_get::<_, i64>(0).ok().and_then(|id| u64::try_from(id).ok());
    found.iter().map(|r| row(r).ok_or_else(|| "a row has a number nobody writes".to_owned())).collect()
}

/// The loads that are read in the end: those that leave marks.
fn read_in_the_end(plan: &FinalReadPlan) -> impl Iterator<Item = (usize, &Load)> {
    plan.loads.iter().enumerate().filter(|(_, load)| workload::marks(load, false).is_some())
}

async fn flushed(node: &NodeRead, limit: Duration) -> Result<Lsn, String> {
    position(node, "select pg_current_wal_flush_lsn()::text", limit)
        .await?
        .ok_or_else(|| "no flush position".to_owned())
}

async fn ancestry(node: &NodeRead, limit: Duration) -> Result<Vec<(u32, Lsn)>, String> {
    let timeline = node.seen.timeline.ok_or_else(|| "no timeline".to_owned())?;
    let Some(file) = timeline::file_name(timeline) else { return Ok(Vec::new()) };
    let text = ask(node, &format!("select pg_read_file('pg_wal/{file}')"), limit).await?;
    let text = text.first().and_then(|row| row.try_get::<_, String>(0).ok());
    timeline::parse(&text.ok_or_else(|| format!("{file} is no text"))?)
}

/// Waits until `position` has come to `target`. A question that ran out of time says less than the answer before it,
/// so that answer is the reason when the deadline passes.
async fn replayed(
    mut position: impl AsyncFnMut(Duration) -> Result<Option<Lsn>, String>,
    target: Lsn,
    deadline: Mono,
) -> Result<Lsn, String> {
    let mut last = None;
    loop {
        match position(left(deadline)).await {
            Ok(Some(at)) if at >= target => return Ok(at),
            Ok(at) => last = Some(at),
            Err(why) if last.is_none() || !left(deadline).is_zero() => return Err(why),
            Err(_) => {}
        }
        if left(deadline).is_zero() {
            let at = last.flatten().map_or_else(|| "nothing".to_owned(), |at| at.to_string());
            return Err(format!("has replayed {at}, the primary had flushed {target}"));
        }
        clock::sleep(REPLAY_POLL).await;
    }
}

async fn position(node: &NodeRead, select: &str, limit: Duration) -> Result<Option<Lsn>, String> {
    let found = ask(node, select, limit).await?;
    let text = found.first().and_then(|row| row.try_get::<_, Option<String>>(0).ok()).flatten();
    Ok(text.and_then(|text| text.parse().ok()))
}

async fn ask(node: &NodeRead, select: &str, limit: Duration) -> Result<Vec<tokio_postgres::Row>, String> {
    let asked = clock::timeout(limit, node.session.client().query(select, &[])).await;
    asked.map_err(|e| e.to_string())?.map_err(|e| node.session.explain(&e).to_string())
}

fn left(deadline: Mono) -> Duration {
    deadline.since(clock::now())
}

fn event(
    node: &NodeRead,
    load: usize,
    primary: bool,
    rows: Result<Vec<u64>, String>,
    footing: Footing,
) -> Event {
    let (rows, error) = match rows {
        Ok(rows) => (Some(rows), None),
        Err(error) => (None, Some(error)),
    };
    Event::FinalRead(Box::new(FinalRead {
        t: clock::now(),
        node: node.member.clone(),
        primary,
        l: u32::try_from(load).unwrap_or(u32::MAX),
        rows,
        error,
        tl: node.seen.timeline,
        sys: node.seen.system_identifier.clone(),
        lsn: footing.lsn,
        timelines: footing.timelines,
    }))
}

fn silent(plan: &FinalReadPlan, journal: &Tallied, member: &MemberId, error: &str) {
    for (index, _) in read_in_the_end(plan) {
        journal.say(Event::FinalRead(Box::new(FinalRead {
            t: clock::now(),
            node: member.clone(),
            primary: false,
            l: u32::try_from(index).unwrap_or(u32::MAX),
            rows: None,
            error: Some(error.to_owned()),
            tl: None,
            sys: None,
            lsn: None,
            timelines: Vec::new(),
        })));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::engine::journal_writer;

    #[tokio::test]
    async fn a_replica_that_stays_behind_is_told_by_how_far() {
        let deadline = clock::now().plus(Duration::from_millis(20));
        let stuck = async |limit: Duration| {
            if limit.is_zero() {
                return Err("no answer within 0ns".to_owned());
            }
            Ok(Some(Lsn(0x500_0000)))
        };
        let said = replayed(stuck, Lsn(0x505_1760), deadline).await;
        assert_eq!(said, Err("has replayed 0/5000000, the primary had flushed 0/5051760".to_owned()));
        let silent = async |_: Duration| Err("connection refused".to_owned());
        assert_eq!(replayed(silent, Lsn(1), deadline).await, Err("connection refused".to_owned()));
        let there = async |_: Duration| Ok(Some(Lsn(7)));
        assert_eq!(replayed(there, Lsn(7), deadline).await, Ok(Lsn(7)));
    }

    #[tokio::test]
    async fn a_node_that_is_not_there_is_told_for_every_load() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let nobody: SocketAddr = listener.local_addr().expect("an address");
        drop(listener);
        let text = format!(
            r#"{{"loads":[{{"name":"a","workload":"set"}},{{"name":"b","workload":"select"}},{{"name":"c","workload":"bank"}}],"nodes":{{"postgres-1":"{nobody}"}},
               "superuser":{{"user":"postgres","password":"x","database":"pgha"}},"timeout":"20s"}}"#
        );
        let plan: FinalReadPlan = serde_json::from_str(&text).expect("a plan");
        let (journal, lines) = journal_writer::channel();
        run(&plan, &Tallied::new(journal, 0)).await;
        let mut out = Vec::new();
        journal_writer::write_out(lines, &mut out).await.expect("memory takes everything");
        let out = String::from_utf8(out).expect("text");
        assert_eq!(out.lines().count(), 2);
        for line in out.lines() {
            let Event::FinalRead(read) = serde_json::from_str(line).expect("an event") else {
                panic!("{line}")
            };
            assert_eq!((read.rows, read.error.as_deref()), (None, Some("connection refused")));
        }
    }
}
