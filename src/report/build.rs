//! A record and its verdict → the numbers of `report.json`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::exposure::{self, Exposed};
use super::{
    AlarmChange, AlarmLine, BackLine, ClientLine, EndpointLine, Environment, Failover, FaultLine, LoadLine,
    LossLine, OneWriterLine, Operations, Report, SCHEMA_VERSION, Stages, Staleness, WindowLine, ZombieLine,
};
use crate::check::alarm::AlarmTold;
use crate::check::lost_acks::Losses;
use crate::check::one_writer::Writers;
use crate::check::outage::{self, Backs, EndpointOutages, Outage, OutageEnd};
use crate::check::stale_reads::HeartbeatRead;
use crate::check::{Judgement, Measured, RunRecord};
use crate::history::{Class, Counted};
use crate::model::scenario::{Endpoint, Load};
use crate::model::{FaultRecord, Mono, Name};
use crate::stats::{self, Percentiles};

/// The length of a counted second, nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Puts the report of a judged run together.
#[must_use]
pub fn build(run: &Measured<'_>, judgement: &Judgement) -> Report {
    build_with(run, judgement, &exposure::measure(run.record))
}

/// The same, where it is known already what would be gone, look by look.
#[must_use]
pub fn build_with(run: &Measured<'_>, judgement: &Judgement, exposed: &[Exposed]) -> Report {
    let record = run.record;
    let zero = zero(record);
    let outages = run.outages();
    let resolved = &record.resolved;
    Report {
        schema_version: SCHEMA_VERSION,
        scenario: record.scenario.name.clone(),
        about: record.scenario.about.clone(),
        preset: resolved.preset.clone(),
        seed: resolved.seed,
        started: resolved.started.clone(),
        verdict: judgement.verdict,
        ends: judgement.ends.clone(),
        reasons: judgement.reasons.clone(),
        checks: judgement.checks.clone(),
        faults: record.history.faults.iter().map(|fault| fault_line(fault, zero)).collect(),
        loads: record
            .scenario
            .loads
            .iter()
            .enumerate()
            .map(|(index, load)| load_line(record, index, load))
            .collect(),
        endpoints: outages.iter().map(|seen| (seen.endpoint, endpoint_line(record, seen, zero))).collect(),
        loss: loss(run.losses(), run.writers(), judgement),
        one_writer: one_writer_line(run.writers(), zero),
        staleness: staleness(run.heartbeats()),
        redundancy: run.redundancy().to_vec(),
        sizes: run.limits().to_vec(),
        alarms: run.alarms().map(|told| told.iter().map(|alarm| alarm_line(alarm, zero)).collect()),
        failovers: record
            .history
            .faults
            .iter()
            .filter_map(|fault| failover(record, outages, fault))
            .collect(),
        exposure: exposure::sum_up(exposed),
        converged_ms: run.convergence().took_ms(),
        environment: Environment {
            pgha: resolved.pgha.clone(),
            commit: resolved.commit.clone(),
            versions: resolved.versions.clone(),
            images: resolved.images.clone(),
            machine: resolved.machine.clone(),
        },
    }
}

/// The instant from which a report counts: the first operation; where loads are only counted, the first phase.
pub(super) fn zero(record: &RunRecord) -> Mono {
    let phase = record.history.phases.iter().map(|(at, _)| *at).min();
    record.history.load_start().or(phase).unwrap_or_default()
}

/// Milliseconds from `zero`, negative before it.
pub(super) fn from_zero(at: Mono, zero: Mono) -> f64 {
    let ahead = stats::millis(at.0.saturating_sub(zero.0));
    if at >= zero { ahead } else { -stats::millis(zero.0 - at.0) }
}

fn took(from: Mono, to: Mono) -> f64 {
    stats::millis(to.0.saturating_sub(from.0))
}

fn fault_line(fault: &FaultRecord, zero: Mono) -> FaultLine {
    FaultLine {
        id: fault.id.clone(),
        verb: fault.verb.name().to_owned(),
        target: fault.verb.target().map(ToString::to_string).unwrap_or_default(),
        hit: fault.targets.iter().cloned().map(Name::from).collect(),
        began_ms: fault.began.map(|at| from_zero(at, zero)),
        healed_ms: fault.healed.map(|at| from_zero(at, zero)),
        inject_ms: fault.began.map(|began| took(fault.intent, began)),
        heal_ms: fault.healing.zip(fault.healed).map(|(from, to)| took(from, to)),
        receipt: fault.receipt.clone(),
        heal: fault.heal.clone(),
    }
}

fn alarm_line(told: &AlarmTold, zero: Mono) -> AlarmLine {
    let AlarmTold { controller, kind, subject, raised, said, cleared } = told.clone();
    let mut said = said.into_iter();
    let text = said.next().map(|(_, text)| text).unwrap_or_default();
    AlarmLine {
        controller,
        kind,
        subject,
        raised_ms: from_zero(raised, zero),
        text,
        changes: said.map(|(at, text)| AlarmChange { at_ms: from_zero(at, zero), text }).collect(),
        cleared_ms: cleared.map(|at| from_zero(at, zero)),
    }
}

fn load_line(record: &RunRecord, index: usize, load: &Load) -> LoadLine {
    let ops = || record.history.ops.iter().filter(|op| usize::try_from(op.load) == Ok(index));
    let mut operations = Operations::default();
    for op in ops() {
        match op.class() {
            Class::Ok => operations.ok += 1,
            Class::OkLocal => operations.ok_local += 1,
            Class::Fail => operations.fail += 1,
            Class::Info => operations.info += 1,
        }
    }
    let seconds: Vec<&Counted> =
        record.history.counted.iter().filter(|second| usize::try_from(second.l) == Ok(index)).collect();
    for second in &seconds {
        operations.ok += second.ok;
        operations.fail += second.fail.values().sum::<u64>();
        operations.info += second.info.values().sum::<u64>();
    }
    let counted_from = seconds.iter().map(|second| Mono(second.t.0.saturating_sub(SECOND)));
    let start = ops().map(|op| op.invoked).chain(counted_from).min().unwrap_or_default();
    let counted_to = seconds.iter().map(|second| second.t);
    let end = ops().filter_map(|op| op.done).chain(counted_to).max().unwrap_or_default();
    let direct = || load.direct.as_ref().map(ToString::to_string);
    LoadLine {
        name: load.name.clone(),
        endpoint: load.endpoint.map(|endpoint| endpoint.to_string()).or_else(direct).unwrap_or_default(),
        operations,
        latency_ms: Percentiles::of_buckets(
            ops()
                .filter_map(|op| Some((op.acked()?.0.saturating_sub(op.intended.0), 1)))
                .chain(seconds.iter().flat_map(|second| second.latency.iter().copied())),
        ),
        throughput: stats::per_second(operations.ok + operations.ok_local, end.0.saturating_sub(start.0)),
        schedule_lag_ms: Percentiles::of_buckets(
            ops()
                .map(|op| (op.invoked.0.saturating_sub(op.intended.0), 1))
                .chain(seconds.iter().flat_map(|second| second.lag.iter().copied())),
        ),
    }
}

fn endpoint_line(record: &RunRecord, seen: &EndpointOutages, zero: Mono) -> EndpointLine {
    let window = |window: &Outage| WindowLine {
        from_ms: from_zero(window.from, zero),
        to_ms: from_zero(window.to, zero),
        fault: blamed(record, window).map(|fault| fault.id.clone()),
        ended: window.ended,
    };
    let faults = record.history.faults.iter().map(|fault| Some(&fault.id));
    let back = |fault| back_line(record, seen, fault);
    EndpointLine {
        back: back(None),
        backs: faults.filter_map(back).collect(),
        outage_max_ms: seen.max_ms(),
        outage_total_ms: seen.total_ms(),
        windows: seen.windows.iter().map(window).collect(),
        clients: client_lines(record, seen),
    }
}

/// How clients came back after a fault, or over the whole run; `None` where the journal numbers none.
fn back_line(record: &RunRecord, seen: &EndpointOutages, fault: Option<&Name>) -> Option<BackLine> {
    let backs = outage::backs_of(record, seen, fault).filter(|_| seen.crowd.numbered)?;
    let Backs { clients, hurt, out_before, never_back, first, median, last, longest, nobody, .. } = backs;
    Some(BackLine {
        fault: fault.cloned(),
        clients,
        hurt,
        out_before,
        never_back,
        last_back_ms: last.map(stats::millis),
        median_back_ms: median.map(stats::millis),
        first_back_ms: first.map(stats::millis),
        longest_ms: stats::millis(longest),
        nobody_ms: stats::millis(nobody),
    })
}

fn client_lines(record: &RunRecord, seen: &EndpointOutages) -> Vec<ClientLine> {
    let mut clients: BTreeMap<(u32, u32), (u64, u64, bool)> = BTreeMap::new();
    let numbered =
        seen.crowd.outs.iter().map(|out| (out.load, out.client, out.nanos(), out.end == OutageEnd::Never));
    let workers = seen.clients.iter().map(|outage| (outage.load, outage.worker, outage.nanos(), false));
    let outs: Vec<_> = if seen.crowd.numbered { numbered.collect() } else { workers.collect() };
    for (load, client, took, left) in outs {
        let (max, total, never) = clients.entry((load, client)).or_default();
        *max = took.max(*max);
        *total += took;
        *never |= left;
    }
    let name = |load: u32| Some(record.scenario.loads.get(usize::try_from(load).ok()?)?.name.clone());
    let line = |((load, worker), (max, total, never_back)): ((u32, u32), (u64, u64, bool))| {
        let (outage_max_ms, outage_total_ms) = (stats::millis(max), stats::millis(total));
        Some(ClientLine { load: name(load)?, worker, never_back, outage_max_ms, outage_total_ms })
    };
    clients.into_iter().filter_map(line).collect()
}

fn one_writer_line(writers: &Writers, zero: Mono) -> OneWriterLine {
    let windows = writers.overlaps.iter().map(|(one, other, from, to)| ZombieLine {
        from_ms: from_zero(*from, zero),
        to_ms: from_zero(*to, zero),
        nodes: vec![one.clone(), other.clone()],
    });
    OneWriterLine { zombie_windows: windows.collect(), zombie_fates: writers.zombie_fates }
}

fn staleness(reads: &[HeartbeatRead<'_>]) -> Option<Staleness> {
    let all = Percentiles::of_nanos(reads.iter().map(|read| read.stale))?;
    let count = |pick: fn(&HeartbeatRead<'_>) -> bool| reads.iter().filter(|read| pick(read)).count() as u64;
    Some(Staleness {
        p50_ms: all.p50,
        p99_ms: all.p99,
        max_ms: all.max,
        reads: reads.len() as u64,
        went_backwards: count(|read| read.backwards),
        missed_own_write: count(|read| read.missed_own),
    })
}

/// The last fault injected before the outage ended.
fn blamed<'a>(record: &'a RunRecord, window: &Outage) -> Option<&'a FaultRecord> {
    let before =
        record.history.faults.iter().filter(|fault| fault.began.is_some_and(|began| began < window.to));
    before.max_by_key(|fault| fault.began)
}

fn loss(losses: &Losses, writers: &Writers, judgement: &Judgement) -> LossLine {
    let unexpected = judgement.check("unexpected").map_or(0, |check| {
        let count = |key: &str| check.evidence.get(key).and_then(Value::as_u64).unwrap_or(0);
        count("nobody_wrote") + count("twice") + count("of_failed_operations")
    });
    LossLine {
        acked: losses.acked,
        lost: losses.lost.len() as u64,
        lost_bytes: losses.windows.iter().map(|window| window.lost_bytes).sum(),
        lost_seconds: losses.windows.iter().map(|window| window.lost_seconds).fold(0.0, f64::max),
        boundary: losses.boundary,
        lost_local: losses.local,
        unexpected,
        recovered: losses.recovered,
        zombie_acks: writers.zombie_acks,
    }
}

/// The stages after a fault that interrupted 5432; a fault that did not has none.
fn failover(record: &RunRecord, outages: &[EndpointOutages], fault: &FaultRecord) -> Option<Failover> {
    let began = fault.began?;
    let rw = outages.iter().find(|seen| seen.endpoint == Endpoint::Rw)?;
    let window = outage::of_fault(record, rw, &fault.id)?;
    let mut stages = Stages::default();
    for seen in record.sightings_in_order().into_iter().filter(|seen| seen.at > began) {
        // a body that was hit may be seen once more as it was, so only others can have taken over
        let others = seen
            .postgres
            .iter()
            .filter(|(member, _)| !fault.targets.iter().any(|hit| hit.member() == Some(*member)));
        let others: Vec<_> = others.filter_map(|(_, postgres)| postgres.sql.seen()).collect();
        let at = stats::millis(seen.at.0 - began.0);
        if others.iter().any(|sql| !sql.in_recovery) {
            stages.elected_ms.get_or_insert(at);
        }
        if others.iter().any(|sql| sql.writable == Some(true)) {
            stages.writable_ms.get_or_insert(at);
        }
    }
    stages.first_ack_ms = (window.ended && window.to > began).then(|| stats::millis(window.to.0 - began.0));
    let last = outage::backs_of(record, rw, Some(&fault.id)).filter(|_| rw.crowd.numbered);
    let last = last.and_then(|backs| backs.last_at).filter(|at| *at > began);
    stages.last_back_ms = last.map(|at| stats::millis(at.0 - began.0));
    Some(Failover { fault: fault.id.clone(), stages, source: "sightings, history".to_owned() })
}
