//! The last second of a run, for people who watch it: rate and latency of each load, what is on, who is
//! primary. Nothing here is judged; the numbers of a verdict come from the journal.

use std::collections::{BTreeMap, HashMap};

use crate::chaos::ledger::is_on;
use crate::history::Event;
use crate::history::event::{Outcome, Phase};
use crate::model::{FaultRecord, MemberId, Mono, Name};

/// One second as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Seconds since the load began.
    pub seconds: f64,
    /// The part of the run.
    pub phase: Phase,
    /// Faults that are on, as `id verb on whom`.
    pub faults: Vec<String>,
    /// Every load, in the order of the scenario.
    pub loads: Vec<LoadBeat>,
    /// Who is primary, when exactly one instance says so.
    pub primary: Option<MemberId>,
}

/// One load's last second.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBeat {
    /// Its name.
    pub name: String,
    /// Acknowledged.
    pub ok: u64,
    /// Failed, or nobody knows.
    pub bad: u64,
    /// Median latency of the acknowledged ones from their intended start, milliseconds.
    pub p50_ms: Option<f64>,
    /// The longest.
    pub max_ms: Option<f64>,
}

/// Counts events between two beats.
#[derive(Debug, Default)]
pub struct Pulse {
    loads: Vec<Second>,
    open: HashMap<(u32, u64), Mono>,
    faults: BTreeMap<Name, FaultRecord>,
}

#[derive(Debug, Default)]
struct Second {
    name: String,
    bad: u64,
    // latency in nanoseconds and how often: a load that is only counted tells them in buckets
    ok: Vec<(u64, u64)>,
}

impl Pulse {
    /// A pulse of these loads.
    pub fn new<'a>(names: impl Iterator<Item = &'a Name>) -> Self {
        let second = |name: &Name| Second { name: name.to_string(), ..Second::default() };
        Self { loads: names.map(second).collect(), ..Self::default() }
    }

    /// Takes one event in.
    pub fn feel(&mut self, event: &Event) {
        match event {
            Event::Invoke { l, o, i, .. } => {
                self.open.insert((*l, *o), *i);
            }
            Event::Done { t, l, o, outcome } => {
                let meant = self.open.remove(&(*l, *o));
                let Some(second) = self.loads.get_mut(*l as usize) else { return };
                match outcome {
                    Outcome::Ok(_) | Outcome::OkLocal(_) => {
                        let meant = meant.unwrap_or(*t);
                        second.ok.push((t.0.saturating_sub(meant.0), 1));
                    }
                    Outcome::Fail(_) | Outcome::Info(_) => second.bad += 1,
                }
            }
            Event::Counted(counted) => {
                let Some(second) = self.loads.get_mut(counted.l as usize) else { return };
                second.ok.extend(&counted.latency);
                second.bad += counted.fail.values().chain(counted.info.values()).sum::<u64>();
            }
            Event::Fault(fault) => self.fault(fault),
            _ => {}
        }
    }

    /// Takes a change of a fault in.
    pub fn fault(&mut self, fault: &FaultRecord) {
        self.faults.insert(fault.id.clone(), fault.clone());
    }

    /// What happened since the beat before.
    pub fn beat(&mut self, seconds: f64, phase: Phase, primary: Option<MemberId>) -> Beat {
        let on = self.faults.values().filter(|fault| is_on(fault) && fault.began.is_some());
        let faults = on.map(|fault| {
            let targets: Vec<&str> = fault.targets.iter().map(Name::as_str).collect();
            format!("{} ({} on {})", fault.id, fault.verb.name(), targets.join(", "))
        });
        let faults = faults.collect();
        Beat { seconds, phase, faults, loads: self.loads.iter_mut().map(Second::beat).collect(), primary }
    }
}

impl Second {
    fn beat(&mut self) -> LoadBeat {
        let mut ok = std::mem::take(&mut self.ok);
        ok.sort_unstable();
        let count: u64 = ok.iter().map(|(_, count)| count).sum();
        let ms = |nanos: u64| nanos as f64 / 1e6;
        let mut seen = 0;
        let median = ok.iter().find(|(_, times)| {
            seen += times;
            seen * 2 >= count
        });
        LoadBeat {
            name: self.name.clone(),
            ok: count,
            bad: std::mem::take(&mut self.bad),
            p50_ms: median.map(|(nanos, _)| ms(*nanos)),
            max_ms: ok.last().map(|(nanos, _)| ms(*nanos)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error};
    use crate::model::{Target, Verb};

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    #[test]
    fn a_beat_shows_what_came_since_the_one_before() {
        let mut pulse = Pulse::new([name("writer")].iter());
        let ok = || Outcome::Ok(Ack::default());
        for (operation, latency) in [(1, 3), (2, 1), (3, 9)] {
            pulse.feel(&Event::invoke(Mono(5), 0, operation, 0, Mono(0)));
            pulse.feel(&Event::done(Mono(latency * 1_000_000), 0, operation, ok()));
        }
        pulse.feel(&Event::done(
            Mono(1),
            0,
            4,
            Outcome::Fail(Error { c: "refused".to_owned(), m: String::new() }),
        ));
        // a load nobody declared is nobody's
        pulse.feel(&Event::done(Mono(1), 7, 4, ok()));
        let beat = pulse.beat(1.0, Phase::Baseline, None);
        let writer =
            LoadBeat { name: "writer".to_owned(), ok: 3, bad: 1, p50_ms: Some(3.0), max_ms: Some(9.0) };
        assert_eq!(beat.loads, [writer]);
        let empty = LoadBeat { name: "writer".to_owned(), ..LoadBeat::default() };
        assert_eq!(pulse.beat(2.0, Phase::Baseline, None).loads, [empty]);
    }

    #[test]
    fn a_fault_is_shown_while_it_is_on() {
        let mut pulse = Pulse::new([].iter());
        let mut fault = FaultRecord {
            id: name("freeze"),
            verb: Verb::Pause { target: Target::Primary },
            targets: vec![name("postgres-1")],
            containers: Vec::new(),
            notes: BTreeMap::new(),
            intent: Mono(1),
            began: None,
            healing: None,
            healed: None,
            receipt: None,
            heal: None,
            of: None,
        };
        let mut shown = |fault: &FaultRecord| {
            pulse.fault(fault);
            pulse.beat(1.0, Phase::Hurt, None).faults
        };
        assert!(shown(&fault).is_empty(), "an intent is no fault yet");
        fault.began = Some(Mono(2));
        assert_eq!(shown(&fault), ["freeze (pause on postgres-1)"]);
        fault.heal = Some(crate::model::Receipt {
            state: crate::model::ReceiptState::Confirmed,
            source: String::new(),
            evidence: String::new(),
        });
        assert!(shown(&fault).is_empty());
    }
}
