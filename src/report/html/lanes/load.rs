//! Throughput, latency and errors over time, in equal stretches.
//!
//! An acknowledgement counts where it came; a latency where its operation was meant to start, as everywhere in this
//! program: what waited because the lab was stuck shows from the instant at which it was stuck.

use std::collections::BTreeMap;

use super::Run;
use crate::history::{Class, Op};
use crate::model::Mono;
use crate::report::html::bounds::BUCKETS;
use crate::report::html::page::{Chart, Join, Lane, Line, Tone, Unit};
use crate::report::html::scale::time_step;
use crate::stats::Percentiles;

/// Lines of one chart at most: more cannot be told apart.
const LINES: usize = 4;
/// How lines of several loads look.
const TONES: [Tone; LINES] = [Tone::Primary, Tone::Act, Tone::Replica, Tone::Frame];
/// A stretch is never shorter, milliseconds: a load of a hundred in a second would look like noise.
const LEAST: f64 = 100.0;
/// The length of a counted second, milliseconds, and half of it.
const SECOND: f64 = 1e3;

/// Equal stretches between two instants.
#[derive(Clone, Copy, Debug)]
struct Stretches {
    from: f64,
    width: f64,
    number: usize,
}

impl Stretches {
    fn of(run: &Run<'_>, (from, to): (f64, f64)) -> Self {
        let least = if run.record.history.counted.is_empty() { LEAST } else { SECOND };
        let width = time_step(((to - from) / BUCKETS as f64).max(least));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most a thousand and one"
        )]
        let number = ((to - from) / width).ceil().max(1.0) as usize;
        Self { from, width, number }
    }

    /// Which one an instant is in.
    fn at(&self, instant: f64) -> Option<usize> {
        let stretch = ((instant - self.from) / self.width).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just before")]
        let inside = (stretch >= 0.0 && stretch < self.number as f64).then_some(stretch as usize);
        inside
    }

    fn begin(&self, stretch: usize) -> f64 {
        self.from + stretch as f64 * self.width
    }

    /// A number for every stretch between the first and the last one with anything, as points.
    fn points(&self, numbers: &[u64]) -> Vec<(f64, Option<f64>)> {
        let first = numbers.iter().position(|number| *number > 0).unwrap_or(0);
        let last = numbers.iter().rposition(|number| *number > 0).map_or(0, |last| last + 1);
        let inside = numbers.iter().enumerate().take(last).skip(first);
        let mut points: Vec<_> = inside.map(|(at, number)| (self.begin(at), Some(*number as f64))).collect();
        if last > 0 {
            points.push((self.begin(last), None));
        }
        points
    }
}

/// Loads with their names, those with the most operations first.
fn loads(run: &Run<'_>) -> Vec<(u32, String)> {
    let of = |(number, load): (u32, &crate::report::LoadLine)| {
        let ops = load.operations;
        (ops.ok + ops.ok_local + ops.fail + ops.info, number, format!("{} ({})", load.name, load.endpoint))
    };
    let mut loads: Vec<_> = (0..).zip(&run.report.loads).map(of).filter(|(ops, ..)| *ops > 0).collect();
    loads.sort_by_key(|(ops, number, _)| (std::cmp::Reverse(*ops), *number));
    loads.into_iter().take(LINES).map(|(_, number, name)| (number, name)).collect()
}

/// Acknowledged operations in a second.
pub(super) fn throughput(run: &Run<'_>, window: (f64, f64)) -> Option<Lane> {
    let stretches = Stretches::of(run, window);
    let per_second = SECOND / stretches.width;
    let lines = loads(run).into_iter().zip(TONES).map(|((load, name), tone)| {
        let points = stretches.points(&acknowledged(run, load, &stretches));
        let points = points.into_iter().map(|(at, number)| (at, number.map(|number| number * per_second)));
        Line { name, tone, join: Join::Step, points: points.collect() }
    });
    let lines: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
    let chart = Chart { title: "acknowledged in a second".to_owned(), unit: Unit::Rate, log: false, lines };
    Lane::of_charts("Throughput", "", vec![chart])
}

fn acknowledged(run: &Run<'_>, load: u32, stretches: &Stretches) -> Vec<u64> {
    let mut numbers = vec![0; stretches.number];
    let mut add = |at: f64, number: u64| {
        if let Some(known) = stretches.at(at).and_then(|stretch| numbers.get_mut(stretch)) {
            *known += number;
        }
    };
    let ops = run.record.history.ops.iter().filter(|op| op.load == load);
    ops.filter_map(Op::acked).for_each(|done| add(run.ms(done), 1));
    let counted = run.record.history.counted.iter().filter(|second| second.l == load);
    counted.for_each(|second| add(middle(run, second.t), second.ok));
    numbers
}

/// The middle of a counted second that ended at an instant.
fn middle(run: &Run<'_>, end: Mono) -> f64 {
    run.ms(end) - SECOND / 2.0
}

/// Median, 99th percentile and maximum of each load.
pub(super) fn latency(run: &Run<'_>, window: (f64, f64)) -> Option<Lane> {
    let stretches = Stretches::of(run, window);
    let charts = loads(run).into_iter().map(|(load, name)| latency_of(run, load, &name, &stretches));
    let note = "where an operation was meant to start; equal ratios are equally far apart";
    Lane::of_charts("Latency", note, charts.collect())
}

fn latency_of(run: &Run<'_>, load: u32, name: &str, stretches: &Stretches) -> Chart {
    let mut took: Vec<(usize, u64, u64)> = Vec::new();
    for op in run.record.history.ops.iter().filter(|op| op.load == load) {
        let Some((done, _)) = op.ack() else { continue };
        let stretch = stretches.at(run.ms(op.intended));
        took.extend(stretch.map(|stretch| (stretch, done.0.saturating_sub(op.intended.0), 1)));
    }
    for second in run.record.history.counted.iter().filter(|second| second.l == load) {
        let Some(stretch) = stretches.at(middle(run, second.t)) else { continue };
        took.extend(second.latency.iter().map(|(nanos, number)| (stretch, *nanos, *number)));
    }
    took.sort_unstable();
    let by_stretch = took.chunk_by(|one, other| one.0 == other.0).filter_map(|chunk| {
        let (stretch, ..) = chunk.first()?;
        Some((*stretch, Percentiles::of_buckets(chunk.iter().map(|(_, nanos, number)| (*nanos, *number)))?))
    });
    let by_stretch: Vec<(usize, Percentiles)> = by_stretch.collect();
    let line = |name: &str, tone, pick: fn(&Percentiles) -> f64| Line {
        name: name.to_owned(),
        tone,
        join: Join::Line,
        points: broken(stretches, &by_stretch, pick),
    };
    let lines = vec![
        line("max", Tone::Warn, |took| took.max),
        line("p99", Tone::Act, |took| took.p99),
        line("p50", Tone::Primary, |took| took.p50),
    ];
    let lines = if by_stretch.is_empty() { Vec::new() } else { lines };
    Chart { title: name.to_owned(), unit: Unit::Millis, log: true, lines }
}

/// Points with a break where a stretch had nothing.
fn broken(
    stretches: &Stretches,
    by_stretch: &[(usize, Percentiles)],
    pick: fn(&Percentiles) -> f64,
) -> Vec<(f64, Option<f64>)> {
    let mut points = Vec::with_capacity(by_stretch.len());
    let mut next = None;
    for (stretch, took) in by_stretch {
        if next.is_some_and(|next| next != *stretch) {
            points.push((stretches.begin(*stretch), None));
        }
        points.push((stretches.begin(*stretch) + stretches.width / 2.0, Some(pick(took))));
        next = Some(stretch + 1);
    }
    points
}

/// Operations that were not acknowledged as they should be, by class.
pub(super) fn errors(run: &Run<'_>, window: (f64, f64)) -> Option<Lane> {
    let stretches = Stretches::of(run, window);
    let mut by_class: BTreeMap<Class, Vec<u64>> = BTreeMap::new();
    let mut add = |class: Class, at: f64, number: u64| {
        let Some(stretch) = stretches.at(at).filter(|_| number > 0) else { return };
        let numbers = by_class.entry(class).or_insert_with(|| vec![0; stretches.number]);
        if let Some(known) = numbers.get_mut(stretch) {
            *known += number;
        }
    };
    for op in run.record.history.ops.iter().filter(|op| op.class() != Class::Ok) {
        add(op.class(), run.ms(op.done.unwrap_or(op.invoked)), 1);
    }
    for second in &run.record.history.counted {
        let at = middle(run, second.t);
        add(Class::Fail, at, second.fail.values().sum());
        add(Class::Info, at, second.info.values().sum());
    }
    let lines = by_class.into_iter().map(|(class, numbers)| {
        let (name, tone) = match class {
            Class::Ok => ("ok", Tone::Good),
            Class::OkLocal => ("ok-local: acknowledged by the primary alone", Tone::Act),
            Class::Fail => ("fail: certainly not done", Tone::Warn),
            Class::Info => ("info: nobody knows", Tone::Bad),
        };
        Line { name: name.to_owned(), tone, join: Join::Area, points: stretches.points(&numbers) }
    });
    let title = format!("operations in {}", crate::stats::figures::seconds(stretches.width));
    let chart = Chart { title, unit: Unit::Count, log: false, lines: lines.collect() };
    Lane::of_charts("Not acknowledged", "", vec![chart])
}
