//! Workload `freshness`: one row that says how far its writer is; whoever reads it elsewhere learns
//! how old that place is.

use super::Tables;
use super::turn::{OpEnded, OpTurn, position, timeline};
use crate::engine::postgres::quoted_name;
use crate::history::event::Answer;
use crate::model::Name;

fn table(load: &Name) -> String {
    quoted_name(&format!("pgha_freshness_{load}"))
}

/// An empty table.
#[must_use]
pub fn tables(load: &Name) -> Tables {
    let table = table(load);
    Tables {
        make: format!(
            "drop table if exists {table}; create table {table} (id bigint primary key, op bigint not null)"
        ),
        count: format!("select count(*) from {table}"),
        ..Tables::default()
    }
}

/// What is prepared.
#[must_use]
pub fn statements(load: &Name) -> Vec<(&'static str, String)> {
    let table = table(load);
    vec![
        (
            "beat",
            // connections overtake each other; the heartbeat never goes back
            format!(
                "insert into {table} as beat (id, op) values (0, $1)
                 on conflict (id) do update set op = greatest(beat.op, excluded.op) returning {}",
                position()
            ),
        ),
        ("heartbeat", format!("select (select op from {table}), {}", timeline())),
    ]
}

/// The heartbeat becomes `op`, unless a later one was there first.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn beat(turn: &mut OpTurn<'_>, op: u64) -> Result<OpEnded, OpEnded> {
    let decided = turn.decide("beat", &[op.cast_signed()]).await?;
    Ok(turn.done(&decided, decided.reply.first(), None))
}

/// Reads the heartbeat.
///
/// # Errors
/// As [`OpTurn::ask`].
pub async fn read(turn: &mut OpTurn<'_>) -> Result<OpEnded, OpEnded> {
    let reply = turn.ask("heartbeat", &[]).await?;
    let row = reply.first();
    let newest = row.and_then(|row| row.number(0));
    Ok(turn.read(row.and_then(|row| row.number(1)), Some(Answer::Heartbeat(newest))))
}
