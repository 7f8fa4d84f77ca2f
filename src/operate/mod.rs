//! The operator's verbs: what Patroni can do by itself (switchover, failover, maintenance, rolling restart) is
//! asked of it, what needs controllers (replace) is written where they look for it. They run in the client
//! host, where Patroni's REST and etcd can be reached. `wait` says whether something may be asked of a lab, and waits for its end.
//!
//! Invariant: nobody here elects or decides; Patroni is asked, and what it answers is the outcome. What
//! proves that it happened is somebody else's business.

pub mod agent;
pub mod verbs;
pub mod wait;
