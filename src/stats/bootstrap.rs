//! The percentile bootstrap: how far a ratio of medians could have come out otherwise.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamples; the ends of a 95 % interval move by little more than a percent beyond that.
const RESAMPLES: usize = 10_000;

/// The middle of a sample, of an even number the mean of both; `None` when it is empty.
#[must_use]
pub fn middle(sample: &[f64]) -> Option<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.as_slice() {
        [] => None,
        odd if odd.len() % 2 == 1 => odd.get(half).copied(),
        even => Some(f64::midpoint(*even.get(half - 1)?, *even.get(half)?)),
    }
}

/// The value that a `share` of the sample does not exceed (nearest rank); `None` when it is empty.
#[must_use]
pub fn quantile(sample: &[f64], share: f64) -> Option<f64> {
    quantile_in(&mut sample.to_vec(), share)
}

/// The same of a sample whose order may change.
#[must_use]
pub fn quantile_in(sample: &mut [f64], share: f64) -> Option<f64> {
    let rank = rank(sample.len(), share)?;
    Some(*sample.select_nth_unstable_by(rank, f64::total_cmp).1)
}

/// The place, from 0 on, of that value among so many in order; `None` when there are none.
#[must_use]
pub fn rank(count: usize, share: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the sample")]
    let rank = ((count as f64 * share).ceil() as usize).saturating_sub(1).min(last);
    Some(rank)
}

/// Median of `over` divided by median of `under`; `None` when one is empty or the divisor is 0.
#[must_use]
pub fn ratio_of_medians(over: &[f64], under: &[f64]) -> Option<f64> {
    let (over, under) = (middle(over)?, middle(under)?);
    (under > 0.0).then(|| over / under)
}

/// The 95 % interval of that ratio, both samples drawn again with replacement; the same seed gives the same
/// interval. `None` when a sample has fewer than two points, for then nothing varies.
#[must_use]
pub fn interval(over: &[f64], under: &[f64], seed: u64) -> Option<(f64, f64)> {
    resampled(over, under, seed, ratio_of_medians)
}

/// The 95 % interval of the difference that a measure of two samples makes, `one` − `other`; as [`interval`] otherwise.
#[must_use]
pub fn difference(
    one: &[f64],
    other: &[f64],
    seed: u64,
    measure: fn(&[f64]) -> Option<f64>,
) -> Option<(f64, f64)> {
    resampled(one, other, seed, |one, other| Some(measure(one)? - measure(other)?))
}

fn resampled(
    one: &[f64],
    other: &[f64],
    seed: u64,
    measure: impl Fn(&[f64], &[f64]) -> Option<f64>,
) -> Option<(f64, f64)> {
    if one.len() < 2 || other.len() < 2 {
        return None;
    }
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut again = |sample: &[f64]| -> Vec<f64> {
        (0..sample.len()).filter_map(|_| sample.get(chance.random_range(0..sample.len())).copied()).collect()
    };
    let measured: Vec<f64> = (0..RESAMPLES).filter_map(|_| measure(&again(one), &again(other))).collect();
    Some((quantile(&measured, 0.025)?, quantile(&measured, 0.975)?))
}

/// The mean of a sample; `None` when it is empty.
#[must_use]
pub fn mean(sample: &[f64]) -> Option<f64> {
    // samples are far below 2^53
    (!sample.is_empty()).then(|| sample.iter().sum::<f64>() / sample.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn middles_and_quantiles_of_small_samples() {
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(middle(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.95), Some(4.0));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.0));
        assert_eq!(ratio_of_medians(&[1.0], &[0.0]), None);
    }

    #[test]
    fn one_point_has_no_interval_and_equal_points_have_a_narrow_one() {
        assert_eq!(interval(&[10.0], &[1.0, 2.0], 1), None);
        assert_eq!(interval(&[10.0; 5], &[2.0; 5], 1), Some((5.0, 5.0)));
    }

    proptest! {
        // each case draws twenty thousand samples: a few dozen are enough, and half a minute is too long
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_interval_lies_within_what_any_resample_could_give(
            over in prop::collection::vec(1.0_f64..1e5, 2..12),
            under in prop::collection::vec(1.0_f64..1e5, 2..12),
        ) {
            let (low, high) = interval(&over, &under, 3).expect("two points each");
            let least = |sample: &[f64]| sample.iter().copied().fold(f64::INFINITY, f64::min);
            let most = |sample: &[f64]| sample.iter().copied().fold(0.0, f64::max);
            prop_assert!(low <= high);
            prop_assert!(low >= least(&over) / most(&under) - 1e-9);
            prop_assert!(high <= most(&over) / least(&under) + 1e-9);
            prop_assert_eq!(interval(&over, &under, 3), Some((low, high)));
        }
    }
}
