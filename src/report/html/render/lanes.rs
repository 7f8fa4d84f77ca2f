//! Lanes as SVG, all of one axis under each other in one box that scrolls sideways on a narrow screen.

use super::charts;
use super::parts::section;
use super::picture::{LEFT, RIGHT, WIDTH, picture};
use crate::report::html::markup::{Markup, Px, cut};
use crate::report::html::page::{Band, Lane, Mark, Row, Time};
use crate::report::html::scale::{Scale, instants, time_step};
use crate::stats::figures::seconds;

/// Height of a row with a name, and of a thin one.
const ROW: f64 = 22.0;
const THIN: f64 = 5.0;
/// Height of the axis.
const AXIS: f64 = 22.0;
/// Width of a letter, about.
const LETTER: f64 = 6.6;

/// Every axis with its lanes.
pub(super) fn times(out: &mut Markup, times: &[Time]) {
    for time in times {
        section(out, &time.title, |out| {
            out.own("<p class=\"note narrow\">These pictures go on to the right.</p>");
            out.around("div", &[("class", &"scroll")], |out| {
                out.around("div", &[("class", &"time")], |out| {
                    axis(out, time);
                    for lane in &time.lanes {
                        self::lane(out, time, lane);
                    }
                    axis(out, time);
                });
            });
        });
    }
}

/// From an instant to its place.
fn across(time: &Time) -> Scale {
    Scale::straight((time.from_ms, time.to_ms), (LEFT, RIGHT))
}

fn axis(out: &mut Markup, time: &Time) {
    picture(out, (WIDTH, AXIS), "time", |out| {
        let scale = across(time);
        let step = time_step((time.to_ms - time.from_ms) / 10.0);
        let unit = if step < 1e3 { "seconds" } else { "time" };
        out.leaf("text", &[("x", &Px(0.0)), ("y", &Px(15.0)), ("class", &"label")], unit);
        for at in instants(time.from_ms, time.to_ms, 10) {
            let x = scale.at(at);
            let end = if x > RIGHT - 40.0 { "end" } else { "middle" };
            let at = if step < 1e3 { format!("{:.3}", at / 1e3) } else { clock(at) };
            let place = [("x", &Px(x) as &dyn std::fmt::Display), ("y", &Px(15.0)), ("text-anchor", &end)];
            out.leaf("text", &place, at);
        }
    });
}

/// An instant in whole seconds: `45 s`, `12:30`, `1:02:30`.
fn clock(ms: f64) -> String {
    let whole = (ms / 1e3).round().abs();
    let sign = if ms < 0.0 { "−" } else { "" };
    let (hours, minutes, rest) = ((whole / 3600.0).floor(), (whole / 60.0).floor() % 60.0, whole % 60.0);
    match (hours > 0.0, minutes > 0.0) {
        (true, _) => format!("{sign}{hours}:{minutes:02}:{rest:02}"),
        (false, true) => format!("{sign}{minutes}:{rest:02}"),
        (false, false) => format!("{sign}{rest} s"),
    }
}

fn lane(out: &mut Markup, time: &Time, lane: &Lane) {
    out.around("div", &[("class", &"lane")], |out| {
        out.around("h3", &[], |out| {
            out.text(lane.title);
            if !lane.note.is_empty() {
                out.own(" ").leaf("small", &[], &lane.note);
            }
        });
        rows(out, time, lane);
        for chart in &lane.charts {
            charts::over_time(out, chart, &across(time), |out, height| frame(out, time, height));
        }
    });
}

fn rows(out: &mut Markup, time: &Time, lane: &Lane) {
    let height: f64 = lane.rows.iter().map(height).sum();
    if height <= 0.0 {
        return;
    }
    picture(out, (WIDTH, height), lane.title, |out| {
        frame(out, time, height);
        let mut top = 0.0;
        for row in &lane.rows {
            self::row(out, time, row, top);
            top += self::height(row);
        }
    });
}

const fn height(row: &Row) -> f64 {
    if row.label.is_empty() { THIN } else { ROW }
}

/// What is behind every lane: faults as shades, and thin lines at round instants.
fn frame(out: &mut Markup, time: &Time, height: f64) {
    let scale = across(time);
    for shade in &time.shades {
        let (x, to) = (scale.at(shade.from_ms), scale.at(shade.to_ms));
        let place = rectangle((x, 0.0), ((to - x).max(1.5), height), "shade");
        out.shape("rect", &attributes(&place), &shade.says);
    }
    for at in instants(time.from_ms, time.to_ms, 10) {
        let x = Px(scale.at(at));
        let place: [(&'static str, &dyn std::fmt::Display); 5] =
            [("x1", &x), ("x2", &x), ("y1", &Px(0.0)), ("y2", &Px(height)), ("class", &"grid")];
        out.open("line", &place).close("line");
    }
}

type Rectangle = (Px, Px, Px, Px, String);

fn rectangle((x, y): (f64, f64), (width, height): (f64, f64), class: &str) -> Rectangle {
    (Px(x), Px(y), Px(width), Px(height), class.to_owned())
}

fn attributes((x, y, width, height, class): &Rectangle) -> [(&'static str, &dyn std::fmt::Display); 5] {
    [("x", x), ("y", y), ("width", width), ("height", height), ("class", class)]
}

fn row(out: &mut Markup, time: &Time, row: &Row, top: f64) {
    let scale = across(time);
    if !row.label.is_empty() {
        label(out, &row.label, top);
    }
    let inset = if row.label.is_empty() { 0.5 } else { 2.0 };
    for band in &row.bands {
        self::band(
            out,
            band,
            (scale.at(band.from_ms), scale.at(band.to_ms)),
            (top + inset, height(row) - 2.0 * inset),
        );
    }
    for mark in &row.marks {
        self::mark(out, mark, scale.at(mark.at_ms), top);
    }
}

/// The name of a row before the axis.
fn label(out: &mut Markup, name: &str, top: f64) {
    let place: [(&'static str, &dyn std::fmt::Display); 3] =
        [("x", &Px(0.0)), ("y", &Px(top + 15.0)), ("class", &"label")];
    out.leaf("text", &place, cut(name, 22));
}

fn band(out: &mut Markup, band: &Band, (x, to): (f64, f64), (top, height): (f64, f64)) {
    // what is shorter than a line is still seen
    let width = (to - x).max(1.5);
    let place = rectangle((x, top), (width, height), &format!("band {}", band.tone.class()));
    let says = format!("{} ({} to {})", band.says, seconds(band.from_ms), seconds(band.to_ms));
    out.shape("rect", &attributes(&place), &says);
    let letters = band.label.chars().count() as f64;
    if letters > 0.0 && letters * LETTER + 6.0 < width {
        let class = format!("on {}", band.tone.class());
        let place: [(&'static str, &dyn std::fmt::Display); 3] =
            [("x", &Px(x + 4.0)), ("y", &Px(top + 13.0)), ("class", &class)];
        out.leaf("text", &place, &band.label);
    }
}

/// A triangle at an instant, with its word beside it.
fn mark(out: &mut Markup, mark: &Mark, x: f64, top: f64) {
    let path = format!("M{} {}l-4 -8h8z", Px(x), Px(top + ROW - 2.0));
    let class = format!("mark {}", mark.tone.class());
    let says = format!("{} (at {})", mark.says, seconds(mark.at_ms));
    out.shape("path", &[("d", &path), ("class", &class)], &says);
    if !mark.label.is_empty() {
        let right = x + 6.0 + mark.label.chars().count() as f64 * LETTER < RIGHT;
        let (x, end) = if right { (x + 6.0, "start") } else { (x - 6.0, "end") };
        let place: [(&'static str, &dyn std::fmt::Display); 4] =
            [("x", &Px(x)), ("y", &Px(top + 15.0)), ("text-anchor", &end), ("class", &"word")];
        out.leaf("text", &place, &mark.label);
    }
}
