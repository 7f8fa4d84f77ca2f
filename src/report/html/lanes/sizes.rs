//! What bodies used and what they were held to, where a run kept it.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use crate::model::MemberId;
use crate::model::scaling::{Resource, Usage};
use crate::report::html::bounds;
use crate::report::html::page::{Chart, Join, Lane, Line, Tone, Unit};

/// Points of a line; without a number it is broken.
type Points = Vec<(f64, Option<f64>)>;

/// Charts at most.
const CHARTS: usize = 12;

/// Use and limit of each body, those whose limit moved first.
pub(super) fn lane(run: &Run<'_>, window: (f64, f64)) -> Option<Lane> {
    let moved: BTreeSet<(&MemberId, Resource)> =
        run.report.sizes.iter().map(|change| (&change.member, change.resource)).collect();
    let mut looks: BTreeMap<&MemberId, Vec<(f64, &Usage)>> = BTreeMap::new();
    for seen in &run.looks {
        for (member, usage) in &seen.usage {
            looks.entry(member).or_default().push((run.ms(seen.at), usage));
        }
    }
    let mut wanted: Vec<(&MemberId, Resource)> =
        looks.keys().flat_map(|member| Resource::ALL.map(|resource| (*member, resource))).collect();
    wanted.sort_by_key(|of| !moved.contains(of));
    let charts = wanted.into_iter().filter_map(|(member, resource)| {
        let looks = looks.get(member).map(Vec::as_slice).unwrap_or_default();
        chart(member, resource, looks, window)
    });
    let note = "what a body used, and with dashes what it was held to";
    Lane::of_charts("Sizes and limits", note, charts.take(CHARTS).collect())
}

fn chart(
    member: &MemberId,
    resource: Resource,
    looks: &[(f64, &Usage)],
    (from, to): (f64, f64),
) -> Option<Chart> {
    let held: Points = looks.iter().map(|(at, usage)| (*at, usage.given(resource))).collect();
    let used: Points =
        looks.windows(2).filter_map(|pair| Some(used(resource, pair.first()?, pair.last()?))).collect();
    let line = |name: &str, tone, join, all: &Points| Line {
        name: name.to_owned(),
        tone,
        join,
        points: bounds::points(all, from, to),
    };
    let lines =
        vec![line("used", Tone::Primary, Join::Step, &used), line("held to", Tone::Bad, Join::Limit, &held)];
    let (word, unit) = match resource {
        Resource::Cpu => ("cores", Unit::Cores),
        Resource::Memory => ("memory", Unit::Bytes),
        Resource::Disk => ("disk", Unit::Bytes),
    };
    let shows = |line: &Line| line.points.iter().any(|(_, number)| number.is_some());
    let lines: Vec<Line> = lines.into_iter().filter(shows).collect();
    (!lines.is_empty()).then(|| Chart { title: format!("{member} {word}"), unit, log: false, lines })
}

/// What was used between two looks (cores), or at the second of them.
fn used(
    resource: Resource,
    (before, earlier): &(f64, &Usage),
    (at, now): &(f64, &Usage),
) -> (f64, Option<f64>) {
    match resource {
        Resource::Cpu => (*before, now.since(earlier).map(|cores| cores.used)),
        Resource::Memory => (*at, Some(now.memory.0 as f64)),
        Resource::Disk => (*at, now.disk.map(|disk| disk.size.0.saturating_sub(disk.free.0) as f64)),
    }
}
