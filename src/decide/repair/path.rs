//! How a replica that does not follow the leader tries to: what it said since its position moved, and since when nothing
//! of it was news.
//!
//! Theory: a clone, a rewind, a recovery shows that it goes on: Patroni is in a phase it was not in before, the position
//! moves, or the leader sends a base backup. A phase that shows nothing may last ten graces, because a recovery shows
//! nothing while it lasts; a shutdown may last one. A replica that says the same and stands still, or goes round in a
//! circle through phases it has been in, does not get there by itself.
//!
//! A recovery that lasts very long is not ended: the member is replaced, which takes nothing from it until the new copy
//! streams, and it stays when it gets there first.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::sighting::PatroniSeen;
use crate::model::{Lsn, Mono, Span};

/// So often a phase may begin anew before it counts as a circle: a clone that failed may be tried again.
const TURNS: u32 = 3;
/// A phase that shows no progress may last so many graces.
const LASTS: u32 = 10;
/// Patroni's word for a PostgreSQL that did not start.
const START_FAILED: &str = "start failed";

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
    /// What base backups had been sent when that was seen last.
    #[serde(default)]
    sent: Option<u64>,
}

/// How long a phase may show nothing: `None` for what is no phase at all.
fn longest(word: &str, grace: Span) -> Option<Duration> {
    let ended = ["failed", "crashed", "stopped"].iter().any(|end| word.contains(end));
    if ended || matches!(word, "running" | "streaming") {
        return None;
    }
    // the last checkpoint was written before it said so: what keeps a postmaster then is a child that does not end
    let graces = if word == "stopping" { 1 } else { LASTS };
    Some(grace.0.saturating_mul(graces))
}

impl Path {
    /// One that begins now.
    pub(super) fn new(now: Mono) -> Self {
        Self {
            since: now,
            word: String::new(),
            begun: now,
            words: BTreeSet::new(),
            turns: 0,
            furthest: (None, None, None),
            sent: None,
        }
    }

    /// The same after what Patroni says now; `sent`: bytes of base backups that the leader has sent.
    pub(super) fn goes_on(mut self, patroni: &PatroniSeen, sent: Option<u64>, now: Mono) -> Self {
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
        // bytes of a base backup are on their way: the clone goes on
        if word.contains("creating") && sent.is_some() && sent != self.sent {
            self.begun = now;
        }
        self.sent = sent.or(self.sent);
        let phase = longest(word, Span::secs(1)).is_some();
        if self.words.insert(word.clone()) {
            self.since = now;
        } else if begins && phase {
            self.turns += 1;
        }
        if phase && self.turns < TURNS && word != "stopping" {
            self.since = now;
        }
        self.word.clone_from(word);
        self
    }

    /// The same, so much later.
    #[must_use]
    pub(super) fn later(mut self, by: Duration) -> Self {
        (self.since, self.begun) = (self.since.plus(by), self.begun.plus(by));
        self
    }

    /// Whether Patroni has said something like that since its position moved.
    pub(super) fn has_said(&self, word: &str) -> bool {
        self.words.iter().any(|said| said.contains(word))
    }

    /// Whether Patroni brings it to another place.
    pub(super) fn moves(&self) -> bool {
        ["creating", "rewind"].iter().any(|word| self.word.contains(word))
    }

    /// Whether its PostgreSQL did not start: Patroni tries again at its next turn, up to `loop_wait` later.
    pub(super) fn has_failed(&self) -> bool {
        self.word == START_FAILED
    }

    /// What keeps a replica from following the leader, for how long it has been so, and for how long it may; `None` while
    /// there is news.
    pub(super) fn stands_still(&self, now: Mono, grace: Span) -> Option<(String, Duration, Span)> {
        let so_far = now.since(self.since);
        if !so_far.is_zero() {
            let how =
                if self.turns >= TURNS { "goes round in a circle" } else { "comes no closer to the leader" };
            return Some((format!("its Patroni says {}, and it {how}", self.word), so_far, grace));
        }
        // a recovery is not ended: see `recovers_for_ever`
        if self.recovers() {
            return None;
        }
        let lasts = now.since(self.begun);
        let most = longest(&self.word, grace).filter(|most| lasts >= *most)?;
        Some((format!("its Patroni says {}, and nothing moves", self.word), lasts, Span(most)))
    }

    fn recovers(&self) -> bool {
        matches!(self.word.as_str(), "starting" | "restarting")
    }

    /// That its recovery has lasted longer than one may, if it has. WAL it waits for may be gone for good.
    pub(super) fn recovers_for_ever(&self, now: Mono, grace: Span) -> Option<String> {
        let most = Span(grace.0.saturating_mul(LASTS));
        let long = now.since(self.begun) >= most.0;
        (self.recovers() && long).then(|| format!("its Patroni has said {} for {most}", self.word))
    }
}
