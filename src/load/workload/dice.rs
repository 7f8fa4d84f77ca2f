//! Chance that anybody can repeat: every operation has its own place in one long sequence, so what
//! it asks for follows from its number alone, whichever worker does it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Words of the sequence for one operation; none uses as many.
const WORDS: u128 = 64;

/// The sequence of one load.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The sequence of the load at `stream` under `seed`.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut sequence = ChaCha8Rng::seed_from_u64(seed);
        sequence.set_stream(stream);
        Self(sequence)
    }

    /// What chance holds for operation `op`.
    #[must_use]
    pub fn of(&self, op: u64) -> impl Rng + use<> {
        let mut own = self.0.clone();
        own.set_word_pos(u128::from(op) * WORDS);
        own
    }
}
