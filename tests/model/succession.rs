//! Who may follow a leader, and whether somebody does: three instances in each mode of replication, faults, Patroni's
//! election with its votes and its lag, and what the repair controller does beside it.
//!
//! Source: Patroni 4, `ha.py`, `_is_healthiest_node` and `is_lagging`; the number of votes is that of
//! `quorum.py` for one confirmation.
//!
//! Liveness is told at the end of every path. No path goes in a circle: positions grow, faults are counted, and after the
//! last one bodies only come back. What the eventual property asks is part of the state, so that two paths which meet are
//! one only when both have seen it or neither has.

use stateright::{Checker, HasDiscoveries, Model, Property};

const MEMBERS: usize = 3;
/// Bounds: faults, and positions of WAL.
const FAULTS: u8 = 2;
const WRITES: u8 = 2;
/// What a replica may lack of what the leader published last (`maximum_lag_on_failover`).
const LAG: u8 = 1;

/// What always holds, and what comes about on every path.
const SAFE: &str = "nothing went wrong";
const SERVES: &str = "when faults stop somebody takes writes, or nobody lawfully could";

/// A way to do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mutant {
    /// Bodies are started only while somebody leads.
    StartsUnderALeader,
    /// Of those that lie dead only the former leader is started.
    FormerLeaderAlone,
    /// A candidate is compared with those that answer, not with those that may have confirmed.
    NoVotes,
    /// A candidate may lack more than Patroni allows of what the leader published last.
    NoLag,
    /// A leader that lives is fenced though no other member may follow it.
    FencesAlone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mode {
    Async,
    Sync,
    Quorum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Runs,
    Frozen,
    /// It has its data.
    Dead,
    /// Its host and its disk are gone.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    life: Life,
    /// How far its WAL goes.
    lsn: u8,
    /// Its confirmation counts: it stands in `/sync`.
    confirms: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    mode: Mode,
    members: [Member; MEMBERS],
    /// Who holds the leader key, and who held it last.
    key: Option<usize>,
    led: usize,
    /// How far writes are acknowledged, and how far the leader published its position.
    acked: u8,
    published: u8,
    faults: u8,
    /// Faults have stopped, and whether somebody took writes since.
    calm: bool,
    served: bool,
    /// What went wrong on the way here.
    wrong: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    /// The leader writes; what it wrote reaches a replica; a client is told that it is written; its position is published.
    Write,
    Replicate(usize),
    Acknowledge,
    Publish,
    /// The leader counts on a replica no more.
    Drop(usize),
    Crash(usize),
    Freeze(usize),
    Lose(usize),
    Thaw(usize),
    Calm,
    /// The lease of a holder that does not run ends.
    Expire,
    /// Patroni elects.
    Elect(usize),
    /// The controller takes the key of a holder that is proved dead.
    Release,
    /// The same with a candidate, because the holder's address is silent: Patroni does not ask whether it may.
    Name(usize),
    /// A holder that is frozen is killed.
    Fence,
    /// A body that has its data is started where it is.
    Start(usize),
}

struct Succession {
    mutant: Option<Mutant>,
}

impl State {
    fn founded(mode: Mode) -> Self {
        let member = |confirms| Member { life: Life::Runs, lsn: 0, confirms };
        let standbys = match mode {
            Mode::Async => [false, false],
            Mode::Sync => [true, false],
            Mode::Quorum => [true, true],
        };
        Self {
            mode,
            members: [member(false), member(standbys[0]), member(standbys[1])],
            key: Some(0),
            led: 0,
            acked: 0,
            published: 0,
            faults: 0,
            calm: false,
            served: false,
            wrong: None,
        }
    }

    fn runs(&self, member: usize) -> bool {
        self.members[member].life == Life::Runs
    }

    /// The leader, while it takes writes.
    fn writer(&self) -> Option<usize> {
        self.key.filter(|member| self.runs(*member))
    }

    /// Whether enough members have what the leader wrote.
    fn confirmed(&self, leader: usize) -> bool {
        let has = |member: &&Member| member.confirms && member.lsn >= self.members[leader].lsn;
        let voters = self.members.iter().filter(|member| member.confirms).count();
        // one is enough, and where no member confirms the leader is alone
        self.mode == Mode::Async || voters == 0 || self.members.iter().filter(has).count() > 0
    }

    /// Votes that a candidate needs beside its own.
    fn votes_needed(&self) -> i8 {
        let voters = self.members.iter().filter(|member| member.confirms).count();
        i8::try_from(voters.saturating_sub(1)).unwrap_or(i8::MAX)
    }

    /// Whether Patroni would promote a member while the key is free.
    fn may_lead(&self, member: usize) -> bool {
        let own = self.members[member];
        let others = (0..MEMBERS).filter(|other| *other != member && self.runs(*other));
        let former = self.led == member;
        // in a synchronous mode the former leader may be ahead, and in `sync` whoever confirms nothing
        let excused = |other: usize| match self.mode {
            Mode::Async => false,
            Mode::Sync => !self.members[other].confirms,
            Mode::Quorum => other == self.led,
        };
        let ahead = others.clone().any(|other| self.members[other].lsn > own.lsn && !excused(other));
        let close = self.published.saturating_sub(own.lsn) <= LAG;
        let lawful = match self.mode {
            Mode::Async => true,
            Mode::Sync => former || own.confirms,
            Mode::Quorum => {
                let votes = others
                    .filter(|other| self.members[*other].confirms && self.members[*other].lsn <= own.lsn)
                    .count();
                let votes = i8::try_from(votes).unwrap_or(i8::MAX) - i8::from(!own.confirms);
                former || votes >= self.votes_needed()
            }
        };
        self.runs(member) && !ahead && close && lawful
    }

    /// Whether a member could lead if all bodies that have their data ran: without one a person must decide.
    fn somebody_could(&self) -> bool {
        let mut whole = self.clone();
        for member in &mut whole.members {
            if member.life != Life::Lost {
                member.life = Life::Runs;
            }
        }
        whole.writer().is_some() || (0..MEMBERS).any(|member| whole.may_lead(member))
    }

    /// A member leads from now on, with what it has.
    fn lead(&mut self, member: usize) {
        let lsn = self.members[member].lsn;
        let behind = self.published.saturating_sub(lsn) > LAG;
        if self.mode != Mode::Async && lsn < self.acked {
            self.wrong = Some("an acknowledged write is lost");
        }
        if self.mode == Mode::Async && behind {
            self.wrong = Some("more is lost than the bound allows");
        }
        (self.acked, self.published) = (self.acked.min(lsn), self.published.min(lsn));
        for other in &mut self.members {
            // whoever was ahead is rewound, and none confirms before the new leader says so
            (other.lsn, other.confirms) = (other.lsn.min(lsn), false);
        }
        (self.key, self.led) = (Some(member), member);
    }
}

impl Succession {
    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether the controller may name a member.
    fn named(&self, state: &State, member: usize) -> bool {
        if self.is(Mutant::NoVotes) || self.is(Mutant::NoLag) && state.mode == Mode::Async {
            // of those that answer the most advanced
            let ahead = |other: usize| state.members[other].lsn > state.members[member].lsn;
            let best = !(0..MEMBERS).any(|other| state.runs(other) && ahead(other));
            let close = state.published.saturating_sub(state.members[member].lsn) <= LAG;
            return state.runs(member) && best && (close || self.is(Mutant::NoLag));
        }
        state.may_lead(member)
    }

    /// Who is started next while nobody leads and nobody who runs may.
    fn next_start(&self, state: &State) -> Option<usize> {
        if self.is(Mutant::StartsUnderALeader) {
            return None;
        }
        let dead = (0..MEMBERS).filter(|member| state.members[*member].life == Life::Dead);
        let rank = |member: &usize| (state.led != *member, !state.members[*member].confirms, *member);
        let first = dead.min_by_key(rank)?;
        (first == state.led || !self.is(Mutant::FormerLeaderAlone)).then_some(first)
    }

    fn patroni(state: &State, actions: &mut Vec<Action>) {
        if let Some(leader) = state.writer().filter(|_| !state.calm) {
            let own = state.members[leader];
            if own.lsn < WRITES {
                actions.push(Action::Write);
            }
            if state.acked < own.lsn && state.confirmed(leader) {
                actions.push(Action::Acknowledge);
            }
            if state.published < own.lsn {
                actions.push(Action::Publish);
            }
            for (member, other) in state.members.iter().enumerate() {
                if state.runs(member) && other.lsn < own.lsn {
                    actions.push(Action::Replicate(member));
                }
                // those that stay must have what was acknowledged before fewer votes are asked for
                let mut stay = state.members.iter().enumerate().filter(|(index, _)| *index != member);
                if other.confirms
                    && !state.runs(member)
                    && stay.all(|(_, m)| !m.confirms || m.lsn >= state.acked)
                {
                    actions.push(Action::Drop(member));
                }
            }
        }
        match state.key {
            None => actions.extend((0..MEMBERS).filter(|one| state.may_lead(*one)).map(Action::Elect)),
            Some(holder) if !state.runs(holder) => actions.push(Action::Expire),
            Some(_) => {}
        }
    }

    fn controller(&self, state: &State, actions: &mut Vec<Action>) {
        let others = |leader: usize| (0..MEMBERS).filter(move |member| *member != leader);
        let Some(holder) = state.key else {
            if !(0..MEMBERS).any(|member| state.may_lead(member)) {
                actions.extend(self.next_start(state).map(Action::Start));
            }
            return;
        };
        let follows = others(holder).any(|member| state.may_lead(member));
        match state.members[holder].life {
            Life::Frozen if follows || self.is(Mutant::FencesAlone) => actions.push(Action::Fence),
            Life::Runs | Life::Frozen => {}
            Life::Dead if follows => actions.push(Action::Release),
            Life::Dead if self.is(Mutant::StartsUnderALeader) => {}
            Life::Dead => actions.push(Action::Start(holder)),
            Life::Lost => {
                actions.extend(others(holder).filter(|one| self.named(state, *one)).map(Action::Name));
            }
        }
    }
}

impl Model for Succession {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        [Mode::Async, Mode::Sync, Mode::Quorum].map(State::founded).to_vec()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // what follows from a wrong is no news, and once somebody took writes all is said
        if state.wrong.is_some() || state.served {
            return;
        }
        for (member, body) in state.members.iter().enumerate() {
            if body.life == Life::Frozen {
                actions.push(Action::Thaw(member));
            }
            if !state.calm && state.faults < FAULTS {
                match body.life {
                    Life::Runs => {
                        actions.extend([Action::Crash(member), Action::Freeze(member), Action::Lose(member)]);
                    }
                    Life::Frozen | Life::Dead => actions.push(Action::Lose(member)),
                    Life::Lost => {}
                }
            }
        }
        if !state.calm {
            actions.push(Action::Calm);
        }
        Self::patroni(state, actions);
        self.controller(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let leader = state.writer();
        match action {
            Action::Write => state.members[leader?].lsn += 1,
            Action::Replicate(member) => state.members[member].lsn = state.members[leader?].lsn,
            Action::Acknowledge => state.acked = state.members[leader?].lsn,
            Action::Publish => state.published = state.members[leader?].lsn,
            Action::Drop(member) => state.members[member].confirms = false,
            Action::Crash(member) => {
                (state.members[member].life, state.faults) = (Life::Dead, state.faults + 1);
            }
            Action::Freeze(member) => {
                (state.members[member].life, state.faults) = (Life::Frozen, state.faults + 1);
            }
            Action::Lose(member) => {
                (state.members[member].life, state.faults) = (Life::Lost, state.faults + 1);
            }
            Action::Thaw(member) | Action::Start(member) => state.members[member].life = Life::Runs,
            Action::Calm => state.calm = true,
            Action::Expire | Action::Release => state.key = None,
            Action::Elect(member) | Action::Name(member) => state.lead(member),
            Action::Fence => {
                let holder = state.key?;
                if !(0..MEMBERS).any(|member| member != holder && state.may_lead(member)) {
                    state.wrong = Some("a leader that lives was killed, and no other may follow it");
                }
                state.members[holder].life = Life::Dead;
            }
        }
        state.served = state.calm && state.writer().is_some();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SAFE, |_, state: &State| state.wrong.is_none()),
            Property::eventually(SERVES, |_, state: &State| {
                state.wrong.is_some() || state.served || state.calm && !state.somebody_could()
            }),
            Property::sometimes("the former leader is started again and leads", |_, state: &State| {
                state.served && state.key == Some(0) && state.faults == FAULTS
            }),
            Property::sometimes("a voter follows a lost leader", |_, state: &State| {
                state.mode == Mode::Quorum && state.members[0].life == Life::Lost && state.writer().is_some()
            }),
            Property::sometimes("nobody lawfully could", |_, state: &State| !state.somebody_could()),
        ]
    }
}

/// The states that were looked at.
fn checked(mutant: Option<Mutant>) -> (usize, Vec<&'static str>) {
    let model = Succession { mutant }.checker().threads(2);
    let until = if mutant.is_some() { HasDiscoveries::AnyFailures } else { HasDiscoveries::AllFailures };
    let checked = model.finish_when(until).spawn_bfs().join();
    let failed =
        [SAFE, SERVES].into_iter().filter(|property| checked.discovery(property).is_some()).collect();
    if mutant.is_none() {
        checked.assert_properties();
    }
    (checked.unique_state_count(), failed)
}

#[test]
fn somebody_leads_again_and_no_acknowledged_write_is_lost() {
    let (states, failed) = checked(None);
    println!("succession: {states} states");
    assert_eq!(failed, [""; 0]);
    assert!(states > 10_000, "{states} states");
}

#[test]
fn every_mutant_of_the_succession_is_caught() {
    for (mutant, by) in [
        (Mutant::StartsUnderALeader, SERVES),
        (Mutant::FormerLeaderAlone, SERVES),
        (Mutant::NoVotes, SAFE),
        (Mutant::NoLag, SAFE),
        (Mutant::FencesAlone, SAFE),
    ] {
        let (states, failed) = checked(Some(mutant));
        println!("{mutant:?}: caught in {states} states");
        assert_eq!(failed, [by], "{mutant:?}");
    }
}
