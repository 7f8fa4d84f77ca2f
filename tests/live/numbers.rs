//! Both controllers on a real engine: another number of instances, out and in again, and what is refused.

use pgha::engine::docker::Docker;
use pgha::lab::record;
use pgha::model::control::{BrokerAnswer, BrokerDeed, BrokerRefusal};
use pgha::model::{MemberId, Service};
use serde_json::Value;

use crate::desk::Lab;
use crate::repair::{broker, refused, token};

/// Both controllers and limits between which the number moves; the number changes by nobody's wish but the operator's.
pub const CONTROLLERS: [&str; 3] = [
    concat!(
        r#"controller=[{ name = "repair", replicas = 1, image = "pgha" }, "#,
        r#"{ name = "scaling", replicas = 1, image = "pgha", policy = { every = "1s", cpu = { down-window = "10m" }, "#,
        r#"memory = { down-window = "10m" }, instances = { out-window = "1h", in-window = "1h" } } }]"#
    ),
    "postgres.instances={ start = 2, min = 2, max = 3 }",
    "balancers.instances={ start = 1, min = 1, max = 2 }",
];

/// Hosts with room for one more.
pub const HOSTS: &str = concat!(
    r#"host=[{ name = "h1", cpus = 4.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "h2", cpus = 4.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "h3", cpus = 4.0, memory = "4GiB", disk = "20GiB" }, "#,
    r#"{ name = "client", cpus = 2.0, memory = "4GiB", disk = "20GiB", only = ["client"] }]"#,
);

/// Members of PostgreSQL by `pgha status`.
fn members(lab: &Lab) -> Vec<String> {
    members_of(lab, "postgres")
}

fn members_of(lab: &Lab, service: &str) -> Vec<String> {
    let status: Value = serde_json::from_str(&lab.pgha(&["status", "-o", "json"])).expect("JSON");
    let all = status["members"].as_array().expect("members").iter();
    let its = all.filter(|member| member["service"] == service);
    its.map(|member| member["name"].as_str().expect("a name").to_owned()).collect()
}

/// One more, and it stays when the lab is brought up again; one less, and nothing of it stays.
pub fn the_number_goes_out_and_in(lab: &Lab, up: &[&str]) {
    let said = lab.pgha(&["scale", "postgres", "3"]);
    assert!(said.contains("3 instances after"), "{said}");
    assert_eq!(members(lab), ["postgres-1", "postgres-2", "postgres-3"]);
    lab.up_with(up);
    assert_eq!(members(lab).len(), 3, "`up` took back what was scaled");
    // what stands already is no change; and the wish after it is not forgotten with it
    assert!(lab.pgha(&["scale", "postgres", "3"]).contains("3 instances after"));
    let said = lab.pgha(&["scale", "postgres", "2", "-o", "json"]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["scaled"].as_array().map(Vec::len), Some(2), "{said}");
    let left = members(lab);
    let gone =
        ["postgres-1", "postgres-2", "postgres-3"].into_iter().find(|one| left.iter().all(|m| m != one));
    nothing_is_left(lab, gone.expect("one has left"));
}

/// One balancer more, which leads to the primary, and one less.
pub fn balancers_come_and_go(lab: &Lab) {
    let said = lab.pgha(&["scale", "balancer", "2"]);
    assert!(said.contains("2 balancers after"), "{said}");
    assert_eq!(members_of(lab, "balancer"), ["balancer-1", "balancer-2"]);
    // those that serve come first, and the hosts on which one may come to stand after them
    let dsn = lab.pgha(&["dsn", "rw"]);
    assert!(dsn.matches(":5432").count() >= 2, "{dsn}");
    let said = lab.pgha(&["scale", "balancer", "1"]);
    assert!(said.contains("1 balancers after"), "{said}");
    assert_eq!(members_of(lab, "balancer"), ["balancer-1"]);
    nothing_is_left(lab, "balancer-2");
}

/// Whoever has left is in the record as one who left, and soon neither a container nor a volume of it is there.
fn nothing_is_left(lab: &Lab, gone: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        assert!(record.left(&gone.parse().expect("a name")) && record.leaving().is_empty());
        let container = format!("pgha-{}-{gone}", lab.name);
        // its volumes go after it
        for _ in 0..200 {
            let seen = docker.observe(Some(&lab.name)).await.expect("the engine");
            let its = |labels: &std::collections::BTreeMap<String, String>| {
                labels.get("pgha.member").is_some_and(|of| of == gone)
            };
            if !seen.containers.contains_key(&container) && !seen.volumes.values().any(its) {
                return;
            }
        }
        panic!("something of {gone} is left");
    });
}

/// What cannot be is refused: before anybody is asked, and by the broker.
pub fn what_cannot_be_is_refused(lab: &Lab) {
    refused(
        lab,
        "scale",
        &[
            (&["postgres", "4"], "4 is not between 2 and 3"),
            (&["postgres", "1"], "1 is not between 2 and 3"),
            (&["balancer", "3"], "3 is not between 1 and 2"),
            (&["etcd", "5"], "the number of `etcd` does not change"),
        ],
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let broker = broker(&record, &record.secrets.broker);
        let bodies = broker.bodies().await.expect("the lab's bodies");
        assert_eq!(bodies.counts.get(&Service::Postgres), Some(&2));
        let token = token(lab, &record, "scaling");
        let now = bodies.generation;
        let name = |name: &str| name.parse::<MemberId>().expect("a name");
        let nobody = [name("postgres-9")].into();
        let everybody = [name("postgres-1"), name("postgres-2")].into();
        let service = Service::Postgres;
        for (service, generation, count, leaving) in [
            (service, now + 1, 3, std::collections::BTreeSet::new()),
            (service, now, 4, std::collections::BTreeSet::new()),
            (service, now, 2, nobody),
            (service, now, 2, everybody),
            (Service::Balancer, now, 3, std::collections::BTreeSet::new()),
            (Service::Etcd, now, 5, std::collections::BTreeSet::new()),
        ] {
            let deed = BrokerDeed::Scale { service, generation, count, leaving };
            let answer = broker.order(deed.clone(), &token).await.expect("an answer");
            assert!(
                matches!(answer, BrokerAnswer::Refused { why: BrokerRefusal::NotAllowed, .. }),
                "{deed:?}: {answer:?}"
            );
        }
    });
}
