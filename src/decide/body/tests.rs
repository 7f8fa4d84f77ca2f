//! What the recipes render, pinned; and what holds for every recipe of every lab.

use proptest::prelude::*;

use super::samples::{context, members, secrets, spec};
use super::*;
use crate::model::lab::{BalancerStart, Reads, Replication};
use crate::model::{Bytes, Capability, LabSpec, Namespace};
use std::net::Ipv4Addr;

/// The recipes of a whole lab made of `spec`: sandboxes first.
fn whole(spec: &LabSpec) -> Vec<Body> {
    let (members, secrets) = (members(spec), secrets());
    let ctx = context(spec, &members, &secrets);
    let sandboxes = spec.hosts.iter().map(|host| sandbox(&ctx, &host.name));
    sandboxes.chain(members.iter().map(|member| recipe(&ctx, member))).collect()
}

fn body(spec: &LabSpec, container: &str) -> Body {
    let found = whole(spec).into_iter().find(|body| body.container == container);
    found.unwrap_or_else(|| panic!("no container {container}"))
}

fn file(body: &Body, name: &str) -> String {
    let path = format!("{CONF_PATH}/{name}");
    let found = body.files.iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("no file {path}")).contents.clone()
}

#[test]
fn etcd_founds_its_cluster_from_what_is_placed() {
    insta::assert_snapshot!(file(&body(&spec(), "pgha-lab-etcd-1"), "etcd.json"), @r#"
{
  "name": "etcd-1",
  "data-dir": "/data/etcd",
  "listen-peer-urls": "http://0.0.0.0:2380",
  "listen-client-urls": "http://0.0.0.0:2379",
  "initial-advertise-peer-urls": "http://198.18.250.11:2380",
  "advertise-client-urls": "http://198.18.250.11:2379",
  "initial-cluster": "etcd-1=http://198.18.250.11:2380,etcd-2=http://198.18.250.12:2380,etcd-3=http://198.18.250.13:2380",
  "initial-cluster-token": "lab-1",
  "initial-cluster-state": "new",
  "enable-grpc-gateway": true,
  "quota-backend-bytes": 134217728,
  "auto-compaction-mode": "periodic",
  "auto-compaction-retention": "1h",
  "max-snapshots": 2,
  "max-wals": 2,
  "log-level": "info",
  "log-outputs": ["stderr"]
}
"#);
}

#[test]
fn patroni_keeps_stock_timings_and_sizes_postgresql() {
    insta::assert_snapshot!(file(&body(&spec(), "pgha-lab-postgres-1"), "patroni.json"), @r#"
{
  "scope": "lab",
  "name": "postgres-1",
  "log": { "level": "INFO" },
  "restapi": {
    "listen": "0.0.0.0:8008",
    "connect_address": "198.18.250.11:8008",
    "authentication": { "username": "pgha", "password": "s3cretrest" }
  },
  "etcd3": { "hosts": ["198.18.250.11:2379","198.18.250.12:2379","198.18.250.13:2379"] },
  "bootstrap": {
    "dcs": {"ttl":30,"loop_wait":10,"retry_timeout":10,"maximum_lag_on_failover":1048576,"primary_start_timeout":300,"failsafe_mode":false,"member_slots_ttl":1800,"synchronous_mode":false,"postgresql":{"use_pg_rewind":true,"use_slots":true,"parameters":{"max_connections":200,"max_worker_processes":8,"max_prepared_transactions":0,"max_locks_per_transaction":64,"track_commit_timestamp":"off","wal_level":"replica","hot_standby":"on","wal_log_hints":"on","max_wal_senders":10,"max_replication_slots":10}}},
    "initdb": [
      "data-checksums",
      { "encoding": "UTF8" },
      { "locale": "C.UTF-8" },
      { "wal-segsize": "16" },
      { "auth-host": "scram-sha-256" },
      { "auth-local": "peer" }
    ],
    "post_init": "/usr/local/lib/postgresql/psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -f /etc/pgha/founding.sql"
  },
  "postgresql": {
    "listen": "0.0.0.0:15432",
    "connect_address": "198.18.250.11:15432",
    "data_dir": "/data/postgres",
    "bin_dir": "/usr/local/lib/postgresql",
    "pgpass": "/run/postgresql/pgpass",
    "use_unix_socket": true,
    "use_unix_socket_repl": true,
    "authentication": {
      "superuser": { "username": "postgres", "password": "s3cretsuperuser" },
      "replication": { "username": "replicator", "password": "s3cretreplicator" },
      "rewind": { "username": "rewind", "password": "s3cretrewind" }
    },
    "pg_hba": [
      "local all postgres peer",
      "local all all scram-sha-256",
      "local replication replicator scram-sha-256",
      "host replication replicator 198.18.250.0/24 scram-sha-256",
      "host all all 198.18.250.0/24 scram-sha-256"
    ],
    "parameters": {"unix_socket_directories":"/run/postgresql","shared_buffers":"128MB","effective_cache_size":"256MB","maintenance_work_mem":"32MB","min_wal_size":"32MB","max_wal_size":"64MB","max_slot_wal_keep_size":"128MB","wal_keep_size":"32MB","pgha.member":"postgres-1"},
    "basebackup": [{ "checkpoint": "fast" }]
  },
  "watchdog": { "mode": "off" },
  "tags": { "nofailover": false, "noloadbalance": false, "clonefrom": false, "nosync": false }
}
"#);
}

#[test]
fn the_founder_makes_role_database_and_slots() {
    insta::assert_snapshot!(file(&body(&spec(), "pgha-lab-postgres-1"), "founding.sql"), @r"
-- run once, by the member that founds the cluster
SET log_min_error_statement = panic; -- the password must not reach a log
CREATE ROLE pgha LOGIN PASSWORD 's3cretapplication';
CREATE DATABASE pgha OWNER pgha;
-- Patroni makes the slots of the other members one turn of its loop later; a replica that is
-- quicker than that would wait for the slot, and retry every five seconds only
SELECT pg_create_physical_replication_slot(slot, true) FROM unnest(ARRAY['postgres_2', 'postgres_3']::text[]) AS slot;
\connect pgha
-- what the runner's write probes write, one row a member
CREATE TABLE pgha_probe (member text PRIMARY KEY, at timestamptz NOT NULL);
ALTER TABLE pgha_probe OWNER TO pgha;
");
}

#[test]
fn a_balancer_has_the_shape_of_patronis_own_example() {
    insta::assert_snapshot!(file(&body(&spec(), "pgha-lab-balancer-1"), "haproxy.cfg"), @r"
# the shape of Patroni's own haproxy.cfg, with one server for every host that may carry PostgreSQL
global
    log stdout format raw local0 notice
    maxconn 100
    nbthread 1
    server-state-file /etc/pgha/haproxy.state

defaults
    log global
    mode tcp
    maxconn 100
    retries 2
    no option redispatch
    timeout connect 4000ms
    timeout client 1800000ms
    timeout server 1800000ms
    timeout check 5000ms
    load-server-state-from-file global

listen statistics
    mode http
    bind :8404
    stats enable
    stats uri /

listen rw
    bind :5432
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server maxconn 100 check port 8008 inter 3000ms fall 3 rise 2 on-marked-down shutdown-sessions
    server h1 198.18.250.11:15432
    server h2 198.18.250.12:15432
    server h3 198.18.250.13:15432
    server h4 198.18.250.14:15432
    server h5 198.18.250.15:15432
    server h6 198.18.250.16:15432

listen ro
    bind :5433
    balance leastconn
    option httpchk OPTIONS /read-only
    http-check expect status 200
    default-server maxconn 100 check port 8008 inter 3000ms fall 3 rise 2 on-marked-down shutdown-sessions
    server h1 198.18.250.11:15432
    server h2 198.18.250.12:15432
    server h3 198.18.250.13:15432
    server h4 198.18.250.14:15432
    server h5 198.18.250.15:15432
    server h6 198.18.250.16:15432
");
}

#[test]
fn a_checked_start_holds_every_server_down() {
    let state = file(&body(&spec(), "pgha-lab-balancer-1"), "haproxy.state");
    let servers: Vec<&str> = state.lines().skip(2).collect();
    assert_eq!(servers.len(), 12, "two backends of six hosts");
    assert_eq!(servers[0], "2 rw 1 h1 198.18.250.11 0 0 1 1 0 1 0 0 6 0 0 0 - 15432 - 0 0 - - 0");
    assert_eq!(servers[11], "3 ro 6 h6 198.18.250.16 0 0 1 1 0 1 0 0 6 0 0 0 - 15432 - 0 0 - - 0");
    let columns = state.lines().nth(1).map_or(0, |line| line.split(' ').count() - 1);
    assert!(servers.iter().all(|line| line.split(' ').count() == columns), "{columns} columns");
}

#[test]
fn an_unchecked_start_and_absent_checks_have_no_state() {
    let mut unchecked = spec();
    unchecked.balancers.start = BalancerStart::Unchecked;
    let mut blind = spec();
    blind.balancers.check.enabled = false;
    for spec in [unchecked, blind] {
        let body = body(&spec, "pgha-lab-balancer-1");
        assert_eq!(body.files.len(), 1, "{:?}", body.files);
        let config = file(&body, "haproxy.cfg");
        assert!(config.contains("load-server-state-from-file none"), "{config}");
        assert!(!config.contains("server-state-file /"), "{config}");
        assert_eq!(config.contains("option httpchk"), spec.balancers.check.enabled, "{config}");
    }
}

#[test]
fn reads_of_replicas_fall_back_to_the_primary() {
    let mut spec = spec();
    spec.postgres.reads = Reads::Replicas;
    spec.balancers.check.lag = Some(Bytes::mib(1));
    spec.balancers.check.fastinter = Some("500ms".parse().expect("a span"));
    let config = file(&body(&spec, "pgha-lab-balancer-1"), "haproxy.cfg");
    let ro = config.split("listen ro").nth(1).expect("a section ro");
    assert!(ro.contains("use_backend rw if { nbsrv(ro) eq 0 }"), "{ro}");
    assert!(ro.contains("option httpchk OPTIONS /replica?lag=1048576\n"), "{ro}");
    assert!(ro.contains(" inter 3000ms fastinter 500ms fall 3 "), "{ro}");
}

#[test]
fn a_read_that_is_refused_is_tried_on_another_server() {
    let mut spec = samples::spec();
    let config = |spec: &LabSpec| file(&body(spec, "pgha-lab-balancer-1"), "haproxy.cfg");
    assert!(!config(&spec).contains("option redispatch 1"));
    spec.balancers.read_retries = 2;
    let config = config(&spec);
    let (rw, ro) = config.split_once("listen ro").expect("two ports");
    assert!(
        ro.contains("    retries 2\n    option redispatch 1\n") && !rw.contains("redispatch 1"),
        "{config}"
    );
}

#[test]
fn synchronous_replication_is_strict() {
    for (replication, mode) in [(Replication::Sync, "true"), (Replication::Quorum, "\"quorum\"")] {
        let mut spec = spec();
        spec.postgres.replication = replication;
        spec.postgres.sync_standbys = 2;
        let config = file(&body(&spec, "pgha-lab-postgres-1"), "patroni.json");
        let wanted = format!(
            "\"synchronous_mode\":{mode},\"synchronous_mode_strict\":true,\"synchronous_node_count\":2"
        );
        assert!(config.contains(&wanted), "{config}");
    }
}

#[test]
fn what_the_spec_sets_is_not_overruled_by_a_members_size() {
    let mut spec = spec();
    spec.postgres.parameters.insert("shared_buffers".to_owned(), "48MB".into());
    let config = file(&body(&spec, "pgha-lab-postgres-1"), "patroni.json");
    let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    assert_eq!(config["bootstrap"]["dcs"]["postgresql"]["parameters"]["shared_buffers"], "48MB");
    assert!(config["postgresql"]["parameters"].get("shared_buffers").is_none());
}

#[test]
fn an_etcd_member_joins_what_is_founded() {
    let (spec, secrets) = (spec(), secrets());
    let mut members = members(&spec);
    let at = members.iter().position(|member| member.id.as_str() == "etcd-1").expect("an etcd member");
    (members[at].id, members[at].host) = ("etcd-4".parse().expect("a name"), "h4".parse().expect("a name"));
    let ctx = context(&spec, &members, &secrets);
    let joins = file(&recipe(&ctx, &members[at]), "etcd.json");
    assert!(joins.contains("\"initial-cluster-state\": \"existing\""), "{joins}");
    // exactly those who are in the cluster when it starts
    let cluster = "etcd-4=http://198.18.250.14:2380,etcd-2=http://198.18.250.12:2380,etcd-3=";
    assert!(joins.contains(cluster), "{joins}");
    let founder = members.iter().find(|member| member.id.as_str() == "etcd-2").expect("a founder");
    let founds = file(&recipe(&ctx, founder), "etcd.json");
    assert!(founds.contains("\"initial-cluster-state\": \"new\""), "{founds}");
}

#[test]
fn a_sandbox_owns_address_route_and_publication() {
    let sandbox = body(&spec(), "pgha-lab-host-h2");
    assert_eq!(
        sandbox.namespace,
        Namespace::Own {
            address: Ipv4Addr::new(198, 18, 250, 12),
            publish: Some(Ipv4Addr::new(127, 0, 1, 2))
        }
    );
    assert_eq!(sandbox.capabilities, [Capability::NetAdmin]);
    assert!(sandbox.command.last().is_some_and(|script| {
        script.contains("route change 198.18.250.0/24 ") && script.contains(" src 198.18.250.12 quickack 1")
    }));
    assert!(!sandbox.labels.contains_key(LABEL_MEMBER), "a sandbox is no member");
    let mut silent = spec();
    silent.network.publish = "none".to_owned();
    let Namespace::Own { publish, .. } = body(&silent, "pgha-lab-host-h2").namespace else {
        panic!("a sandbox owns its namespace")
    };
    assert_eq!(publish, None);
}

#[test]
fn services_run_without_root_or_capability_in_their_hosts_namespace() {
    for body in whole(&spec()).into_iter().filter(|body| body.service.is_some()) {
        assert_eq!(
            body.namespace,
            Namespace::Of(format!("pgha-lab-host-{}", body.host)),
            "{}",
            body.container
        );
        assert!(body.capabilities.is_empty(), "{}", body.container);
        assert!(!body.user.starts_with("0:"), "{}", body.container);
        for file in &body.files {
            assert_eq!(file.mode, 0o600, "{}", file.path);
            assert_eq!(format!("{}:{}", file.uid, file.gid), body.user, "{}", file.path);
            assert!(body.mounts.iter().any(|mount| file.path.starts_with(&format!("{}/", mount.path))));
        }
    }
}

#[test]
fn labels_say_whose_it_is() {
    let labels = body(&spec(), "pgha-lab-postgres-2").labels;
    let expected =
        [(LABEL_HOST, "h2"), (LABEL_LAB, "lab"), (LABEL_MEMBER, "postgres-2"), (LABEL_SERVICE, "postgres")];
    for (key, value) in expected {
        assert_eq!(labels.get(key).map(String::as_str), Some(value));
    }
    assert_eq!(labels.get(LABEL_RECIPE).map(String::len), Some(16));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let (spec, secrets) = (spec(), secrets());
    let members = members(&spec);
    let shown = format!("{:?} {:?}", context(&spec, &members, &secrets), whole(&spec));
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_quote_in_a_password_stays_inside_its_literal() {
    let spec = spec();
    let members = members(&spec);
    let secrets = Secrets { application: "a'b".to_owned(), rest: "a\"b".to_owned(), ..secrets() };
    let ctx = context(&spec, &members, &secrets);
    let postgres = members.iter().find(|member| member.service == Service::Postgres).expect("a member");
    let body = recipe(&ctx, postgres);
    assert!(file(&body, "founding.sql").contains("PASSWORD 'a''b';"));
    let config: serde_json::Value = serde_json::from_str(&file(&body, "patroni.json")).expect("JSON");
    assert_eq!(config["restapi"]["authentication"]["password"], "a\"b");
}

#[test]
fn only_a_lab_that_asks_for_it_runs_with_a_clock_that_can_be_set_wrong() {
    let mut spec = spec();
    let plain = body(&spec, "pgha-lab-postgres-1");
    assert!(!plain.command.concat().contains("faketime"), "{:?}", plain.command);
    assert!(plain.files.iter().all(|file| file.path != "/etc/pgha/clock"));
    spec.postgres.fake_clock = true;
    let faked = body(&spec, "pgha-lab-postgres-1");
    assert_eq!(file(&faked, "clock"), "+0\n");
    assert_eq!(faked.command[..2], plain.command[..2]);
    assert_eq!(faked.command[faked.command.len() - 2..], plain.command[2..]);
    // Python's waits hang on a false monotonic clock
    assert!(faked.command.contains(&"FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned()));
    // nobody else is lied to
    assert!(!body(&spec, "pgha-lab-etcd-1").command.concat().contains("faketime"));
}

#[test]
fn the_digest_ignores_sizes_and_sees_shape() {
    let plain = body(&spec(), "pgha-lab-postgres-1");
    let mut larger = spec();
    larger.postgres.memory.start = Bytes::gib(1);
    larger.postgres.disk.start = Bytes::gib(1);
    assert_eq!(digest(&plain), digest(&body(&larger, "pgha-lab-postgres-1")));
    assert_eq!(plain.labels.get(LABEL_RECIPE), Some(&digest(&plain)));
    let mut other = plain.clone();
    other.stop_signal = "SIGINT".to_owned();
    assert_ne!(digest(&plain), digest(&other));
}

#[test]
fn the_digest_ignores_who_else_is_there() {
    let spec = spec();
    let (members, secrets) = (members(&spec), secrets());
    let founding = context(&spec, &members, &secrets);
    for (n, member) in members.iter().enumerate() {
        // a body made anew when others have come or gone meanwhile
        let fewer: Vec<Member> = members[..=n].to_vec();
        let later = RecipeContext { members: &fewer, ..founding };
        let (then, now) = (recipe(&founding, member), recipe(&later, member));
        assert_eq!(then.labels.get(LABEL_RECIPE), now.labels.get(LABEL_RECIPE), "{}", member.id);
    }
}

proptest! {
    #[test]
    fn recipes_of_any_size_are_valid_and_keep_secrets_in_private_files(
        cpus in 0.1_f64..16.0, memory_mib in 64_u64..65536, disk_mib in 64_u64..65536,
    ) {
        let mut spec = spec();
        spec.postgres.cpus.start = cpus;
        spec.postgres.memory.start = Bytes::mib(memory_mib);
        spec.postgres.disk.start = Bytes::mib(disk_mib);
        spec.etcd.disk = Bytes::mib(disk_mib);
        spec.balancers.cpus.start = cpus;
        for mut body in whole(&spec) {
            for file in body.files.drain(..) {
                prop_assert!(!file.contents.contains("{{"), "{}", file.path);
                if file.contents.starts_with('{') {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&file.contents).is_ok());
                }
            }
            let rest = serde_json::to_string(&body).expect("plain data");
            prop_assert!(!rest.contains("s3cret"), "{rest}");
        }
    }
}

/// The sample with a controller of ours and one of somebody else's.
fn with_controllers() -> LabSpec {
    let mut spec = spec();
    let declared = serde_json::json!([
        { "name": "repair", "replicas": 1, "image": "pgha", "policy": { "freeze-grace": "1s" } },
        { "name": "mend", "replicas": 1, "image": "mend:1" },
    ]);
    spec.controllers = serde_json::from_value(declared).expect("controllers");
    spec
}

#[test]
fn a_controller_gets_a_plan_and_the_broker_alone_gets_the_engine() {
    let spec = with_controllers();
    let mut members = members(&spec);
    for (id, host) in [("repair-1", "h4"), ("mend-1", "h5")] {
        members.push(Member {
            id: id.parse().expect("a name"),
            service: Service::Controller,
            host: host.parse().expect("a name"),
            size: spec.start_size(Service::Controller),
        });
    }
    let secrets = secrets();
    let ctx = context(&spec, &members, &secrets);
    let bodies: Vec<Body> = members.iter().map(|member| recipe(&ctx, member)).collect();
    assert!(bodies.iter().all(|body| !body.engine && body.capabilities.is_empty()));
    let broker = broker(&ctx).expect("a broker");
    assert!(broker.engine && broker.capabilities.is_empty());
    assert_eq!(broker.files[0].mode, 0o600);
    let told: crate::model::control::BrokerPlan =
        serde_json::from_str(&broker.files[0].contents).expect("its plan");
    assert_eq!((told.listen.to_string().as_str(), told.etcd.len()), ("198.18.250.9:7070", 3));

    let plan = |member: &str| -> crate::model::control::ControllerPlan {
        let body = bodies.iter().find(|body| body.member.as_str() == member).expect("a body");
        serde_json::from_str(&file(body, "controller.json")).expect("a plan")
    };
    let (ours, theirs) = (plan("repair-1"), plan("mend-1"));
    assert_eq!(ours.listen.to_string(), "198.18.250.14:8410");
    assert_eq!(theirs.listen.to_string(), "198.18.250.15:8411");
    assert_eq!(ours.broker.secret, secrets.broker);
    assert_eq!((ours.etcd.len(), ours.postgres.len(), ours.balancers.len()), (3, 3, 2));
    assert_eq!(ours.policy["freeze-grace"], "1s");
    assert!(!format!("{ours:?}{:?}{told:?}", ours.broker).contains("s3cret"));
    let body = |member: &str| bodies.iter().find(|body| body.member.as_str() == member).expect("a body");
    assert_eq!(body("repair-1").command, ["/usr/local/bin/pgha", "controller", "repair"]);
    assert_eq!((body("mend-1").foreign.as_deref(), body("mend-1").command.len()), (Some("mend:1"), 0));
}

#[test]
fn the_runtime_api_listens_where_there_are_controllers_and_hears_no_client() {
    let with = with_controllers();
    let config = |spec: &LabSpec| file(&body(spec, "pgha-lab-balancer-1"), "haproxy.cfg");
    assert!(config(&with).contains("stats socket ipv4@0.0.0.0:8405 level admin"));
    assert!(!config(&spec()).contains("stats socket"));
    let guard = body(&with, "pgha-lab-host-h4").command.concat();
    assert!(guard.contains("-s 198.18.250.11 -j RETURN") && guard.contains("--dport 8405"), "{guard}");
    let core = with.host_index(&"client".parse().expect("a name")).expect("the client's host");
    assert!(!guard.contains(&format!("-s 198.18.250.{} ", 11 + core)), "{guard}");
    assert!(!body(&spec(), "pgha-lab-host-h4").command.concat().contains("8405"));
}

#[test]
fn clients_are_held_where_the_lab_says_so() {
    let mut spec = spec();
    spec.balancers.hold = crate::model::Span::millis(1500);
    let balancer = body(&spec, "pgha-lab-balancer-1");
    assert!(
        file(&balancer, "haproxy.cfg")
            .contains("tcp-request inspect-delay 2500ms\n    tcp-request content lua.hold")
    );
    assert!(file(&balancer, "hold.lua").contains("ms() + 1500"));
}
