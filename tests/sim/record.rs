//! The record of a lab has several writers, `up` and the broker, in processes of their own: one writes at a time, and no
//! write is lost.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::join_all;
use pgha::decide::placement::place;
use pgha::engine::fake::FakeEngine;
use pgha::engine::hands::Shelf;
use pgha::lab::record::{self, LabRecord};
use pgha::lab::{LabError, names};
use pgha::model::Service;
use pgha::model::lab::Desired;

use super::time::seeds;
use super::{runtime, spec};

/// Writers, and how often each writes.
const WRITERS: u64 = 3;
const WRITES: u64 = 4;

fn founded() -> LabRecord {
    let spec = spec();
    let desired = Desired::founding(&spec);
    LabRecord {
        schema_version: record::SCHEMA,
        pgha: None,
        preset: None,
        members: place(&spec, &desired, &[]).expect("the built-in lab fits its hosts"),
        subnet: Ipv4Addr::new(198, 18, 7, 0),
        desired,
        secrets: record::new_secrets(),
        token: "lab-1".to_owned(),
        images: BTreeMap::new(),
        spec,
    }
}

/// Writes the record of a lab that is founded, as the making of its client does.
async fn found(engine: &FakeEngine, record: &LabRecord) {
    let bodies = record::world(record).bodies;
    let client = bodies.iter().find(|body| body.service == Some(Service::Client)).expect("a client");
    engine.write_files(client).await.expect("written");
}

async fn now(engine: &FakeEngine, record: &LabRecord) -> LabRecord {
    record::read(engine, record.spec.name.as_str()).await.expect("an answer").expect("a record")
}

/// Adds one to the version of the record, again and again until no other writer came in between; how often one did.
async fn write(engine: &FakeEngine, founded: &LabRecord) -> u64 {
    let mut conflicts = 0;
    for _ in 0..WRITES {
        loop {
            let before = now(engine, founded).await;
            let mut after = before.clone();
            after.desired.generation += 1;
            match record::replace(engine, &before, &after).await {
                Ok(()) => break,
                Err(LabError::Moved(_)) => conflicts += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    conflicts
}

#[test]
fn no_write_of_a_record_is_lost() {
    let (runtime, record) = (runtime(), founded());
    let mut conflicts = 0;
    for seed in 0..seeds(40, 200) {
        let engine = FakeEngine::new(seed, 0.0);
        runtime.block_on(async {
            found(&engine, &record).await;
            conflicts += join_all((0..WRITERS).map(|_| write(&engine, &record))).await.iter().sum::<u64>();
            let written = now(&engine, &record).await.desired.generation - record.desired.generation;
            assert_eq!(written, WRITERS * WRITES, "seed {seed}");
        });
    }
    assert!(conflicts > 0, "no writer ever came in between: this test shows nothing");
}

#[test]
fn a_turn_that_was_left_behind_is_ended_and_one_that_goes_on_is_not() {
    let (runtime, record) = (runtime(), founded());
    let engine = FakeEngine::new(1, 0.0);
    runtime.block_on(async {
        found(&engine, &record).await;
        let lab = record.spec.name.as_str();
        let name = names::container(lab, "record-turn");
        let left = engine.take_turn(lab, &name, None).await.expect("an answer").expect("it is free");
        let began = engine.now();
        let mut after = record.clone();
        after.desired.generation += 1;
        record::replace(&engine, &record, &after).await.expect("written");
        let waited = engine.now().since(began);
        assert!(waited >= Duration::from_secs(40), "its writer had only {waited:?}");
        assert_eq!(now(&engine, &record).await, after);
        let free = engine.turn(&name).await.expect("an answer");
        assert_eq!(free, None, "the turn {left} was ended, and so was the one after it");
    });
}
