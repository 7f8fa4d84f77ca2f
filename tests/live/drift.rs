//! Bodies that are not what the record says, on a real engine: somebody made one anew from another image, and left a
//! container behind that nobody has.

use std::process::Command;

use pgha::engine::docker::Docker;
use pgha::lab::{names, record};
use pgha::model::ImageRole;

use crate::desk::{Lab, query, succeed};
use crate::repair::member_in;

/// One controller that does not wait long.
pub const CONTROLLER: &str =
    r#"controller=[{ name = "repair", replicas = 1, image = "pgha", policy = { sick-grace = "10s" } }]"#;

/// A balancer and the controller itself are replaced when an operator asks for it.
pub fn whoever_is_no_database_is_replaced_too(lab: &Lab) {
    let said = lab.pgha(&["replace", "balancer-1"]);
    assert!(said.contains("balancer-1 was replaced by balancer-2"), "{said}");
    let dsn = lab.pgha(&["dsn", "rw"]);
    assert_eq!(query(&dsn, "select 1").expect("the new one leads to the primary"), ["1"]);
    let said = lab.pgha(&["replace", "repair-1"]);
    assert!(said.contains("repair-1 was replaced by repair-2"), "{said}");
    // what it decided is kept where the broker's orders stand
    let journal = lab.pgha(&["logs", "broker"]);
    assert!(journal.contains(r#""kept":"repair-1""#), "{journal}");
}

/// Image of a container, if there is one of this name.
fn image_of(container: &str) -> Option<String> {
    let words = ["inspect", "--format", "{{.Config.Image}}", container];
    let said = Command::new("docker").args(words).output().expect("docker starts");
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// The replica gets a body from another image, while nobody mends anything, and beside it stands a container of nobody.
pub fn a_body_from_another_image_is_made_anew_and_nobodys_is_removed(lab: &Lab) {
    let replica = member_in(lab, "replica").expect("a replica");
    let container = names::container(&lab.name, &replica);
    let stray = names::container(&lab.name, "postgres-9");
    let right = image_of(&container).expect("its body");
    let wrong = format!("drifted:{}", lab.name);
    lab.pgha(&["maintenance", "on"]);
    succeed(Command::new("docker").args(["tag", &right, &wrong]));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        assert_eq!(record.images[&ImageRole::Postgres], right);
        let bodies = record::world(&record).bodies;
        let body = bodies.into_iter().find(|body| body.member.as_str() == replica).expect("its recipe");
        docker.remove_container(&container).await.expect("its body goes");
        assert!(docker.create_body(&body, &wrong).await.expect("another body"));
        docker.write_files(&body).await.expect("its files");
        docker.start(&container).await.expect("it starts");
        let mut nobodys = body;
        (nobodys.member, nobodys.container) = ("postgres-9".parse().expect("a name"), stray.clone());
        nobodys.labels.insert("pgha.member".to_owned(), "postgres-9".to_owned());
        assert!(docker.create_body(&nobodys, &right).await.expect("a body of nobody"));
    });
    lab.pgha(&["maintenance", "off"]);
    // every look takes a while by itself
    let mended = (0..300).any(|_| {
        member_in(lab, "replica").as_deref() == Some(&replica)
            && image_of(&stray).is_none()
            && image_of(&container).as_ref() == Some(&right)
    });
    let journal = lab.pgha(&["logs", "repair-1"]);
    assert!(mended, "{}\n{journal}", lab.pgha(&["status"]));
    assert!(journal.contains(&format!("its image is {wrong}, the record says {right}")), "{journal}");
    succeed(Command::new("docker").args(["rmi", &wrong]));
}
