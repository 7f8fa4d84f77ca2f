//! When the operations of an open load are meant to start. The schedule does not wait for answers:
//! latency counts from here, so a stalled server cannot hide behind a stalled client.

use std::time::Duration;

use crate::model::{Load, Span};

/// The intended starts of an open load.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    /// Corners of the rate: seconds, operations per second, operations due up to here.
    corners: Vec<Corner>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Corner {
    at: f64,
    rate: f64,
    due: f64,
}

impl Arrivals {
    /// Of a load with a `rate` or a `curve`; `None` for closed loads.
    #[must_use]
    pub fn of(load: &Load) -> Option<Self> {
        match (load.rate, &load.curve) {
            (Some(rate), _) => Some(Self::steady(rate)),
            (None, Some(curve)) => Some(Self::curve(curve)),
            (None, None) => None,
        }
    }

    /// So many operations per second, for ever.
    #[must_use]
    pub fn steady(rate: f64) -> Self {
        Self { corners: vec![Corner { at: 0.0, rate, due: 0.0 }] }
    }

    /// Straight lines between the points; after the last point its rate goes on.
    #[must_use]
    pub fn curve(points: &[(Span, f64)]) -> Self {
        let mut corners: Vec<Corner> = Vec::with_capacity(points.len());
        for (at, rate) in points {
            let (at, rate) = (at.0.as_secs_f64(), *rate);
            let due = corners.last().map_or(0.0, |last| last.due + (at - last.at) * (last.rate + rate) / 2.0);
            corners.push(Corner { at, rate, due });
        }
        Self { corners }
    }

    /// When operation `n` (from 0) is meant to start, from the start of the load; `None` when the
    /// rate falls to zero before so many are due.
    #[must_use]
    pub fn intended_start(&self, n: u64) -> Option<Duration> {
        let n = n as f64;
        // the last corner by which no more than n are due, so that a zero rate at the start is stepped over
        let index = self.corners.partition_point(|corner| corner.due <= n).checked_sub(1)?;
        let from = self.corners[index];
        let missing = n - from.due;
        let slope = self.corners.get(index + 1).map_or(0.0, |to| (to.rate - from.rate) / (to.at - from.at));
        // missing = rate·t + slope·t²/2, solved in the form that does not cancel
        let root = (from.rate.mul_add(from.rate, 2.0 * slope * missing)).max(0.0).sqrt();
        let denominator = from.rate + root;
        if denominator > 0.0 {
            Duration::try_from_secs_f64(from.at + 2.0 * missing / denominator).ok()
        } else if slope > 0.0 {
            Duration::try_from_secs_f64(from.at).ok() // the very start of a slope that begins at zero
        } else {
            None
        }
    }

    /// Intended starts before `duration`, in order.
    #[must_use]
    pub const fn until(self, duration: Duration) -> Starts {
        Starts { arrivals: self, duration, next: 0 }
    }
}

/// The intended starts of one load, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Starts {
    arrivals: Arrivals,
    duration: Duration,
    next: u64,
}

impl Iterator for Starts {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let at = self.arrivals.intended_start(self.next).filter(|at| *at < self.duration)?;
        self.next += 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_steady_rate_is_a_comb() {
        let starts: Vec<_> = Arrivals::steady(200.0).until(Duration::from_millis(20)).collect();
        assert_eq!(starts, [0, 5, 10, 15].map(Duration::from_millis));
    }

    #[test]
    fn a_ramp_has_its_area() {
        // from 0 to 100 per second in 10 s: 500 operations, half of them after 7.07 s
        let ramp = Arrivals::curve(&[(Span::secs(0), 0.0), (Span::secs(10), 100.0)]);
        assert_eq!(ramp.clone().until(Duration::from_secs(10)).count(), 500);
        let half = ramp.intended_start(250).expect("a start").as_secs_f64();
        assert!((half - 50_f64.sqrt()).abs() < 1e-6, "{half}");
        assert_eq!(ramp.until(Duration::from_secs(12)).count(), 700, "the last rate goes on");
    }

    #[test]
    fn a_rate_of_zero_asks_nothing_and_may_rise_later() {
        let never = Arrivals::curve(&[(Span::secs(0), 0.0), (Span::secs(10), 0.0)]);
        assert_eq!(never.until(Duration::from_secs(20)).count(), 0);
        let late = Arrivals::curve(&[(Span::secs(0), 0.0), (Span::secs(5), 0.0), (Span::secs(6), 100.0)]);
        assert!(late.intended_start(0).expect("a start") >= Duration::from_secs(5));
        let fades = Arrivals::curve(&[(Span::secs(0), 10.0), (Span::secs(2), 0.0)]);
        assert_eq!(fades.until(Duration::from_mins(1)).count(), 10, "nothing is due after the rate is zero");
    }

    proptest! {
        #[test]
        fn starts_never_go_back_and_follow_the_area(rates in prop::collection::vec(0.0_f64..300.0, 1..6)) {
            let points: Vec<_> = rates.iter().zip(0..).map(|(rate, at)| (Span::secs(at * 3), *rate)).collect();
            let arrivals = Arrivals::curve(&points);
            let end = Duration::from_secs(points.len() as u64 * 3);
            let starts: Vec<_> = arrivals.until(end).collect();
            prop_assert!(starts.windows(2).all(|pair| pair[0] <= pair[1]));
            let area: f64 = rates.windows(2).map(|pair| 1.5 * (pair[0] + pair[1])).sum::<f64>() + 3.0 * rates[rates.len() - 1];
            prop_assert!((starts.len() as f64 - area).abs() <= 1.5, "{} operations for an area of {area}", starts.len());
        }
    }
}
