//! The release protocol and the planned handover, model-checked: three instances, a lease store, an engine that may stay silent or
//! start a body again, disks that hang and hold whoever is killed, two controllers of which one may sleep through
//! everything. Every state that can be
//! reached within the bounds is looked at; each mutant of the protocol must be caught.
//!
//! Time is left out: whatever may happen may happen at any moment. A lease of a body that runs does not
//! expire; one of a body that is dead, frozen or killed may. The policy lets a doomed body's key be released.
//!
//! `model/succession.rs` is the other half: who may follow, by positions and votes, and that somebody does.

#[path = "model/succession.rs"]
mod succession;

use stateright::{Checker, HasDiscoveries, Model, Property};

const BODIES: usize = 3;
const CONTROLLERS: usize = 2;
/// Bounds: faults, handovers and restarts in place together, changes of leadership, revisions of the store.
const FAULTS: u8 = 2;
const TAKEOVERS: u8 = 1;
const REVISIONS: u8 = 5;

/// A way to do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mutant {
    /// The key is taken away whoever has it by then.
    NoRevision,
    /// The key is taken away first and the body killed afterwards.
    ReleaseFirst,
    /// The body is killed and the engine may start it again.
    MayRestart,
    /// What is known of a container is believed of its namesake.
    NameNotId,
    /// An engine that does not answer is taken for one that said: dead.
    SilenceIsDeath,
    /// A controller that leads no more is obeyed.
    AnyToken,
    /// A dead member is replaced by one of the same name while it holds the key.
    NameAgain,
    /// A PostgreSQL that refuses is taken for one that was stopped for a handover.
    RefusalIsEnd,
    /// A body that is cut off is taken for one that never runs again.
    CutOffIsDoom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Runs,
    Frozen,
    /// Its disk hangs: it keeps its key, and cannot die before the disk moves.
    Hangs,
    Dead,
}

/// What is certain about a fenced body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Level {
    CutOff,
    Doomed,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Body {
    life: Life,
    /// The engine's id: a namesake has another one.
    id: u8,
    /// It takes writes: it believes that it is the primary.
    writes: bool,
    /// The engine may start it again by itself.
    restarts: bool,
    /// Killed by a controller, and not started since.
    killed: bool,
}

/// Patroni's leader key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    member: usize,
    /// The body that wrote it.
    id: u8,
    revision: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Controller {
    /// The leadership it believes in; 0: none.
    token: u8,
    /// The key it looked at.
    saw: Option<Key>,
    /// Whether that look showed another instance that runs.
    another: bool,
    /// The container it has proof of: member and id, and how much is certain.
    proof: Option<(usize, u8, Level)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    bodies: [Body; BODIES],
    key: Option<Key>,
    revision: u8,
    /// The leadership in force.
    leadership: u8,
    controllers: [Controller; CONTROLLERS],
    /// Who was asked to hand over.
    asked: Option<usize>,
    /// Whose PostgreSQL was stopped for that by its Patroni, which says so.
    stopped: [bool; BODIES],
    faults: u8,
    /// What went wrong on the way here.
    wrong: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Crash(usize),
    Freeze(usize),
    /// Its disk takes nothing any more.
    Hang(usize),
    /// What froze it, or its disk, goes on.
    Thaw(usize),
    /// The engine's restart policy.
    EngineStarts(usize),
    /// Somebody removes a dead body and makes a new one of the same name.
    Namesake(usize),
    Expire,
    Elect(usize),
    /// A primary that runs finds that the key is not its own.
    Demote(usize),
    /// A body that came back under its own key writes it again.
    Retake(usize),
    TakeOver(usize),
    Look(usize),
    Fence(usize),
    /// The kill comes to nothing, and the body is cut off from the network.
    FenceCutsOff(usize),
    /// The order is lost or the engine silent: nobody answers.
    FenceUnanswered(usize),
    Release(usize),
    /// Somebody asks Patroni for a handover.
    Ask,
    /// Patroni stops its PostgreSQL for it.
    Stop(usize),
    /// Patroni gives the key away when it sees that.
    GiveAway(usize),
    /// PostgreSQL is restarted where it is, by a Patroni that keeps the key.
    RestartInPlace(usize),
    /// The key is taken from one that stopped.
    Yield(usize),
}

impl State {
    /// Nothing may be done by whoever leads no more: two that act at once could each take down what the other
    /// counts on.
    fn stale(&mut self, controller: usize) {
        if self.controllers[controller].token != self.leadership {
            self.wrong = Some("a controller that leads no more was obeyed");
        }
    }
}

struct Protocol {
    mutant: Option<Mutant>,
}

impl Protocol {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The broker and the store compare the revision of the leadership.
    fn obeyed(&self, state: &State, controller: usize) -> bool {
        let token = state.controllers[controller].token;
        token != 0 && (token == state.leadership || self.is(Mutant::AnyToken))
    }

    fn proved(&self, controller: &Controller, key: &Key) -> bool {
        let enough = |(member, id, level): (usize, u8, Level)| {
            let same = member == key.member && (id == key.id || self.is(Mutant::NameNotId));
            same && (level != Level::CutOff || self.is(Mutant::CutOffIsDoom))
        };
        self.is(Mutant::ReleaseFirst) || controller.proof.is_some_and(enough)
    }
    /// What belongs to a planned handover; `None`: it cannot happen now.
    fn hand_over(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Ask => {
                state.faults += 1;
                state.asked = state.key.map(|key| key.member);
            }
            Action::Stop(member) => {
                (state.bodies[member].writes, state.stopped[member]) = (false, true);
            }
            Action::GiveAway(member) => {
                state.stopped[member] = false;
                state.key = None;
            }
            Action::RestartInPlace(member) => {
                state.faults += 1;
                state.bodies[member].writes = false;
            }
            Action::Yield(controller) => {
                let saw = state.controllers[controller].saw?;
                let now = state.key?;
                if !self.obeyed(state, controller) || state.asked != Some(now.member) {
                    return None;
                }
                let body = state.bodies[now.member];
                // its own words, read at this moment: it does not listen, and its Patroni says that it stops
                let stopped = state.stopped[now.member];
                let stops = stopped || self.is(Mutant::RefusalIsEnd) && !body.writes;
                if body.life != Life::Runs || !stops || now != saw && !self.is(Mutant::NoRevision) {
                    return None;
                }
                if !stopped {
                    state.wrong = Some("the key of a primary that serves on was taken away");
                }
                state.key = None;
                state.controllers[controller].saw = None;
                state.stale(controller);
            }
            _ => return None,
        }
        Some(())
    }
}

fn runs(state: &State, member: usize) -> bool {
    state.bodies[member].life == Life::Runs
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        // the engine may start bodies again until somebody fences them: the worst lab there is
        let body = Body { life: Life::Runs, id: 1, writes: false, restarts: true, killed: false };
        let mut bodies = [body; BODIES];
        bodies[0].writes = true;
        let idle = Controller { token: 0, saw: None, another: false, proof: None };
        let mut controllers = [idle; CONTROLLERS];
        controllers[0].token = 1;
        let key = Some(Key { member: 0, id: 1, revision: 1 });
        vec![State {
            bodies,
            key,
            revision: 1,
            leadership: 1,
            controllers,
            asked: None,
            stopped: [false; BODIES],
            faults: 0,
            wrong: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (member, body) in state.bodies.iter().enumerate() {
            let holds = state.key.is_some_and(|key| key.member == member);
            let own = state.key.is_some_and(|key| key.member == member && key.id == body.id);
            if state.faults < FAULTS && body.life != Life::Dead {
                actions.push(Action::Crash(member));
            }
            match body.life {
                Life::Runs => {
                    if state.faults < FAULTS {
                        actions.push(Action::Freeze(member));
                    }
                    // nobody else is fenced
                    if state.faults < FAULTS && own {
                        actions.push(Action::Hang(member));
                    }
                    if state.key.is_none() {
                        actions.push(Action::Elect(member));
                    }
                    if body.writes && !own {
                        actions.push(Action::Demote(member));
                    }
                    if own && !body.writes && !state.stopped[member] {
                        actions.push(Action::Retake(member));
                    }
                }
                Life::Frozen | Life::Hangs => actions.push(Action::Thaw(member)),
                Life::Dead => {
                    if body.restarts {
                        actions.push(Action::EngineStarts(member));
                    }
                    if body.id == 1 && (!holds || self.is(Mutant::NameAgain)) {
                        actions.push(Action::Namesake(member));
                    }
                }
            }
        }
        // a Patroni whose disk hangs goes on, until it is killed
        let renews = |body: Body| body.life == Life::Runs || body.life == Life::Hangs && !body.killed;
        if state.key.is_some_and(|key| !renews(state.bodies[key.member])) {
            actions.push(Action::Expire);
        }
        if let Some(key) = state.key.filter(|key| runs(state, key.member)) {
            let body = state.bodies[key.member];
            if state.faults < FAULTS && body.writes {
                actions.extend([Action::Ask, Action::RestartInPlace(key.member)]);
            }
            if state.asked == Some(key.member) && body.writes {
                actions.push(Action::Stop(key.member));
            }
            if state.stopped[key.member] {
                actions.push(Action::GiveAway(key.member));
            }
        }
        for controller in 0..CONTROLLERS {
            if state.controllers[controller].token != state.leadership && state.leadership <= TAKEOVERS {
                actions.push(Action::TakeOver(controller));
            }
            actions.push(Action::Look(controller));
            if state.controllers[controller].saw.is_some() {
                actions.push(Action::Fence(controller));
                actions.push(Action::FenceCutsOff(controller));
                actions.push(Action::FenceUnanswered(controller));
                actions.push(Action::Release(controller));
                actions.push(Action::Yield(controller));
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm an action: a table")]
    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Crash(member) => {
                state.faults += 1;
                state.bodies[member].life = Life::Dead;
                (state.bodies[member].writes, state.stopped[member]) = (false, false);
            }
            Action::Freeze(member) => {
                state.faults += 1;
                state.bodies[member].life = Life::Frozen;
            }
            Action::Hang(member) => {
                state.faults += 1;
                state.bodies[member].life = Life::Hangs;
            }
            Action::Thaw(member) => {
                let body = &mut state.bodies[member];
                let doomed = body.life == Life::Hangs && body.killed;
                body.life = if doomed { Life::Dead } else { Life::Runs };
            }
            Action::EngineStarts(member) => {
                let own = state.key.is_some_and(|key| key.member == member);
                let body = &mut state.bodies[member];
                (body.life, body.killed) = (Life::Runs, false);
                // before its lease ends it finds its own key and leads again
                body.writes = own;
            }
            Action::Namesake(member) => {
                let own = state.key.is_some_and(|key| key.member == member);
                let id = state.bodies[member].id + 1;
                state.bodies[member] =
                    Body { life: Life::Runs, id, writes: own, restarts: true, killed: false };
            }
            Action::Expire => state.key = None,
            Action::Elect(member) | Action::Retake(member) => {
                if state.revision >= REVISIONS {
                    return None;
                }
                state.revision += 1;
                let id = state.bodies[member].id;
                state.key = Some(Key { member, id, revision: state.revision });
                (state.bodies[member].writes, state.stopped[member]) = (true, false);
                // whoever follows takes the word away
                state.asked = state.asked.filter(|from| *from == member && action == Action::Retake(member));
            }
            Action::Demote(member) => state.bodies[member].writes = false,
            Action::Ask
            | Action::Stop(_)
            | Action::GiveAway(_)
            | Action::RestartInPlace(_)
            | Action::Yield(_) => self.hand_over(&mut state, action)?,
            Action::TakeOver(controller) => {
                state.leadership += 1;
                // whoever takes over begins with empty memory
                state.controllers[controller] =
                    Controller { token: state.leadership, saw: None, another: false, proof: None };
            }
            Action::Look(controller) => {
                if !self.obeyed(&state, controller) {
                    return None;
                }
                let another = |key: &Key| {
                    (0..BODIES).any(|member| member != key.member && state.bodies[member].life == Life::Runs)
                };
                state.controllers[controller].another = state.key.as_ref().is_some_and(another);
                state.controllers[controller].saw = state.key;
            }
            Action::Fence(controller) => {
                let key = state.controllers[controller].saw?;
                let body = state.bodies[key.member];
                // only who does not serve is fenced, never the last one, and only by whoever leads
                let due = body.life != Life::Runs && state.controllers[controller].another;
                let known = body.id == key.id || self.is(Mutant::NameNotId);
                if !due || !known || !self.obeyed(&state, controller) {
                    return None;
                }
                let body = &mut state.bodies[key.member];
                let level = if body.life == Life::Hangs { Level::Doomed } else { Level::Dead };
                if level == Level::Dead {
                    body.life = Life::Dead;
                }
                (body.writes, body.killed) = (false, true);
                state.stopped[key.member] = false;
                let body = &mut state.bodies[key.member];
                body.restarts = self.is(Mutant::MayRestart);
                let id = body.id;
                state.controllers[controller].proof = Some((key.member, id, level));
                state.stale(controller);
            }
            Action::FenceCutsOff(controller) => {
                let key = state.controllers[controller].saw?;
                let body = state.bodies[key.member];
                if body.life != Life::Hangs || body.killed || body.id != key.id {
                    return None;
                }
                if !state.controllers[controller].another || !self.obeyed(&state, controller) {
                    return None;
                }
                state.controllers[controller].proof = Some((key.member, body.id, Level::CutOff));
                state.stale(controller);
            }
            Action::FenceUnanswered(controller) => {
                let key = state.controllers[controller].saw?;
                if !self.is(Mutant::SilenceIsDeath) {
                    return None; // nobody learns anything, so nothing changes
                }
                state.controllers[controller].proof = Some((key.member, key.id, Level::Dead));
            }
            Action::Release(controller) => {
                let saw = state.controllers[controller].saw?;
                if !self.proved(&state.controllers[controller], &saw) || !self.obeyed(&state, controller) {
                    return None;
                }
                let now = state.key?;
                if now != saw && !self.is(Mutant::NoRevision) {
                    return None;
                }
                let body = state.bodies[now.member];
                let doomed = body.life == Life::Hangs && body.killed;
                if body.id == now.id && body.life != Life::Dead && !doomed {
                    state.wrong = Some("the key of a body that lives was taken away");
                }
                state.key = None;
                state.controllers[controller].saw = None;
                state.stale(controller);
            }
        }
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing went wrong", |_, state: &State| state.wrong.is_none()),
            Property::always("who holds the key wrote it", |_, state: &State| {
                let Some(key) = state.key else { return true };
                let body = state.bodies[key.member];
                !body.writes || body.id == key.id
            }),
            Property::sometimes("a dead primary is followed without its lease", |_, state: &State| {
                state.key.is_some_and(|key| key.member != 0) && state.bodies[0].killed
            }),
            Property::sometimes("one that is doomed is followed before it is dead", |_, state: &State| {
                let old = state.bodies[0];
                state.key.is_some_and(|key| key.member != 0) && old.life == Life::Hangs && old.killed
            }),
            Property::sometimes("a primary that lives has handed over", |_, state: &State| {
                state.key.is_some_and(|key| key.member != 0) && state.stopped[0] && state.faults == 1
            }),
        ]
    }

    fn within_boundary(&self, state: &State) -> bool {
        // what follows from a wrong is no news
        state.wrong.is_none() || state.revision <= REVISIONS
    }
}

#[test]
fn nothing_that_can_happen_breaks_the_protocol() {
    let checked = Protocol { mutant: None }.checker().threads(2).spawn_bfs().join();
    checked.assert_properties();
    println!("release and handover: {} states", checked.unique_state_count());
    assert!(checked.unique_state_count() > 10_000, "{} states", checked.unique_state_count());
}

#[test]
fn every_mutant_is_caught() {
    for mutant in [
        Mutant::NoRevision,
        Mutant::ReleaseFirst,
        Mutant::MayRestart,
        Mutant::NameNotId,
        Mutant::SilenceIsDeath,
        Mutant::AnyToken,
        Mutant::NameAgain,
        Mutant::RefusalIsEnd,
        Mutant::CutOffIsDoom,
    ] {
        let model = Protocol { mutant: Some(mutant) };
        // what else it breaks is no news
        let checked = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let caught = ["nothing went wrong", "who holds the key wrote it"]
            .into_iter()
            .any(|property| checked.discovery(property).is_some());
        assert!(caught, "{mutant:?} was not caught in {} states", checked.unique_state_count());
    }
}
