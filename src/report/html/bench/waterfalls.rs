//! Where the time of each arm goes, as SVG: from one stage to the next, each arm on an axis of its own.

use super::page::Waterfall;
use super::strips::{line, text};
use crate::report::html::markup::{Attribute, Markup, Px};
use crate::report::html::render::picture;
use crate::report::html::scale::Scale;
use crate::stats::figures::seconds;

const WIDTH: f64 = 940.0;
const LEFT: f64 = 212.0;
const RIGHT: f64 = 850.0;
const HEIGHT: f64 = 56.0;
/// Width of a letter, about.
const LETTER: f64 = 6.4;

/// How a stage looks.
fn tone(stage: &str) -> &'static str {
    match stage {
        "decided" => "warn",
        "fenced" => "fault",
        "released" => "act",
        "pushed" => "replica",
        "first-ack" => "primary",
        "last-back" => "good",
        _ => "frame",
    }
}

/// One picture an arm, and its words.
pub(super) fn waterfalls(out: &mut Markup, waterfalls: &[Waterfall]) {
    if waterfalls.is_empty() {
        return;
    }
    out.own("<h3>Where the time goes <small>medians from the fault; each arm has its own axis; ▾ as looks half a second apart saw it</small></h3>");
    out.around("div", &[("class", &"scroll")], |out| {
        out.around("div", &[("class", &"picture")], |out| {
            for waterfall in waterfalls {
                let name = format!("stages of {}", waterfall.label);
                picture(out, (WIDTH, HEIGHT), &name, |out| one(out, waterfall));
            }
        });
    });
    legend(out, waterfalls);
}

fn one(out: &mut Markup, waterfall: &Waterfall) {
    let scale = Scale::straight((0.0, waterfall.to * 1.02), (LEFT, RIGHT));
    text(out, (0.0, 26.0), "start", "label", &waterfall.label);
    for tick in scale.ticks(5) {
        let x = scale.at(tick);
        line(out, (x, 12.0), (x, 38.0), "grid");
        let word = (tick / 1e3 * 1e6).round() / 1e6;
        text(out, (x, 52.0), "middle", "tick", &format!("{word} s"));
    }
    for (from, to, stage) in &waterfall.bands {
        let (x, end) = (scale.at(*from), scale.at(*to));
        let class = format!("band {}", tone(stage));
        let width = (end - x).max(1.0);
        let place: [Attribute<'_>; 5] = [
            ("x", &Px(x)),
            ("y", &Px(14.0)),
            ("width", &Px(width)),
            ("height", &Px(22.0)),
            ("class", &class),
        ];
        out.shape("rect", &place, &format!("{stage} after {}, {} of it", seconds(*to), seconds(to - from)));
        if stage.chars().count() as f64 * LETTER + 6.0 < width {
            text(out, (x + 4.0, 29.0), "start", &format!("on {}", tone(stage)), stage);
        }
    }
    for (at, stage) in &waterfall.marks {
        let x = scale.at(*at);
        let path = format!("M{} 13l-4 -8h8z", Px(x));
        out.shape(
            "path",
            &[("d", &path), ("class", &"mark looked")],
            &format!("{stage} after {}", seconds(*at)),
        );
    }
    if let Some((_, end, _)) = waterfall.bands.last() {
        let end = if waterfall.never { "last: never".to_owned() } else { seconds(*end) };
        text(out, (RIGHT + 8.0, 29.0), "start", "tick", &end);
    }
}

/// The stages that stand in any of them, with their colours and how long each took.
fn legend(out: &mut Markup, waterfalls: &[Waterfall]) {
    out.around("dl", &[("class", &"pairs stages")], |out| {
        for Waterfall { label, bands, marks, never, .. } in waterfalls {
            out.leaf("dt", &[], label);
            out.around("dd", &[], |out| {
                for (from, to, stage) in bands {
                    let class = format!("swatch {}", tone(stage));
                    out.around("span", &[("class", &"stage")], |out| {
                        out.open("i", &[("class", &class)]).close("i");
                        out.text(format_args!("{stage} {} (+{})", seconds(*to), seconds(to - from)));
                    });
                    out.own(" ");
                }
                if *never {
                    out.own("<span class=\"stage\">last-back never</span> ");
                }
                for (at, stage) in marks {
                    out.leaf("span", &[("class", &"stage")], format_args!("▾ {stage} {}", seconds(*at)));
                    out.own(" ");
                }
            });
        }
    });
}
