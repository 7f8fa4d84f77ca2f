//! The real loop of the repair controller against a lab in memory: virtual time, one seed, and trouble at
//! every call: crashes, errors before and after the effect, old views, doubled orders, long pauses.
//!
//! Patroni here is the least that matters: a lease, an election when the key is gone, a demotion when it is
//! lost. What must always hold is asserted where an effect happens.

mod lab;
mod others;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use pgha::control::{Deeds, Failed, JournalEntry, conduct};
use pgha::decide::repair::{RepairMemory, RepairSeen, RepairStep, RepairWorld, StoredMemory, repair};
use pgha::model::control::{Budget, RepairPolicy, Token};
use pgha::model::{Bytes, LabSpec, Member, Mono, Service, Size, Span};
use pgha::spec::lab::{Layer, resolve};
use rand::Rng;

use super::time::{Timed, Turn, Until, play, seeds};
use lab::{CALM, END, LEASE, Lab, Mutant, Proofs, STAYS, host, member};

/// One process of a controller: its proofs die with it.
struct Hands {
    lab: Arc<Mutex<Lab>>,
    replica: usize,
    proofs: Mutex<Proofs>,
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

    /// The way there: usually short, now and then longer than the lease.
    fn way(&self) -> Until<Lab> {
        let mut lab = self.lab();
        let trouble = lab.now < CALM && lab.chance.random_bool(0.01);
        let end = lab.now + if trouble { 4_000 } else { lab.chance.random_range(0..20) };
        Until(Arc::clone(&self.lab), end)
    }
}

impl Deeds<RepairWorld> for Hands {
    async fn leadership(&self) -> Option<Token> {
        self.way().await;
        let mut lab = self.lab();
        let now = lab.now;
        if now < lab.store_back {
            return None;
        }
        let revision = match lab.active.filter(|(_, _, end)| *end >= now) {
            Some((replica, revision, _)) if replica == self.replica => revision,
            Some(_) => return None,
            None => {
                lab.revision += 1;
                lab.revision
            }
        };
        lab.active = Some((self.replica, revision, now + LEASE[1]));
        Some(Token { key: "repair".to_owned(), revision })
    }

    async fn look(&self, _: bool) -> RepairSeen {
        self.way().await;
        let proofs = self.proofs.lock().expect("proofs").clone();
        let mut lab = self.lab();
        let fresh = lab.look(&proofs);
        if lab.now < CALM && lab.chance.random_bool(0.03) {
            // an old view has this process's proofs and nothing newer
            let Proofs { proofs, fenced } = proofs;
            return lab.earlier.clone().map_or(fresh, |earlier| RepairSeen { proofs, fenced, ..earlier });
        }
        if lab.chance.random_bool(0.1) {
            lab.earlier = Some(fresh.clone());
        }
        fresh
    }

    async fn act(&self, step: &RepairStep, token: &Token) -> Result<(), Failed> {
        self.way().await;
        let mut lab = self.lab();
        let dice = if lab.now < CALM { lab.chance.random_range(0..40) } else { 40 };
        let trouble = || Failed::Trouble("by the seed".to_owned());
        let mut proofs = self.proofs.lock().expect("proofs");
        match dice {
            0 => Err(trouble()),
            1 => lab.effect(step, token, &mut proofs).and(Err(trouble())),
            2 => {
                let first = lab.effect(step, token, &mut proofs);
                let _again = lab.effect(step, token, &mut proofs);
                first
            }
            _ => lab.effect(step, token, &mut proofs),
        }
    }

    async fn recall(&self) -> Option<StoredMemory> {
        self.way().await;
        let lab = self.lab();
        let known = || if lab.mutant == Mutant::Forgets { StoredMemory::default() } else { lab.kept.clone() };
        (lab.now >= lab.store_back).then(known)
    }

    async fn keep(&self, kept: &StoredMemory, token: &Token) -> Result<(), Failed> {
        self.way().await;
        let mut lab = self.lab();
        if lab.now < lab.store_back || lab.active.is_none_or(|(_, revision, _)| revision != token.revision) {
            return Err(Failed::Guard("another leads".to_owned()));
        }
        lab.kept = kept.clone();
        Ok(())
    }

    async fn wait(&self, at_most: Span) {
        let end = self.lab().now + u64::try_from(at_most.0.as_millis()).expect("short").max(10);
        Until(Arc::clone(&self.lab), end).await;
    }

    fn now(&self) -> Mono {
        Mono(self.lab().now * 1_000_000)
    }

    fn tell(&self, entry: &JournalEntry<'_, RepairStep>) {
        if let JournalEntry::Decided { step: "audit", reason, .. } = entry {
            self.lab().broken.get_or_insert_with(|| (*reason).to_owned());
        }
    }
}

async fn process(lab: Arc<Mutex<Lab>>, replica: usize, world: Arc<RepairWorld>) {
    let hands = Hands { lab, replica, proofs: Mutex::default() };
    conduct(&hands, &world).await;
}

/// The built-in lab with room for everybody on every host, and a controller of which replicas stand beside it.
fn spec() -> LabSpec {
    static SPEC: OnceLock<LabSpec> = OnceLock::new();
    let made = || {
        let mut text = "[[controller]]\nname = \"scaling\"\nreplicas = 2\nimage = \"pgha\"\n".to_owned();
        for n in 1..=6 {
            let _ =
                writeln!(text, "[[host]]\nname = \"h{n}\"\ncpus = 9.0\nmemory = \"9GiB\"\ndisk = \"90GiB\"");
        }
        text += "[[host]]\nname = \"client\"\ncpus = 2.0\nmemory = \"4GiB\"\ndisk = \"9GiB\"\nonly = [\"client\"]\n";
        resolve(&[Layer::built_in(), Layer::file("lab.toml", text)]).expect("the lab resolves")
    };
    SPEC.get_or_init(made).clone()
}

/// One run; what broke, how many keys were released, how many members left, how many leads were handed over, how
/// many members were seen out, how many were made anew because they differed, and how many of the keys were those of bodies
/// that were doomed and not dead; then how many members of etcd left, how many balancers and controllers did for another,
/// how many balancers were seen out, and how many controllers were restarted whose process was frozen.
fn run(seed: u64, mutant: Mutant) -> (Result<(), String>, [u32; 11]) {
    let size = Size { cpus: 1.0, memory: Bytes::mib(256), disk: Bytes::gib(1) };
    let place = |n| Member { id: member(n), service: Service::Postgres, host: host(n), size };
    // this run is about what happens in the end, not about the budgets
    let plenty = Budget { max: 1_000, per: Span::secs(600) };
    let policy = RepairPolicy {
        starts: plenty,
        replacements: plenty,
        host_grace: Span::secs(3),
        sick_grace: Span::secs(5),
        newcomer_grace: Span::secs(15),
        disk_grace: Span::secs(2),
        drain: Span::secs(1),
        // in every other run the lease decides
        release_doomed: seed.is_multiple_of(2),
        ..RepairPolicy::default()
    };
    let members = (0..3).map(place).chain(others::Others::new().members()).collect();
    let world = Arc::new(RepairWorld { spec: spec(), members, lag: Bytes::mib(1), policy });
    let lab = Arc::new(Mutex::new(Lab::new(seed, mutant)));
    let born = |replica| Box::pin(process(Arc::clone(&lab), replica, Arc::clone(&world)));
    let mut whole_since = None;
    play(born, || {
        let mut lab = lab.lock().expect("the lab");
        lab.tick();
        if lab.now.is_multiple_of(100) {
            let since = whole_since.unwrap_or(lab.now);
            whole_since = (lab.now > CALM && lab.is_whole()).then_some(since);
        }
        let whole = whole_since.is_some_and(|since| lab.now >= since + STAYS);
        let beside = lab.others.done;
        let done = [
            lab.releases,
            lab.retirements,
            lab.yields,
            lab.seen_out,
            lab.made_anew,
            lab.dooms,
            beside.voters,
            beside.balancers,
            beside.controllers,
            beside.seen_out,
            beside.restarted,
        ];
        if let Some(broken) = lab.broken.take() {
            return Turn::End((Err(broken), done));
        }
        if whole || lab.now >= END {
            // what a controller that has just begun would do says what the others wait for
            let seen = lab.look(&Proofs::default());
            let next = repair(&world, &seen, RepairMemory::default());
            let told = |why| format!("{why}; {}: {} {:?}", next.step, next.reason, next.alarms);
            return Turn::End((lab.whole().map_err(told), done));
        }
        let crash = lab.now < CALM && lab.chance.random_bool(0.002);
        if crash { Turn::Crash(lab.chance.random_range(0..2)) } else { Turn::On }
    })
}

#[test]
fn repair_through_trouble_ends_in_a_whole_lab() {
    let mut sums = [0; 11];
    // a sample goes on until everything happened in it
    for seed in 0..seeds(200, 500) {
        if seed >= seeds(40, 500) && sums.iter().all(|sum| *sum > 0) {
            break;
        }
        let (outcome, done) = run(seed, Mutant::None);
        assert_eq!(outcome, Ok(()), "seed {seed}");
        assert!(done[5] == 0 || seed.is_multiple_of(2), "seed {seed}: a key was released against the policy");
        sums = std::array::from_fn(|n| sums[n] + done[n]);
    }
    assert!(sums[0] > 0, "no run released a key: nothing was tested");
    assert!(sums[1] > 0, "no run replaced a member: nothing was tested");
    assert!(sums[2] > 0, "no run handed the lead over: nothing was tested");
    assert!(sums[3] > 0, "no run saw anybody out: nothing was tested");
    assert!(sums[4] > 0, "no run made anybody anew who differed: nothing was tested");
    assert!(sums[5] > 0, "no run released the key of a doomed body: nothing was tested");
    assert!(sums[6] > 0, "no run replaced a member of etcd: nothing was tested");
    assert!(sums[7] > 0, "no run replaced a balancer: nothing was tested");
    assert!(sums[8] > 0, "no run moved a controller: nothing was tested");
    assert!(sums[9] > 0, "no run saw a balancer out: nothing was tested");
    assert!(sums[10] > 0, "no run restarted a controller whose process was frozen: nothing was tested");
}

#[test]
fn wrong_hands_are_caught() {
    for mutant in [
        Mutant::SilenceIsDeath,
        Mutant::AnyToken,
        Mutant::NoGuard,
        Mutant::ClonesCount,
        Mutant::Hasty,
        Mutant::CutOffIsDoom,
        Mutant::NewIsReady,
        Mutant::Forgets,
    ] {
        let word = mutant.breaks();
        let caught = (0..500).find(|seed| run(*seed, mutant).0.err().is_some_and(|why| why.contains(word)));
        println!("{word}: {caught:?}");
        assert!(caught.is_some(), "wrong hands went unnoticed: {word}");
    }
}
