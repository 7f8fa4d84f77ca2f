//! Nothing waits for ever without an alarm.

use super::*;
use crate::decide::waits::{Reason as _, Waits};
use crate::model::control::AlarmKind;

#[test]
fn every_wait_of_scaling_becomes_an_alarm() {
    let policy = ScalingPolicy::default();
    let second = Span::secs(1);
    for wait in ScalingWait::ALL {
        let mut waits = Waits::default();
        let mut look = |at: u64| waits.hear(&[(wait, None)], Mono(at * 1_000_000_000), &policy, second);
        let seconds = wait.patience(&policy).0.as_secs();
        for at in 0..seconds {
            assert_eq!(look(at), [], "{wait:?} after {at} s");
        }
        let late = look(seconds);
        assert_eq!(late.iter().map(|alarm| alarm.kind).collect::<Vec<_>>(), [wait.kind()], "{wait:?}");
        assert_ne!(wait.kind(), AlarmKind::Other);
        assert!(seconds <= 3_600, "{wait:?} waits for {seconds} s");
    }
}
