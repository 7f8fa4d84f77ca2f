//! `pgha`: a reference lab for highly available PostgreSQL.

pub mod model;
