//! `alarm`: an alarm was raised, was cleared, or was never raised, as the scenario asks.
//!
//! Source: the journals that controllers write to their own output, which a run keeps as logs. They need neither the store
//! nor the engine. Every replica of a controller writes one; the active replica says what its brain raises, and each
//! says that the store is away.
//!
//! Rule: an alarm of a controller is on while a replica of it has it on. A replica that takes over begins without alarms,
//! so what the replica before it had on ends there; raised again within `MOVES` it is the same alarm. A time
//! counts from the injection of the step in `after`, for *cleared* from its heal, and from the start of the load without it.
//!
//! Assumes that every replica's journal was kept. Where one is missing, an alarm that was not found may have been there:
//! *unknown*. So it is where the record ends before the time is over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::brokered::{journals, lines};
use super::record::{Finding, RunRecord};
use crate::model::alarm::{AlarmKind, Became, Raised};
use crate::model::scenario::AlarmIs;
use crate::model::{Expect, MemberId, Mono, Name, Service, Span, Verb};
use crate::stats;

/// So long the alarms of a controller may be gone while another replica takes over, nanoseconds.
const MOVES: u64 = 10_000_000_000;

/// One alarm of a controller, from when it was raised until it was cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmTold {
    /// Which controller.
    pub controller: String,
    /// The kind of alarm.
    pub kind: AlarmKind,
    /// About whom; absent: about the lab.
    pub subject: Option<MemberId>,
    /// When it was raised, on the machine's monotonic clock.
    pub raised: Mono,
    /// What it said, from when on: the first text is that of when it was raised.
    pub said: Vec<(Mono, String)>,
    /// When it was cleared; absent: it was on in the end.
    pub cleared: Option<Mono>,
}

/// A line of a controller's journal that is about alarms.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
enum AlarmEvent {
    Alarm {
        at: Mono,
        became: Became,
        #[serde(flatten)]
        raised: Raised,
    },
    Active {
        at: Mono,
        active: bool,
    },
}

impl AlarmEvent {
    const fn at(&self) -> Mono {
        match self {
            Self::Alarm { at, .. } | Self::Active { at, .. } => *at,
        }
    }
}

/// Judges what was asked of alarms.
#[must_use]
pub fn check(record: &RunRecord, told: Option<&[AlarmTold]>) -> Finding {
    let Some(told) = told else {
        return Finding::unknown("no controller's journal was kept", json!({ "alarms": [] }));
    };
    let zero = record.history.load_start().unwrap_or_default();
    let evidence = json!({ "alarms": told.iter().map(|alarm| shown(alarm, zero)).collect::<Vec<_>>() });
    let (mut broken, mut gaps) = (Vec::new(), Vec::new());
    let mut asked = 0;
    for expect in &record.scenario.expects {
        let Some(wanted) = WantedAlarm::of(record, expect) else { continue };
        asked += 1;
        match wanted.judge(record, told) {
            AlarmSaid::Holds => {}
            AlarmSaid::Breaks(text) => broken.push(text),
            AlarmSaid::Open(text) => gaps.push(text),
        }
    }
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        Finding::pass(format!("{asked} expectations of alarms hold"), evidence)
    })
}

/// An alarm in the evidence.
fn shown(alarm: &AlarmTold, zero: Mono) -> serde_json::Value {
    let ms = |at: Mono| stats::millis(at.0.saturating_sub(zero.0));
    json!({
        "controller": alarm.controller,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "raised_ms": ms(alarm.raised),
        "cleared_ms": alarm.cleared.map(ms),
    })
}

/// What one expectation asks for.
struct WantedAlarm<'a> {
    kind: AlarmKind,
    member: Option<&'a MemberId>,
    is: AlarmIs,
    /// What is counted from, in words.
    what: String,
    /// From when; `None`: it never came.
    from: Option<Mono>,
    within: Option<Span>,
}

/// The time in which an alarm is asked for.
#[derive(Clone, Copy)]
struct AskedTime {
    from: Mono,
    to: Mono,
}

/// Which end of a step is counted from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepEnd {
    Injected,
    Healed,
}

enum AlarmSaid {
    Holds,
    Breaks(String),
    Open(String),
}

impl<'a> WantedAlarm<'a> {
    fn of(record: &RunRecord, expect: &'a Expect) -> Option<Self> {
        let Expect::Alarm { kind, member, is, after, within } = expect else { return None };
        let end = if *is == AlarmIs::Cleared { StepEnd::Healed } else { StepEnd::Injected };
        let (what, from) = match after {
            None => ("the load began".to_owned(), record.history.load_start()),
            Some(step) => {
                let healed = end == StepEnd::Healed && !lasts(record, step);
                let word = if healed { "was healed" } else { "was injected" };
                (format!("`{step}` {word}"), instant(record, step, end))
            }
        };
        Some(Self { kind: *kind, member: member.as_ref(), is: *is, what, from, within: *within })
    }

    /// The alarm in words.
    fn words(&self) -> String {
        self.member
            .map_or_else(|| format!("`{}`", self.kind), |member| format!("`{}` of {member}", self.kind))
    }

    fn judge(&self, record: &RunRecord, told: &[AlarmTold]) -> AlarmSaid {
        let Some(from) = self.from else {
            return AlarmSaid::Open(format!("nothing says when {}", self.what));
        };
        let to = self.within.map_or(Mono(u64::MAX), |within| from.plus(within.0));
        let time_asked = AskedTime { from, to };
        let meant: Vec<&AlarmTold> = told
            .iter()
            .filter(|alarm| alarm.kind == self.kind)
            .filter(|alarm| self.member.is_none_or(|member| alarm.subject.as_ref() == Some(member)))
            .collect();
        let time = self.within.map_or_else(String::new, |within| format!(" within {within}"));
        let when = format!("{time} after {}", self.what);
        match self.is {
            AlarmIs::Raised => self.raised(record, &meant, time_asked, &when),
            AlarmIs::Never => self.never(record, &meant, time_asked, &when),
            AlarmIs::Cleared => self.cleared(record, &meant, to, &when),
        }
    }

    fn raised(
        &self,
        record: &RunRecord,
        meant: &[&AlarmTold],
        AskedTime { from, to }: AskedTime,
        when: &str,
    ) -> AlarmSaid {
        if meant.iter().any(|alarm| (from..=to).contains(&alarm.raised)) {
            return AlarmSaid::Holds;
        }
        let said = format!("alarm {} was not raised{when}", self.words());
        self.open(record, to, &said).unwrap_or(AlarmSaid::Breaks(said))
    }

    fn never(
        &self,
        record: &RunRecord,
        meant: &[&AlarmTold],
        AskedTime { from, to }: AskedTime,
        when: &str,
    ) -> AlarmSaid {
        let on =
            |alarm: &&&AlarmTold| alarm.raised <= to && alarm.cleared.is_none_or(|cleared| cleared > from);
        if let Some(alarm) = meant.iter().find(on) {
            let text = alarm.said.first().map_or("", |(_, text)| text.as_str());
            return AlarmSaid::Breaks(format!("alarm {} was on{when}: {text}", self.words()));
        }
        let said = format!("alarm {} was not seen{when}", self.words());
        self.open(record, to, &said).unwrap_or(AlarmSaid::Holds)
    }

    fn cleared(&self, record: &RunRecord, meant: &[&AlarmTold], to: Mono, when: &str) -> AlarmSaid {
        if meant.is_empty() {
            let said = format!("alarm {} was never raised, so nothing cleared it", self.words());
            return missing(record).map_or(AlarmSaid::Breaks(said), AlarmSaid::Open);
        }
        let on = |alarm: &&&AlarmTold| alarm.cleared.is_none_or(|cleared| cleared > to);
        let Some(alarm) = meant.iter().find(on) else { return AlarmSaid::Holds };
        let said = match alarm.cleared {
            Some(_) => format!("alarm {} was cleared later than{when}", self.words()),
            None => format!("alarm {} was not cleared{when}", self.words()),
        };
        self.open(record, to, &said).filter(|_| alarm.cleared.is_none()).unwrap_or(AlarmSaid::Breaks(said))
    }

    /// Why what was not found may have been so all the same.
    fn open(&self, record: &RunRecord, to: Mono, said: &str) -> Option<AlarmSaid> {
        let short = self.within.is_some() && end(record) < to;
        let short = short.then(|| format!("{said}, and the record ends before that time is over"));
        missing(record).or(short).map(AlarmSaid::Open)
    }
}

/// When the record ends.
fn end(record: &RunRecord) -> Mono {
    record.sightings.iter().map(|seen| seen.at).max().unwrap_or_default()
}

/// Whether a step leaves nothing to heal.
fn lasts(record: &RunRecord, step: &Name) -> bool {
    faults(record, step).all(|(_, _, lasting)| lasting)
}

/// When the first fault of a step was injected, or the last one healed; what leaves nothing to heal was over at once.
fn instant(record: &RunRecord, step: &Name, end: StepEnd) -> Option<Mono> {
    let mut all = faults(record, step);
    if end == StepEnd::Injected {
        return all.filter_map(|(began, ..)| began).min();
    }
    all.try_fold(None, |last: Option<Mono>, (began, healed, lasting)| {
        let over = if lasting { began } else { healed };
        over.map(|over| Some(last.map_or(over, |last| last.max(over))))
    })
    .flatten()
}

/// Injection and heal of the faults of a step, and whether they leave nothing to heal. Of one that is made of several
/// they are named after it.
fn faults<'a>(
    record: &'a RunRecord,
    step: &'a Name,
) -> impl Iterator<Item = (Option<Mono>, Option<Mono>, bool)> + 'a {
    let many = record.scenario.steps.iter().any(|known| {
        known.id.as_ref() == Some(step) && matches!(known.verb, Verb::Repeat { .. } | Verb::Swizzle { .. })
    });
    let its = move |id: &Name| {
        let rest = id.as_str().strip_prefix(step.as_str());
        id == step || many && rest.is_some_and(|rest| rest.starts_with('-'))
    };
    record
        .history
        .faults
        .iter()
        .filter(move |fault| its(&fault.id))
        .map(|fault| (fault.began, fault.healed, fault.verb.lasting()))
}

/// That the journal of a replica is missing.
fn missing(record: &RunRecord) -> Option<String> {
    let replicas = record.resolved.members.iter().filter(|member| member.service == Service::Controller);
    let lacks = |id: &&MemberId| record.logs.get(*id).is_none_or(|log| log.starts_with("no logs"));
    let mut lacking = replicas.map(|member| &member.id).filter(lacks);
    lacking.next().map(|id| format!("the journal of `{id}` was not kept"))
}

/// Every alarm of every controller, in the order in which they were raised; `None` without a controller's journal.
#[must_use]
pub fn measure(record: &RunRecord) -> Option<Vec<AlarmTold>> {
    let mut of: BTreeMap<&str, Vec<(usize, AlarmEvent)>> = BTreeMap::new();
    for (replica, (controller, log)) in journals(record).enumerate() {
        // whoever writes no journal is no witness
        let mut all = lines::<AlarmEvent>(log).peekable();
        if all.peek().is_some() || log.contains("\"entry\":") {
            of.entry(controller).or_default().extend(all.map(|line| (replica, line)));
        }
    }
    if of.is_empty() {
        return None;
    }
    let mut told = Vec::new();
    for (controller, mut all) in of {
        all.sort_by_key(|(_, line)| line.at());
        told.extend(follow(controller, all));
    }
    told.sort_by_key(|alarm| alarm.raised);
    Some(told)
}

/// The alarms of one controller, from the lines of its replicas in order.
fn follow(controller: &str, lines: Vec<(usize, AlarmEvent)>) -> Vec<AlarmTold> {
    let mut told: Vec<AlarmTold> = Vec::new();
    // which replicas have which alarm on
    let mut on: BTreeMap<(AlarmKind, Option<MemberId>), Vec<usize>> = BTreeMap::new();
    for (replica, line) in lines {
        match line {
            AlarmEvent::Active { at, active } => {
                let ends = |of: &usize| active || *of == replica;
                for ((kind, subject), by) in &mut on {
                    let was = !by.is_empty();
                    by.retain(|of| !ends(of));
                    if was && by.is_empty() {
                        close(&mut told, *kind, subject.as_ref(), at);
                    }
                }
            }
            AlarmEvent::Alarm { at, became: Became::Cleared, raised } => {
                let (kind, subject) = (raised.alarm.kind, raised.alarm.subject);
                let by = on.entry((kind, subject.clone())).or_default();
                by.retain(|of| *of != replica);
                if by.is_empty() {
                    close(&mut told, kind, subject.as_ref(), at);
                }
            }
            AlarmEvent::Alarm { at, raised, .. } => {
                let by = on.entry((raised.alarm.kind, raised.alarm.subject.clone())).or_default();
                if !by.contains(&replica) {
                    by.push(replica);
                }
                open(&mut told, controller, at, raised);
            }
        }
    }
    told
}

/// The last alarm of a kind about a subject.
fn last<'a>(
    told: &'a mut [AlarmTold],
    kind: AlarmKind,
    subject: Option<&MemberId>,
) -> Option<&'a mut AlarmTold> {
    told.iter_mut().rev().find(|known| known.kind == kind && known.subject.as_ref() == subject)
}

fn close(told: &mut [AlarmTold], kind: AlarmKind, subject: Option<&MemberId>, at: Mono) {
    if let Some(known) = last(told, kind, subject) {
        known.cleared.get_or_insert(at);
    }
}

/// An alarm is raised or changed: the same one that was on, or was moments ago, or a new one.
fn open(told: &mut Vec<AlarmTold>, controller: &str, at: Mono, raised: Raised) {
    let alarm = raised.alarm;
    let known = last(told, alarm.kind, alarm.subject.as_ref());
    let goes_on =
        |known: &&mut AlarmTold| known.cleared.is_none_or(|over| at.0.saturating_sub(over.0) <= MOVES);
    match known.filter(goes_on) {
        Some(known) => {
            known.cleared = None;
            if known.said.last().is_none_or(|(_, text)| *text != alarm.text) {
                known.said.push((at, alarm.text));
            }
        }
        None => told.push(AlarmTold {
            controller: controller.to_owned(),
            kind: alarm.kind,
            subject: alarm.subject,
            raised: at,
            said: vec![(at, alarm.text)],
            cleared: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alarm::Alarm;

    fn line(at: u64, became: Became, kind: AlarmKind, text: &str) -> AlarmEvent {
        AlarmEvent::Alarm {
            at: Mono(at * 1_000_000_000),
            became,
            raised: Raised { alarm: Alarm::new(kind, None, text), since: Mono(0) },
        }
    }

    fn active(at: u64, active: bool) -> AlarmEvent {
        AlarmEvent::Active { at: Mono(at * 1_000_000_000), active }
    }

    /// Seconds of when each was raised and cleared.
    fn spans(lines: Vec<(usize, AlarmEvent)>) -> Vec<(u64, Option<u64>)> {
        let seconds = |at: Mono| at.0 / 1_000_000_000;
        let told = follow("repair", lines);
        told.iter().map(|alarm| (seconds(alarm.raised), alarm.cleared.map(seconds))).collect()
    }

    #[test]
    fn an_alarm_moves_with_the_leadership_and_ends_where_it_is_not_raised_again() {
        use AlarmKind::{NoLeader, WaitsForHost};
        use Became::{Changed, Cleared, Raised};
        let moved = vec![
            (0, active(1, true)),
            (0, line(2, Raised, NoLeader, "a")),
            (1, active(5, true)),
            (1, line(9, Raised, NoLeader, "b")),
            (1, line(12, Changed, NoLeader, "c")),
            (1, line(20, Cleared, NoLeader, "c")),
            (1, line(40, Raised, NoLeader, "d")),
        ];
        assert_eq!(spans(moved), [(2, Some(20)), (40, None)]);
        let left = vec![(0, line(2, Raised, WaitsForHost, "a")), (0, active(3, false))];
        assert_eq!(spans(left), [(2, Some(3))]);
    }

    #[test]
    fn what_two_replicas_say_is_over_when_both_have_cleared_it() {
        use Became::{Cleared, Raised};
        let both = vec![
            (0, line(2, Raised, AlarmKind::StoreBlind, "a")),
            (1, line(3, Raised, AlarmKind::StoreBlind, "a")),
            (0, line(6, Cleared, AlarmKind::StoreBlind, "a")),
            (1, line(9, Cleared, AlarmKind::StoreBlind, "a")),
        ];
        assert_eq!(spans(both), [(2, Some(9))]);
    }
}
