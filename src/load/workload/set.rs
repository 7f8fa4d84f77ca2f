//! Workload `set`: one unique row per operation, autocommit, nothing else.
//!
//! The row's number is the operation's, so a row says which operation wrote it. The table has no
//! unique index on purpose: a row that was written twice must be able to show.

use super::Tables;
use super::turn::{OpEnded, OpTurn, position};
use crate::engine::postgres::quoted_name;
use crate::model::Name;

fn table(load: &Name) -> String {
    quoted_name(&format!("pgha_set_{load}"))
}

/// An empty table.
#[must_use]
pub fn tables(load: &Name) -> Tables {
    let table = table(load);
    Tables {
        make: format!("drop table if exists {table}; create table {table} (id bigint not null)"),
        count: format!("select count(*) from {table}"),
        ..Tables::default()
    }
}

/// What is prepared.
#[must_use]
pub fn statements(load: &Name) -> Vec<(&'static str, String)> {
    vec![("insert", format!("insert into {} (id) values ($1) returning {}", table(load), position()))]
}

/// Every row.
#[must_use]
pub fn marks(load: &Name) -> String {
    format!("id from {}", table(load))
}

/// Writes row `op`.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn run(turn: &mut OpTurn<'_>, op: u64) -> Result<OpEnded, OpEnded> {
    let decided = turn.decide("insert", &[op.cast_signed()]).await?;
    Ok(turn.done(&decided, decided.reply.first(), None))
}
