//! `stuck`: sessions left behind on a member that is dead, demoted, cut off or gone, a while after another
//! member takes writes. Three sources tell of them, and the largest number counts:
//!
//! - the balancers' own count: sessions of 5432 on a server whose host does not carry the member that takes
//!   writes, sessions of 5433 on a server whose host carries no running database, and sessions of a port that
//!   no server has: held for too long, or frozen (`looks`);
//! - `pg_stat_activity`: backends of loads on 5432 on a member in recovery (`looks`);
//! - clients of 5432 (`clients`): one that is still answered *read-only* (SQLSTATE 25006), one whose operation
//!   still waits, both so long after another member than its own acknowledged writes; and one that never came
//!   back though others were acknowledged for so long.
//!
//! Without a bound they are counted and never judged. With one, a run in which no look at a balancer came late
//! enough is *unknown*.

use std::time::Duration;

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use crate::model::Expect;
use crate::stats;

mod clients;
mod looks;
pub use clients::{LeftBehind, WhyLeft};
pub use looks::{Looks, ServerSessions};

/// So long after another member took writes, unless the scenario says otherwise.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(3);
/// Sessions and clients named in evidence at most.
const STUCK_SHOWN: usize = 20;

/// Sessions and clients that were left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stuck {
    /// What looks at balancers and members showed.
    pub looks: Looks,
    /// Clients that were left behind, each once.
    pub clients: Vec<LeftBehind>,
}

impl Stuck {
    /// The largest number any source tells.
    #[must_use]
    pub fn number(&self) -> u64 {
        let clients = self.clients.len() as u64;
        clients.max(self.looks.most_sessions()).max(self.looks.most_backends())
    }

    /// The number in words, with the source that tells it.
    fn words(&self, record: &RunRecord) -> String {
        let (sessions, backends) = (self.looks.most_sessions(), self.looks.most_backends());
        let number = self.number();
        if number == 0 {
            "no session was left behind".to_owned()
        } else if sessions == number {
            let what = counted(number, "session");
            format!("{what} left behind on {} by the balancers' count", self.looks.places())
        } else if backends == number {
            format!("{} left behind on {} by their backends", counted(number, "session"), self.looks.hosts())
        } else {
            let first = self.clients.first().map(|left| left.words(record)).unwrap_or_default();
            format!("{} left behind: {first}", counted(number, "client"))
        }
    }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what} was") } else { format!("{number} {what}s were") }
}

/// Judges the bounds a scenario asks for; without any, what was left behind is counted.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let asked: Vec<(Option<u32>, Duration)> = record
        .scenario
        .expects
        .iter()
        .filter_map(|expect| match expect {
            Expect::Stuck { max, after } => Some((*max, after.0)),
            _ => None,
        })
        .collect();
    let after = asked.first().map_or(LEFT_BEHIND_AFTER, |(_, after)| *after);
    let seen = measure(record, after);
    let evidence = show(record, &seen, after);
    let (mut broken, mut gaps, mut judged) = (Vec::new(), Vec::new(), false);
    for (max, after) in asked {
        let Some(max) = max else { continue };
        judged = true;
        let (seen, late) = (measure(record, after), stats::millis(nanos(after)));
        if seen.number() > u64::from(max) {
            let said = seen.words(record);
            broken.push(format!(
                "{said}, {late} ms after another member took writes; at most {max} are allowed"
            ));
        } else if seen.looks.counted == 0 {
            gaps.push(format!(
                "no look at the sessions of a balancer came {late} ms after a member took writes"
            ));
        }
    }
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        let held = if judged { ", within what was asked" } else { "; nothing was asked of it" };
        Finding::pass(format!("{}{held}", seen.words(record)), evidence)
    })
}

/// What was left behind for longer than `after`.
#[must_use]
pub fn measure(record: &RunRecord, after: Duration) -> Stuck {
    let after = nanos(after);
    Stuck { looks: looks::measure(record, after), clients: clients::measure(record, after) }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn show(record: &RunRecord, seen: &Stuck, after: Duration) -> Value {
    let kept = |kept: &ServerSessions| {
        json!({
            "at_ns": kept.at, "seen_by": kept.seen_by, "on": kept.on, "sessions": kept.sessions,
            "backends": kept.backends,
        })
    };
    json!({
        "after_ms": stats::millis(nanos(after)),
        "looks": seen.looks.counted,
        "sessions_max": seen.looks.most_sessions(),
        "backends_max": seen.looks.most_backends(),
        "clients": seen.clients.len(),
        "kept": seen.looks.kept.iter().take(STUCK_SHOWN).map(kept).collect::<Vec<_>>(),
        "left": seen.clients.iter().take(STUCK_SHOWN).map(|left| left.words(record)).collect::<Vec<_>>(),
    })
}
