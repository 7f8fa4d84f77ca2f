//! The real driver and the brain `found` against the engine in memory: from any half-made lab,
//! with actions that fail before, after or without an answer, founding ends in the same lab.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so loudly")]

#[path = "sim/data.rs"]
mod data;
#[path = "sim/record.rs"]
mod record;
#[path = "sim/repair.rs"]
mod repair;
#[path = "sim/scaling.rs"]
mod scaling;
#[path = "sim/time.rs"]
mod time;

use std::net::Ipv4Addr;

use pgha::decide::body::{RecipeContext, Secrets, recipe, sandbox};
use pgha::decide::found::{FoundingWorld, found};
use pgha::decide::placement::place;
use pgha::drive::{DriverStuck, drive};
use pgha::engine::fake::FakeEngine;
use pgha::model::lab::Desired;
use pgha::model::{ContainerStatus, LabSpec};
use pgha::spec::lab::{Layer, resolve};

fn spec() -> LabSpec {
    resolve(&[Layer::built_in()]).expect("the built-in lab")
}

fn world(spec: &LabSpec) -> FoundingWorld {
    let members = place(spec, &Desired::founding(spec), &[]).expect("the built-in lab fits its hosts");
    let word = || "word".to_owned();
    let secrets = Secrets {
        superuser: word(),
        replicator: word(),
        rewind: word(),
        application: word(),
        rest: word(),
        broker: word(),
    };
    let context = RecipeContext {
        spec,
        members: &members,
        subnet: Ipv4Addr::new(198, 18, 7, 0),
        secrets: &secrets,
        token: "lab-1",
    };
    let hosts = spec.hosts.iter().map(|host| sandbox(&context, &host.name));
    let bodies = hosts.chain(members.iter().map(|member| recipe(&context, member))).collect();
    FoundingWorld { network: "pgha-lab".to_owned(), subnet: context.subnet, bodies }
}

async fn found_it(engine: &FakeEngine, world: &FoundingWorld) -> Result<(), DriverStuck> {
    drive(engine, |seen| found(world, seen), |_| {}).await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn whole(engine: &FakeEngine, world: &FoundingWorld) -> bool {
    let seen = engine.seen();
    world.bodies.iter().all(|body| {
        seen.containers
            .get(&body.container)
            .is_some_and(|container| container.status == ContainerStatus::Running)
    })
}

#[test]
fn founding_through_trouble_ends_in_the_same_lab() {
    let spec = spec();
    let world = world(&spec);
    let runtime = runtime();
    for seed in 0..time::seeds(200, 2_000) {
        let engine = FakeEngine::new(seed, 0.25);
        // an `up` that gave up is repeated by whoever wants the lab: here, once the trouble is over
        if runtime.block_on(found_it(&engine, &world)).is_err() {
            engine.calm();
            runtime
                .block_on(found_it(&engine, &world))
                .unwrap_or_else(|stuck| panic!("seed {seed}: {stuck}"));
        }
        assert!(whole(&engine, &world), "seed {seed}: something is missing");
        assert_eq!(engine.seen().containers.len(), world.bodies.len(), "seed {seed}: something is too much");
        let twice = engine.creations().into_iter().find(|(_, times)| *times > 1);
        assert_eq!(twice, None, "seed {seed}: created twice");
    }
}

#[test]
fn a_founded_lab_is_left_alone() {
    let spec = spec();
    let world = world(&spec);
    let engine = FakeEngine::new(1, 0.0);
    runtime().block_on(found_it(&engine, &world)).expect("founded");
    let decision = found(&world, &engine.seen());
    assert_eq!(decision.actions, Vec::new());
    assert_eq!(decision.again_in, None);
}

#[test]
fn what_died_is_started_again_and_nothing_is_created_anew() {
    let spec = spec();
    let world = world(&spec);
    let runtime = runtime();
    let engine = FakeEngine::new(1, 0.0);
    runtime.block_on(found_it(&engine, &world)).expect("founded");
    let before = engine.creations();
    engine.die("pgha-lab-postgres-1");
    engine.die("pgha-lab-host-h4");
    runtime.block_on(found_it(&engine, &world)).expect("founded again");
    assert!(whole(&engine, &world));
    assert_eq!(engine.creations(), before);
}

#[test]
fn the_record_stands_before_any_body_with_a_password() {
    let spec = spec();
    let world = world(&spec);
    let engine = FakeEngine::new(1, 0.0);
    let mut order = Vec::new();
    let runtime = runtime();
    runtime
        .block_on(drive(
            &engine,
            |seen| {
                let decision = found(&world, seen);
                order.extend(decision.actions.iter().map(pgha::model::Action::describe));
                decision
            },
            |_| {},
        ))
        .expect("founded");
    let at =
        |what: &str| order.iter().position(|action| action == what).unwrap_or_else(|| panic!("no {what}"));
    let client = at("create pgha-lab-client");
    for body in ["postgres-1", "etcd-1", "balancer-1"] {
        assert!(client < at(&format!("create pgha-lab-{body}")), "{body} stood before the record");
    }
}
