//! Alarms as state: raised, changed and cleared, each with its time. A brain says at every look what needs a person; what
//! is told is what became different.

use std::time::Duration;

use crate::model::Mono;
use crate::model::control::{Alarm, Became, Raised};

/// An alarm that was not heard for so long is over. One look of a controller in a hurry says less than all of it.
const OVER: Duration = Duration::from_secs(2);

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
            // another thing was said of this before, and is said no more
            let stale = self
                .raised
                .iter_mut()
                .find(|(known, _)| known.alarm.is_about(alarm) && !said.contains(&known.alarm));
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
    use crate::model::control::AlarmKind;
    use crate::model::control::AlarmKind::{Frozen, NoLeader, NoQuorum, WaitsForHost};

    fn alarm(kind: AlarmKind, subject: &str, text: &str) -> Alarm {
        Alarm::new(kind, subject.parse().ok().as_ref(), text)
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
        let lost = alarm(WaitsForHost, "postgres-2", "its host is down, and h4 is full");
        assert_eq!(words(alarms.hear(from_ref(&lost), at(0))), ["Raised its host is down, and h4 is full"]);
        assert_eq!(words(alarms.hear(&[lost], at(1_000))), [""; 0]);
        let waits = alarm(WaitsForHost, "postgres-2", "it waits for a host");
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
        let both = [
            alarm(NoQuorum, "etcd-1", "a"),
            alarm(NoQuorum, "etcd-1", "b"),
            alarm(Frozen, "etcd-1", "c"),
            alarm(NoLeader, "", "d"),
        ];
        assert_eq!(alarms.hear(&both, at(0)).len(), 4);
        assert_eq!(words(alarms.hear(&both[1..], at(2_000))), ["Cleared a"]);
    }

    #[test]
    fn an_alarm_about_the_lab_changes_and_one_of_another_kind_does_not() {
        let mut alarms = Alarms::default();
        alarms.hear(&[alarm(NoLeader, "", "two are dead")], at(0));
        assert_eq!(words(alarms.hear(&[alarm(NoLeader, "", "all are")], at(500))), ["Changed all are"]);
        assert_eq!(words(alarms.hear(&[alarm(NoQuorum, "", "no")], at(900))), ["Raised no"]);
    }
}
