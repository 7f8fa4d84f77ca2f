//! A page as HTML, from top to bottom. What stands where is decided here; what is shown is not.

mod charts;
mod lanes;
mod parts;
mod picture;
mod pictures;

use super::markup::Markup;
use super::page::{CheckLine, Fact, Page, Tone};
use crate::model::scenario::VerdictWord;

pub(super) use parts::{STYLE, begin, end, facts, figures, section, table};
pub(super) use picture::picture;

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
        section(&mut out, &table.title, |out| parts::table(out, table));
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

fn verdict(out: &mut Markup, verdict: VerdictWord) {
    let class = format!("verdict {}", Tone::of_verdict(verdict).class());
    out.leaf("span", &[("class", &class)], verdict);
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
                    parts::table(out, table);
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
