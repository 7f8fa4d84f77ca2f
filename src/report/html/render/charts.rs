//! Charts over time as SVG.

use std::fmt::Write as _;

use super::picture::{LEFT, RIGHT, WIDTH, picture};
use crate::report::html::markup::{Attribute, Markup, Px, cut};
use crate::report::html::page::{Chart, Join, Line, Unit};
use crate::report::html::scale::{Scale, round_step};
use crate::stats::figures::{bytes, count, rate, seconds};

/// Where a chart begins under its top, and how high it is.
const TOP: f64 = 18.0;
const HEIGHT: f64 = 76.0;

/// A number of an axis, as people read it.
pub(super) fn words(unit: Unit, number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are not negative")]
    let whole = number.round().max(0.0) as u64;
    match unit {
        Unit::Millis => seconds(number),
        Unit::Count => count(whole),
        Unit::Rate => rate(number),
        Unit::Bytes => bytes(whole),
        Unit::Cores => format!("{number:.1}"),
    }
}

/// One chart under a lane; `frame` draws what is behind every lane.
pub(super) fn over_time(
    out: &mut Markup,
    chart: &Chart,
    across: &Scale,
    frame: impl FnOnce(&mut Markup, f64),
) {
    let height = TOP + HEIGHT + 8.0;
    picture(out, (WIDTH, height), &chart.title, |out| {
        frame(out, height);
        let up = upwards(chart);
        ticks(out, chart, &up);
        for line in &chart.lines {
            self::line(out, line, across, &up);
        }
        legend(out, chart);
    });
}

/// The axis of numbers: from zero, or for ratios from the power of ten below the least.
fn upwards(chart: &Chart) -> Scale {
    let places = (TOP + HEIGHT, TOP);
    let numbers = || chart.lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, number)| *number));
    let most = numbers().fold(0.0, f64::max);
    if !chart.log {
        let most = if most > 0.0 { most } else { 1.0 };
        let step = tick_step(chart.unit, most);
        return Scale::straight((0.0, (most / step).ceil() * step), places);
    }
    let least = numbers().filter(|number| *number > 0.0).fold(f64::INFINITY, f64::min).min(most.max(0.001));
    let power = |number: f64, round: fn(f64) -> f64| 10_f64.powf(round(number.max(0.001).log10()));
    let (from, to) = (power(least, f64::floor), power(most, f64::ceil));
    Scale::log((from, to.max(from * 10.0)), places)
}

/// Bytes have round numbers of their own.
fn tick_step(unit: Unit, most: f64) -> f64 {
    match unit {
        Unit::Bytes => {
            1024_f64.powf((most.max(1.0).ln() / 1024_f64.ln()).floor()) * {
                let large = 1024_f64.powf((most.max(1.0).ln() / 1024_f64.ln()).floor());
                round_step(most / large / 3.0)
            }
        }
        Unit::Count => round_step(most / 3.0).max(1.0),
        Unit::Millis | Unit::Rate | Unit::Cores => round_step(most / 3.0),
    }
}

fn ticks(out: &mut Markup, chart: &Chart, up: &Scale) {
    let numbers: Vec<f64> = if chart.log {
        let all = up.ticks(9);
        let every = all.len().div_ceil(5);
        all.into_iter().step_by(every.max(1)).collect()
    } else {
        let step = tick_step(chart.unit, up.to);
        (0..=4).map(|number| f64::from(number) * step).take_while(|at| *at <= up.to * 1.000_001).collect()
    };
    for number in numbers {
        let y = up.at(number);
        let place: [Attribute<'_>; 5] =
            [("x1", &Px(LEFT)), ("x2", &Px(RIGHT)), ("y1", &Px(y)), ("y2", &Px(y)), ("class", &"grid")];
        out.open("line", &place).close("line");
        let place: [Attribute<'_>; 4] =
            [("x", &Px(LEFT - 6.0)), ("y", &Px(y + 4.0)), ("text-anchor", &"end"), ("class", &"tick")];
        out.leaf("text", &place, words(chart.unit, number));
    }
}

fn line(out: &mut Markup, line: &Line, across: &Scale, up: &Scale) {
    let class = format!(
        "line {} {}",
        line.tone.class(),
        match line.join {
            Join::Line | Join::Step => "stroke",
            Join::Area => "area",
            Join::Limit => "limit",
        }
    );
    out.open("path", &[("d", &path(line, across, up)), ("class", &class)]).close("path");
}

/// The way along the points of a line.
fn path(line: &Line, across: &Scale, up: &Scale) -> String {
    let mut path = String::new();
    let mut open: Option<f64> = None;
    let steps = line.join != Join::Line;
    let floor = Px(up.at(0.0));
    for (at, number) in &line.points {
        let x = Px(across.at(*at));
        let Some(number) = number else {
            if open.take().is_some() && steps {
                let _ = write!(path, "H{x}");
                if line.join == Join::Area {
                    let _ = write!(path, "V{floor}");
                }
            }
            continue;
        };
        let y = Px(up.at(*number));
        // writing to a string cannot fail
        let _ = match (open, steps) {
            (None, _) if line.join == Join::Area => write!(path, "M{x} {floor}V{y}"),
            // a point without neighbours is a dot
            (None, _) => write!(path, "M{x} {y}h0"),
            (Some(_), false) => write!(path, "L{x} {y}"),
            (Some(before), true) if before.to_bits() == y.0.to_bits() => Ok(()),
            (Some(_), true) => write!(path, "H{x}V{y}"),
        };
        open = Some(y.0);
    }
    if let (Some(_), Some((at, _)), true) = (open, line.points.last(), steps) {
        let _ = write!(path, "H{}", Px(across.at(*at)));
    }
    path
}

fn legend(out: &mut Markup, chart: &Chart) {
    out.leaf("text", &[("x", &Px(LEFT)), ("y", &Px(12.0)), ("class", &"word")], cut(&chart.title, 40));
    if chart.lines.len() < 2 && chart.lines.iter().all(|line| line.name == chart.title) {
        return;
    }
    let mut x = LEFT + 12.0 + cut(&chart.title, 40).chars().count() as f64 * 7.0;
    for line in &chart.lines {
        let name = cut(&line.name, 48);
        let class = format!("key {}", line.tone.class());
        let place: [Attribute<'_>; 5] =
            [("x", &Px(x)), ("y", &Px(4.0)), ("width", &Px(12.0)), ("height", &Px(8.0)), ("class", &class)];
        out.open("rect", &place).close("rect");
        out.leaf("text", &[("x", &Px(x + 16.0)), ("y", &Px(12.0)), ("class", &"tick")], &name);
        x += 30.0 + name.chars().count() as f64 * 6.2;
    }
}
