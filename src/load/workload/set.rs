//! Workload `set`: one unique row per operation, autocommit, nothing else.
//!
//! The row's number is the operation's, so a row says which operation wrote it. The table has no
//! unique index on purpose: a row that was written twice must be able to show. Each write brings
//! its WAL position twice: a lower bound from inside the transaction, an upper bound read right
//! behind the commit. The second statement is pipelined, so it costs no round trip, and the
//! operation's time ends with the answer to the first.

use std::time::Duration;

use futures_util::future::join;
use tokio_postgres::Statement;

use super::{Ended, Identity};
use crate::engine::clock;
use crate::engine::postgres::{Broken, PRIMARY_TIMELINE, Session, quoted_name};
use crate::history::event::{Ack, Outcome};
use crate::load::classify::{Stage, classify, reusable};
use crate::model::{Load, Lsn, Name};

/// The two statements on one connection.
#[derive(Debug)]
pub struct Statements {
    insert: Statement,
    behind: Statement,
}

/// The table of a load, without quotes.
#[must_use]
pub fn table(load: &Name) -> String {
    format!("pgha_set_{load}")
}

/// Makes the table anew and counts its rows, which must be none.
///
/// # Errors
/// [`Broken`].
pub async fn make_table(load: &Load, session: &Session) -> Result<u64, Broken> {
    let table = quoted_name(&table(&load.name));
    let client = session.client();
    let make = format!("drop table if exists {table}; create table {table} (id bigint not null)");
    client.batch_execute(&make).await.map_err(|e| session.explain(&e))?;
    let count = format!("select count(*) from {table}");
    let row = client.query_one(&count, &[]).await.map_err(|e| session.explain(&e))?;
    let rows: i64 = row.try_get(0).map_err(|e| Broken::Other(e.to_string()))?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

impl Statements {
    /// Prepares both.
    ///
    /// # Errors
    /// [`Broken`]; nothing that could commit has been sent.
    pub async fn prepare(load: &Load, session: &Session) -> Result<Self, Broken> {
        let table = quoted_name(&table(&load.name));
        let insert = format!(
            "insert into {table} (id) values ($1) returning pg_current_wal_insert_lsn()::text, {PRIMARY_TIMELINE}"
        );
        let behind = format!("select pg_current_wal_flush_lsn()::text, {PRIMARY_TIMELINE}");
        let prepare = |text: String| async move {
            session.client().prepare(&text).await.map_err(|e| session.explain(&e))
        };
        Ok(Self { insert: prepare(insert).await?, behind: prepare(behind).await? })
    }

    /// Writes row `op`.
    pub async fn run(&self, session: &Session, who: &Identity, op: u64, limit: Duration) -> Ended {
        let fault = |stage: Stage, broken: &Broken| Ended {
            at: clock::now(),
            outcome: classify(stage, broken),
            reusable: reusable(broken),
            read_only: broken.state() == Some("25006"),
        };
        let Ok(id) = i64::try_from(op) else {
            return fault(Stage::BeforeWrite, &Broken::Other(format!("operation {op} is no bigint")));
        };
        let local_before = session.local_commits();
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&id];
        let write = async {
            let answer = clock::timeout(limit, session.client().query_one(&self.insert, &params)).await;
            // taken here: the statement behind must not lengthen the operation
            (clock::now(), session.local_commits(), answer)
        };
        // polled in this order, so sent in this order
        let behind = clock::timeout(limit, session.client().query_one(&self.behind, &[]));
        let ((at, local_after, written), behind) = join(write, behind).await;

        let row = match written {
            Err(_) => return fault(Stage::AfterWrite, &Broken::Timeout(limit)),
            Ok(Err(error)) => return Ended { at, ..fault(Stage::AfterWrite, &session.explain(&error)) },
            Ok(Ok(row)) => row,
        };
        let behind = behind.ok().and_then(Result::ok);
        let reusable = behind.is_some();
        let position =
            |row: &tokio_postgres::Row| row.try_get::<_, &str>(0).ok().and_then(|t| t.parse::<Lsn>().ok());
        let timeline =
            |row: &tokio_postgres::Row| row.try_get::<_, i32>(1).ok().and_then(|t| u32::try_from(t).ok());
        let ack = Ack {
            n: who.member.clone(),
            // an instance that writes stays on its timeline: the one inside the transaction will do
            tl: behind.as_ref().and_then(timeline).or_else(|| timeline(&row)),
            sys: who.system.clone(),
            lo: position(&row),
            hi: behind.as_ref().and_then(position),
        };
        let outcome = if local_after > local_before { Outcome::OkLocal(ack) } else { Outcome::Ok(ack) };
        Ended { at, outcome, reusable, read_only: false }
    }
}
