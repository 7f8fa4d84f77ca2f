//! A pool of connections that are kept, tried on borrowing and replaced at an age: what an
//! application of the JVM's or Python's has between itself and the database.
//!
//! From `HikariCP` (its README, "Configuration"): a connection is tried with `isValid` before it is
//! lent, which pgjdbc does with an empty query; `validationTimeout` is 5 s, `maxLifetime` 30 minutes
//! less a random part of up to 2.5 % of it, so that not all connections end at once. `HikariCP` leaves the trial out
//! where the connection was used within the last 500 ms (`aliveBypassWindowMs`); this pool always tries. From
//! `SQLAlchemy` ("Dealing with Disconnects"): `pool_pre_ping` tries at every borrowing and connects anew within the
//! same borrowing when the trial fails; `pool_recycle` replaces what is too old when it is borrowed; connections are
//! lent in the order in which they came back.
//!
//! As many connections as the load has workers, so that nobody waits for a free one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng;

use super::{Connected, Opener};
use crate::engine::clock;
use crate::engine::locked::Locked;
use crate::engine::postgres::{Broken, within};
use crate::engine::wire::Wire;
use crate::load::workload::dice::Dice;
use crate::model::{Mono, Span};

/// Longest wait for the answer to a trial, where nobody says another.
pub const VALIDATION: Duration = Duration::from_secs(5);
/// Age at which a connection is replaced, when the load states none.
const MAX_AGE: Span = Span::secs(30 * 60);
/// A connection ends up to this part of its age earlier.
const EARLIER: u64 = 40;

/// Connections that nobody uses at the moment.
#[derive(Debug)]
pub struct Pool {
    idle: Locked<VecDeque<Lent>>,
    max_age: Duration,
    validation: Duration,
    dice: Dice,
    opened: AtomicU64,
}

/// A connection of the pool.
#[derive(Debug)]
pub struct Lent {
    /// The connection.
    pub line: Connected,
    /// From then on it is too old.
    ends: Mono,
}

impl Pool {
    /// An empty pool that waits for the answer to a trial as long as `validation`; chance is only used for when connections
    /// are too old.
    #[must_use]
    pub fn new(max_age: Option<Span>, validation: Duration, dice: Dice) -> Self {
        let max_age = max_age.unwrap_or(MAX_AGE).0;
        Self { idle: Locked::default(), max_age, validation, dice, opened: AtomicU64::new(0) }
    }

    /// Lends a connection that has just answered, a new one where there is none.
    ///
    /// # Errors
    /// [`Broken`] of the attempt to open a new one.
    pub async fn borrow(&self, opener: &Opener) -> Result<Lent, Broken> {
        if let Some(mut lent) = self.next()
            && clock::now() < lent.ends
            && answers(&mut lent.line.wire, self.validation).await
        {
            return Ok(lent);
        }
        self.open(opener).await
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn open(&self, opener: &Opener) -> Result<Lent, Broken> {
        let line = opener.open(0).await?;
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Lent { line, ends: clock::now().plus(self.age(number)) })
    }

    /// Takes back a connection that is good for another operation.
    pub fn give_back(&self, lent: Lent) {
        self.idle.lock().push_back(lent);
    }

    fn next(&self) -> Option<Lent> {
        self.idle.lock().pop_front()
    }

    /// How old connection `number` may become.
    fn age(&self, number: u64) -> Duration {
        let nanos = u64::try_from(self.max_age.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanos - self.dice.of(number).random_range(0..=nanos / EARLIER))
    }
}

/// An empty query and its answer.
async fn answers(wire: &mut Wire, validation: Duration) -> bool {
    let asking = async {
        wire.queue_text("")?;
        wire.send().await?;
        wire.answer().await
    };
    within(Some(validation), asking).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_end_at_their_age_or_up_to_a_fortieth_earlier_and_not_together() {
        let pool = Pool::new(Some(Span::secs(40)), VALIDATION, Dice::new(7, 0));
        let ages: Vec<Duration> = (0..100).map(|number| pool.age(number)).collect();
        assert!(
            ages.iter().all(|age| (Duration::from_secs(39)..=Duration::from_secs(40)).contains(age)),
            "{ages:?}"
        );
        let different: std::collections::HashSet<_> = ages.iter().collect();
        assert!(different.len() > 90, "{ages:?}");
    }
}
