//! etcd through its JSON gateway (`/v3/…`): status, members, linearizable reads, transactions,
//! leases. Keys and values travel as base64, 64 bit numbers as text; both stay inside this file.
//!
//! One value speaks to one member: which member answers is part of what the lab wants to know.

mod client;
#[cfg(test)]
pub(crate) mod fake_gateway;
mod members;
mod space;

pub use client::{Compare, EtcdMember, KeyValue, StoreChange, Watch};
pub use members::ListedMember;
pub use space::QuotaSpent;
