//! The brain of repair against databases that have data: positions, acknowledged writes and who confirms them, `/sync` with
//! votes, `/status`, lag, timelines; a Patroni that asks what Patroni asks, and follows a named candidate without asking.
//! Hosts are lost one after another, newcomers never come up, a shutdown hangs for ever.
//!
//! The real loop runs, in two replicas of which one is deposed now and then, in every third run every four seconds.
//!
//! Safety at every step, by the mode: no acknowledged write is lost where somebody confirms it, none beyond the limit where
//! nobody does; no healthy leader is fenced; the last copy stays. Liveness: when faults stop somebody takes writes, then as
//! many good copies as are wanted are back, or an alarm says what a person must do. Mutants of every rule are caught.

#[path = "data/lab.rs"]
mod lab;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use pgha::control::{Deeds, Failed, JournalEntry, conduct};
use pgha::decide::repair::{RepairSeen, RepairStep, RepairWorld, StoredMemory};
use pgha::model::alarm::AlarmKind;
use pgha::model::control::{Budget, Raised, RepairPolicy, Token};
use pgha::model::lab::Replication;
use pgha::model::{Bytes, LabSpec, Mono, Span};
use pgha::spec::lab::{Layer, resolve};

use super::time::{Timed, Turn, Until, play, seeds};
use lab::{CALM, END, LAG, Lab, Mutant, REPLACEMENTS, WRITES};

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

fn world(mode: Replication, lab: &Lab) -> RepairWorld {
    let policy = RepairPolicy {
        freeze_grace: Span::secs(1),
        start_grace: Span::millis(500),
        host_grace: Span::secs(3),
        sick_grace: Span::secs(5),
        newcomer_grace: Span::secs(12),
        starts: Budget { max: 40, per: Span::secs(600) },
        replacements: REPLACEMENTS,
        ..RepairPolicy::default()
    };
    RepairWorld { spec: spec(mode), members: lab.placed(), lag: Bytes(LAG), policy }
}

/// One process of a controller.
struct Hands {
    lab: Arc<Mutex<Lab>>,
    replica: usize,
}

impl Timed for Lab {
    fn now(&self) -> u64 {
        self.now
    }
}

impl Hands {
    fn lab(&self) -> MutexGuard<'_, Lab> {
        self.lab.lock().expect("the lab")
    }
}

impl Deeds<RepairWorld> for Hands {
    async fn leadership(&self) -> Option<Token> {
        let revision = self.lab().leadership(self.replica)?;
        Some(Token { key: "repair".to_owned(), revision })
    }

    async fn recall(&self) -> Option<StoredMemory> {
        Some(self.lab().recall())
    }

    async fn keep(&self, kept: &StoredMemory, token: &Token) -> Result<(), Failed> {
        let other = || Failed::NotLeader("another is the active one".to_owned());
        self.lab().keep(kept, token.revision).then_some(()).ok_or_else(other)
    }

    async fn look(&self, _: bool) -> RepairSeen {
        self.lab().look()
    }

    async fn act(&self, step: &RepairStep, token: &Token) -> Result<(), Failed> {
        let mut lab = self.lab();
        if lab.leadership(self.replica) != Some(token.revision) {
            return Err(Failed::NotLeader("another is the active one".to_owned()));
        }
        lab.effect(step).map_err(|()| Failed::Guard("by the lab".to_owned()))
    }

    async fn wait(&self, at_most: Span) {
        let pause = u64::try_from(at_most.0.as_millis()).expect("short");
        let end = self.lab().now + pause.clamp(50, 500);
        Until(Arc::clone(&self.lab), end).await;
    }

    fn now(&self) -> Mono {
        Mono(self.lab().now * 1_000_000)
    }

    fn tell(&self, entry: &JournalEntry<'_, RepairStep>) {
        let JournalEntry::Decided { step, reason, .. } = entry else { return };
        let mut lab = self.lab();
        if *step == "audit" {
            lab.broken.get_or_insert_with(|| (*reason).to_owned());
        }
        lab.told = format!("{step}: {reason}");
    }

    fn raised(&self, raised: Vec<Raised>) {
        let told = raised.into_iter().map(|raised| raised.alarm);
        self.lab().alarms =
            told.filter(|alarm| !LATE.contains(&alarm.kind)).map(|alarm| alarm.text).collect();
    }
}

async fn process(lab: Arc<Mutex<Lab>>, replica: usize, world: Arc<RepairWorld>) {
    conduct(&Hands { lab, replica }, &world).await;
}

/// One run: what broke, and what happened in it.
fn run(seed: u64, mode: Replication, mutant: Mutant) -> (Result<(), String>, lab::Done) {
    let lab = Lab::new(seed, mode, mutant);
    let world = Arc::new(world(mode, &lab));
    let lab = Arc::new(Mutex::new(lab));
    let born = |replica| Box::pin(process(Arc::clone(&lab), replica, Arc::clone(&world)));
    let mut whole_since = None;
    play(born, || {
        let mut lab = lab.lock().expect("the lab");
        lab.tick();
        let whole = lab.now > CALM && lab.is_whole();
        whole_since = whole.then(|| whole_since.unwrap_or(lab.now));
        match outcome(&mut lab, whole_since) {
            Some(outcome) => Turn::End((outcome, lab.done)),
            None => Turn::On,
        }
    })
}

/// How a run ends, if it is over.
fn outcome(lab: &mut Lab, whole_since: Option<u64>) -> Option<Result<(), String>> {
    let said = !lab.alarms.is_empty();
    if let Some(broken) = lab.broken.take() {
        return Some(Err(format!("{broken}; {}", lab.told)));
    }
    let excused = said && lab.lost_for_good();
    if lab.now >= CALM + WRITES && !lab.takes_writes() && !excused {
        let why = format!("nobody takes writes: {}; {}; {:?}", lab.state(), lab.told, lab.alarms);
        return Some(Err(why));
    }
    if whole_since.is_some_and(|since| lab.now >= since + 3_000) {
        return Some(Ok(()));
    }
    if lab.now < END {
        return None;
    }
    let why = format!("{}; {}; {:?}", lab.lacks(), lab.told, lab.alarms);
    Some(if said { Ok(()) } else { Err(why) })
}

/// Alarms that say of a wait only that it lasts: none of them excuses a lab that is not whole.
const LATE: [AlarmKind; 7] = [
    AlarmKind::NoWrites,
    AlarmKind::NoProof,
    AlarmKind::HandoverStuck,
    AlarmKind::Flaps,
    AlarmKind::NewcomerLate,
    AlarmKind::CopiesMissing,
    AlarmKind::StandbyMissing,
];
const MODES: [Replication; 3] = [Replication::Async, Replication::Sync, Replication::Quorum];

#[test]
fn nothing_acknowledged_is_lost_and_somebody_leads_again() {
    let mut sum = lab::Done::default();
    // a sample goes on until everything happened in it
    for seed in 0..seeds(120, 120) {
        if seed >= seeds(30, 120) && sum.words().iter().all(|(_, times)| *times > 0) {
            break;
        }
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
        let mut runs = (0..150).flat_map(|seed| MODES.map(|mode| (seed, mode)));
        let caught = runs.find(|(seed, mode)| {
            run(*seed, *mode, mutant).0.err().is_some_and(|why| why.contains(mutant.breaks()))
        });
        println!("{mutant:?}: {caught:?}");
        assert!(caught.is_some(), "{mutant:?} went unnoticed: {}", mutant.breaks());
    }
}
