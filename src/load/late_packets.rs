//! Late packets where the kernel has no netem: the firewall hands a host's packets to a queue, this
//! program gives each its verdict when its time has come. It runs in a container that joined the
//! host's namespace, started by room `chaos`.
//!
//! Invariants: no packet overtakes another, and none is changed or dropped. Asked to end, it lets
//! everything that still waits go at once; when it dies, the rule lets packets past the queue.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use nfq::{Message, Queue, Verdict};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::signal::unix::{SignalKind, signal};

use crate::engine::clock;
use crate::model::Mono;
use crate::model::plan::LatePlan;

/// Packets the kernel keeps for this program; it drops what comes on top, so there is room for a
/// second of a fast link.
const QUEUE_LENGTH: u32 = 65_535;

/// Pause between two looks at the queue: its library shows no descriptor to wait for, and the
/// runtime's timer is no finer.
const QUEUE_LOOK_PAUSE: Duration = Duration::from_millis(1);

/// When each packet may go. Pure but for the clock it is given.
#[derive(Clone, Debug)]
struct Lateness {
    delay: Duration,
    jitter: Duration,
    newest: Mono,
    chance: ChaCha8Rng,
}

impl Lateness {
    fn new(plan: &LatePlan) -> Self {
        Self {
            delay: plan.delay.0,
            jitter: plan.jitter.0,
            newest: Mono(0),
            chance: ChaCha8Rng::seed_from_u64(plan.seed),
        }
    }

    /// The instant a packet that came at `now` may go: never before one that came earlier.
    fn due(&mut self, now: Mono) -> Mono {
        let spread = u64::try_from(self.jitter.as_nanos()).unwrap_or(u64::MAX);
        let least = self.delay.saturating_sub(self.jitter);
        let extra = Duration::from_nanos(self.chance.random_range(0..=spread.saturating_mul(2)));
        self.newest = now.plus(least).plus(extra).max(self.newest);
        self.newest
    }
}

/// Makes the packets of one queue late until somebody ends the program.
///
/// # Errors
/// When the kernel refuses the queue, or takes it away.
pub async fn run(plan: &LatePlan) -> io::Result<()> {
    let mut queue = Queue::open()?;
    queue.bind(plan.queue)?;
    if plan.bind_only {
        return Ok(());
    }
    // verdicts need no contents, and a large segment may stay in one piece
    queue.set_copy_range(plan.queue, 0)?;
    queue.set_recv_gso(plan.queue, true)?;
    queue.set_queue_max_len(plan.queue, QUEUE_LENGTH)?;
    queue.set_nonblocking(true);
    let mut end = signal(SignalKind::terminate())?;
    let mut lateness = Lateness::new(plan);
    let mut waiting = VecDeque::new();
    loop {
        take(&mut queue, &mut waiting, &mut lateness)?;
        release(&mut queue, &mut waiting, clock::now())?;
        tokio::select! {
            _ = end.recv() => {
                take(&mut queue, &mut waiting, &mut lateness)?;
                return release(&mut queue, &mut waiting, Mono(u64::MAX));
            }
            () = clock::sleep(QUEUE_LOOK_PAUSE) => {}
        }
    }
}

/// Takes in everything the kernel has for us.
fn take(
    queue: &mut Queue,
    waiting: &mut VecDeque<(Mono, Message)>,
    lateness: &mut Lateness,
) -> io::Result<()> {
    loop {
        match queue.recv() {
            Ok(packet) => waiting.push_back((lateness.due(clock::now()), packet)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Lets everything go that is due at `now`.
fn release(queue: &mut Queue, waiting: &mut VecDeque<(Mono, Message)>, now: Mono) -> io::Result<()> {
    while waiting.front().is_some_and(|(due, _)| *due <= now) {
        if let Some((_, mut packet)) = waiting.pop_front() {
            packet.set_verdict(Verdict::Accept);
            queue.verdict(packet)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Span;

    fn lateness(delay: u64, jitter: u64, seed: u64) -> Lateness {
        let (delay, jitter) = (Span::millis(delay), Span::millis(jitter));
        Lateness::new(&LatePlan { queue: 0, delay, jitter, seed, bind_only: false })
    }

    #[test]
    fn without_jitter_every_packet_waits_the_same() {
        let mut late = lateness(30, 0, 1);
        assert_eq!(late.due(Mono(5)), Mono(30_000_005));
        assert_eq!(late.due(Mono(1_000_005)), Mono(31_000_005));
    }

    proptest! {
        #[test]
        fn no_packet_overtakes_and_none_waits_too_short_or_too_long(
            delay in 0_u64..500, jitter in 0_u64..500, seed: u64,
            mut came in proptest::collection::vec(0_u64..10_000_000_000, 1..50),
        ) {
            came.sort_unstable();
            let mut late = lateness(delay, jitter, seed);
            let mut newest = Mono(0);
            let longest = Duration::from_millis(jitter + delay.max(jitter));
            for came in came.into_iter().map(Mono) {
                let due = late.due(came);
                prop_assert!(due >= newest, "{due:?} after {newest:?}");
                // behind one that waits longest, nobody waits longer than that one
                prop_assert!(due.since(came) >= Duration::from_millis(delay.saturating_sub(jitter)));
                prop_assert!(due.since(came) <= longest);
                newest = due;
            }
        }
    }
}
