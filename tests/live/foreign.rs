//! A repair controller that is not ours, in an image of its own: one file of Python (`mend.py`) that knows nothing
//! but the contract of `docs/src/own-controller.md`.

use std::path::Path;
use std::process::Command;

use pgha::engine::clock;
use pgha::engine::docker::Docker;
use pgha::lab::images;
use pgha::lab::record;
use pgha::model::control::{BrokerAnswer, BrokerDeed, BrokerOrder, BrokerRefusal, Token};
use pgha::model::lab::{ImageSource, Images};
use pgha::model::{ImageRole, Mono};
use serde_json::Value;

use crate::desk::{Lab, Ran, succeed};
use crate::repair::{broker, token};

/// The image made for one test; it goes with it.
pub struct Image(String);

impl Image {
    /// Builds it on the lab's image of Debian that has Python, Patroni's.
    pub fn build(lab: &Lab) -> Self {
        let suite = "trixie".parse().expect("a name");
        let declared = Images { source: ImageSource::Debian, suite, postgres: 17, haproxy: None };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let bases = runtime.block_on(async {
            let docker = Docker::connect().await.expect("an engine");
            let program = Path::new(env!("CARGO_BIN_EXE_pgha"));
            images::ensure(&docker, &declared, program, &|_| {}).await.expect("every image")
        });
        // the directory of the plan is Patroni's there; and an entry point, as most images of the world have one
        let recipe = format!(
            "FROM {}\nUSER 0\nRUN chown 996:996 /etc/pgha\nCOPY --chown=996:996 mend.py /usr/local/lib/mend.py\n\
             USER 996:996\nENTRYPOINT [\"/usr/bin/python3\"]\nCMD [\"/usr/local/lib/mend.py\"]\n",
            bases[&ImageRole::Postgres]
        );
        lab.file("Dockerfile", &recipe);
        lab.file("mend.py", include_str!("mend.py"));
        let name = format!("mend:{}", lab.name);
        let folder = lab.path("Dockerfile");
        let folder = Path::new(&folder).parent().expect("a folder");
        succeed(Command::new("docker").args(["build", "--quiet", "--tag", &name]).arg(folder));
        Self(name)
    }

    /// The one controller of a lab, from this image.
    pub fn controller(&self) -> String {
        format!(r#"controller=[{{ name = "mend", replicas = 2, image = "{}" }}]"#, self.0)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // a lab that is still there keeps it, and says so by itself
        let _ = Command::new("docker").args(["rmi", &self.0]).output();
    }
}

/// Somebody else's controller is held to the same rules: nothing is done for a token of before, for one of nobody, or
/// for an order that waited.
pub fn the_broker_obeys_its_leadership_alone(lab: &Lab) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let broker = broker(&record, &record.secrets.broker);
        let bodies = broker.bodies().await.expect("the lab's bodies");
        let found = bodies.members.iter().find(|(id, _)| id.as_str() == "postgres-1");
        let deed = BrokerDeed::Fence { container: found.expect("a member").1[0].id.clone(), leader: None };
        let token = token(lab, &record, "mend");
        let old = Token { revision: token.revision - 1, ..token.clone() };
        let ours = Token { key: format!("/pgha/{}/controllers/repair/leader", lab.name), ..token.clone() };
        let now = clock::now();
        let (soon, before) = (Mono(now.0 + 20_000_000_000), Mono(now.0 - 1));
        for (token, deadline, why) in [
            (old, soon, BrokerRefusal::NotLeader),
            (ours, soon, BrokerRefusal::NotLeader),
            (token, before, BrokerRefusal::TooLate),
        ] {
            let order = BrokerOrder { token, deadline, deed: deed.clone() };
            let answer = broker.send(&order).await.expect("an answer");
            assert!(
                matches!(&answer, BrokerAnswer::Refused { why: seen, .. } if *seen == why),
                "{order:?}: {answer:?}"
            );
        }
    });
}

/// The run's failover was its doing: by the broker's journal, its own word, and the run's.
pub fn it_led_the_failover(lab: &Lab, ran: &Ran) {
    let read = |name: &str| {
        let files = ran.files();
        let found = files.iter().find(|(path, _)| path.ends_with(name));
        found.unwrap_or_else(|| panic!("no {name}: {ran}")).1.clone()
    };
    let key = format!("/pgha/{}/controllers/mend/leader", lab.name);
    let orders: Vec<Value> = read("logs/broker.log")
        .lines()
        .filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok())
        .filter(|line: &Value| line["order"]["token"]["key"] == key.as_str())
        .collect();
    let fenced = |line: &&Value| {
        line["order"]["deed"]["fence"].is_object() && line["answer"]["proof"]["level"] == "dead"
    };
    assert!(orders.iter().any(|line| fenced(&line)), "no proof of death was ordered: {orders:#?}");
    let started = |line: &&Value| line["order"]["deed"]["start"].is_object() && line["answer"] == "done";
    assert!(orders.iter().any(|line| started(&line)), "the dead one was not started: {orders:#?}");
    let shown: Value = serde_json::from_str(&lab.pgha(&["status", "-o", "json"])).expect("JSON");
    let members = shown["members"].as_array().expect("members").iter();
    let mut active = members.filter(|member| member["controller"]["active"] == true);
    let said = active.next().expect("one of its replicas acts")["controller"].clone();
    assert_eq!(said["step"], "watch", "{said}");
    let reason = said["reason"].as_str().expect("a reason");
    assert!(reason.contains("was proved dead and its key was released"), "{said}");
    let leads = reason.split_once(" leads; ").expect("who leads").0;
    assert!(!reason.contains(&format!("{leads} was proved dead")), "nobody else leads: {said}");
    assert_eq!(said["subject"], leads, "{said}");
}
