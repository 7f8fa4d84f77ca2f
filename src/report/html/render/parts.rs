//! Parts that several pages have: beginning and end of a file, sections, figures, facts, tables.

use crate::report::Figure;
use crate::report::html::markup::Markup;
use crate::report::html::page::{Fact, Table, Tone};

/// Colours, fonts, and what a phone and a printer need.
pub const STYLE: &str = include_str!("style.css");

/// The beginning of a file, up to what it shows; `style` is what a page needs beside the common style.
pub fn begin(out: &mut Markup, title: &str, style: &'static str) {
    out.own("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out.own("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    out.own("<meta name=\"color-scheme\" content=\"light dark\">");
    out.leaf("title", &[], title);
    out.own("<style>").own(STYLE).own(style).own("</style></head><body><main>");
}

/// The end of a file.
pub fn end(out: &mut Markup) {
    out.own("</main></body></html>\n");
}

/// A part of a page under its heading.
pub fn section(out: &mut Markup, title: &str, inside: impl FnOnce(&mut Markup)) {
    out.around("section", &[], |out| {
        out.leaf("h2", &[], title);
        inside(out);
    });
}

/// The figures that matter first.
pub fn figures(out: &mut Markup, figures: &[Figure]) {
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

/// Names and values under each other.
pub fn facts(out: &mut Markup, facts: &[Fact]) {
    out.around("dl", &[("class", &"pairs")], |out| {
        for Fact { name, value } in facts {
            out.leaf("dt", &[], name).leaf("dd", &[], value);
        }
    });
}

/// A table.
pub fn table(out: &mut Markup, table: &Table) {
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
