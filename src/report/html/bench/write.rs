//! The page of a bench as HTML, from top to bottom.

use super::page::{BenchPage, GoalRow, Section};
use super::{strips, waterfalls};
use crate::model::scenario::VerdictWord;
use crate::report::bench::outcome as outcome_word;
use crate::report::html::markup::Markup;
use crate::report::html::page::{Fact, Tone};
use crate::report::html::render;

/// What this page needs beside the style of a run's page.
const STYLE: &str = include_str!("style.css");

/// The page as text: a whole file.
#[must_use]
pub fn write(page: &BenchPage) -> String {
    let mut out = Markup::default();
    render::begin(&mut out, &page.title, STYLE);
    head(&mut out, page);
    goals(&mut out, page);
    if !page.wins.rows.is_empty() {
        render::section(&mut out, &page.wins.title, |out| {
            out.own("<p class=\"note\">Smaller is better everywhere. An arm is worse or better than the candidate where the 95 % bootstrap interval of the ratio of their medians leaves 1 out. No difference means: none beyond chance.</p>");
            render::table(out, &page.wins);
        });
    }
    for section in &page.sections {
        comparison(&mut out, section);
    }
    render::section(&mut out, &page.noise.title, |out| {
        out.own("<p>").prose(&page.noise_says).own("</p>");
        if !page.noise.rows.is_empty() {
            render::table(out, &page.noise);
        }
    });
    render::section(&mut out, &page.self_test.title, |out| {
        out.own("<p>").prose(&page.self_test_says).own("</p>");
        if !page.self_test.rows.is_empty() {
            render::table(out, &page.self_test);
        }
    });
    render::section(&mut out, "Made on", |out| render::facts(out, &page.environment));
    render::section(&mut out, "Points and numbers", |out| {
        out.own("<p>Every point: <a href=\"points.jsonl\">points.jsonl</a>. The numbers: <a href=\"bench.json\">bench.json</a>. For trackers: <a href=\"smaller-is-better.json\">smaller-is-better.json</a> (github-action-benchmark), <a href=\"bmf.json\">bmf.json</a> (Bencher).</p>");
        out.around("pre", &[], |out| {
            out.text(page.again.join("\n"));
        });
    });
    render::end(&mut out);
    out.into_string()
}

/// How a demand ended, as a pill.
fn pill(out: &mut Markup, outcome: VerdictWord) {
    let class = format!("verdict {}", Tone::of_verdict(outcome).class());
    out.leaf("span", &[("class", &class)], outcome_word(outcome));
}

fn head(out: &mut Markup, page: &BenchPage) {
    out.own("<header>");
    out.leaf("h1", &[], &page.title);
    out.leaf("p", &[("class", &"about")], &page.about);
    render::figures(out, &page.figures);
    out.around("p", &[("class", &"facts")], |out| {
        for (number, Fact { name, value }) in page.facts.iter().enumerate() {
            out.own(if number > 0 { " · " } else { "" }).text(name).own(" ").leaf("code", &[], value);
        }
    });
    out.own("<nav>");
    for section in &page.sections {
        let place = format!("#{}", section.name);
        out.leaf("a", &[("href", &place)], &section.name).own(" ");
    }
    out.own("</nav></header>");
}

fn goals(out: &mut Markup, page: &BenchPage) {
    if page.goals.is_empty() && page.not_measured.is_empty() {
        return;
    }
    render::section(out, "Goals", |out| {
        if !page.goals.is_empty() {
            out.around("div", &[("class", &"scroll")], |out| {
                out.own("<table><thead><tr><th></th><th>comparison</th><th>arm</th><th>asked</th><th>measured</th><th>n</th><th></th></tr></thead><tbody>");
                page.goals.iter().for_each(|goal| self::goal(out, goal));
                out.own("</tbody></table>");
            });
        }
        if !page.not_measured.is_empty() {
            out.leaf("p", &[("class", &"note")], format_args!("Not measured: {}.", page.not_measured));
        }
    });
}

fn goal(out: &mut Markup, goal: &GoalRow) {
    out.around("tr", &[], |out| {
        out.around("td", &[("class", &"number")], |out| pill(out, goal.outcome));
        out.around("td", &[("class", &"word")], |out| {
            if !goal.comparison.is_empty() {
                let place = format!("#{}", goal.comparison);
                out.leaf("a", &[("href", &place)], &goal.comparison);
            }
        });
        for (cell, class) in [
            (&goal.arm, "word"),
            (&goal.asks, "word"),
            (&goal.measured, "number"),
            (&goal.points, "number"),
            (&goal.note, "word"),
        ] {
            out.leaf("td", &[("class", &class)], cell);
        }
    });
}

fn comparison(out: &mut Markup, section: &Section) {
    out.around("section", &[("id", &section.name)], |out| {
        out.leaf("h2", &[], &section.name);
        out.own("<p class=\"about\">")
            .prose(&section.about)
            .own("</p><p class=\"note\">")
            .prose(&section.reads)
            .own("</p>");
        strips::strips(out, &section.strips);
        render::table(out, &section.numbers);
        worst(out, section);
        waterfalls::waterfalls(out, &section.waterfalls);
        if !section.labs.is_empty() {
            out.own("<details><summary>The labs of the arms</summary>");
            render::facts(out, &section.labs);
            out.own("</details>");
        }
        out.own("<details><summary>").text(&section.trials.title).own("</summary>");
        render::table(out, &section.trials);
        out.own("</details>");
    });
}

fn worst(out: &mut Markup, section: &Section) {
    if section.worst.is_empty() {
        return;
    }
    out.around("p", &[("class", &"note")], |out| {
        out.own("Worst trials: ");
        for (number, (arm, told, href)) in section.worst.iter().enumerate() {
            out.own(if number > 0 { "; " } else { "" }).leaf("b", &[], arm).own(" ");
            if href.is_empty() {
                out.text(told);
            } else {
                out.leaf("a", &[("href", href)], told);
            }
        }
        out.own(".");
    });
}
