//! The brain of repair against databases that have data: positions, acknowledged writes and who confirms them, `/sync` with
//! votes, `/status`, lag, timelines; a Patroni that asks what Patroni asks, and follows a named candidate without asking.
//! Hosts are lost one after another, newcomers never come up, a shutdown hangs for ever.
//!
//! Safety at every step, by the mode: no acknowledged write is lost where somebody confirms it, none beyond the limit where
//! nobody does; no healthy leader is fenced; the last copy stays. Liveness: when faults stop somebody takes writes, then as
//! many good copies as are wanted are back, or an alarm says what a person must do. Mutants of every rule are caught.

#[path = "data/lab.rs"]
mod lab;

use std::sync::OnceLock;

use pgha::decide::repair::{Memory, World, repair};
use pgha::model::control::{Budget, RepairPolicy};
use pgha::model::lab::Replication;
use pgha::model::{Bytes, LabSpec, Mono, Span};
use pgha::spec::lab::{Layer, resolve};
use rand::Rng;

use super::time::seeds;
use lab::{CALM, END, LAG, Lab, Mutant, WRITES};

/// The built-in lab with room for everybody on every host.
fn spec(mode: Replication) -> LabSpec {
    static SPEC: OnceLock<LabSpec> = OnceLock::new();
    let made = || {
        let host =
            |n| format!("[[host]]\nname = \"h{n}\"\ncpus = 9.0\nmemory = \"9GiB\"\ndisk = \"90GiB\"\n");
        let mut text: String = (1..=6).map(host).collect();
        text += "[[host]]\nname = \"client\"\ncpus = 2.0\nmemory = \"4GiB\"\ndisk = \"9GiB\"\nonly = [\"client\"]\n";
        resolve(&[Layer::built_in(), Layer::file("lab.toml", text)]).expect("the lab resolves")
    };
    let mut spec = SPEC.get_or_init(made).clone();
    (spec.postgres.replication, spec.postgres.sync_standbys) = (mode, 1);
    spec
}

fn world(mode: Replication, lab: &Lab) -> World {
    let policy = RepairPolicy {
        freeze_grace: Span::secs(1),
        start_grace: Span::millis(500),
        host_grace: Span::secs(3),
        sick_grace: Span::secs(5),
        newcomer_grace: Span::secs(12),
        starts: Budget { max: 40, per: Span::secs(600) },
        replacements: Budget { max: 4, per: Span::secs(600) },
        ..RepairPolicy::default()
    };
    World { spec: spec(mode), members: lab.placed(), lag: Bytes(LAG), policy }
}

/// One run: what broke, and what happened in it.
fn run(seed: u64, mode: Replication, mutant: Mutant) -> (Result<(), String>, lab::Done) {
    let mut lab = Lab::new(seed, mode, mutant);
    let world = world(mode, &lab);
    let (mut memory, mut next, mut whole_since) = (Memory::default(), 0, None);
    let mut alarms: Vec<String> = Vec::new();
    let mut told = String::new();
    loop {
        lab.tick();
        if lab.now < CALM && lab.chance.random_bool(0.002) {
            memory = Memory::default();
        }
        if lab.now >= next {
            let seen = lab.look();
            let decision = repair(&world, &seen, memory);
            if decision.step == "audit" {
                return (Err(format!("{} at {} ms", decision.reason, lab.now)), lab.done);
            }
            alarms = decision.alarms.iter().map(ToString::to_string).collect();
            told = format!("{}: {}", decision.step, decision.reason);
            memory = decision.memory;
            for step in decision.steps {
                let worked = lab.effect(&step);
                memory.took(&step, Mono(lab.now * 1_000_000), worked.is_ok());
                if worked.is_err() {
                    break;
                }
            }
            let pause = u64::try_from(decision.again_in.0.as_millis()).expect("short");
            next = lab.now + pause.clamp(50, 500);
        }
        if let Some(broken) = lab.broken.take() {
            return (Err(format!("{broken}; {told}")), lab.done);
        }
        if lab.now >= CALM + WRITES && !lab.takes_writes() && (!lab.lost_for_good() || alarms.is_empty()) {
            return (Err(format!("nobody takes writes: {}; {told}; {alarms:?}", lab.state())), lab.done);
        }
        whole_since = lab.whole().is_ok().then(|| whole_since.unwrap_or(lab.now)).filter(|_| lab.now > CALM);
        if whole_since.is_some_and(|since| lab.now >= since + 3_000) {
            return (Ok(()), lab.done);
        }
        if lab.now >= END {
            let left = lab.whole().expect_err("it is not whole");
            let said = !alarms.is_empty();
            let why = format!("{left}; {told}; {alarms:?}");
            return (if said { Ok(()) } else { Err(why) }, lab.done);
        }
    }
}

const MODES: [Replication; 3] = [Replication::Async, Replication::Sync, Replication::Quorum];

#[test]
fn nothing_acknowledged_is_lost_and_somebody_leads_again() {
    let mut sum = lab::Done::default();
    for seed in 0..seeds(120) {
        for mode in MODES {
            let (outcome, done) = run(seed, mode, Mutant::None);
            assert_eq!(outcome, Ok(()), "seed {seed} {mode:?}");
            sum.add(done);
        }
    }
    for (what, times) in sum.words() {
        assert!(times > 0, "no run {what}: nothing was tested");
    }
}

#[test]
fn what_was_done_before_is_caught() {
    for mutant in Mutant::ALL {
        let caught =
            (0..seeds(150)).flat_map(|seed| MODES.map(|mode| (seed, mode))).find_map(|(seed, mode)| {
                run(seed, mode, mutant).0.err().filter(|why| why.contains(mutant.breaks()))
            });
        assert!(caught.is_some(), "{mutant:?} went unnoticed: {}", mutant.breaks());
    }
}
