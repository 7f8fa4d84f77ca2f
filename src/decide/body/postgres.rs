//! A PostgreSQL body: Patroni as the process that matters, PostgreSQL as its child. Patroni's
//! timings are the spec's (and Patroni's own by default); memory and WAL settings follow this body's size.

use serde_json::{Map, Value, json as value};

use super::context::RecipeContext;
use super::parts::{command, conf_mount, data_mount, json, private_file, service_body};
use super::ports::{ETCD_PORT, PATRONI_PORT, POSTGRES_PORT};
use super::template::fill_own;
use crate::model::lab::Replication;
use crate::model::scaling::memory_step;
use crate::model::{Body, Bytes, ImageRole, Member, MemberId, Service};

/// The user the PostgreSQL image knows.
pub const POSTGRES_UID: u32 = 999;
const PATRONI_TEMPLATE: &str = include_str!("../../../lab/config/patroni.json");
const FOUNDING_SQL: &str = include_str!("../../../lab/config/founding.sql");

/// What makes a member's clock one that can be set wrong: Patroni inherits it and hands it on to
/// PostgreSQL, so both have the same time, as on a computer whose clock is wrong. The file is read anew
/// at every look at the clock, so a change counts at once; it stands in a volume, so a restart keeps it.
/// The monotonic clock stays true: Python's waits would hang on a false one (libfaketime, issue 390).
const FAKE_CLOCK: [&str; 6] = [
    "/usr/bin/env",
    "LD_PRELOAD=/usr/local/lib/libfaketime.so",
    "FAKETIME_TIMESTAMP_FILE=/etc/pgha/clock",
    "FAKETIME_NO_CACHE=1",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "FAKETIME_DISABLE_SHM=1",
];

pub(super) fn body(ctx: &RecipeContext, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Postgres, POSTGRES_UID);
    body.command = command(&["/usr/bin/tini", "--"]);
    if ctx.spec.postgres.fake_clock {
        body.command.extend(command(&FAKE_CLOCK));
    }
    body.command.extend(command(&["/usr/bin/patroni", "/etc/pgha/patroni.json"]));
    body.mounts = vec![data_mount(ctx, member, POSTGRES_UID), conf_mount(ctx, member, POSTGRES_UID)];
    body.files = vec![
        private_file("patroni.json", POSTGRES_UID, config(ctx, member)),
        private_file("founding.sql", POSTGRES_UID, founding(ctx, member)),
    ];
    if ctx.spec.postgres.fake_clock {
        body.files.push(private_file("clock", POSTGRES_UID, "+0\n".to_owned()));
    }
    body.tmpfs.push("/run/postgresql".to_owned());
    body.restart = ctx.spec.postgres.restart;
    body
}

fn config(ctx: &RecipeContext, member: &Member) -> String {
    let address = ctx.address(&member.host);
    let secrets = ctx.secrets;
    let subnet = ctx.subnet;
    let etcd: Vec<Value> =
        ctx.peers(Service::Etcd).map(|(_, address)| value!(format!("{address}:{ETCD_PORT}"))).collect();
    fill_own(
        PATRONI_TEMPLATE,
        &[
            ("scope", json(ctx.spec.name.as_str())),
            ("name", json(member.id.as_str())),
            ("rest-address", json(format!("{address}:{PATRONI_PORT}"))),
            ("rest-password", json(&secrets.rest)),
            ("etcd-hosts", Value::Array(etcd).to_string()),
            ("dynamic", dynamic(ctx).to_string()),
            ("wal-segment", json(ctx.spec.postgres.wal_segment.as_mib().to_string())),
            ("postgres-address", json(format!("{address}:{POSTGRES_PORT}"))),
            ("superuser-password", json(&secrets.superuser)),
            ("replicator-password", json(&secrets.replicator)),
            ("rewind-password", json(&secrets.rewind)),
            ("hba-replication", json(format!("host replication replicator {subnet}/24 scram-sha-256"))),
            ("hba-all", json(format!("host all all {subnet}/24 scram-sha-256"))),
            ("parameters", Value::Object(local_parameters(ctx, member)).to_string()),
        ],
    )
}

/// What the founding member writes into the store: the same for every member ever after.
fn dynamic(ctx: &RecipeContext) -> Value {
    let postgres = &ctx.spec.postgres;
    let patroni = &postgres.patroni;
    let mut dynamic = value!({
        "ttl": patroni.ttl,
        "loop_wait": patroni.loop_wait,
        "retry_timeout": patroni.retry_timeout,
        "maximum_lag_on_failover": patroni.maximum_lag_on_failover.0,
        "primary_start_timeout": patroni.primary_start_timeout,
        "failsafe_mode": patroni.failsafe_mode,
        "member_slots_ttl": patroni.member_slots_ttl,
    });
    // strict: a primary without its synchronous standby waits rather than acknowledge alone
    match postgres.replication {
        Replication::Async => dynamic["synchronous_mode"] = value!(false),
        Replication::Sync => dynamic["synchronous_mode"] = value!(true),
        Replication::Quorum => dynamic["synchronous_mode"] = value!("quorum"),
    }
    if postgres.replication != Replication::Async {
        dynamic["synchronous_mode_strict"] = value!(true);
        dynamic["synchronous_node_count"] = value!(postgres.sync_standbys);
    }
    dynamic["postgresql"] = value!({
        "use_pg_rewind": true,
        "use_slots": true,
        "parameters": shared_parameters(ctx),
    });
    dynamic
}

/// Parameters that must agree between primary and replicas, and whatever the spec sets.
fn shared_parameters(ctx: &RecipeContext) -> Map<String, Value> {
    let mut parameters = Map::new();
    let mut set = |key: &str, value: Value| parameters.insert(key.to_owned(), value);
    set("max_connections", value!(100));
    set("max_worker_processes", value!(8));
    set("max_prepared_transactions", value!(0));
    set("max_locks_per_transaction", value!(64));
    set("track_commit_timestamp", value!("off"));
    set("wal_level", value!("replica"));
    set("hot_standby", value!("on"));
    set("wal_log_hints", value!("on"));
    set("max_wal_senders", value!(10));
    set("max_replication_slots", value!(10));
    for (key, value) in &ctx.spec.postgres.parameters {
        set(key, value.clone());
    }
    parameters
}

/// A share of the disk in whole WAL segments of 16 MB: two at least, `most` at most.
fn wal(disk: Bytes, share: u64, most: Bytes) -> Value {
    let mib = (disk.as_mib() / share / 16 * 16).clamp(32, most.as_mib());
    value!(format!("{mib}MB"))
}

/// Parameters of this member alone. They win over the shared ones, so what the spec sets is left out.
fn local_parameters(ctx: &RecipeContext, member: &Member) -> Map<String, Value> {
    let memory = member.size.memory.as_mib();
    let mib = |n: u64, least: u64| value!(format!("{}MB", n.max(least)));
    let mut parameters = Map::new();
    let mut set = |key: &str, value: Value| parameters.insert(key.to_owned(), value);
    set("unix_socket_directories", value!("/run/postgresql"));
    // the one that a restart must follow: it stands on steps, so that most changes of a size need none
    set("shared_buffers", mib(memory_step(member.size.memory).as_mib() / 4, 16));
    set("effective_cache_size", mib(memory / 2, 32));
    set("maintenance_work_mem", mib(memory / 16, 16));
    // the defaults, 1 GB between checkpoints and no bound for a slot, would fill a small disk
    let disk = member.size.disk;
    set("min_wal_size", wal(disk, 16, Bytes::mib(80)));
    set("max_wal_size", wal(disk, 8, Bytes::gib(1)));
    set("max_slot_wal_keep_size", wal(disk, 4, Bytes::gib(4)));
    set("wal_keep_size", wal(disk, 16, Bytes::mib(128)));
    // tells an observer behind a balancer whom it reached
    set("pgha.member", value!(member.id.as_str()));
    parameters.retain(|key, _| !ctx.spec.postgres.parameters.contains_key(key));
    parameters
}

/// The name Patroni gives the slot of a member.
#[must_use]
pub fn slot(member: &MemberId) -> String {
    member.as_str().replace('-', "_")
}

fn founding(ctx: &RecipeContext, member: &Member) -> String {
    let slots: Vec<String> = ctx
        .peers(Service::Postgres)
        .filter(|(peer, _)| peer.id != member.id)
        .map(|(peer, _)| format!("'{}'", slot(&peer.id)))
        .collect();
    let password = format!("'{}'", ctx.secrets.application.replace('\'', "''"));
    fill_own(
        FOUNDING_SQL,
        &[("application-password", password), ("slots", format!("ARRAY[{}]", slots.join(", ")))],
    )
}
