//! Ports of every service, and where a body finds its configuration.

/// Port of PostgreSQL: 5432 and 5433 of every host are left to a balancer.
pub const POSTGRES_PORT: u16 = 15432;
/// Port of Patroni's REST interface.
pub const PATRONI_PORT: u16 = 8008;
/// Port on which etcd serves clients.
pub const ETCD_PORT: u16 = 2379;
/// Port on which etcd's members talk to one another.
pub const ETCD_PEER_PORT: u16 = 2380;
/// Port on which a balancer serves the primary.
pub const RW_PORT: u16 = 5432;
/// Port on which a balancer serves reads.
pub const RO_PORT: u16 = 5433;
/// Port of a balancer's statistics, over HTTP.
pub const STATISTICS_PORT: u16 = 8404;
/// Port of a balancer's runtime API (HAProxy: `stats socket`), where there are controllers.
pub const ADMIN_PORT: u16 = 8405;
/// Where the broker takes orders.
pub const BROKER_PORT: u16 = 7070;
/// Port of the first controller of the spec; the next one has the next.
pub const CONTROLLER_PORT: u16 = 8410;
/// Where a body finds its configuration and secrets.
pub const CONF_PATH: &str = "/etc/pgha";
