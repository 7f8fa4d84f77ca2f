//! How long a controller has waited for what: whatever stands still for too long needs a person, and an alarm says so.
//!
//! Invariant: a wait that is heard again within a gap goes on; one that is not heard for longer is over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::alarm::{Alarm, AlarmKind};
use crate::model::{MemberId, Mono, Span};

/// A wait that was not heard for so long is over; where looks are far apart, one that three looks did not hear.
const GAP: Duration = Duration::from_secs(5);
/// How long something may last that a person must know at once; what was proposed says more.
pub const AT_ONCE: Span = Span::millis(0);
/// How long something may last that harms nobody and was perhaps forgotten.
pub const HOUR: Span = Span::secs(3_600);

/// Why a controller stands still.
pub trait Reason: Copy + Eq {
    /// What the owner of the lab allows.
    type Policy;

    /// The alarm that it becomes.
    fn kind(self) -> AlarmKind;

    /// How long it may last before a person must know.
    fn patience(self, policy: &Self::Policy) -> Span;

    /// What is so, and what a person does.
    fn words(self) -> &'static str;
}

/// Something that stands still, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Waiting<R> {
    reason: R,
    subject: Option<MemberId>,
    since: Mono,
    last: Mono,
}

/// Everything that is waited for, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits<R>(Vec<Waiting<R>>);

impl<R> Default for Waits<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Reason> Waits<R> {
    /// Hears what a look waits for; the alarms of what has lasted for too long. `every`: the pause between two looks.
    pub fn hear(
        &mut self,
        heard: &[(R, Option<MemberId>)],
        now: Mono,
        policy: &R::Policy,
        every: Span,
    ) -> Vec<Alarm> {
        let gap = GAP.max(every.0.saturating_mul(3));
        self.0.retain(|known| now.since(known.last) <= gap);
        let mut alarms = Vec::new();
        for (reason, subject) in heard {
            let since = self.goes_on(*reason, subject.as_ref(), now);
            let patience = reason.patience(policy);
            if now.since(since) >= patience.0 {
                let who = subject.as_ref().map_or("the lab", |subject| subject.as_str());
                let text = format!("{who}: {}; so it has been for {patience}", reason.words());
                alarms.push(Alarm::new(reason.kind(), subject.as_ref(), text));
            }
        }
        alarms
    }

    /// Time in which nobody looked counts for no wait.
    pub fn later(&mut self, unseen: Duration) {
        for known in &mut self.0 {
            (known.since, known.last) = (known.since.plus(unseen), known.last.plus(unseen));
        }
    }

    /// Those that have lasted for so long.
    #[must_use]
    pub fn lasting(&self, now: Mono, least: Duration) -> Self {
        let known = self.0.iter().filter(|known| now.since(known.since) >= least);
        Self(known.cloned().collect())
    }

    /// Since when this is waited for.
    fn goes_on(&mut self, reason: R, subject: Option<&MemberId>, now: Mono) -> Mono {
        let known = self.0.iter_mut().find(|one| one.reason == reason && one.subject.as_ref() == subject);
        if let Some(known) = known {
            known.last = now;
            return known.since;
        }
        self.0.push(Waiting { reason, subject: subject.cloned(), since: now, last: now });
        now
    }
}

/// Alarms beside those that are raised: one of the same kind about the same subject says more, and stays alone.
pub fn beside(raised: &mut Vec<Alarm>, more: Vec<Alarm>) {
    for alarm in more {
        if !raised.iter().any(|known| known.is_about(&alarm)) {
            raised.push(alarm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Patient;

    impl Reason for Patient {
        type Policy = Span;

        fn kind(self) -> AlarmKind {
            AlarmKind::NoWrites
        }

        fn patience(self, policy: &Span) -> Span {
            *policy
        }

        fn words(self) -> &'static str {
            "it takes no writes"
        }
    }

    /// The alarms of looks at these seconds, each of which waits or does not.
    fn alarms(looks: &[(u64, bool)], every: Span) -> Vec<u64> {
        let mut waits = Waits::default();
        let mut late = Vec::new();
        for (at, waiting) in looks {
            let heard = if *waiting { vec![(Patient, None)] } else { Vec::new() };
            let now = Mono(at * 1_000_000_000);
            if !waits.hear(&heard, now, &Span::secs(10), every).is_empty() {
                late.push(*at);
            }
        }
        late
    }

    #[test]
    fn what_is_waited_for_too_long_is_an_alarm_while_it_is_waited_for() {
        let second = Span::secs(1);
        let on = |seconds: std::ops::Range<u64>| seconds.map(|at| (at, true)).collect::<Vec<_>>();
        assert_eq!(alarms(&on(0..13), second), [10, 11, 12]);
        // a look that says less for a moment ends nothing, one that says less for long does
        let blip = [on(0..5), vec![(5, false)], on(6..12)].concat();
        assert_eq!(alarms(&blip, second), [10, 11]);
        let gap = [on(0..5), on(12..20)].concat();
        assert_eq!(alarms(&gap, second), [0; 0]);
        // where looks are far apart a gap is longer
        assert_eq!(alarms(&[(0, true), (8, true), (16, true)], Span::secs(8)), [16]);
    }

    #[test]
    fn what_says_more_stays_alone() {
        let mut raised = vec![Alarm::new(AlarmKind::NoLeader, None, "all three are dead")];
        let more = |kind| Alarm::new(kind, None, "no member takes the key");
        beside(&mut raised, vec![more(AlarmKind::NoLeader), more(AlarmKind::NoWrites)]);
        let said: Vec<&str> = raised.iter().map(|alarm| alarm.text.as_str()).collect();
        assert_eq!(said, ["all three are dead", "no member takes the key"]);
    }
}
