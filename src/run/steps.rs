//! The steps of a scenario in time: each group is a task that waits for its moment, resolves its targets,
//! injects, waits and heals. Whatever is still on when the load ends is healed then.
//!
//! Invariants: steps of one group are all prepared before the first of them is done; a step that did not
//! come to its injection is said so and leaves no record, a turn that did not leaves one that was never
//! begun, so that neither reads as done; nothing is left on when [`run`] returns.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::join_all;
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::RunError;
use crate::chaos::{Hits, Injector, Ledger, PossibleTargets, hits};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::engine::locked::Locked;
use crate::lab::record::LabRecord;
use crate::model::scaling::Usages;
use crate::model::{FaultRecord, FaultTarget, Mono, Name, Sighting, Span, Verb};
use crate::spec::condition::{Condition, StepMark, Watched};
use crate::spec::schedule::{self, FaultTurn, PlannedStep, Start};

/// What the steps say while they go.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// The first fault is about to be injected.
    Hurt,
    /// A fault changed.
    Fault(Box<FaultRecord>),
    /// Something that belongs into the journal.
    Note(String),
    /// What happens, for people.
    Says(String),
}

/// Who hears of the steps.
pub type Hears = Arc<dyn Fn(Word) -> io::Result<()> + Send + Sync>;

/// What every step needs.
#[derive(Clone)]
pub struct Stage {
    /// The engine.
    pub docker: Docker,
    /// The lab as it is recorded now: members come and go.
    pub record: watch::Receiver<Arc<LabRecord>>,
    /// Where faults are written down first.
    pub ledger: Arc<Ledger>,
    /// The newest look at the lab.
    pub newest: watch::Receiver<Sighting>,
    /// What bodies are held to, where somebody measures it.
    pub measured: watch::Receiver<Usages>,
    /// Start of the load.
    pub start: Mono,
    /// Becomes true when everything must be healed: the load has ended, or somebody asked to stop.
    pub over: watch::Receiver<bool>,
    /// Told of everything.
    pub hears: Hears,
    /// Whether deeds are done; without, everything but the deeds.
    pub real: bool,
    marks: Arc<watch::Sender<BTreeMap<Name, StepMark>>>,
    hurt: Arc<Locked<bool>>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("start", &self.start).field("real", &self.real).finish_non_exhaustive()
    }
}

/// Runs every planned step to its heal.
///
/// # Errors
/// The first error of a step; the others are healed all the same.
pub async fn run(stage: &Stage, plan: &[PlannedStep]) -> Result<(), RunError> {
    let mut tasks = JoinSet::new();
    for group in schedule::groups(plan) {
        let stage = stage.clone();
        tasks.spawn(async move { stage.group(&group).await });
    }
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(RunError::Load(format!("a step broke: {error}"))));
        if outcome.is_ok() {
            outcome = ended;
        }
    }
    outcome
}

/// Injects every planned step at once and leaves it on, to be healed from the lab's ledger; what leaves
/// nothing to undo is said so. For single faults by hand.
///
/// # Errors
/// When a step could not be injected.
pub async fn begin(stage: &Stage, plan: &[PlannedStep]) -> Result<(), RunError> {
    let sighting = stage.newest.borrow().clone();
    let mut shots = Vec::new();
    for planned in plan {
        let hits = stage.resolve(&planned.verb, &sighting, &mut schedule::rng(planned.chance))?;
        shots.push(Shot { id: &planned.id, verb: &planned.verb, hits });
    }
    for fault in stage.inject(&shots).await? {
        if fault.verb.lasting() {
            stage.heal(fault).await;
        }
    }
    Ok(())
}

/// A fault that is to be injected, and the choices it may make.
struct Shot<'a> {
    id: &'a Name,
    verb: &'a Verb,
    hits: Hits,
}

impl Stage {
    /// A stage for one load that begins at `start`.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "the parts of a run are made once, and handed on once")]
    pub fn new(
        docker: Docker,
        record: watch::Receiver<Arc<LabRecord>>,
        ledger: Arc<Ledger>,
        newest: watch::Receiver<Sighting>,
        start: Mono,
        over: watch::Receiver<bool>,
        hears: Hears,
        real: bool,
    ) -> Self {
        let marks = Arc::new(watch::channel(BTreeMap::new()).0);
        // nobody measures until somebody says so
        let measured = watch::Sender::new(Usages::new()).subscribe();
        let hurt = Arc::default();
        Self { docker, record, ledger, newest, measured, start, over, hears, real, marks, hurt }
    }

    /// The same with what bodies are held to.
    #[must_use]
    pub fn measuring(self, measured: watch::Receiver<Usages>) -> Self {
        Self { measured, ..self }
    }

    /// One group from its beginning to its last heal.
    async fn group(&self, group: &[PlannedStep]) -> Result<(), RunError> {
        let Some(first) = group.first() else { return Ok(()) };
        let begin = match self.begin(&first.start).await {
            Ok(begin) => begin,
            Err(why) => {
                for planned in group {
                    let text = format!("step {} was never injected: {why}", planned.id);
                    self.say(Word::Says(text.clone()))?;
                    self.say(Word::Note(text))?;
                }
                return Ok(());
            }
        };
        // each step has its own chance: one that moves in the file does not move the others
        let mut chance = schedule::rng(first.chance);
        let outcome = match &first.verb {
            Verb::Repeat { every, times, verb } => {
                let turns = schedule::turns(&first.id, *every, *times, verb, first.lasts);
                self.repeat(begin, &first.id, &turns, &mut chance).await
            }
            Verb::Swizzle { .. } => self.swizzle(begin, first, &mut chance).await,
            _ => self.as_one(begin, group).await,
        };
        if let Err(error) = &outcome {
            // the run goes on without this fault; without its receipt it proves nothing
            self.say(Word::Note(format!("step {}: {error}", first.id)))?;
        }
        outcome
    }

    /// Waits for a beginning; the instant it was meant for, or why it did not come.
    async fn begin(&self, start: &Start) -> Result<Mono, String> {
        let late = || "the load ended before it".to_owned();
        match start {
            Start::At(at) => {
                let moment = self.start.plus(at.0);
                if self.sleep_or_over(moment).await { Ok(moment) } else { Err(late()) }
            }
            Start::After { id, mark, offset } => {
                let mut marks = self.marks.subscribe();
                let came = |marks: &BTreeMap<Name, StepMark>| marks.get(id).is_some_and(|seen| seen >= mark);
                tokio::select! {
                    biased;
                    () = self.is_over() => return Err(format!("the load ended before step {id}")),
                    seen = marks.wait_for(came) => drop(seen),
                }
                let moment = clock::now().plus(offset.0);
                if self.sleep_or_over(moment).await { Ok(moment) } else { Err(late()) }
            }
            Start::When { condition, within } => self.wait_for(condition, *within).await,
        }
    }

    async fn wait_for(&self, condition: &Condition, within: Option<Span>) -> Result<Mono, String> {
        let (mut newest, mut measured) = (self.newest.clone(), self.measured.clone());
        let mut marks = self.marks.subscribe();
        let mut watched = Watched::default();
        watched.see(&newest.borrow_and_update());
        watched.measure(&measured.borrow_and_update());
        let late = async {
            match within {
                Some(within) => clock::sleep_until(self.start.plus(within.0)).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(late);
        loop {
            if watched.meets(condition, &marks.borrow_and_update()) {
                return Ok(clock::now());
            }
            tokio::select! {
                biased;
                () = self.is_over() => return Err(format!("`{condition}` was not met under load")),
                () = &mut late => {
                    let within = within.unwrap_or_default();
                    return Err(format!("`{condition}` was not met within {within}"));
                }
                changed = newest.changed() => match changed {
                    Ok(()) => watched.see(&newest.borrow_and_update()),
                    Err(_) => return Err(format!("`{condition}` was not met when the sampler ended")),
                },
                Ok(()) = measured.changed() => watched.measure(&measured.borrow_and_update()),
                _ = marks.changed() => {}
            }
        }
    }

    /// Injects a group at one instant, and heals each of it in its time.
    async fn as_one(&self, begin: Mono, group: &[PlannedStep]) -> Result<(), RunError> {
        let sighting = self.newest.borrow().clone();
        let mut shots = Vec::new();
        for planned in group {
            let mut chance = schedule::rng(planned.chance);
            let hits = self.resolve(&planned.verb, &sighting, &mut chance)?;
            shots.push(Shot { id: &planned.id, verb: &planned.verb, hits });
        }
        let faults = self.inject(&shots).await?;
        for planned in group {
            self.mark(&planned.id, StepMark::Began);
        }
        join_all(group.iter().zip(faults).map(|(planned, fault)| async move {
            match planned.lasts {
                Some(lasts) => drop(self.sleep_or_over(begin.plus(lasts.0)).await),
                None => self.is_over().await,
            }
            self.heal(fault).await;
            self.mark(&planned.id, StepMark::Healed);
        }))
        .await;
        Ok(())
    }

    /// One turn after the other, each healed before the next begins; targets are resolved anew each time.
    async fn repeat(
        &self,
        begin: Mono,
        id: &Name,
        turns: &[FaultTurn],
        chance: &mut ChaCha8Rng,
    ) -> Result<(), RunError> {
        let mut outcome = Ok(());
        for turn in turns {
            outcome = outcome.and(self.turn(begin, id, turn, chance).await);
        }
        self.mark(id, StepMark::Healed);
        outcome
    }

    async fn swizzle(
        &self,
        begin: Mono,
        planned: &PlannedStep,
        chance: &mut ChaCha8Rng,
    ) -> Result<(), RunError> {
        let sighting = self.newest.borrow().clone();
        let hosts = self.resolve(&planned.verb, &sighting, chance)?.named_hosts();
        let turns = schedule::swizzle(&planned.id, &hosts, planned.lasts.unwrap_or_default(), chance);
        let ended = join_all(turns.iter().map(|turn| async move {
            // one host is one host: nothing is left to chance
            self.turn(begin, &planned.id, turn, &mut schedule::rng(planned.chance)).await
        }))
        .await;
        self.mark(&planned.id, StepMark::Healed);
        ended.into_iter().collect()
    }

    /// One turn from its moment to its heal. One that was not injected leaves a record that says so.
    async fn turn(
        &self,
        begin: Mono,
        id: &Name,
        turn: &FaultTurn,
        chance: &mut ChaCha8Rng,
    ) -> Result<(), RunError> {
        let faults = match self.take_turn(begin, turn, chance).await {
            Ok(faults) => faults,
            Err(error) => {
                self.never(turn, &error)?;
                return Err(error);
            }
        };
        self.mark(id, StepMark::Began);
        self.sleep_or_over(begin.plus(turn.heal_at.0)).await;
        for fault in faults {
            self.heal(fault).await;
        }
        Ok(())
    }

    async fn take_turn(
        &self,
        begin: Mono,
        turn: &FaultTurn,
        chance: &mut ChaCha8Rng,
    ) -> Result<Vec<FaultRecord>, RunError> {
        if !self.sleep_or_over(begin.plus(turn.at.0)).await {
            return Err(RunError::Load("the load ended before it".to_owned()));
        }
        let sighting = self.newest.borrow().clone();
        let hits = self.resolve(&turn.verb, &sighting, chance)?;
        self.inject(&[Shot { id: &turn.id, verb: &turn.verb, hits }]).await
    }

    /// Whom `verb` hits in the lab as it was seen.
    fn resolve(&self, verb: &Verb, sighting: &Sighting, chance: &mut ChaCha8Rng) -> Result<Hits, RunError> {
        let record = self.record();
        let world = PossibleTargets { members: &record.members, hosts: &record.spec.hosts, sighting };
        Ok(hits(verb, world, chance)?)
    }

    fn record(&self) -> Arc<LabRecord> {
        Arc::clone(&self.record.borrow())
    }

    fn injector<'a>(&'a self, record: &'a LabRecord) -> Injector<'a> {
        Injector { docker: &self.docker, record, ledger: &self.ledger }
    }

    /// Prepares all, writes all down, then does all at once.
    async fn inject(&self, shots: &[Shot<'_>]) -> Result<Vec<FaultRecord>, RunError> {
        let record = self.record();
        let injector = self.injector(&record);
        let prepared = shots.iter().map(|shot| injector.prepare(shot.id, shot.verb, &shot.hits));
        let prepared = join_all(prepared.collect::<Vec<_>>()).await;
        let mut prepared = prepared.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.say_hurt()?;
        for fault in &mut prepared {
            injector.intend(fault, &mut |record| self.tell(record))?;
        }
        for shot in shots {
            let names: Vec<&str> = shot.hits.targets.iter().map(FaultTarget::as_str).collect();
            let text = format!("inject {} {} on {}", shot.id, shot.verb.name(), names.join(", "));
            self.say(Word::Says(text))?;
        }
        let strikes = prepared.into_iter().map(|fault| async {
            let mut told = |record: &FaultRecord| self.tell(record);
            injector.strike(fault, self.real, &mut told).await
        });
        Ok(join_all(strikes).await)
    }

    /// Says once that the first fault is about to be injected, before any is meant.
    fn say_hurt(&self) -> io::Result<()> {
        let mut said = self.hurt.lock();
        if !*said {
            self.say(Word::Hurt)?;
            *said = true;
        }
        drop(said);
        Ok(())
    }

    async fn heal(&self, fault: FaultRecord) {
        // nobody may listen any more when the run has been cut short; the heal matters all the same
        let _ = self.say(Word::Says(format!("heal {}", fault.id)));
        self.injector(&self.record()).heal(fault, &mut |record| self.tell(record)).await;
    }

    /// Records a turn that was meant and never injected.
    fn never(&self, turn: &FaultTurn, error: &RunError) -> io::Result<()> {
        let record = FaultRecord {
            notes: BTreeMap::from([("never".to_owned(), error.to_string().into())]),
            ..FaultRecord::meant(turn.id.clone(), turn.verb.clone(), clock::now())
        };
        self.say(Word::Note(format!("{} was never injected: {error}", turn.id)))?;
        self.say(Word::Fault(Box::new(record)))
    }

    fn say(&self, word: Word) -> io::Result<()> {
        (self.hears)(word)
    }

    fn tell(&self, record: &FaultRecord) {
        if let Err(error) = self.say(Word::Fault(Box::new(record.clone()))) {
            tracing::error!(%error, "a fault is missing in the history");
        }
    }

    fn mark(&self, id: &Name, mark: StepMark) {
        self.marks.send_modify(|marks| {
            let known = marks.entry(id.clone()).or_insert(mark);
            *known = mark.max(*known);
        });
    }

    /// Sleeps until `moment`; `false` when everything was over first.
    async fn sleep_or_over(&self, moment: Mono) -> bool {
        tokio::select! {
            biased;
            () = self.is_over() => false,
            () = clock::sleep_until(moment) => true,
        }
    }

    async fn is_over(&self) {
        // a sender that is gone means that the run is gone: over as well
        let _ = self.over.clone().wait_for(|over| *over).await;
    }
}
