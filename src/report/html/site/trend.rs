//! Medians of arms over measurements, with every point behind them, as a picture.

use crate::model::scenario::VerdictWord;
use crate::report::Point;
use crate::report::html::markup::{Attribute, Markup, Px, cut};
use crate::report::html::page::Tone;
use crate::report::html::scale::Scale;
use crate::stats::bootstrap;

/// How arms look.
const TONES: [Tone; 6] = [Tone::Warn, Tone::Act, Tone::Primary, Tone::Good, Tone::Bad, Tone::Replica];
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 172.0;
/// Points of one arm in one measurement that are drawn at most.
const DOTS: usize = 60;
/// Ratios from here on are drawn so that equal ones are equally far apart.
const FAR: f64 = 8.0;

/// What the points of one arm in one measurement say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// Values of the points that have one, in the order of their trials; an unknown proves nothing and is left out.
    pub values: Vec<f64>,
    /// Trials that ended unknown.
    pub unknown: usize,
    /// Acknowledged writes that were lost, over all trials.
    pub lost: u64,
}

impl Seen {
    /// Of the points of one arm; `None` where there is none.
    pub(super) fn of<'a>(points: impl Iterator<Item = &'a Point>) -> Option<Self> {
        let mut seen = Self::default();
        let mut any = false;
        for point in points {
            any = true;
            if point.verdict == VerdictWord::Unknown {
                seen.unknown += 1;
                continue;
            }
            seen.values.extend(point.value);
            seen.lost += point.lost;
        }
        any.then_some(seen)
    }

    /// The middle value.
    pub(super) fn median(&self) -> Option<f64> {
        bootstrap::middle(&self.values)
    }
}

/// One arm over all measurements.
pub(super) struct Series {
    /// Its name.
    pub name: String,
    /// What was seen in each measurement.
    pub at: Vec<Option<Seen>>,
}

/// The picture of a comparison.
pub(super) fn trend(
    out: &mut Markup,
    name: &str,
    days: &[String],
    series: &[Series],
    words: impl Fn(f64) -> String,
) {
    let all =
        || series.iter().flat_map(|arm| arm.at.iter().flatten().flat_map(|seen| seen.values.iter().copied()));
    if days.is_empty() || all().next().is_none() {
        return;
    }
    let up = upwards(all());
    let step = (RIGHT - LEFT) / days.len() as f64;
    let view = format!("0 0 {} {}", Px(WIDTH), Px(HEIGHT));
    let label = format!("{name}: points and medians of every arm, over measurements");
    out.own("<div class=\"scroll\"><div class=\"trend\">");
    out.around("svg", &[("viewBox", &view), ("role", &"img"), ("aria-label", &label)], |out| {
        for number in up.ticks(5) {
            let y = up.at(number);
            let place: [Attribute<'_>; 5] =
                [("x1", &Px(LEFT)), ("x2", &Px(RIGHT)), ("y1", &Px(y)), ("y2", &Px(y)), ("class", &"grid")];
            out.open("line", &place).close("line");
            text(out, (LEFT - 6.0, y + 4.0), "end", "tick", &words(number));
        }
        for (number, day) in days.iter().enumerate() {
            text(out, (step.mul_add(number as f64 + 0.5, LEFT), BOTTOM + 18.0), "middle", "tick", day);
        }
        for (number, (arm, tone)) in series.iter().zip(TONES.into_iter().cycle()).enumerate() {
            // arms stand beside each other, so that their points can be told apart
            let aside = (number as f64 + 0.5) / series.len() as f64;
            let across = |bench: usize| step.mul_add(bench as f64 + 0.15 + 0.7 * aside, LEFT);
            self::arm(out, arm, tone, &up, across, &words);
        }
        legend(out, series);
    });
    out.own("</div></div>");
}

/// The axis of numbers.
fn upwards(all: impl Iterator<Item = f64> + Clone) -> Scale {
    let most = all.clone().fold(0.0, f64::max);
    let least = all.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    if least.is_finite() && most > least * FAR {
        let (from, to) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
        return Scale::log((from, to), (BOTTOM, TOP));
    }
    Scale::straight((0.0, if most > 0.0 { most * 1.1 } else { 1.0 }), (BOTTOM, TOP))
}

fn arm(
    out: &mut Markup,
    series: &Series,
    tone: Tone,
    up: &Scale,
    across: impl Fn(usize) -> f64,
    words: impl Fn(f64) -> String,
) {
    let (dot, line) = (format!("dot {}", tone.class()), format!("line {}", tone.class()));
    let mut medians = Vec::new();
    for (number, seen) in series.at.iter().enumerate() {
        let Some(seen) = seen else { continue };
        let x = across(number);
        let shown = seen.values.len().min(DOTS);
        for (place, value) in seen.values.iter().take(DOTS).enumerate() {
            // side by side in the order of the trials
            let aside = if shown > 1 { (place as f64 / (shown - 1) as f64 - 0.5) * 16.0 } else { 0.0 };
            let at: [Attribute<'_>; 4] =
                [("cx", &Px(x + aside)), ("cy", &Px(up.at(*value))), ("r", &Px(2.2)), ("class", &dot)];
            out.open("circle", &at).close("circle");
        }
        let Some(median) = seen.median() else { continue };
        let y = up.at(median);
        medians.push(format!("{} {}", Px(x), Px(y)));
        let path = format!("M{} {}h24", Px(x - 12.0), Px(y));
        let class = format!("{line} thick");
        let says = format!("{}: median {} of {} trials", series.name, words(median), seen.values.len());
        out.shape("path", &[("d", &path), ("class", &class)], &says);
    }
    if medians.len() > 1 {
        let path = format!("M{}", medians.join("L"));
        out.open("path", &[("d", &path), ("class", &line)]).close("path");
    }
}

fn legend(out: &mut Markup, series: &[Series]) {
    let mut x = LEFT;
    for (arm, tone) in series.iter().zip(TONES.into_iter().cycle()) {
        let key = format!("key {}", tone.class());
        let at: [Attribute<'_>; 5] =
            [("x", &Px(x)), ("y", &Px(4.0)), ("width", &Px(12.0)), ("height", &Px(8.0)), ("class", &key)];
        out.open("rect", &at).close("rect");
        let name = cut(&arm.name, 24);
        text(out, (x + 16.0, 12.0), "start", "tick", &name);
        x += 34.0 + name.chars().count() as f64 * 6.6;
    }
}

fn text(out: &mut Markup, (x, y): (f64, f64), anchor: &str, class: &str, says: &str) {
    let place: [Attribute<'_>; 4] =
        [("x", &Px(x)), ("y", &Px(y)), ("text-anchor", &anchor), ("class", &class)];
    out.leaf("text", &place, says);
}
