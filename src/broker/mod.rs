//! The broker: the only process of a lab with the engine's socket. It shows the lab's bodies, tells of
//! deaths, and carries out a closed list of deeds ([`BrokerDeed`](crate::model::control::BrokerDeed)), each only for the active controller.
//!
//! Before every deed it checks the deadline, then the token against etcd (a later leader wrote a later revision), then
//! the container by its id and its lab. Before a kill or a retirement it checks who holds Patroni's leader key. An order
//! that waited for its turn is checked again. A thawed controller of yesterday gets nothing done. Without an order the broker does one
//! thing: it looks after etcd while etcd cannot say who may give orders (`etcd_care`).

mod cut_off;
mod death_notice;
mod doomed_body;
mod drift;
mod engine_limits;
mod etcd_care;
mod etcd_membership;
mod fence;
mod membership;
mod refusal;
mod rules;
mod scale;
mod server;
mod warrant;

pub use server::{ask, serve};
