//! Roles of images: what a container of one is for.

use serde::{Deserialize, Serialize};

/// An image of the lab, by what it is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ImageRole {
    /// Sandbox of a simulated host; also the storage and network helper.
    Host,
    /// A member of the store.
    Etcd,
    /// PostgreSQL and Patroni.
    Postgres,
    /// A balancer.
    Haproxy,
    /// This program: client, later controllers.
    Pgha,
}

impl ImageRole {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Host, Self::Etcd, Self::Postgres, Self::Haproxy, Self::Pgha];

    /// Name of the role, of its folder in `lab/images` and of the repository `pgha/<role>`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
