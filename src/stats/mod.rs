//! Numbers from samples: percentiles, medians, empirical distributions. Pure.
//!
//! Latency goes through an HDR histogram with three significant digits: constant memory for any number
//! of operations, and the error of a percentile is below one part in a thousand. Everything here is
//! total: no sample, no number (`None`), never a zero that looks measured.

pub mod bootstrap;
pub mod contrast;
pub mod figures;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Percentiles of a sample of durations, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Nine of ten are no larger.
    pub p90: f64,
    /// 99 of a hundred are no larger.
    pub p99: f64,
    /// 999 of a thousand are no larger.
    pub p999: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Percentiles of durations given in nanoseconds; `None` when there are none. The resolution is one
    /// microsecond, the longest duration that is told apart is a day.
    #[must_use]
    pub fn of_nanos(samples: impl IntoIterator<Item = u64>) -> Option<Self> {
        Self::of_buckets(samples.into_iter().map(|nanos| (nanos, 1)))
    }

    /// The same of samples counted by value: (nanoseconds, how many).
    #[must_use]
    pub fn of_buckets(buckets: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let histogram = histogram(buckets)?;
        let at = |quantile: f64| millis(histogram.value_at_quantile(quantile) * 1000);
        Some(Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(histogram.max() * 1000),
        })
    }
}

/// The values that these shares of a hundred do not exceed, milliseconds, of a sample counted by value: (nanoseconds, how
/// many); `None` when there is none. The resolution is that of [`Percentiles`].
#[must_use]
pub fn curve(buckets: impl IntoIterator<Item = (u64, u64)>, shares: &[f64]) -> Option<Vec<f64>> {
    let histogram = histogram(buckets)?;
    let at = |share: &f64| millis(histogram.value_at_quantile(share / 100.0) * 1000);
    Some(shares.iter().map(at).collect())
}

/// Durations counted by value, microseconds; `None` when there are none.
fn histogram(buckets: impl IntoIterator<Item = (u64, u64)>) -> Option<Histogram<u64>> {
    const DAY_US: u64 = 24 * 3600 * 1_000_000;
    // the bounds are constants the library accepts: 1 ≤ low, 2·low ≤ high, digits ≤ 5
    let mut histogram = Histogram::<u64>::new_with_bounds(1, DAY_US, 3).ok()?;
    // a bucket with nothing in it would still move the maximum
    for (nanos, count) in buckets.into_iter().filter(|(_, count)| *count > 0) {
        histogram.saturating_record_n(nanos / 1000, count);
    }
    (!histogram.is_empty()).then_some(histogram)
}

/// Nanoseconds as milliseconds, rounded to microseconds.
#[must_use]
pub fn millis(nanos: u64) -> f64 {
    // exact: microseconds of any run are far below 2^53
    let us = (nanos / 1000) as f64;
    us / 1000.0
}

/// The middle of a sample (the lower one of two); `None` when it is empty. Linear on average.
#[must_use]
pub fn median(mut sample: Vec<u64>) -> Option<u64> {
    let middle = sample.len().checked_sub(1)? / 2;
    Some(*sample.select_nth_unstable(middle).1)
}

/// Events per second between two instants given in nanoseconds; `None` when no time passed.
#[must_use]
pub fn per_second(events: u64, nanos: u64) -> Option<f64> {
    // counts and spans of a run are far below 2^53
    (nanos > 0).then(|| events as f64 / (nanos as f64 / 1e9))
}

/// `part` of `whole`; 0 of nothing.
#[must_use]
pub fn ratio(part: u64, whole: u64) -> f64 {
    // counts of a run are far below 2^53
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The empirical distribution function: each distinct value with the share of the sample not above it.
#[must_use]
pub fn ecdf(mut sample: Vec<u64>) -> Vec<(u64, f64)> {
    sample.sort_unstable();
    let whole = sample.len() as u64;
    let mut steps: Vec<(u64, f64)> = Vec::new();
    for (index, value) in sample.into_iter().enumerate() {
        let share = ratio(index as u64 + 1, whole);
        match steps.last_mut() {
            Some(last) if last.0 == value => last.1 = share,
            _ => steps.push((value, share)),
        }
    }
    steps
}

/// How many of `instants` fall into each window of `width` nanoseconds, counted from `start`; instants
/// before it are left out. Empty windows between are there, with 0.
#[must_use]
pub fn windows(start: u64, width: u64, instants: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut counts = Vec::new();
    for instant in instants {
        let Some(offset) = instant.checked_sub(start) else { continue };
        let Ok(index) = usize::try_from(offset / width.max(1)) else { continue };
        if counts.len() <= index {
            counts.resize(index + 1, 0);
        }
        counts[index] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sample() {
        let seen = Percentiles::of_nanos((1..=1000).map(|ms| ms * 1_000_000)).expect("samples");
        for (seen, wanted) in [(seen.p50, 500.0), (seen.p90, 900.0), (seen.p99, 990.0), (seen.p999, 999.0)] {
            assert!((seen - wanted).abs() <= wanted / 500.0, "{seen} is not {wanted}");
        }
        assert!((seen.max - 1000.0).abs() <= 1.0);
        assert_eq!(Percentiles::of_nanos([]), None);
        let counted = Percentiles::of_buckets([(0, 98), (5_000_000, 2), (7_000_000, 0)]).expect("samples");
        assert_eq!((counted.p50, counted.p90), (0.0, 0.0));
        assert!((counted.p99 - 5.0).abs() < 0.01 && (counted.max - 5.0).abs() < 0.01, "{counted:?}");
    }

    #[test]
    fn a_curve_goes_through_the_percentiles() {
        let seen = curve((1..=1000).map(|ms| (ms * 1_000_000, 1)), &[50.0, 99.0, 100.0]).expect("samples");
        for (seen, wanted) in seen.iter().zip([500.0, 990.0, 1000.0]) {
            assert!((seen - wanted).abs() <= wanted / 500.0, "{seen} is not {wanted}");
        }
        assert_eq!(curve([(5, 0)], &[50.0]), None);
    }

    #[test]
    fn the_median_is_a_member_of_the_sample() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3]), Some(3));
        assert_eq!(median(vec![9, 1, 5, 7]), Some(5));
    }

    #[test]
    fn shares_and_rates_of_nothing_are_no_division_by_zero() {
        assert_eq!(per_second(5, 0), None);
        assert_eq!(per_second(5, 500_000_000), Some(10.0));
        assert!((ratio(1, 4) - 0.25).abs() < 1e-12 && ratio(0, 0) == 0.0);
    }

    #[test]
    fn the_distribution_ends_at_one() {
        assert_eq!(ecdf(vec![2, 1, 2, 4]), [(1, 0.25), (2, 0.75), (4, 1.0)]);
        assert_eq!(ecdf(vec![]), []);
    }

    #[test]
    fn windows_count_and_keep_the_empty_ones() {
        assert_eq!(windows(10, 5, [9, 10, 14, 25]), [2, 0, 0, 1]);
        assert_eq!(windows(0, 5, []), Vec::<u64>::new());
    }
}
