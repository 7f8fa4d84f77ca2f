//! Whether one sample lies beyond another, or no further than chance alone brings it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bootstrap::{self, middle};

/// Samples with fewer points decide nothing: a resample of four is one of the four too often.
pub const FEWEST: usize = 5;

/// How a second sample lies to a first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lies {
    /// Below it, beyond chance.
    Below,
    /// Above it, beyond chance.
    Above,
    /// No further away than chance brings it.
    Within,
    /// One of them has too few points.
    TooFew,
}

/// Two samples beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Contrast {
    /// Median of the second divided by median of the first; absent where the first is 0.
    pub ratio: Option<f64>,
    /// Its 95 % bootstrap interval; absent where a point of either is 0, or an only one.
    pub interval: Option<(f64, f64)>,
    /// How the second lies.
    pub lies: Lies,
}

/// The second sample beside the first: beyond it where the 95 % interval of the ratio of medians leaves 1 out. Where a
/// point is 0 there may be no ratio, and the interval of the difference of medians must leave 0 out.
#[must_use]
pub fn contrast(first: &[f64], second: &[f64], seed: u64) -> Contrast {
    let zero = first.iter().chain(second).any(|number| *number <= 0.0);
    let ratio = bootstrap::ratio_of_medians(second, first);
    let interval = bootstrap::interval(second, first, seed).filter(|_| !zero);
    let few = first.len() < FEWEST || second.len() < FEWEST;
    let lies = match interval {
        _ if few => Lies::TooFew,
        Some((low, high)) => side(low, high, 1.0),
        None => bootstrap::difference(second, first, seed, middle)
            .map_or(Lies::TooFew, |(low, high)| side(low, high, 0.0)),
    };
    Contrast { ratio, interval, lies }
}

/// How often something happened in a second series of trials beside a first: by the interval of the difference of shares.
#[must_use]
pub fn shares(first: (usize, usize), second: (usize, usize), seed: u64) -> Lies {
    let trials = |(happened, of): (usize, usize)| -> Vec<f64> {
        (0..of).map(|trial| if trial < happened { 1.0 } else { 0.0 }).collect()
    };
    let (first, second) = (trials(first), trials(second));
    if first.len() < FEWEST || second.len() < FEWEST {
        return Lies::TooFew;
    }
    bootstrap::difference(&second, &first, seed, bootstrap::mean)
        .map_or(Lies::TooFew, |(low, high)| side(low, high, 0.0))
}

/// Where an interval lies to a value that means no difference.
fn side(low: f64, high: f64, none: f64) -> Lies {
    if high < none {
        Lies::Below
    } else if low > none {
        Lies::Above
    } else {
        Lies::Within
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Times of one lab as they come: a third more or less, and a tail to the right.
    fn sample(seed: u64, points: usize, scale: f64) -> Vec<f64> {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        (0..points).map(|_| scale * 10_f64.powf(chance.random_range(-0.12..0.2))).collect()
    }

    #[test]
    fn two_samples_of_one_lab_seldom_differ() {
        let beyond = (0..60).filter(|seed| {
            let (one, other) = (sample(2 * seed, 10, 300.0), sample(2 * seed + 1, 10, 300.0));
            contrast(&one, &other, 1).lies != Lies::Within
        });
        // one in twenty is what a 95 % interval promises of large samples
        assert!(beyond.count() <= 6);
    }

    #[test]
    fn a_change_by_half_is_found_whichever_way() {
        let (before, slower, faster) = (sample(1, 10, 300.0), sample(2, 10, 450.0), sample(3, 10, 200.0));
        assert_eq!(contrast(&before, &slower, 1).lies, Lies::Above);
        assert_eq!(contrast(&before, &faster, 1).lies, Lies::Below);
        let (low, high) = contrast(&before, &slower, 1).interval.expect("an interval");
        assert!(low > 1.0 && low < 1.5 && high > 1.5 && high < 2.5, "{low} {high}");
    }

    #[test]
    fn counts_with_zeros_are_held_by_their_difference() {
        assert_eq!(contrast(&[0.0; 5], &[0.0; 5], 1).lies, Lies::Within);
        let failed = contrast(&[0.0; 10], &[5.0, 6.0, 7.0, 5.0, 6.0], 1);
        assert_eq!((failed.ratio, failed.interval, failed.lies), (None, None, Lies::Above));
        assert_eq!(contrast(&[5.0, 6.0, 7.0, 5.0, 6.0], &[0.0; 10], 1).lies, Lies::Below);
    }

    #[test]
    fn few_points_decide_nothing() {
        assert_eq!(contrast(&[1.0; 4], &[9.0; 30], 1).lies, Lies::TooFew);
        assert_eq!(contrast(&[], &[], 1), Contrast { ratio: None, interval: None, lies: Lies::TooFew });
        assert_eq!(contrast(&[2.0], &[8.0; 30], 1).ratio, Some(4.0));
        assert_eq!(shares((0, 0), (3, 30), 1), Lies::TooFew);
    }

    #[test]
    fn how_often_a_client_hangs_is_told_from_chance() {
        assert_eq!(shares((0, 30), (1, 30), 1), Lies::Within);
        assert_eq!(shares((0, 30), (14, 21), 1), Lies::Above);
        assert_eq!(shares((10, 10), (0, 30), 1), Lies::Below);
        assert_eq!(shares((0, 30), (0, 30), 1), Lies::Within);
    }
}
