//! The first page, and the list of all runs.

use std::collections::BTreeMap;

use super::shell::{
    BENCHES, BUGS, Cell, FIRST, LIBRARY, PAPERS, RUNS, Shell, plain, section, short, table, word,
};
use super::{RunLine, Site, State, benches};
use crate::model::scenario::VerdictWord;
use crate::report::html::bounds::SAYS;
use crate::report::html::markup::{Markup, cut};
use crate::stats::figures::{count, dash, sentence};

/// Runs on the first page.
const NEWEST: usize = 12;
/// Runs on one page of the list.
const ON_A_PAGE: usize = 200;

pub(super) fn pages(site: &Site, pages: &mut BTreeMap<String, String>) {
    pages.insert(FIRST.to_owned(), first(site));
    let chunks: Vec<&[RunLine]> = site.runs.chunks(ON_A_PAGE).collect();
    let all = chunks.len().max(1);
    for number in 0..all {
        let here = chunks.get(number).copied().unwrap_or_default();
        pages.insert(page_of(number), list(site, here, (number, all)));
    }
}

fn page_of(number: usize) -> String {
    if number == 0 { RUNS.to_owned() } else { format!("runs-{}.html", number + 1) }
}

fn first(site: &Site) -> String {
    let shell = Shell { site, at: FIRST, title: "pgha", changes: true };
    shell.page(|out| {
        out.leaf("h1", &[], "pgha");
        out.own("<p class=\"about\">A reference lab for highly available PostgreSQL. It breaks a real cluster under writes and measures ");
        out.own("the cost: how long clients could not write, and which acknowledged writes are gone.</p>");
        tiles(out, &shell);
        section(out, "Newest runs", |out| {
            let own: Vec<&RunLine> = site.runs.iter().filter(|run| !run.trial).collect();
            // where all are trials of benchmarks, they are what there is
            let shown: Vec<&RunLine> = if own.is_empty() { site.runs.iter().collect() } else { own };
            if shown.is_empty() {
                out.own("<p>There is no run yet. <code>pgha run scenarios/primary-dies.toml</code> makes one.</p>");
            } else {
                runs(out, &shell, shown.iter().take(NEWEST).copied());
            }
        });
        section(out, "Newest measurements", |out| benches::newest(out, &shell));
        if site.texts.is_empty() {
            out.own("<p class=\"note\">No clone of pgha is near, so library and papers are left out. ");
            out.own("<code>--repository</code> names one.</p>");
        }
    })
}

/// How much there is of everything.
fn tiles(out: &mut Markup, shell: &Shell<'_>) {
    let site = shell.site;
    let judged = |wanted: VerdictWord| {
        let judged = site
            .runs
            .iter()
            .filter(|run| matches!(&run.state, State::Judged(judged) if judged.verdict == wanted));
        count(judged.count() as u64)
    };
    let [pass, fail, unknown] = [VerdictWord::Pass, VerdictWord::Fail, VerdictWord::Unknown].map(judged);
    let trials: usize = site.benches.iter().map(|bench| bench.points.len()).sum();
    let bugs = site.texts.get("docs/src/bugs.md").map_or(0, |text| rows(text));
    let number = |number: usize| count(number as u64);
    let tiles = [
        (true, RUNS, "runs", number(site.runs.len()), format!("{pass} pass, {fail} fail, {unknown} unknown")),
        (
            true,
            BENCHES,
            "trials of benchmarks",
            number(trials),
            format!("in {} measurements", site.benches.len()),
        ),
        (
            !site.stories.is_empty(),
            LIBRARY,
            "scenarios",
            number(site.stories.len()),
            "each with what was seen".to_owned(),
        ),
        (
            bugs > 0,
            BUGS,
            "found bugs of other programs",
            number(bugs),
            "with a way to reproduce them".to_owned(),
        ),
        (
            site.texts.contains_key("docs/src/SUMMARY.md"),
            PAPERS,
            "papers",
            number(site.texts.keys().filter(|path| path.starts_with("docs/src/")).count()),
            "first hour, commands, checks, controllers".to_owned(),
        ),
    ];
    out.around("dl", &[("class", &"figures")], |out| {
        for (_, path, name, value, note) in tiles.into_iter().filter(|(there, ..)| *there) {
            out.own("<div class=\"figure\"><dt>");
            shell.link(out, path, name);
            out.own("</dt>").leaf("dd", &[("class", &"value")], value);
            out.leaf("dd", &[("class", &"note")], note).own("</div>");
        }
    });
}

/// Rows of the first table of a paper.
fn rows(text: &str) -> usize {
    let table = text.lines().skip_while(|line| !line.starts_with("|---"));
    table.skip(1).take_while(|line| line.starts_with('|')).count()
}

fn list(site: &Site, here: &[RunLine], (number, all): (usize, usize)) -> String {
    let at = page_of(number);
    let shell = Shell { site, at: &at, title: "Runs", changes: number == 0 };
    shell.page(|out| {
        out.leaf("h1", &[], "Runs");
        let told = if all > 1 { format!(", page {} of {all}", number + 1) } else { String::new() };
        out.leaf(
            "p",
            &[("class", &"facts")],
            format_args!("{} runs, the newest first{told}", site.runs.len()),
        );
        if here.is_empty() {
            out.own("<p>There is no run yet.</p>");
        } else {
            runs(out, &shell, here.iter());
        }
        out.around("p", &[("class", &"pager")], |out| {
            if number > 0 {
                shell.link(out, &page_of(number - 1), "newer");
            }
            if number + 1 < all {
                shell.link(out, &page_of(number + 1), "older");
            }
        });
    })
}

/// Runs as a table, one a row.
pub(super) fn runs<'a>(out: &mut Markup, shell: &Shell<'_>, runs: impl IntoIterator<Item = &'a RunLine>) {
    let head =
        ["verdict", "scenario", "started", "last client back", "writes lost", "below redundancy", "lab"];
    let rows: Vec<Vec<Cell<'_>>> = runs.into_iter().map(|run| row(shell, run)).collect();
    table(out, &head, rows);
}

fn row<'a>(shell: &'a Shell<'_>, run: &'a RunLine) -> Vec<Cell<'a>> {
    let figure = |number: usize| match &run.state {
        State::Judged(judged) => {
            let figure = judged.figures.get(number);
            figure.map_or_else(dash, |figure| figure.value.clone())
        }
        State::UnderWay | State::Unreadable(_) => dash(),
    };
    vec![
        Box::new(move |out| state(out, &run.state)),
        Box::new(move |out| match &run.state {
            State::Unreadable(why) => {
                out.text(&run.scenario).own("<br>").leaf("small", &[], cut(why, SAYS));
            }
            State::UnderWay => shell.link(out, &page(run), &run.scenario),
            State::Judged(judged) => {
                shell.link(out, &page(run), &run.scenario);
                if let Some(reason) = &judged.reason {
                    out.own("<br>").around("small", &[], |out| {
                        out.prose(&cut(&sentence(reason), SAYS));
                    });
                }
            }
        }),
        short(day(&run.started)),
        plain(figure(0)),
        plain(figure(1)),
        plain(figure(2)),
        short(run.lab.clone()),
    ]
}

/// The page of a run.
pub(super) fn page(run: &RunLine) -> String {
    format!("{}/{}", run.at, crate::report::html::FILE)
}

pub(super) fn state(out: &mut Markup, state: &State) {
    match state {
        State::Judged(judged) => word(out, judged.good, judged.verdict),
        State::UnderWay => word(out, VerdictWord::Unknown, "under way"),
        State::Unreadable(_) => word(out, VerdictWord::Unknown, "unreadable"),
    }
}

/// An instant to the minute: `2026-11-28 01:20`.
pub(super) fn day(started: &str) -> String {
    match started.split_once('T') {
        Some((day, time)) => format!("{day} {}", cut(time, 5).trim_end_matches('…')),
        None => started.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_to_the_minute() {
        assert_eq!(
            [day("2026-11-28T01:20:59Z"), day("2026-11-28"), day("")],
            ["2026-11-28 01:20", "2026-11-28", ""]
        );
    }

    #[test]
    fn rows_of_the_first_table_are_counted() {
        assert_eq!(rows("# A\n\n| a |\n|---|\n| 1 |\n| 2 |\n\n| b |\n|---|\n| 3 |\n"), 2);
        assert_eq!(rows("none"), 0);
    }
}
