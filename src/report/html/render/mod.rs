//! A page as HTML, from top to bottom. What stands where is decided here; what is shown is not.

mod charts;
mod lanes;
mod pictures;

use super::markup::Markup;
use super::page::{CheckLine, Fact, Page, Table, Tone};
use crate::model::scenario::VerdictWord;
use crate::report::Figure;

pub(super) use lanes::picture;

/// Colours, fonts, and what a phone and a printer need.
pub(in crate::report::html) const STYLE: &str = include_str!("style.css");

/// The page as text: a whole file.
#[must_use]
pub fn write(page: &Page) -> String {
    let mut out = Markup::default();
    begin(&mut out, &format!("{}: {}", page.scenario, page.verdict), "");
    head(&mut out, page);
    lanes::times(&mut out, &page.times);
    pictures::percentiles(&mut out, page.percentiles.as_ref());
    loss(&mut out, page);
    anomalies(&mut out, page);
    checks(&mut out, &page.checks);
    for table in &page.tables {
        section(&mut out, &table.title, |out| self::table(out, table));
    }
    section(&mut out, "Environment", |out| facts(out, &page.environment));
    section(&mut out, "Run it again", |out| {
        out.leaf("p", &[], "In this run's directory:");
        out.around("pre", &[], |out| {
            out.text(page.again.join("\n"));
        });
    });
    end(&mut out);
    out.into_string()
}

/// The beginning of a file, up to what it shows; `style` is what a page needs beside the common style.
pub(super) fn begin(out: &mut Markup, title: &str, style: &'static str) {
    out.own("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.own("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.own("<meta name=\"color-scheme\" content=\"light dark\">");
    out.leaf("title", &[], title);
    out.own("<style>").own(STYLE).own(style).own("</style></head><body><main>");
}

/// The end of a file.
pub(super) fn end(out: &mut Markup) {
    out.own("</main></body></html>\n");
}

/// A part of a page under its heading.
pub(super) fn section(out: &mut Markup, title: &str, inside: impl FnOnce(&mut Markup)) {
    out.around("section", &[], |out| {
        out.leaf("h2", &[], title);
        inside(out);
    });
}

fn head(out: &mut Markup, page: &Page) {
    out.own("<header>");
    out.around("h1", &[], |out| {
        out.text(&page.scenario).own(" ");
        verdict(out, page.verdict);
    });
    out.leaf("p", &[("class", &"about")], &page.about);
    if !page.ends.is_empty() {
        out.leaf("p", &[], &page.ends);
    }
    if !page.reasons.is_empty() {
        let class = format!("reasons {}", Tone::of_verdict(page.verdict).class());
        out.around("ul", &[("class", &class)], |out| {
            for reason in &page.reasons {
                out.own("<li>").prose(reason).own("</li>");
            }
        });
    }
    figures(out, &page.figures);
    out.around("p", &[("class", &"facts")], |out| {
        for (number, Fact { name, value }) in page.facts.iter().enumerate() {
            out.own(if number > 0 { " · " } else { "" }).text(name).own(" ").leaf("code", &[], value);
        }
    });
    out.own("</header>");
}

/// The figures that matter first.
pub(super) fn figures(out: &mut Markup, figures: &[Figure]) {
    out.around("dl", &[("class", &"figures")], |out| {
        for figure in figures {
            let class = format!("figure {}", Tone::of_verdict(figure.good).class());
            out.around("div", &[("class", &class)], |out| {
                out.leaf("dt", &[], figure.name).leaf("dd", &[("class", &"value")], &figure.value);
                out.leaf("dd", &[("class", &"note")], &figure.note);
            });
        }
    });
}

fn verdict(out: &mut Markup, verdict: VerdictWord) {
    let class = format!("verdict {}", Tone::of_verdict(verdict).class());
    out.leaf("span", &[("class", &class)], verdict);
}

/// Names and values under each other.
pub(super) fn facts(out: &mut Markup, facts: &[Fact]) {
    out.around("dl", &[("class", &"pairs")], |out| {
        for Fact { name, value } in facts {
            out.leaf("dt", &[], name).leaf("dd", &[], value);
        }
    });
}

fn loss(out: &mut Markup, page: &Page) {
    section(out, "Loss", |out| {
        pictures::timelines(out, &page.loss.timelines);
        facts(out, &page.loss.facts);
    });
}

fn anomalies(out: &mut Markup, page: &Page) {
    if page.anomalies.is_empty() {
        return;
    }
    section(out, "Anomalies", |out| {
        for anomaly in &page.anomalies {
            out.around("article", &[], |out| {
                out.own("<h3>").prose(&anomaly.title).own("</h3><p>").prose(&anomaly.says).own("</p>");
                pictures::circle(out, &anomaly.circle);
                if let Some(table) = &anomaly.table {
                    self::table(out, table);
                }
            });
        }
    });
}

fn checks(out: &mut Markup, checks: &[CheckLine]) {
    section(out, "Checks", |out| {
        for check in checks {
            // what is not as it should be is open
            let open: &[(&'static str, &dyn std::fmt::Display)] =
                if check.verdict == VerdictWord::Pass { &[] } else { &[("open", &"")] };
            out.around("details", open, |out| {
                out.around("summary", &[], |out| {
                    verdict(out, check.verdict);
                    out.own(" ").leaf("b", &[], &check.name);
                    out.own(if check.asked { " (asked) " } else { " " }).prose(&check.summary);
                });
                stands(out, check);
                if !check.evidence.is_empty() {
                    out.leaf("pre", &[], &check.evidence);
                }
            });
        }
    });
}

/// Where a check stands in the record.
fn stands(out: &mut Markup, check: &CheckLine) {
    out.around("p", &[("class", &"note")], |out| {
        out.own("In the record: ");
        for (number, (file, place)) in check.stands.iter().enumerate() {
            out.own(if number > 0 { "; " } else { "" });
            out.leaf("a", &[("href", file)], file).own(", ").prose(place);
        }
    });
}

/// A table.
pub(super) fn table(out: &mut Markup, table: &Table) {
    out.around("div", &[("class", &"scroll")], |out| {
        out.own("<table><thead><tr>");
        for head in &table.head {
            out.leaf("th", &[], head);
        }
        out.own("</tr></thead><tbody>");
        for row in &table.rows {
            out.around("tr", &[], |out| {
                for cell in row {
                    let number = cell.starts_with(|first: char| first.is_ascii_digit() || first == '–');
                    let class: &str = if number { "number" } else { "word" };
                    out.leaf("td", &[("class", &class)], cell);
                }
            });
        }
        out.own("</tbody></table>");
    });
    if !table.more.is_empty() {
        out.leaf("p", &[("class", &"note")], &table.more);
    }
}
