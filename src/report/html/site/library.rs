//! The library of scenarios: what happens in each, and how its runs ended.

use std::collections::BTreeMap;

use super::links::place;
use super::runs::runs;
use super::shell::{Cell, LIBRARY, Shell, section, table, word};
use super::{LibraryScenario, RunLine, Site, State};
use crate::model::scenario::VerdictWord;
use crate::report::html::markup::Markup;

/// Runs on the page of a scenario.
const SHOWN: usize = 100;

pub(super) fn pages(site: &Site, pages: &mut BTreeMap<String, String>) {
    if site.stories.is_empty() {
        return;
    }
    pages.insert(LIBRARY.to_owned(), library(site));
    for story in &site.stories {
        pages.insert(place(&story.path), page(site, story));
    }
}

fn of<'a>(site: &'a Site, story: &'a LibraryScenario) -> impl Iterator<Item = &'a RunLine> {
    site.runs.iter().filter(move |run| run.scenario == story.name && !run.trial)
}

fn library(site: &Site) -> String {
    let shell = Shell { site, at: LIBRARY, title: "The library", changes: true };
    shell.page(|out| {
        out.leaf("h1", &[], "The library");
        out.own("<p class=\"about\">One story a file. <i>Runs here</i> counts the runs of this site. <i>Told</i> is what ");
        out.own("the library's own page says of earlier ones.</p>");
        let rows: Vec<Vec<Cell<'_>>> = site.stories.iter().map(|story| row(&shell, story)).collect();
        table(out, &["scenario", "what happens", "runs here", "told"], rows);
    })
}

fn row<'a>(shell: &'a Shell<'_>, story: &'a LibraryScenario) -> Vec<Cell<'a>> {
    vec![
        Box::new(move |out| shell.link(out, &place(&story.path), &story.name)),
        Box::new(move |out| {
            out.prose(&story.about);
            if !story.ends.is_empty() {
                out.own("<br>").leaf("small", &[], &story.ends);
            }
        }),
        Box::new(move |out| seen(out, of(shell.site, story))),
        Box::new(move |out| {
            out.prose(&story.told);
        }),
    ]
}

/// How runs ended, as numbers of each verdict.
fn seen<'a>(out: &mut Markup, runs: impl Iterator<Item = &'a RunLine>) {
    let mut counts: BTreeMap<(VerdictWord, VerdictWord), usize> = BTreeMap::new();
    let mut others = 0;
    for run in runs {
        match &run.state {
            State::Judged(judged) => *counts.entry((judged.verdict, judged.good)).or_default() += 1,
            State::UnderWay | State::Unreadable(_) => others += 1,
        }
    }
    if counts.is_empty() && others == 0 {
        out.own("–");
    }
    for ((verdict, good), number) in counts {
        out.text(format_args!("{number} × "));
        word(out, good, verdict);
        out.own(" ");
    }
    if others > 0 {
        out.text(format_args!("{others} without a verdict"));
    }
}

fn page(site: &Site, story: &LibraryScenario) -> String {
    let at = place(&story.path);
    let shell = Shell { site, at: &at, title: &story.name, changes: true };
    shell.page(|out| {
        out.leaf("h1", &[], &story.name);
        out.around("p", &[("class", &"about")], |out| {
            out.prose(&story.about);
        });
        if !story.ends.is_empty() {
            out.leaf("p", &[], &story.ends);
        }
        if !story.tags.is_empty() {
            out.leaf("p", &[("class", &"facts")], &story.tags);
        }
        section(out, "Runs", |out| {
            if !story.told.is_empty() {
                out.own("<p>Earlier, by the library's own page: ").prose(&story.told).own(".</p>");
            }
            if of(site, story).next().is_none() {
                out.own("<p>No run of it is in this site.</p>");
            } else {
                runs(out, &shell, of(site, story).take(SHOWN));
            }
            out.around("p", &[], |out| {
                out.own("Run it: ").leaf("code", &[], format_args!("pgha run {}", story.path));
            });
        });
        if let Some(text) = site.texts.get(&story.path) {
            section(out, "The file", |out| {
                out.leaf("p", &[("class", &"note")], &story.path).leaf("pre", &[], text);
            });
        }
    })
}
