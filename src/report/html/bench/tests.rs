//! The page of a bench: every point is on it, *never* is, and nothing that is told becomes markup.

use super::{page, write};
use crate::report::bench::tests::{hung, points, report};
use crate::report::html::page::Unit;

fn written(points: &[crate::report::Point]) -> String {
    write(&page(&report(points), &|run| run.ends_with("/1").then(|| format!("{run}/report.html"))))
}

#[test]
fn every_point_is_on_the_page_and_so_is_never() {
    let all =
        [hung("stock", &[28e3, 30e3, 31e3]), points("ours", &[300.0, 350.0, 400.0, 320.0, -1.0])].concat();
    let text = written(&all);
    assert_eq!(text.matches("<circle").count(), 4, "a run that ended unknown is no point");
    assert_eq!(text.matches("class=\"never\"").count(), 3);
    assert!(text.contains(">never</text>") && text.contains("<td class=\"word\">never</td>"));
    assert!(text.contains("out for 31.0 s to the end of the load"));
    // the trial that ended unknown stands in the table all the same
    assert!(text.contains("<td class=\"word\">unknown</td>"));
    assert!(!text.contains("<script") && !text.contains("http"), "no script, and nothing from elsewhere");
}

#[test]
fn what_is_told_is_escaped() {
    let mut seen = report(&points("ours", &[300.0]));
    let hostile = "</style><script>alert(1)</script>\"&";
    seen.comparisons[0].about = hostile.to_owned();
    seen.comparisons[0].arms[1].lab = hostile.to_owned();
    seen.pgha = hostile.to_owned();
    seen.machine.insert(hostile.to_owned(), hostile.into());
    seen.points[0].run = hostile.to_owned();
    seen.comparisons[0].arms[1].worst = Some(hostile.to_owned());
    let text = write(&page(&seen, &|run| Some(run.to_owned())));
    assert!(!text.contains("<script") && text.contains("&lt;script&gt;"));
    assert_eq!(text.matches("</style>").count(), 1);
}

#[test]
fn a_bench_of_one_trial_or_none_has_a_page() {
    let one = written(&points("ours", &[300.0]));
    assert_eq!(one.matches("<circle").count(), 1);
    let none = written(&[]);
    assert!(none.contains("Not measured: dies."));
}

#[test]
fn an_axis_is_one_of_ratios_only_where_they_are_large() {
    let of = |values: &[f64]| {
        let seen = report(&[points("stock", &[1_000.0]), points("ours", values)].concat());
        let strips = page(&seen, &|_| None).sections.remove(0).strips;
        (strips.log, strips.from, strips.to, strips.unit)
    };
    assert_eq!(of(&[900.0]), (false, 0.0, 1_050.0, Unit::Millis));
    assert_eq!(of(&[30.0]), (true, 20.0, 2_000.0, Unit::Millis));
    assert_eq!(of(&[0.0]), (false, 0.0, 1_050.0, Unit::Millis));
}

#[test]
fn the_worst_trial_leads_to_its_page_where_that_is() {
    let text = written(&[points("stock", &[28e3]), points("ours", &[300.0, 500.0, 400.0])].concat());
    assert!(text.contains("href=\"runs/dies-ours/1/report.html\""));
    assert!(!text.contains("href=\"runs/dies-stock/0/report.html\""));
}
