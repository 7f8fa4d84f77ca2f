//! Alarms as state: raised, changed and cleared, each with its time. A brain says at every look what needs a person; what
//! is told is what became different.

use std::time::Duration;

use serde::Serialize;

use crate::model::Mono;
use crate::model::control::{Alarm, Raised};

/// An alarm that was not heard for so long is over. One look of a controller in a hurry says less than all of it.
const OVER: Duration = Duration::from_secs(2);

/// What became of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It was not there before.
    Raised,
    /// Of the same subject another thing is said.
    Changed,
    /// Its cause is gone.
    Cleared,
}

/// What is raised now.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Each with the last look that said so.
    raised: Vec<(Raised, Mono)>,
}

impl Alarms {
    /// Hears what a look says needs a person; what became different, in order.
    pub fn hear(&mut self, said: &[Alarm], now: Mono) -> Vec<(Became, Raised)> {
        let mut told = Vec::new();
        for alarm in said {
            if let Some((_, last)) = self.raised.iter_mut().find(|(known, _)| known.alarm == *alarm) {
                *last = now;
                continue;
            }
            // of this subject something else was said before, and is said no more
            let stale = self.raised.iter_mut().find(|(known, _)| {
                known.alarm.subject.is_some()
                    && known.alarm.subject == alarm.subject
                    && !said.contains(&known.alarm)
            });
            if let Some((known, last)) = stale {
                (known.alarm, *last) = (alarm.clone(), now);
                told.push((Became::Changed, known.clone()));
            } else {
                let raised = Raised { alarm: alarm.clone(), since: now };
                told.push((Became::Raised, raised.clone()));
                self.raised.push((raised, now));
            }
        }
        self.raised.retain(|(raised, last)| {
            let over = now.since(*last) >= OVER;
            if over {
                told.push((Became::Cleared, raised.clone()));
            }
            !over
        });
        told
    }

    /// Everything that is raised.
    #[must_use]
    pub fn raised(&self) -> Vec<Raised> {
        self.raised.iter().map(|(raised, _)| raised.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn alarm(subject: Option<&str>, text: &str) -> Alarm {
        Alarm { subject: subject.map(|id| id.parse().expect("a name")), text: text.to_owned() }
    }

    fn at(millis: u64) -> Mono {
        Mono(millis * 1_000_000)
    }

    fn words(told: Vec<(Became, Raised)>) -> Vec<String> {
        told.into_iter().map(|(became, raised)| format!("{became:?} {}", raised.alarm)).collect()
    }

    #[test]
    fn an_alarm_is_told_when_it_is_raised_changes_and_is_over_and_not_between() {
        let mut alarms = Alarms::default();
        let lost = alarm(Some("postgres-2"), "its host is down");
        assert_eq!(words(alarms.hear(from_ref(&lost), at(0))), ["Raised its host is down"]);
        assert_eq!(words(alarms.hear(&[lost], at(1_000))), [""; 0]);
        let waits = alarm(Some("postgres-2"), "it waits for a host");
        assert_eq!(words(alarms.hear(from_ref(&waits), at(2_000))), ["Changed it waits for a host"]);
        assert_eq!(alarms.raised(), [Raised { alarm: waits, since: at(0) }], "since it was raised first");
        // a look that says less for a moment clears nothing
        assert_eq!(words(alarms.hear(&[], at(3_000))), [""; 0]);
        assert_eq!(words(alarms.hear(&[], at(4_000))), ["Cleared it waits for a host"]);
        assert_eq!(alarms.raised(), []);
    }

    #[test]
    fn two_alarms_of_one_subject_are_two() {
        let mut alarms = Alarms::default();
        let both = [alarm(Some("etcd-1"), "a"), alarm(Some("etcd-1"), "b"), alarm(None, "c")];
        assert_eq!(alarms.hear(&both, at(0)).len(), 3);
        assert_eq!(words(alarms.hear(&both[1..], at(2_000))), ["Cleared a"]);
    }
}
