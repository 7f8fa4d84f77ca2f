//! The passwords of one lab. They reach a body in files of mode 0600 inside its own small volume
//! and nowhere else: not in arguments, environment, labels or logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The passwords of one lab, generated when it is founded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Password of the role `postgres`, a superuser.
    pub superuser: String,
    /// PostgreSQL role `replicator`: streaming and base backups.
    pub replicator: String,
    /// Password of the role `rewind`, with which `pg_rewind` connects.
    pub rewind: String,
    /// PostgreSQL role `pgha`, owner of the database `pgha`: the load.
    pub application: String,
    /// User `pgha` of Patroni's REST interface: whatever changes something.
    pub rest: String,
    /// What controllers show the broker; empty in labs that were founded before there was one.
    #[serde(default)]
    pub broker: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}
