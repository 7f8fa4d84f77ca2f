//! Smokes of the images: each program runs as the user it is meant to, without a capability, and
//! takes the configuration that is rendered for it. They need a Docker engine and the base image.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a smoke that cannot look must fail and say why"
)]

use std::path::Path;

use pgha::decide::body::{RecipeContext, Secrets, recipe};
use pgha::engine::docker::Docker;
use pgha::lab::images::{self, References};
use pgha::lab::news::News;
use pgha::model::lab::ImageSource;
use pgha::model::{Body, ImageRole, LabSpec, Member, Service};
use testcontainers::core::{CmdWaitFor, ExecCommand, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::sync::OnceCell;

/// References of all images, built by the product's own builder if they are not there.
static IMAGES: OnceCell<References> = OnceCell::const_new();

/// The image of a role.
async fn image(role: ImageRole) -> GenericImage {
    let all = IMAGES.get_or_init(build).await;
    let (name, tag) = all[&role].rsplit_once(':').expect("a tagged reference");
    GenericImage::new(name, tag)
}

async fn build() -> References {
    let docker = Docker::connect().await.unwrap_or_else(|error| {
        panic!(
            "{error}; `cargo nextest run` (or `cargo test --lib --test tidy --test scenarios --test sim --test model --test judge \
             --test placement --test cli`) runs everything that needs no engine"
        )
    });
    let program = Path::new(env!("CARGO_BIN_EXE_pgha"));
    let news = |news: News| println!("{news:?}");
    images::ensure(&docker, &spec().images, program, &news).await.expect("every image")
}

fn spec() -> LabSpec {
    let mut spec: LabSpec =
        serde_json::from_str(include_str!("../src/decide/body/sample.json")).expect("the sample is a lab");
    // alone, an etcd member elects itself
    spec.etcd.members = 1;
    #[expect(clippy::disallowed_methods, reason = "whose images are asked is said from outside")]
    let source = std::env::var("PGHA_IMAGES");
    if source.is_ok_and(|source| source == "nix") {
        spec.images.source = ImageSource::Nix;
    }
    spec
}

/// The recipe of one lone member of a service.
fn lone(spec: &LabSpec, service: Service) -> Body {
    let secrets = Secrets {
        superuser: "a".to_owned(),
        replicator: "b".to_owned(),
        rewind: "c".to_owned(),
        application: "d".to_owned(),
        rest: "e".to_owned(),
        broker: "f".to_owned(),
    };
    let members: Vec<Member> = [Service::Etcd, Service::Postgres, Service::Balancer, Service::Client]
        .into_iter()
        .map(|service| Member {
            id: format!("{service}-1").parse().expect("a name"),
            service,
            host: spec.hosts[0].name.clone(),
            size: spec.start_size(service),
        })
        .collect();
    let subnet = std::net::Ipv4Addr::new(198, 18, 250, 0);
    let ctx = RecipeContext { spec, members: &members, subnet, secrets: &secrets, token: "smoke" };
    let member = members.iter().find(|member| member.service == service).expect("one of each");
    recipe(&ctx, member)
}

/// A container with a recipe's files, user and lack of rights, running `command`. Its root can be
/// written, because files are copied into it here and not into volumes.
async fn start(body: &Body, command: Vec<String>, ready: WaitFor) -> ContainerAsync<GenericImage> {
    let mut request: ContainerRequest<GenericImage> = image(body.image)
        .await
        .with_wait_for(ready)
        .with_cmd(command)
        .with_user(body.user.clone())
        .with_cap_drop("ALL")
        .with_security_opt("no-new-privileges");
    for file in &body.files {
        // copied as root: readable, so that the service's own user can read it
        let target = testcontainers::CopyTargetOptions::new(file.path.clone()).with_mode(0o644);
        request = request.with_copy_to(target, file.contents.clone().into_bytes());
    }
    request.start().await.expect("a container that gets ready")
}

/// Runs a command in the container; its standard output, when it ends with 0.
async fn exec(container: &ContainerAsync<GenericImage>, command: &[&str]) -> String {
    let run = ExecCommand::new(command.iter().copied()).with_cmd_ready_condition(CmdWaitFor::exit());
    let mut result = container.exec(run).await.expect("an exec");
    let stdout = String::from_utf8_lossy(&result.stdout_to_vec().await.expect("stdout")).into_owned();
    let stderr = String::from_utf8_lossy(&result.stderr_to_vec().await.expect("stderr")).into_owned();
    let code = result.exit_code().await.expect("an exit code");
    assert_eq!(code, Some(0), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

/// The first process is the service's user and holds no capability.
async fn assert_harmless(container: &ContainerAsync<GenericImage>, body: &Body) {
    let status = exec(container, &["cat", "/proc/1/status"]).await;
    let value = |key: &str| {
        let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_whitespace().nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(Some(value("Uid:").as_str()), body.user.split(':').next(), "{status}");
    assert_eq!(value("CapEff:"), "0000000000000000", "{status}");
    assert_eq!(value("NoNewPrivs:"), "1", "{status}");
}

#[tokio::test]
async fn etcd_serves() {
    let body = lone(&spec(), Service::Etcd);
    let ready = WaitFor::message_on_stderr("ready to serve client requests");
    let etcd = start(&body, body.command.clone(), ready).await;
    assert_harmless(&etcd, &body).await;
    exec(&etcd, &["etcdctl", "--endpoints=http://127.0.0.1:2379", "put", "key", "value"]).await;
}

#[tokio::test]
async fn haproxy_takes_its_configuration_and_begins_with_every_server_down() {
    let mut spec = spec();
    for reads in [pgha::model::lab::Reads::Any, pgha::model::lab::Reads::Replicas] {
        spec.postgres.reads = reads;
        let body = lone(&spec, Service::Balancer);
        let held = "Server ro/h6 is DOWN, changed from server-state";
        let haproxy = start(&body, body.command.clone(), WaitFor::message_on_either_std(held)).await;
        assert_harmless(&haproxy, &body).await;
        exec(&haproxy, &["haproxy", "-c", "-f", "/etc/pgha/haproxy.cfg"]).await;
    }
}

#[tokio::test]
async fn a_balancer_with_controllers_hears_where_readers_go() {
    let mut spec = spec();
    let controller = r#"{ "name": "scaling", "replicas": 1, "image": "pgha" }"#;
    spec.controllers.push(serde_json::from_str(controller).expect("a controller"));
    let body = lone(&spec, Service::Balancer);
    let held = "Server ro/h6 is DOWN, changed from server-state";
    let haproxy = start(&body, body.command.clone(), WaitFor::message_on_either_std(held)).await;
    let said = async |port: u16, words: &str| {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; echo '{words}' >&3; cat <&3 || true");
        exec(&haproxy, &["bash", "-c", &script]).await.trim().to_owned()
    };
    assert_eq!(said(8405, "pgha weigh 60 h1=50 h2=100").await, "");
    // everybody is down: readers are sent away, as without a word
    assert_eq!(said(5433, "").await, "");
    for (words, why) in [
        ("pgha weigh 60 h9=50", "there is no server h9"),
        ("pgha weigh h1=50", "pgha weigh SECONDS"),
        ("pgha weigh 60", "pgha weigh SECONDS"),
    ] {
        let answer = said(8405, words).await;
        assert!(answer.contains(why), "{words}: {answer}");
    }
    let log = String::from_utf8_lossy(&haproxy.stderr_to_vec().await.expect("its log")).into_owned();
    assert!(!log.contains("Lua"), "{log}");
}

#[tokio::test]
async fn patroni_takes_its_configuration_and_postgresql_initializes() {
    let body = lone(&spec(), Service::Postgres);
    let postgres = start(&body, IDLE.map(str::to_owned).to_vec(), WaitFor::message_on_stdout("idle")).await;
    assert_harmless(&postgres, &body).await;
    exec(&postgres, &["patroni", "--validate-config", "/etc/pgha/patroni.json"]).await;
    let bin = "/usr/local/lib/postgresql";
    exec(&postgres, &[&format!("{bin}/initdb"), "--pgdata=/data/postgres", "--locale=C.UTF-8"]).await;
    let log = exec(&postgres, &[&format!("{bin}/pg_controldata"), "/data/postgres"]).await;
    assert!(log.contains("shut down"), "{log}");
    let clusters = exec(&postgres, &["sh", "-c", "ls /etc/postgresql 2>/dev/null || true"]).await;
    assert_eq!(clusters.trim(), "", "installation founded a cluster of its own");
}

/// A process that waits, as the first one of its container.
const IDLE: [&str; 5] = ["/usr/bin/tini", "--", "sh", "-c", "echo idle && exec sleep infinity"];

#[tokio::test]
async fn a_sandbox_carries_the_tools_of_networks_and_storage() {
    let host = image(ImageRole::Host)
        .await
        .with_wait_for(WaitFor::message_on_stdout("idle"))
        .with_cmd(IDLE)
        .start()
        .await
        .expect("a container");
    for tool in
        ["ip", "tc", "ss", "nft", "iptables-nft", "losetup", "mount", "mkfs.xfs", "xfs_growfs", "fsfreeze"]
    {
        exec(&host, &["sh", "-c", &format!("command -v {tool}")]).await;
    }
}

#[tokio::test]
async fn a_sandbox_shapes_its_own_network_with_one_capability() {
    let host = image(ImageRole::Host)
        .await
        .with_wait_for(WaitFor::message_on_stdout("idle"))
        .with_cmd(IDLE)
        .with_cap_drop("ALL")
        .with_cap_add("NET_ADMIN")
        .with_security_opt("no-new-privileges")
        .start()
        .await
        .expect("a container");
    let change =
        "ip route change $(ip -o -4 route show scope link) quickack 1 && ip -4 route show scope link";
    let route = exec(&host, &["sh", "-c", change]).await;
    assert!(route.contains("quickack 1"), "{route}");
    // chains of our own: what partitions are made of
    exec(&host, &["nft", "add", "table", "inet", "smoke"]).await;
    exec(&host, &["iptables-nft", "--new-chain", "SMOKE"]).await;
}

#[tokio::test]
async fn this_program_runs_in_its_image_as_nobody_in_particular() {
    let body = lone(&spec(), Service::Client);
    assert_ne!(body.user.split(':').next(), Some("0"));
    let client = start(&body, body.command.clone(), WaitFor::Nothing).await;
    assert_harmless(&client, &body).await;
    let version = exec(&client, &["/usr/local/bin/pgha", "--version"]).await;
    assert_eq!(version.trim(), format!("pgha {}", env!("CARGO_PKG_VERSION")));
    assert_ne!(exec(&client, &["id", "-u"]).await.trim(), "0");
    // for loads that are PostgreSQL's own program
    let pgbench = exec(&client, &["pgbench", "--version"]).await;
    assert!(pgbench.starts_with(&format!("pgbench (PostgreSQL) {}", spec().images.postgres)), "{pgbench}");
}

/// What `validate` knows of PostgreSQL's settings is what the image knows.
#[tokio::test]
async fn the_data_of_postgresqls_settings_is_current() {
    let reference = IMAGES.get_or_init(build).await[&ImageRole::Postgres].clone();
    let docker = Docker::connect().await.expect("an engine");
    let script = ["/bin/sh", "-c", include_str!("../lab/data/collect")].map(str::to_owned);
    let (code, said) = docker.run_once(&reference, &script).await.expect("the image runs");
    assert_eq!(code, 0, "{said}");
    let value = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
    let (now, committed) = (value(&said), value(include_str!("../lab/data/postgres-17.json")));
    for part in ["major", "libraries", "timezones"] {
        assert_eq!(now[part], committed[part], "lab/data/collect > lab/data/postgres-17.json");
    }
    let rows = |value: &serde_json::Value| value["settings"].as_array().cloned().unwrap_or_default();
    let (now, committed) = (rows(&now), rows(&committed));
    let differs: Vec<_> = now.iter().filter(|row| !committed.contains(row)).collect();
    assert!(differs.is_empty() && now.len() == committed.len(), "not as committed: {differs:?}");
}
