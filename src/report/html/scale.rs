//! From numbers to places: the axis of time and the axis of a chart. Places are units of an SVG's own coordinates.

/// A straight axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The number at the beginning.
    pub from: f64,
    /// The number at the end.
    pub to: f64,
    /// Where the axis begins.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
}

impl Scale {
    /// An axis on which equal differences are equally far apart.
    #[must_use]
    pub const fn straight((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        Self { from, to, start, end, log: false }
    }

    /// An axis on which equal ratios are equally far apart; `from` must be above zero.
    #[must_use]
    pub const fn log((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        Self { from, to, start, end, log: true }
    }

    /// Where a number stands; what is beyond an end stands at it.
    #[must_use]
    pub fn at(&self, number: f64) -> f64 {
        let place = |number: f64| if self.log { number.max(self.from).ln() } else { number };
        let (from, to) = (place(self.from), place(self.to));
        let share = if to > from { (place(number) - from) / (to - from) } else { 0.0 };
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Round numbers along the axis, `wanted` at most, give or take one.
    #[must_use]
    pub fn ticks(&self, wanted: u32) -> Vec<f64> {
        if self.log {
            return self.powers();
        }
        let step = round_step((self.to - self.from) / f64::from(wanted.max(1)));
        let first = (self.from / step).ceil();
        (0..=wanted + 1)
            .map(|number| (first + f64::from(number)) * step)
            .take_while(|at| *at <= self.to + step * 1e-9)
            .collect()
    }

    /// Powers of ten along the axis.
    fn powers(&self) -> Vec<f64> {
        let first = self.from.log10().ceil();
        (0..12).map(|power| 10_f64.powf(first + f64::from(power))).take_while(|at| *at <= self.to).collect()
    }
}

/// The least round number that is not below a span: 1, 2 or 5 with zeros.
#[must_use]
pub fn round_step(least: f64) -> f64 {
    if !least.is_finite() || least <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(power)
}

/// The steps of an axis of time, milliseconds.
const TIMES: [f64; 22] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5,
    9e5, 18e5, 36e5,
];

/// The least step of time that is not below a span, milliseconds; whole hours beyond one.
#[must_use]
pub fn time_step(least_ms: f64) -> f64 {
    let hour = 36e5;
    TIMES.into_iter().find(|step| *step >= least_ms).unwrap_or_else(|| (least_ms / hour).ceil() * hour)
}

/// Round instants between two, at most `wanted` and one more, milliseconds.
#[must_use]
pub fn instants(from: f64, to: f64, wanted: u32) -> Vec<f64> {
    let step = time_step((to - from) / f64::from(wanted.max(1)));
    let first = (from / step).ceil();
    (0..=wanted + 1)
        .map(|number| (first + f64::from(number)) * step)
        .take_while(|at| *at <= to + step * 1e-9)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(scale: Scale, numbers: &[f64]) -> Vec<f64> {
        numbers.iter().map(|number| (scale.at(*number) * 10.0).round() / 10.0).collect()
    }

    #[test]
    fn numbers_have_places_between_both_ends() {
        let straight = Scale::straight((0.0, 10.0), (100.0, 200.0));
        assert_eq!(places(straight, &[-5.0, 0.0, 2.5, 10.0, 99.0]), [100.0, 100.0, 125.0, 200.0, 200.0]);
        // upwards: the end is above the beginning
        let log = Scale::log((1.0, 100.0), (50.0, 0.0));
        assert_eq!(places(log, &[0.0, 1.0, 10.0, 100.0]), [50.0, 50.0, 25.0, 0.0]);
        let nothing = Scale::straight((3.0, 3.0), (0.0, 10.0));
        assert_eq!(places(nothing, &[3.0, f64::NAN]), [0.0, 0.0]);
    }

    #[test]
    fn ticks_are_round_and_on_the_axis() {
        assert_eq!(Scale::straight((0.0, 47.0), (0.0, 1.0)).ticks(5), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(Scale::straight((-3.0, 3.0), (0.0, 1.0)).ticks(3), [-2.0, 0.0, 2.0]);
        assert_eq!(Scale::log((0.5, 2_000.0), (0.0, 1.0)).ticks(9), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(instants(-1_500.0, 92_000.0, 8), [0.0, 15e3, 3e4, 45e3, 6e4, 75e3, 9e4]);
        assert_eq!(instants(0.0, 36e6, 8), [0.0, 72e5, 144e5, 216e5, 288e5, 36e6]);
        assert_eq!(instants(0.0, 0.0, 8), [0.0]);
    }
}
