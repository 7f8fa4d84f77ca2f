//! Replicas that run and do not come closer to the leader: what they said since they last followed it, and for how long
//! nothing of it was news.
//!
//! Theory: a clone, a rewind, a recovery can take as long as they like, and so can a replica that catches up. Each of
//! these shows: Patroni is in a phase it was not in before, or the position moves. A replica that says the same and
//! stands still, or goes round in a circle through phases it has been in, does not get there by itself.
//!
//! A recovery shows nothing while it lasts, so one that lasts very long is not ended: the member is replaced, which
//! takes nothing from it until the new copy streams, and it stays when it gets there first.
//!
//! One whose WAL the leader has removed never gets there: a restart would bring nothing.
//!
//! Memory that is lost costs a grace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::{Reply, Step};
use crate::decide::body::slot;
use crate::model::sighting::PatroniSeen;
use crate::model::{ContainerStatus, Lsn, MemberId, Mono, Service, Span};

/// So often a phase may begin anew before it counts as a circle: a clone that failed may be tried again.
const TURNS: u32 = 3;
/// A recovery may last so many graces.
const RECOVERS: u32 = 10;

/// How a replica that does not follow the leader tries to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Path {
    /// Since when nothing was news.
    since: Mono,
    /// What its Patroni said last.
    word: String,
    /// Since when it has said so, and come no further.
    begun: Mono,
    /// Everything it said since its position moved.
    words: BTreeSet<String>,
    /// How often it began with something it had begun with before.
    turns: u32,
    /// The furthest it was seen: timeline, received, replayed.
    furthest: (Option<u32>, Option<Lsn>, Option<Lsn>),
}

/// Patroni's word for a PostgreSQL that did not start.
const FAILED: &str = "start failed";

/// Follows every replica that does not follow; while nobody takes writes there is nobody to follow.
pub(super) fn follow(draft: &mut Draft<'_>, leads: bool) {
    let mut known = std::mem::take(&mut draft.out.memory.paths);
    if !leads {
        return;
    }
    let mut paths = BTreeMap::new();
    let now = draft.seen.at;
    let running = |id: &MemberId| {
        matches!(draft.containers(id), [body] if body.status == ContainerStatus::Running)
            && draft.host(id).and_then(|host| draft.host_runs(host)) == Some(true)
    };
    for member in draft.members.iter().filter(|member| member.service == Service::Postgres) {
        let id = &member.id;
        let known = known.remove(id);
        if draft.holds(id) || !running(id) {
            continue;
        }
        let path = match draft.seen.postgres.get(id).map(|instance| &instance.rest) {
            Some(Reply::Answers(rest)) if follows(draft, &rest.patroni) => continue,
            Some(Reply::Answers(rest)) => known.unwrap_or_else(|| Path::new(now)).goes_on(&rest.patroni, now),
            // what it does now cannot be seen; that it does not answer is another's to judge
            _ => match known {
                Some(known) => known,
                None => continue,
            },
        };
        paths.insert(id.clone(), path);
    }
    // Patroni tries again at its next turn, up to `loop_wait` later
    let failed: Vec<MemberId> =
        paths.iter().filter(|(_, path)| path.word == FAILED).map(|(id, _)| id.clone()).collect();
    draft.out.memory.paths = paths;
    for member in failed {
        draft.order(Step::Wake { member });
    }
}

/// What keeps a replica from following the leader, and for how long it has been so; `None` while there is news.
pub(super) fn stands_still(draft: &Draft<'_>, id: &MemberId) -> Option<(String, Span)> {
    let path = draft.out.memory.paths.get(id)?;
    let Some(Reply::Answers(_)) = draft.seen.postgres.get(id).map(|instance| &instance.rest) else {
        return None;
    };
    let so_far = draft.seen.at.since(path.since);
    (!so_far.is_zero()).then(|| {
        let how =
            if path.turns >= TURNS { "goes round in a circle" } else { "comes no closer to the leader" };
        (format!("its Patroni says {}, and it {how}", path.word), Span(so_far))
    })
}

/// That the leader keeps no WAL any more from where a replica stands, if so. One that Patroni brings to another place
/// needs it no longer.
pub(super) fn left_behind(draft: &Draft<'_>, id: &MemberId) -> Option<String> {
    let path = draft.out.memory.paths.get(id)?;
    let moves = ["creating", "rewind"].iter().any(|word| path.word.contains(word));
    let lost = !moves && draft.seen.lost_slots.contains(&slot(id));
    lost.then(|| "it does not follow, and the leader has removed WAL that it needs".to_owned())
}

/// That its recovery has lasted longer than one may, if it has. WAL it waits for may be gone for good.
pub(super) fn recovers_for_ever(draft: &Draft<'_>, id: &MemberId) -> Option<String> {
    let path = draft.out.memory.paths.get(id)?;
    let most = Span(draft.world.policy.sick_grace.0.saturating_mul(RECOVERS));
    let recovers = matches!(path.word.as_str(), "starting" | "restarting");
    let long = draft.seen.at.since(path.begun) >= most.0;
    (recovers && long).then(|| format!("its Patroni has said {} for {most}", path.word))
}

/// Whether it streams on the leader's timeline; where the leader's is not known, whether it streams.
fn follows(draft: &Draft<'_>, patroni: &PatroniSeen) -> bool {
    let streams = patroni.state == "streaming" || patroni.replication_state.as_deref() == Some("streaming");
    let leader = draft.store.leader.as_ref().and_then(|key| draft.seen.postgres.get(&key.member));
    let timeline = match leader.map(|leader| &leader.rest) {
        Some(Reply::Answers(rest)) => rest.patroni.timeline,
        _ => None,
    };
    streams && (timeline.is_none() || patroni.timeline == timeline)
}

/// Whether Patroni is at something that ends by itself.
fn is_phase(word: &str) -> bool {
    let ended = ["failed", "crashed", "stopped"].iter().any(|end| word.contains(end));
    !ended && !matches!(word, "running" | "streaming")
}

impl Path {
    fn new(now: Mono) -> Self {
        Self {
            since: now,
            word: String::new(),
            begun: now,
            words: BTreeSet::new(),
            turns: 0,
            furthest: (None, None, None),
        }
    }

    fn goes_on(mut self, patroni: &PatroniSeen, now: Mono) -> Self {
        let (timeline, received, replayed) = self.furthest;
        let reached =
            (patroni.timeline.max(timeline), patroni.lsn.max(received), patroni.replayed.max(replayed));
        if reached != self.furthest {
            (self.furthest, self.since, self.begun, self.turns) = (reached, now, now, 0);
            self.words.clear();
        }
        let word = &patroni.state;
        let begins = *word != self.word;
        if begins {
            self.begun = now;
        }
        if self.words.insert(word.clone()) {
            self.since = now;
        } else if begins && is_phase(word) {
            self.turns += 1;
        }
        // as long as it takes
        if is_phase(word) && self.turns < TURNS {
            self.since = now;
        }
        self.word.clone_from(word);
        self
    }

    /// The same, so much later.
    pub(super) fn later(&mut self, by: Duration) {
        (self.since, self.begun) = (self.since.plus(by), self.begun.plus(by));
    }
}
