//! The repair controller on a real engine: a primary that dies, one that freezes, one that dies with the
//! active controller, and one that dies while the engine is silent; a body that is gone, a member that is
//! replaced, and a lead that is handed over. And the broker, asked by somebody who may not give orders.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use pgha::control::broker_client::BrokerClient;
use pgha::decide::body::BROKER_PORT;
use pgha::engine::clock;
use pgha::engine::docker::Docker;
use pgha::lab::record::{self, LabRecord};
use pgha::model::control::{BrokerAccess, BrokerAnswer, BrokerDeed, BrokerRefusal, Token};
use pgha::model::{HostName, MemberId, Service};

use crate::desk::{Lab, succeed};

/// One active and one standby replica beside the small lab.
pub const CONTROLLER: &str = r#"controller=[{ name = "repair", replicas = 2, image = "pgha" }]"#;

/// The small lab's hosts, the first of them with room for one more database.
pub const HOSTS: &str = concat!(
    r#"host=[{ name = "h1", cpus = 4.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "h2", cpus = 2.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "h3", cpus = 2.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "client", cpus = 2.0, memory = "4GiB", disk = "20GiB", only = ["client"] }]"#,
);

/// Whoever has not the leadership, asks too late, or names somebody else's body gets nothing done.
pub fn the_broker_obeys_nobody_else(lab: &Lab) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        assert!(broker(&record, "guess").bodies().await.is_err(), "a secret that is none shows nothing");
        let broker = broker(&record, &record.secrets.broker);
        let bodies = broker.bodies().await.expect("the lab's bodies");
        let body = |member: &str| {
            let found = bodies.members.iter().find(|(id, _)| id.as_str() == member);
            found.expect("a member").1[0].id.clone()
        };
        let token = token(lab, &record, "repair");
        let fence = |container: String| BrokerDeed::Fence { container, leader: None };
        let refused = |answer: BrokerAnswer| match answer {
            BrokerAnswer::Refused { why, .. } => why,
            other => panic!("not refused: {other:?}"),
        };

        let old = Token { revision: token.revision - 1, ..token.clone() };
        let stranger = Token { key: format!("/pgha/{}/nobody", lab.name), ..token.clone() };
        for wrong in [old, stranger] {
            let answer = broker.order(fence(body("postgres-1")), &wrong).await.expect("an answer");
            assert_eq!(refused(answer), BrokerRefusal::NotLeader, "{wrong:?}");
        }
        let late = pgha::model::control::BrokerOrder {
            token: token.clone(),
            deadline: pgha::model::Mono(clock::now().0 - 1),
            deed: fence(body("postgres-1")),
        };
        assert_eq!(refused(broker.send(&late).await.expect("an answer")), BrokerRefusal::TooLate);
        let short: String = body("postgres-1").chars().take(12).collect();
        // a controller's body may be taken down: its process may be frozen
        for foreign in [body("etcd-1"), body("client"), short] {
            let answer = broker.order(fence(foreign.clone()), &token).await.expect("an answer");
            assert_eq!(refused(answer), BrokerRefusal::NotAllowed, "{foreign}");
        }
        // who runs is not removed, who belongs to the lab keeps its volumes, and names come in their order
        let name = |text: &str| text.parse::<MemberId>().expect("a name");
        let host = |text: &str| text.parse::<HostName>().expect("a name");
        let (member, service) = (name("postgres-1"), Service::Postgres);
        let elsewhere = BrokerDeed::Create { member: member.clone(), service, host: host("client") };
        let skipped = BrokerDeed::Create { member: name("postgres-9"), service, host: host("h1") };
        let client =
            BrokerDeed::Create { member: name("client"), service: Service::Client, host: host("client") };
        let (retire, discard) =
            (BrokerDeed::Retire { member: member.clone() }, BrokerDeed::Discard { member });
        for deed in [elsewhere, skipped, client, retire, discard] {
            let answer = broker.order(deed.clone(), &token).await.expect("an answer");
            assert_eq!(refused(answer), BrokerRefusal::NotAllowed, "{deed:?}");
        }
        let nobody = BrokerDeed::Start { container: "0".repeat(64) };
        let answer = broker.order(nobody, &token).await.expect("an answer");
        assert_eq!(refused(answer), BrokerRefusal::NotThere);
    });
}

/// A body that somebody removed is made anew on its volumes, by the controller alone; then its member makes room
/// for a new one, because an operator wants it.
pub fn what_is_gone_comes_back_and_what_is_asked_for_is_replaced(lab: &Lab) {
    let replica = member_in(lab, "replica").expect("a replica");
    let container = format!("pgha-{}-{replica}", lab.name);
    succeed(Command::new("docker").args(["rm", "--force", &container]));
    // every look takes a while by itself
    let back = (0..300).any(|_| member_in(lab, "replica").is_some());
    assert!(back, "{replica} did not come back:\n{}", lab.pgha(&["status"]));
    let said = lab.pgha(&["replace", &replica, "--wait", "2m"]);
    assert!(said.contains(&format!("{replica} was replaced by postgres-3")), "{said}");
    assert_eq!(member_in(lab, "replica").as_deref(), Some("postgres-3"), "{}", lab.pgha(&["status"]));
    let volumes = succeed(Command::new("docker").args(["volume", "ls", "--quiet"]));
    assert!(!volumes.contains(&format!("{container}-")), "volumes of {replica} are still there:\n{volumes}");
}

/// The controller takes an operator's wish for another primary and carries it out; nothing of it stays behind.
pub fn the_lead_is_handed_over(lab: &Lab) {
    // and back: Patroni leaves an empty word of the first one
    for times in 1..=2 {
        let (old, next) =
            (member_in(lab, "primary").expect("a primary"), member_in(lab, "replica").expect("a replica"));
        let said = lab.pgha(&["switchover", "--to", &next]);
        assert_eq!(member_in(lab, "primary"), Some(next), "{said}\n{}", lab.pgha(&["status"]));
        let journals = ["repair-1", "repair-2"].map(|replica| lab.pgha(&["logs", replica])).concat();
        let did = |line: &&str| {
            line.contains(r#""entry":"did""#)
                && line.contains("hand-over")
                && line.contains(r#""error":null"#)
        };
        let taken = journals.lines().filter(did).count();
        assert_eq!(taken, times, "Patroni was asked without the controller:\n{said}");
        let streams = (0..120).any(|_| member_in(lab, "replica").as_deref() == Some(&old));
        assert!(streams, "{old} does not follow:\n{}", lab.pgha(&["status"]));
    }
    for what in ["asked/", "repair/parked/"] {
        let key = format!("/pgha/{}/{what}", lab.name);
        let words = ["exec", "etcd-1", "--", "/usr/bin/etcdctl", "get", "--prefix", "--keys-only", &key];
        let gone = (0..60).any(|_| lab.pgha(&words).trim().is_empty());
        assert!(gone, "left behind: {}", lab.pgha(&words));
    }
}

/// A wish that no controller takes is taken back, and Patroni is asked.
pub fn patroni_hands_over_where_no_controller_does(lab: &Lab) {
    let next = member_in(lab, "replica").expect("a replica");
    let said = lab.pgha(&["switchover"]);
    assert_eq!(member_in(lab, "primary"), Some(next), "{said}\n{}", lab.pgha(&["status"]));
    let key = format!("/pgha/{}/asked/", lab.name);
    let words = ["exec", "etcd-1", "--", "/usr/bin/etcdctl", "get", "--prefix", "--keys-only", &key];
    assert_eq!(lab.pgha(&words).trim(), "");
}

/// The member that has this role now.
pub fn member_in(lab: &Lab, role: &str) -> Option<String> {
    let said = lab.command(&["status", "-o", "json"]).output().expect("pgha starts");
    let status: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON");
    let members = status["members"].as_array().expect("members");
    let found = members.iter().find(|member| member["role"] == role && member["service"] == "postgres")?;
    found["name"].as_str().map(str::to_owned)
}

/// The broker of a lab, with this secret.
pub fn broker(record: &LabRecord, secret: &str) -> BrokerClient {
    let [a, b, c, _] = record.subnet.octets();
    let address = SocketAddr::from((Ipv4Addr::new(a, b, c, 9), BROKER_PORT));
    BrokerClient::new(BrokerAccess { address, secret: secret.to_owned() })
}

/// A verb with these words is refused as a mistake, each for its reason.
pub fn refused(lab: &Lab, verb: &str, cases: &[(&[&str], &str)]) {
    for (words, why) in cases {
        let said = lab.command(&[&[verb][..], words].concat()).output().expect("pgha starts");
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.code() == Some(64) && text.contains(why), "{words:?}: {text}");
    }
}

/// The leadership of a controller as the store has it, read by its own command line.
pub fn token(lab: &Lab, record: &LabRecord, controller: &str) -> Token {
    let key = format!("/pgha/{}/controllers/{controller}/leader", record.spec.name);
    let words = ["exec", "etcd-1", "--", "/usr/bin/etcdctl", "get", &key, "--write-out", "json"];
    let said = lab.pgha(&words);
    let found: serde_json::Value = serde_json::from_str(&said).expect("JSON of etcdctl");
    let revision = found["kvs"][0]["mod_revision"].as_i64().expect("somebody leads");
    Token { key, revision }
}
