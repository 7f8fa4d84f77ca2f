//! Pictures that are not on the axis of time: latency by percentile, timelines and their forks, circles of transactions.

use super::charts::words;
use super::picture::picture;
use crate::report::html::markup::{Attribute, Markup, Px, cut};
use crate::report::html::page::{LatencyCurves, Timeline, Tone, Unit};
use crate::report::html::scale::Scale;

/// How lines of several loads look.
const TONES: [Tone; 5] = [Tone::Primary, Tone::Act, Tone::Warn, Tone::Replica, Tone::Bad];
/// Size of the picture of percentiles, and where its axes begin.
const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 205.0;
/// The middle of a ring of transactions.
const MIDDLE: f64 = 210.0;
/// Shares of a hundred with a line of their own.
const NAMED: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

/// Latency by percentile: each step to the right is a tenth of what is left.
pub(super) fn percentiles(out: &mut Markup, percentiles: Option<&LatencyCurves>) {
    let Some(percentiles) = percentiles else { return };
    super::section(out, "Latency by percentile", |out| {
        out.around("div", &[("class", &"scroll")], |out| {
            out.around("div", &[("class", &"picture")], |out| {
                picture(out, (WIDTH, HEIGHT), "latency by percentile", |out| curves(out, percentiles));
            });
        });
    });
}

/// The place of a share: how many tenths of what is left it is away.
fn share_place(share: f64) -> f64 {
    -((100.0 - share).max(0.002) / 100.0).log10()
}

fn curves(out: &mut Markup, percentiles: &LatencyCurves) {
    let across = Scale::straight((0.0, share_place(100.0)), (LEFT, WIDTH - 12.0));
    let all = || percentiles.loads.iter().flat_map(|(_, took)| took.iter().copied());
    let most = all().fold(0.01, f64::max);
    let least = all().filter(|took| *took > 0.0).fold(most, f64::min);
    let (from, to) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
    let up = Scale::log((from, to.max(from * 10.0)), (BOTTOM, 12.0));
    for number in up.ticks(9) {
        let y = up.at(number);
        grid(out, (LEFT, WIDTH - 12.0), (y, y));
        text(out, (LEFT - 6.0, y + 4.0), "end", "tick", &words(Unit::Millis, number));
    }
    for share in NAMED {
        let x = across.at(share_place(share));
        grid(out, (x, x), (12.0, BOTTOM));
        text(out, (x, BOTTOM + 14.0), "middle", "tick", &format!("{share} %"));
    }
    text(out, (WIDTH - 12.0, BOTTOM + 14.0), "end", "tick", "max");
    let mut x = LEFT;
    for ((name, took), tone) in percentiles.loads.iter().zip(TONES.into_iter().cycle()) {
        let points = percentiles.shares.iter().zip(took);
        let points = points
            .map(|(share, took)| format!("{} {}", Px(across.at(share_place(*share))), Px(up.at(*took))));
        let path = format!("M{}", points.collect::<Vec<String>>().join("L"));
        let class = format!("line {} stroke", tone.class());
        out.open("path", &[("d", &path), ("class", &class)]).close("path");
        let key = format!("key {}", tone.class());
        let place: [Attribute<'_>; 5] = [
            ("x", &Px(x)),
            ("y", &Px(BOTTOM + 22.0)),
            ("width", &Px(12.0)),
            ("height", &Px(8.0)),
            ("class", &key),
        ];
        out.open("rect", &place).close("rect");
        let name = cut(name, 30);
        text(out, (x + 16.0, BOTTOM + 30.0), "start", "tick", &name);
        x += 34.0 + name.chars().count() as f64 * 6.6;
    }
}

fn grid(out: &mut Markup, (x1, x2): (f64, f64), (y1, y2): (f64, f64)) {
    let place: [Attribute<'_>; 5] =
        [("x1", &Px(x1)), ("x2", &Px(x2)), ("y1", &Px(y1)), ("y2", &Px(y2)), ("class", &"grid")];
    out.open("line", &place).close("line");
}

fn text(out: &mut Markup, (x, y): (f64, f64), anchor: &str, class: &str, says: &str) {
    let place: [Attribute<'_>; 4] =
        [("x", &Px(x)), ("y", &Px(y)), ("text-anchor", &anchor), ("class", &class)];
    out.leaf("text", &place, says);
}

/// Timelines under each other: each begins where the one before was left, and what was lost hangs behind that place.
pub(super) fn timelines(out: &mut Markup, timelines: &[Timeline]) {
    if timelines.len() < 2 {
        return;
    }
    let shown = timelines.len().min(20);
    let step = 640.0 / shown as f64;
    let height = 34.0 * shown as f64 + 10.0;
    out.around("div", &[("class", &"scroll")], |out| {
        out.around("div", &[("class", &"picture")], |out| {
            picture(out, (WIDTH, height), "timelines and their forks", |out| {
                for (number, timeline) in timelines.iter().take(shown).enumerate() {
                    self::timeline(out, timeline, number as f64, step);
                }
            });
        });
    });
}

fn timeline(out: &mut Markup, timeline: &Timeline, number: f64, step: f64) {
    let (y, from, to) =
        (number.mul_add(34.0, 20.0), number.mul_add(step, LEFT), (number + 1.0).mul_add(step, LEFT));
    text(out, (LEFT - 78.0, y + 4.0), "start", "label", &format!("timeline {}", timeline.number));
    let end = if timeline.left_at.is_some() { to } else { WIDTH - 12.0 };
    let path = format!("M{} {}H{}", Px(from), Px(y), Px(end));
    out.open("path", &[("d", &path), ("class", &"line primary thick")]).close("path");
    let Some(left_at) = &timeline.left_at else { return };
    // down to the next one
    let path = format!("M{} {}v34", Px(to), Px(y));
    out.open("path", &[("d", &path), ("class", &"line primary thick")]).close("path");
    if timeline.lost.is_empty() {
        text(out, (to - 4.0, y - 6.0), "end", "tick", &format!("left at {left_at}"));
        return;
    }
    let path = format!("M{} {}h46", Px(to), Px(y));
    out.shape("path", &[("d", &path), ("class", &"line bad thick")], &timeline.lost);
    text(
        out,
        (WIDTH - 12.0, y - 6.0),
        "end",
        "tick",
        &format!("left at {left_at}; lost behind it: {}", timeline.lost),
    );
}

/// A circle of transactions: each on a ring, with arrows that say what leads from one to the next.
pub(super) fn circle(out: &mut Markup, circle: &[(String, &'static str)]) {
    if circle.len() < 2 || circle.len() > 12 {
        return;
    }
    out.around("div", &[("class", &"ring")], |out| {
        picture(out, (2.0 * MIDDLE, 220.0), "a circle of transactions", |out| {
            let place = |number: usize| {
                let turn = std::f64::consts::TAU * (number % circle.len()) as f64 / circle.len() as f64;
                (MIDDLE + 110.0 * turn.sin(), 110.0 - 78.0 * turn.cos())
            };
            for (number, (_, edge)) in circle.iter().enumerate() {
                // two between the same nodes are bent further apart
                let bend = if circle.len() == 2 { 60.0 } else { 26.0 };
                arrow(out, (place(number), place(number + 1)), bend, edge);
            }
            for (number, (operation, _)) in circle.iter().enumerate() {
                let (x, y) = place(number);
                let at: [Attribute<'_>; 4] =
                    [("cx", &Px(x)), ("cy", &Px(y)), ("r", &Px(18.0)), ("class", &"node")];
                out.open("circle", &at).close("circle");
                text(out, (x, y + 4.0), "middle", "label", &cut(operation, 7));
            }
        });
    });
}

/// An arrow from one node to the next, bent outwards so that two between the same nodes can be told apart.
fn arrow(out: &mut Markup, ((x, y), (to_x, to_y)): ((f64, f64), (f64, f64)), bend: f64, edge: &str) {
    let (dx, dy) = (to_x - x, to_y - y);
    let long = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / long, dy / long);
    let (mx, my) = (f64::midpoint(x, to_x) + uy * bend, f64::midpoint(y, to_y) - ux * bend);
    let (ex, ey) = (to_x - ux * 20.0 + uy * 7.0, to_y - uy * 20.0 - ux * 7.0);
    let path = format!(
        "M{} {}Q{} {} {} {}",
        Px(x + ux * 18.0 + uy * 7.0),
        Px(y + uy * 18.0 - ux * 7.0),
        Px(mx),
        Px(my),
        Px(ex),
        Px(ey)
    );
    let class = if edge == "did not see" { "line bad stroke" } else { "line primary stroke" };
    out.open("path", &[("d", &path), ("class", &class)]).close("path");
    // the head of the arrow looks along the end of its curve
    let (hx, hy) = (ex - mx, ey - my);
    let head = hx.hypot(hy).max(1.0);
    let (hx, hy) = (hx / head * 7.0, hy / head * 7.0);
    let path = format!(
        "M{} {}L{} {}L{} {}z",
        Px(ex + hx * 0.4),
        Px(ey + hy * 0.4),
        Px(ex - hx - hy * 0.5),
        Px(ey - hy + hx * 0.5),
        Px(ex - hx + hy * 0.5),
        Px(ey - hy - hx * 0.5)
    );
    out.open("path", &[("d", &path), ("class", &"head")]).close("path");
    let anchor = match mx - MIDDLE {
        right if right > 10.0 => "start",
        left if left < -10.0 => "end",
        _ => "middle",
    };
    text(out, (mx, my), anchor, "tick", edge);
}
