//! The only clock and the only sleep of the program.
//!
//! Journals of all processes, containers included, carry the machine's `CLOCK_MONOTONIC` in
//! nanoseconds, so they merge exactly; the boot id says which boot that clock belongs to.
//! Wall clock time appears in names of run directories only and orders nothing.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::model::Mono;

/// The time limit ran out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {0:?}")]
pub struct TimedOut(pub Duration);

/// The machine's monotonic clock, in nanoseconds.
#[must_use]
pub fn now() -> Mono {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Mono(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Waits for `how_long`; the runtime's timer has a resolution of one millisecond.
#[allow(clippy::disallowed_methods, reason = "the one place that sleeps")]
pub async fn sleep(how_long: Duration) {
    tokio::time::sleep(how_long).await;
}

/// Waits until the monotonic clock shows `when`; returns at once when that has passed.
pub async fn sleep_until(when: Mono) {
    let rest = when.since(now());
    if !rest.is_zero() {
        sleep(rest).await;
    }
}

/// Waits on the kernel's own timer: within tens of microseconds where [`sleep`] rounds up to the
/// next millisecond, which a schedule of operations would show as latency.
#[derive(Debug)]
pub struct KernelTimer(AsyncFd<OwnedFd>);

impl KernelTimer {
    /// One alarm; must be made inside the runtime.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for descriptors that somebody else may close; this one is owned"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Waits until the monotonic clock shows `when`; returns at once when that has passed.
    ///
    /// # Errors
    /// What the kernel says of the timer.
    pub async fn wait_until(&self, when: Mono) -> io::Result<()> {
        if when <= now() {
            return Ok(());
        }
        let at = |nanos: u64| Timespec {
            tv_sec: (nanos / 1_000_000_000).cast_signed(),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
        };
        let once = Itimerspec { it_interval: at(0), it_value: at(when.0) };
        timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &once)?;
        while now() < when {
            let mut ready = self.0.readable().await?;
            let rung = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut [0_u8; 8])?));
            if let Ok(Err(error)) = rung {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Gives `work` at most `limit`; what has not ended by then is dropped.
///
/// # Errors
/// [`TimedOut`] when the limit ran out first.
#[allow(clippy::disallowed_methods, reason = "the one place that keeps time limits")]
pub async fn timeout<F: Future>(limit: Duration, work: F) -> Result<F::Output, TimedOut> {
    tokio::time::timeout(limit, work).await.map_err(|_| TimedOut(limit))
}

/// Wall clock time as RFC 3339 in UTC, whole seconds.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn utc_now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Wall clock time in whole seconds since 1970, as engines want it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn utc_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// An instant of the wall clock, nanoseconds since 1970, on the monotonic clock; `None` when it is still to come or
/// longer ago than this boot: then one of the clocks was set.
#[must_use]
pub fn at_wall_nanos(nanos: i64) -> Option<Mono> {
    let ago = jiff::Timestamp::now().as_nanosecond().checked_sub(nanos.into())?;
    now().0.checked_sub(u64::try_from(ago).ok()?).map(Mono)
}

/// How far the wall clock is ahead of the monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallOffset {
    nanos: i128,
    /// By how much it may be wrong, either way.
    pub error: Duration,
}

impl WallOffset {
    /// Measures it: the wall clock is read between two readings of the monotonic one, and lies
    /// somewhere between them. The narrowest of several pairs counts.
    #[must_use]
    pub fn measure() -> Self {
        let measured = (0..5).map(|_| {
            let (before, wall, after) = (now(), clock_gettime(ClockId::Realtime), now());
            let wall = i128::from(wall.tv_sec) * 1_000_000_000 + i128::from(wall.tv_nsec);
            let width = after.0.saturating_sub(before.0);
            let nanos = wall - i128::from(before.0 + width / 2);
            Self { nanos, error: Duration::from_nanos(width.div_ceil(2)) }
        });
        measured.min_by_key(|offset| offset.error).unwrap_or(Self { nanos: 0, error: Duration::MAX })
    }

    /// An instant of the wall clock, nanoseconds since 1970, on the monotonic one.
    #[must_use]
    pub fn monotonic(&self, wall: i128) -> Mono {
        Mono(u64::try_from(wall - self.nanos).unwrap_or(0))
    }
}

/// The kernel's boot id; clocks of different boots cannot be compared. `unknown` where the kernel
/// does not tell, which no reader may take for equal to another journal's.
#[must_use]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_runs_backwards() {
        let first = now();
        assert!(first.0 > 0);
        assert!(now() >= first);
    }

    #[test]
    fn wall_clock_time_is_utc_without_fractions() {
        let text = utc_now();
        assert!(text.ends_with('Z') && !text.contains('.'), "{text}");
    }

    #[tokio::test]
    async fn an_alarm_never_rings_early() {
        let alarm = KernelTimer::new().expect("a timer");
        for micros in [0, 50, 700, 3000] {
            let when = now().plus(Duration::from_micros(micros));
            alarm.wait_until(when).await.expect("it rings");
            assert!(now() >= when);
        }
    }

    #[test]
    fn the_wall_clock_is_found_on_the_monotonic_one() {
        let offset = WallOffset::measure();
        assert!(offset.error < Duration::from_millis(50), "{offset:?}");
        let before = now();
        let wall = clock_gettime(ClockId::Realtime);
        let found = offset.monotonic(i128::from(wall.tv_sec) * 1_000_000_000 + i128::from(wall.tv_nsec));
        let slack = u64::try_from(offset.error.as_nanos()).expect("short") + 1_000_000;
        assert!(found.0 + slack >= before.0 && found.0 <= now().0 + slack, "{before:?} {found:?}");
    }

    #[tokio::test]
    async fn a_limit_that_runs_out_is_an_answer() {
        let limit = Duration::from_millis(1);
        assert_eq!(timeout(limit, std::future::pending::<()>()).await, Err(TimedOut(limit)));
        assert_eq!(timeout(Duration::from_mins(1), async { 7 }).await, Ok(7));
    }
}
