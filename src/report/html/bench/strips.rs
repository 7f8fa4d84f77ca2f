//! All points of all arms as SVG: one strip an arm over one axis, and what share of each arm ended by when.

use std::fmt::Write as _;

use super::page::{Dot, Strip, Strips};
use crate::report::html::markup::{Attribute, Markup, Px, cut};
use crate::report::html::page::Unit;
use crate::report::html::render::picture;
use crate::report::html::scale::Scale;
use crate::stats::figures::rate;

/// Width of a picture, its own units, and where the axis begins and ends.
const WIDTH: f64 = 940.0;
const LEFT: f64 = 212.0;
const RIGHT: f64 = 850.0;
/// The middle of the column of what never ended.
const NEVER: f64 = 895.0;
/// Width of that column.
const COLUMN: f64 = 64.0;
/// Height of a strip, of the axis, and of the picture of shares.
const ROW: f64 = 54.0;
const AXIS: f64 = 24.0;
const SHARES: f64 = 150.0;
/// Radius of a point, and how far apart two must be to stand on one line.
const RADIUS: f64 = 3.4;
const APART: f64 = 7.2;
/// Lines on which points stand, from the middle of a strip.
const LINES: [f64; 7] = [0.0, -6.5, 6.5, -13.0, 13.0, -19.5, 19.5];
/// Round numbers of an axis of ratios: fewer of them where they would stand too near.
const STEPS: [&[f64]; 2] = [&[1.0, 2.0, 5.0], &[1.0]];

/// Both pictures.
pub(super) fn strips(out: &mut Markup, strips: &Strips) {
    if strips.strips.is_empty() {
        return;
    }
    out.around("div", &[("class", &"scroll")], |out| {
        out.around("div", &[("class", &"picture")], |out| {
            let height = ROW * strips.strips.len() as f64 + AXIS;
            picture(out, (WIDTH, height), "every point of every arm", |out| points(out, strips));
            if strips.strips.iter().any(|strip| strip.dots.len() > 1) {
                out.own("<h3>Share of the trials that were over by then</h3>");
                picture(out, (WIDTH, SHARES + AXIS + 8.0), "distributions", |out| shares(out, strips));
            }
        });
    });
}

fn across(strips: &Strips) -> Scale {
    let (numbers, places) = ((strips.from, strips.to), (LEFT, RIGHT));
    if strips.log { Scale::log(numbers, places) } else { Scale::straight(numbers, places) }
}

fn points(out: &mut Markup, strips: &Strips) {
    let scale = across(strips);
    let bottom = ROW * strips.strips.len() as f64;
    axis(out, strips, &scale, (0.0, bottom));
    for (number, strip) in strips.strips.iter().enumerate() {
        self::strip(out, strip, &scale, ROW * number as f64);
    }
}

/// Grid, round numbers, and the column of what never ended.
fn axis(out: &mut Markup, strips: &Strips, scale: &Scale, (top, bottom): (f64, f64)) {
    for number in ticks(strips, scale) {
        let x = scale.at(number);
        line(out, (x, top), (x, bottom), "grid");
        text(out, (x, bottom + 16.0), "middle", "tick", &axis_words(strips.unit, number));
    }
    line(out, (LEFT, bottom), (RIGHT, bottom), "grid");
    let never = strips.strips.iter().any(|strip| strip.dots.iter().any(|dot| dot.never));
    if never {
        line(out, (RIGHT + 12.0, top), (RIGHT + 12.0, bottom), "grid edge");
        text(out, (NEVER, bottom + 16.0), "middle", "tick", "never");
    }
}

fn ticks(strips: &Strips, scale: &Scale) -> Vec<f64> {
    if !strips.log {
        return scale.ticks(7);
    }
    let powers = (strips.from.log10().floor(), strips.to.log10().ceil());
    let along = |steps: &[f64]| -> Vec<f64> {
        let mut along = Vec::new();
        let mut power = powers.0;
        while power <= powers.1 {
            along.extend(steps.iter().map(|step| step * 10_f64.powf(power)));
            power += 1.0;
        }
        along.retain(|at| *at >= strips.from * 0.999 && *at <= strips.to * 1.001);
        along
    };
    STEPS.into_iter().map(along).find(|along| along.len() <= 12).unwrap_or_default()
}

/// A number of the axis without zeros that say nothing.
fn axis_words(unit: Unit, number: f64) -> String {
    if unit != Unit::Millis {
        return rate(number);
    }
    // floats such as 0.30000000000000004 are not what an axis says
    let seconds = (number / 1e3 * 1e6).round() / 1e6;
    format!("{seconds} s")
}

fn strip(out: &mut Markup, strip: &Strip, scale: &Scale, top: f64) {
    let middle = top + ROW / 2.0;
    line(out, (0.0, top), (WIDTH, top), "grid");
    let class = if strip.candidate { "label own" } else { "label" };
    text(out, (0.0, middle - 3.0), "start", class, &cut(&strip.label, 28));
    text(out, (0.0, middle + 12.0), "start", "tick", &cut(&strip.note, 40));
    if let Some((low, high)) = strip.quartiles {
        let (x, width) = (scale.at(low), (scale.at(high) - scale.at(low)).max(1.0));
        let place: [Attribute<'_>; 5] = [
            ("x", &Px(x)),
            ("y", &Px(top + 6.0)),
            ("width", &Px(width)),
            ("height", &Px(ROW - 12.0)),
            ("class", &"quartiles"),
        ];
        out.shape("rect", &place, "from the first to the third quartile");
    }
    for (dot, (x, y)) in strip.dots.iter().zip(places(&strip.dots, scale)) {
        self::dot(out, dot, strip.candidate, (x, middle + y));
    }
    if let Some(p95) = strip.p95.filter(|_| strip.dots.len() > 1) {
        let x = scale.at(p95);
        line(out, (x, top + 10.0), (x, top + ROW - 10.0), "p95");
    }
    if let Some(median) = strip.median {
        let x = scale.at(median);
        line(out, (x, top + 5.0), (x, top + ROW - 5.0), "median");
    }
}

/// A place for each point: near ones stand on lines of their own. Over the middle of the strip.
fn places(dots: &[Dot], scale: &Scale) -> Vec<(f64, f64)> {
    let mut order: Vec<usize> = (0..dots.len()).collect();
    order.sort_by(|one, other| dots[*one].value.total_cmp(&dots[*other].value));
    let mut places = vec![(0.0, 0.0); dots.len()];
    let mut ends = [f64::NEG_INFINITY; LINES.len()];
    let columns = dots.iter().filter(|dot| dot.never).count().div_ceil(LINES.len());
    let wide = (APART * 1.3).min(COLUMN / columns.max(1) as f64);
    let mut hung = 0;
    for index in order {
        if dots[index].never {
            // all of them have one place: they fill their column from its left
            let (column, line) = (hung / LINES.len(), hung % LINES.len());
            places[index] = (NEVER - 24.0 + wide * column as f64, LINES[line]);
            hung += 1;
            continue;
        }
        let x = scale.at(dots[index].value);
        let line = ends.iter().position(|end| x - end >= APART).unwrap_or(0);
        ends[line] = x;
        places[index] = (x, LINES[line]);
    }
    places
}

fn dot(out: &mut Markup, dot: &Dot, candidate: bool, (x, y): (f64, f64)) {
    let whose = if candidate { "own" } else { "other" };
    if dot.never {
        let path = format!("M{} {}l7 7m0 -7l-7 7", Px(x - 3.5), Px(y - 3.5));
        out.shape("path", &[("d", &path), ("class", &"never")], &dot.says);
        return;
    }
    let class = format!("dot {whose}{}", if dot.failed { " failed" } else { "" });
    let place: [Attribute<'_>; 4] = [("cx", &Px(x)), ("cy", &Px(y)), ("r", &Px(RADIUS)), ("class", &class)];
    out.shape("circle", &place, &dot.says);
}

/// For each arm the share of its trials that were over by then; what never ended keeps it below all of them.
fn shares(out: &mut Markup, strips: &Strips) {
    let scale = across(strips);
    let up = Scale::straight((0.0, 1.0), (SHARES, 8.0));
    axis(out, &Strips { strips: Vec::new(), ..strips.clone() }, &scale, (8.0, SHARES));
    for (share, words) in [(0.0, "0"), (0.5, "half"), (1.0, "all")] {
        let y = up.at(share);
        line(out, (LEFT, y), (RIGHT, y), "grid");
        text(out, (LEFT - 8.0, y + 4.0), "end", "tick", words);
    }
    for (number, strip) in strips.strips.iter().enumerate() {
        let mut values: Vec<f64> = strip.dots.iter().filter(|dot| !dot.never).map(|dot| dot.value).collect();
        values.sort_by(f64::total_cmp);
        let step = 1.0 / strip.dots.len().max(1) as f64;
        let mut path = format!("M{} {}", Px(LEFT), Px(up.at(0.0)));
        for (index, value) in values.iter().enumerate() {
            // writing to a string cannot fail
            let _ = write!(path, "H{}V{}", Px(scale.at(*value)), Px(up.at(step * (index + 1) as f64)));
        }
        let _ = write!(path, "H{}", Px(RIGHT));
        let class = format!("share line {}", look(strip.candidate, number));
        out.shape("path", &[("d", &path), ("class", &class)], &strip.label);
        let y = 16.0 * number as f64 + 22.0;
        line(out, (0.0, y), (22.0, y), &class);
        text(out, (28.0, y + 4.0), "start", "tick", &cut(&strip.label, 24));
    }
}

/// How the line of an arm looks: the candidate stands out, the others differ by their dashes.
fn look(candidate: bool, number: usize) -> String {
    if candidate { "own".to_owned() } else { format!("other dash{}", number % 6) }
}

pub(super) fn line(out: &mut Markup, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
    let place: [Attribute<'_>; 5] =
        [("x1", &Px(x1)), ("x2", &Px(x2)), ("y1", &Px(y1)), ("y2", &Px(y2)), ("class", &class)];
    out.open("line", &place).close("line");
}

pub(super) fn text(out: &mut Markup, (x, y): (f64, f64), anchor: &str, class: &str, says: &str) {
    let place: [Attribute<'_>; 4] =
        [("x", &Px(x)), ("y", &Px(y)), ("text-anchor", &anchor), ("class", &class)];
    out.leaf("text", &place, says);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(value: f64, never: bool) -> Dot {
        Dot { value, never, failed: false, says: String::new() }
    }

    fn strips(from: f64, to: f64, log: bool) -> Strips {
        Strips { unit: Unit::Millis, log, from, to, strips: Vec::new() }
    }

    #[test]
    fn no_two_points_of_a_strip_hide_each_other() {
        let scale = Scale::straight((0.0, 1000.0), (LEFT, RIGHT));
        let mut dots: Vec<Dot> = (0..7).map(|_| dot(500.0, false)).collect();
        dots.extend((0..21).map(|_| dot(9_000.0, true)));
        let places = places(&dots, &scale);
        for (number, (x, y)) in places.iter().enumerate() {
            for (other_x, other_y) in &places[..number] {
                assert!((x - other_x).abs() >= 6.0 || (y - other_y).abs() >= 6.0, "{places:?}");
            }
        }
        assert!(places[7..].iter().all(|(x, _)| *x > RIGHT + 12.0 && *x < WIDTH), "{places:?}");
    }

    #[test]
    fn an_axis_has_round_numbers_and_not_too_many() {
        let words = |strips: &Strips| -> Vec<String> {
            ticks(strips, &across(strips)).into_iter().map(|at| axis_words(strips.unit, at)).collect()
        };
        assert_eq!(words(&strips(200.0, 50_000.0, true)).join(" "), "0.2 s 0.5 s 1 s 2 s 5 s 10 s 20 s 50 s");
        assert_eq!(words(&strips(1.0, 1e6, true)).join(" "), "0.001 s 0.01 s 0.1 s 1 s 10 s 100 s 1000 s");
        assert_eq!(words(&strips(0.0, 300.0, false)).join(" "), "0 s 0.05 s 0.1 s 0.15 s 0.2 s 0.25 s 0.3 s");
    }
}
