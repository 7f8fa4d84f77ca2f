//! What every page of a site has: its head, the way to the other pages, and small parts that several of them use.

use std::fmt::Display;

use super::Site;
use super::links::way;
use crate::model::scenario::VerdictWord;
use crate::report::html::markup::{Attribute, Markup};
use crate::report::html::page::Tone;
use crate::report::html::render::STYLE;

/// What the pages of a site need on top of the page of a run.
const MORE: &str = include_str!("site.css");
/// A page brings nothing from elsewhere and runs nothing; a browser sees to it, whatever a file said.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:";
/// How often a page that changes is loaded again, seconds.
const AGAIN: u32 = 5;

/// The first page.
pub const FIRST: &str = "index.html";
pub(super) const RUNS: &str = "runs.html";
pub(super) const BENCHES: &str = "benches.html";
pub(super) const LIBRARY: &str = "scenarios.html";
pub(super) const BUGS: &str = "docs/bugs.html";
pub(super) const PAPERS: &str = "docs/index.html";

/// Parts of the site that are there.
fn parts(site: &Site) -> Vec<(&'static str, &'static str)> {
    let text = |path: &str| site.texts.contains_key(path);
    let parts = [
        (true, FIRST, "pgha"),
        (true, RUNS, "Runs"),
        (true, BENCHES, "Benchmarks"),
        (!site.stories.is_empty(), LIBRARY, "Library"),
        (text("docs/src/bugs.md"), BUGS, "Found bugs"),
        (text("docs/src/SUMMARY.md"), PAPERS, "Papers"),
    ];
    parts.into_iter().filter(|(there, ..)| *there).map(|(_, path, name)| (path, name)).collect()
}

/// A page of a site.
pub(super) struct Shell<'a> {
    pub site: &'a Site,
    /// Where the page is.
    pub at: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Whether what it shows changes while runs go on.
    pub changes: bool,
}

impl Shell<'_> {
    /// The page with what is in it.
    pub fn page(&self, inside: impl FnOnce(&mut Markup)) -> String {
        let mut out = Markup::default();
        out.own("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
        out.open("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &POLICY)]);
        out.own("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
        out.own("<meta name=\"color-scheme\" content=\"light dark\">");
        if self.changes && self.site.live {
            out.open("meta", &[("http-equiv", &"refresh"), ("content", &AGAIN)]);
        }
        if self.at == FIRST {
            out.leaf("title", &[], self.title);
        } else {
            out.leaf("title", &[], format_args!("{} · pgha", self.title));
        }
        out.own("<style>").own(STYLE).own(MORE).own("</style></head><body>");
        out.around("nav", &[("class", &"site")], |out| {
            for (path, name) in parts(self.site) {
                let href = way(self.at, path);
                let here: &[Attribute<'_>] = &[("href", &href), ("aria-current", &"page")];
                let there: &[Attribute<'_>] = &[("href", &href)];
                out.leaf("a", if path == self.at { here } else { there }, name);
            }
        });
        out.own("<main>");
        inside(&mut out);
        let foot = format!("pgha {}, {}", self.site.pgha, self.site.made);
        out.own("</main><footer>").text(foot).own("</footer></body></html>\n");
        out.into_string()
    }

    /// A link to another place of the site.
    pub fn link(&self, out: &mut Markup, to: &str, text: impl Display) {
        out.leaf("a", &[("href", &way(self.at, to))], text);
    }
}

/// A heading with what is under it.
pub(super) fn section(out: &mut Markup, title: &str, inside: impl FnOnce(&mut Markup)) {
    out.around("section", &[], |out| {
        out.leaf("h2", &[], title);
        inside(out);
    });
}

/// A word on how something ended.
pub(super) fn word(out: &mut Markup, good: VerdictWord, text: impl Display) {
    let class = format!("verdict {}", Tone::of_verdict(good).class());
    out.leaf("span", &[("class", &class)], text);
}

/// What fills a cell.
pub(super) type Cell<'a> = Box<dyn FnOnce(&mut Markup) + 'a>;

/// A cell of text.
pub(super) fn plain<'a>(text: impl Into<String>) -> Cell<'a> {
    let text = text.into();
    Box::new(move |out| {
        out.text(text);
    })
}

/// A cell of text that stays on one line.
pub(super) fn short<'a>(text: impl Into<String>) -> Cell<'a> {
    let text = text.into();
    Box::new(move |out| {
        out.leaf("span", &[("class", &"short")], text);
    })
}

/// A table that becomes a list of cards where the screen is narrow.
pub(super) fn table<'a>(out: &mut Markup, head: &[&str], rows: impl IntoIterator<Item = Vec<Cell<'a>>>) {
    out.own("<div class=\"scroll\"><table class=\"cards\"><thead><tr>");
    for name in head {
        out.leaf("th", &[], name);
    }
    out.own("</tr></thead><tbody>");
    for row in rows {
        out.own("<tr>");
        for (cell, name) in row.into_iter().zip(head) {
            out.open("td", &[("data-head", name)]).own("<div>");
            cell(out);
            out.own("</div></td>");
        }
        out.own("</tr>");
    }
    out.own("</tbody></table></div>");
}

/// The page of a run as one of the site: a way back, what a browser must refuse, and links only to what is there.
#[must_use]
pub fn home(page: &str, at: &str, live: bool, there: impl Fn(&str) -> bool) -> String {
    let head = Markup::default()
        .open("meta", &[("http-equiv", &"Content-Security-Policy"), ("content", &POLICY)])
        .taken();
    let again =
        if live { format!("<meta http-equiv=\"refresh\" content=\"{AGAIN}\">") } else { String::new() };
    let back = Markup::default()
        .around("p", &[("class", &"note")], |out| {
            out.leaf("a", &[("href", &way(at, RUNS))], "all runs");
            if live {
                out.own(" · this run is under way: what is known so far");
            }
        })
        .taken();
    let mut out = String::with_capacity(page.len() + head.len() + back.len());
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<a href=\"") {
        let Some((href, behind)) = after.split_once('"') else { break };
        out.push_str(before);
        let kept = href.starts_with('#') || there(href);
        out.push_str("<a");
        if kept {
            out.push_str(" href=\"");
            out.push_str(href);
            out.push('"');
        }
        rest = behind;
    }
    out.push_str(rest);
    let out = out.replacen("<meta charset=\"utf-8\">", &format!("<meta charset=\"utf-8\">{head}{again}"), 1);
    out.replacen("<main>", &format!("<main>{back}"), 1)
}

/// A page that only says something.
#[must_use]
pub fn notice(site: &Site, title: &str, text: &str) -> String {
    let shell = Shell { site, at: FIRST, title, changes: false };
    shell.page(|out| {
        out.leaf("h1", &[], title).leaf("p", &[], text);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_a_run_leads_back_and_only_to_what_is_there() {
        let page = "<head><meta charset=\"utf-8\"></head><main><a href=\"verdict.json\">v</a>, <a href=\"logs/x.log\">l</a></main>";
        let seen = home(page, "runs/a/b/report.html", false, |path| path == "verdict.json");
        assert!(seen.contains("<p class=\"note\"><a href=\"../../../runs.html\">all runs</a></p>"), "{seen}");
        assert!(seen.contains("<a href=\"verdict.json\">v</a>, <a>l</a>"), "{seen}");
        assert!(seen.contains("default-src &#39;none&#39;"), "{seen}");
    }
}
