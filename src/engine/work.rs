//! How busy an instance is and what WAL it keeps, by its own word. What a balancer says stands in its statistics
//! (`haproxy.rs`).

use std::time::Duration;

use futures_util::future::try_join3;
use tokio_postgres::{Error, Row};

use super::clock;
use super::postgres::{Broken, Session};
use crate::model::Bytes;
use crate::model::self_report::{SelfReport, Slot, Wal, Work};

/// Sessions of clients, those in which a statement runs, those in which it waits for a lock.
const WORK_QUERY: &str = "select count(*),
  count(*) filter (where state = 'active' and wait_event_type is distinct from 'Lock'),
  count(*) filter (where state = 'active' and wait_event_type = 'Lock')
  from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";

/// Bytes of WAL that are kept, whoever needs them.
const WAL: &str = "select coalesce(sum(size), 0)::bigint from pg_ls_waldir()";

/// Slots, whether somebody reads them, and the WAL from where they stand to the end.
const SLOTS: &str = "select slot_name::text, active, pg_wal_lsn_diff(case when pg_is_in_recovery()
    then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) else pg_current_wal_lsn() end, restart_lsn)::bigint
  from pg_replication_slots where restart_lsn is not null order by slot_name";

/// Asks an instance; the session that asks is not counted.
///
/// # Errors
/// [`Broken`].
pub async fn inside(session: &Session, limit: Duration) -> Result<SelfReport, Broken> {
    let client = session.client();
    let asked = async {
        try_join3(client.query_one(WORK_QUERY, &[]), client.query_one(WAL, &[]), client.query(SLOTS, &[]))
            .await
    };
    let asked = clock::timeout(limit, asked).await.map_err(|_| Broken::Timeout(limit))?;
    let (work, wal, slots) = asked.map_err(|error| session.explain(&error))?;
    read(&work, &wal, &slots).map_err(|error| Broken::Other(error.to_string()))
}

fn read(work: &Row, wal: &Row, slots: &[Row]) -> Result<SelfReport, Error> {
    let count = |at: usize| -> Result<u32, Error> {
        Ok(u32::try_from(work.try_get::<_, i64>(at)?).unwrap_or(u32::MAX))
    };
    let slot = |row: &Row| -> Result<Slot, Error> {
        Ok(Slot { name: row.try_get(0)?, active: row.try_get(1)?, held: bytes(row.try_get(2)?) })
    };
    let slots = slots.iter().map(slot).collect::<Result<_, Error>>()?;
    Ok(SelfReport {
        work: Work { sessions: count(0)?, active: count(1)?, waiting: count(2)? },
        wal: Some(Wal { size: bytes(wal.try_get(0)?), slots }),
        most: None,
    })
}

/// A slot may stand ahead of a replica that has not received so much.
fn bytes(difference: i64) -> Bytes {
    Bytes(u64::try_from(difference).unwrap_or(0))
}
