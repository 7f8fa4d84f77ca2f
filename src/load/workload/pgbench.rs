//! Workload `pgbench`: the tables of PostgreSQL's own pgbench
//! (<https://www.postgresql.org/docs/17/pgbench.html>), in a schema of the load's own. What is done on
//! them, and by whom, is the matter of [`crate::load::client::pgbench`].
//!
//! Its transactions leave no marks that a judge could look for: pgbench numbers none of its rows.

use super::{Tables, tpcb};
use crate::model::Name;

/// The schema of a load. Names have no underscore, so no two loads share one.
#[must_use]
pub fn schema(load: &Name) -> String {
    format!("pgha_pgbench_{}", load.as_str().replace('-', "_"))
}

/// All four tables, filled.
#[must_use]
pub fn tables(load: &Name, scale: i64) -> Tables {
    let schema = schema(load);
    let table = |what: &str| format!("{schema}.pgbench_{what}");
    let names = [table("accounts"), table("branches"), table("tellers"), table("history")];
    let made = tpcb::tables_named(&names, scale, "");
    Tables { make: format!("create schema if not exists {schema}; {}", made.make), ..made }
}
