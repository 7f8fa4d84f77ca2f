//! Everything outside the program: the container engine, the clock, Patroni's REST, etcd's gateway,
//! HAProxy's statistics, PostgreSQL, processes of the machine.
//!
//! Each file speaks to one thing and returns plain data of room `model`; nothing here decides.
//! Invariant: every call ends. What can hang has a timeout, and a timeout is an answer of its own.
//! Only `docker` names the engine's client library.

pub mod cgroup;
pub mod checkout;
pub mod clock;
pub mod controller;
pub mod docker;
mod engine_error;
pub mod etcd;
pub mod fake;
pub mod hands;
pub mod haproxy;
pub mod http;
pub mod journal_writer;
pub mod locked;
pub mod patroni;
pub mod postgres;
pub mod process_table;
pub mod service;
pub mod store;
pub mod wire;
pub mod work;
