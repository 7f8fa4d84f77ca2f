//! The repair controller on a real engine: a primary that dies, one that freezes, one that dies with the
//! active controller, and one that dies while the engine is silent. And the broker, asked by somebody who
//! may not give orders.

use std::net::{Ipv4Addr, SocketAddr};

use pgha::control::broker_client::Broker;
use pgha::decide::body::BROKER_PORT;
use pgha::engine::clock;
use pgha::engine::docker::Docker;
use pgha::lab::record::{self, Record};
use pgha::model::control::{Answer, BrokerDoor, Deed, Refusal, Token};

use crate::desk::Lab;

/// One active and one standby replica beside the small lab.
pub const CONTROLLER: &str = r#"controller=[{ name = "repair", replicas = 2, image = "pgha" }]"#;

/// Whoever has not the leadership, asks too late, or names somebody else's body gets nothing done.
pub fn the_broker_obeys_nobody_else(lab: &Lab) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let door = |secret: &str| {
            let [a, b, c, _] = record.subnet.octets();
            let address = SocketAddr::from((Ipv4Addr::new(a, b, c, 9), BROKER_PORT));
            Broker::new(BrokerDoor { address, secret: secret.to_owned() })
        };
        assert!(door("guess").bodies().await.is_err(), "a secret that is none shows nothing");
        let broker = door(&record.secrets.broker);
        let bodies = broker.bodies().await.expect("the lab's bodies");
        let body = |member: &str| {
            let found = bodies.members.iter().find(|(id, _)| id.as_str() == member);
            found.expect("a member").1[0].id.clone()
        };
        let token = token(lab, &record);
        let fence = |container: String| Deed::Fence { container };
        let refused = |answer: Answer| match answer {
            Answer::Refused { why, .. } => why,
            other => panic!("not refused: {other:?}"),
        };

        let old = Token { revision: token.revision - 1, ..token.clone() };
        let stranger = Token { key: format!("/pgha/{}/nobody", lab.name), ..token.clone() };
        for wrong in [old, stranger] {
            let answer = broker.order(fence(body("postgres-1")), &wrong).await.expect("an answer");
            assert_eq!(refused(answer), Refusal::NotLeader, "{wrong:?}");
        }
        let late = pgha::model::control::Order {
            token: token.clone(),
            deadline: pgha::model::Mono(clock::now().0 - 1),
            deed: fence(body("postgres-1")),
        };
        assert_eq!(refused(broker.send(&late).await.expect("an answer")), Refusal::TooLate);
        let short: String = body("postgres-1").chars().take(12).collect();
        for foreign in [body("etcd-1"), body("client"), body("repair-1"), short] {
            let answer = broker.order(fence(foreign.clone()), &token).await.expect("an answer");
            assert_eq!(refused(answer), Refusal::NotAllowed, "{foreign}");
        }
        let nobody = Deed::Start { container: "0".repeat(64) };
        let answer = broker.order(nobody, &token).await.expect("an answer");
        assert_eq!(refused(answer), Refusal::NotThere);
    });
}

/// The leadership as the store has it, read by its own command line.
fn token(lab: &Lab, record: &Record) -> Token {
    let key = format!("/pgha/{}/controllers/repair/leader", record.spec.name);
    let words = ["exec", "etcd-1", "--", "/usr/bin/etcdctl", "get", &key, "--write-out", "json"];
    let said = lab.pgha(&words);
    let found: serde_json::Value = serde_json::from_str(&said).expect("JSON of etcdctl");
    let revision = found["kvs"][0]["mod_revision"].as_i64().expect("somebody leads");
    Token { key, revision }
}
