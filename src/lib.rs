//! `pgha`: a reference lab for highly available PostgreSQL.

pub mod chaos;
pub mod check;
pub mod cli;
pub mod decide;
pub mod drive;
pub mod engine;
pub mod history;
pub mod lab;
pub mod load;
pub mod model;
pub mod report;
pub mod run;
pub mod spec;
pub mod stats;
