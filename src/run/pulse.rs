//! The last moment of a run, for people who watch it: rate and latency of each load, and what is on. Nothing here is judged;
//! the numbers of a verdict come from the journal.

use std::collections::{BTreeMap, HashMap};

use crate::chaos::ledger::is_on;
use crate::history::Event;
use crate::history::event::{Outcome, Phase};
use crate::model::status::Status;
use crate::model::{FaultRecord, FaultTarget, Mono, Name};
use crate::view::{Beat, LoadBeat};

/// Counts events between two beats.
#[derive(Debug, Default)]
pub struct Pulse {
    loads: Vec<Since>,
    last: Mono,
    open: HashMap<(u32, u64), Mono>,
    faults: BTreeMap<Name, FaultRecord>,
}

/// What came of one load since the beat before.
#[derive(Debug, Default)]
struct Since {
    name: String,
    bad: u64,
    last_ok: Option<Mono>,
    // latency in nanoseconds and how often: a load that is only counted tells them in buckets
    ok: Vec<(u64, u64)>,
}

impl Pulse {
    /// A pulse of these loads, which begin at `start`.
    pub fn new<'a>(names: impl Iterator<Item = &'a Name>, start: Mono) -> Self {
        let since = |name: &Name| Since { name: name.to_string(), ..Since::default() };
        Self { loads: names.map(since).collect(), last: start, ..Self::default() }
    }

    /// Takes one event in.
    pub fn feel(&mut self, event: &Event) {
        match event {
            Event::Invoke { l, o, i, .. } => {
                self.open.insert((*l, *o), *i);
            }
            Event::Done { t, l, o, outcome } => {
                let meant = self.open.remove(&(*l, *o));
                let Some(load) = self.loads.get_mut(*l as usize) else { return };
                match outcome {
                    Outcome::Ok(_) | Outcome::OkLocal(_) => {
                        let meant = meant.unwrap_or(*t);
                        load.ok.push((t.0.saturating_sub(meant.0), 1));
                        load.last_ok = load.last_ok.max(Some(*t));
                    }
                    Outcome::Fail(_) | Outcome::Info(_) => load.bad += 1,
                }
            }
            Event::Counted(counted) => {
                let Some(load) = self.loads.get_mut(counted.l as usize) else { return };
                load.ok.extend(&counted.latency);
                load.bad += counted.fail.values().chain(counted.info.values()).sum::<u64>();
                if counted.ok > 0 {
                    load.last_ok = load.last_ok.max(Some(counted.t));
                }
            }
            Event::Fault(fault) => self.fault(fault),
            _ => {}
        }
    }

    /// Takes a change of a fault in.
    pub fn fault(&mut self, fault: &FaultRecord) {
        self.faults.insert(fault.id.clone(), fault.clone());
    }

    /// What happened since the beat before, until `now`; the load began at `start`.
    pub fn beat(&mut self, start: Mono, now: Mono, phase: Phase, lab: Status) -> Beat {
        let on = self.faults.values().filter(|fault| is_on(fault) && fault.began.is_some());
        let faults = on.map(|fault| {
            let targets: Vec<&str> = fault.targets.iter().map(FaultTarget::as_str).collect();
            format!("{} ({} on {})", fault.id, fault.verb.name(), targets.join(", "))
        });
        let faults = faults.collect();
        let over = now.since(std::mem::replace(&mut self.last, now)).as_secs_f64();
        let loads = self.loads.iter_mut().map(|load| load.beat(now)).collect();
        Beat { seconds: now.since(start).as_secs_f64(), over, phase, faults, loads, lab }
    }
}

impl Since {
    fn beat(&mut self, now: Mono) -> LoadBeat {
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
            last_ok_s: self.last_ok.map(|last| now.since(last).as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error};
    use crate::model::{Target, Verb};

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    fn at(millis: u64) -> Mono {
        Mono(millis * 1_000_000)
    }

    #[test]
    fn a_beat_shows_what_came_since_the_one_before() {
        let mut pulse = Pulse::new([name("writer")].iter(), Mono(0));
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
        let beat = pulse.beat(Mono(0), at(10), Phase::Baseline, Status::default());
        let writer = LoadBeat {
            name: "writer".to_owned(),
            ok: 3,
            bad: 1,
            p50_ms: Some(3.0),
            max_ms: Some(9.0),
            last_ok_s: Some(0.001),
        };
        assert_eq!((beat.seconds, beat.over, beat.loads), (0.01, 0.01, vec![writer]));
        let empty = LoadBeat { name: "writer".to_owned(), last_ok_s: Some(0.501), ..LoadBeat::default() };
        let beat = pulse.beat(Mono(0), at(510), Phase::Baseline, Status::default());
        assert_eq!((beat.over, beat.loads), (0.5, vec![empty]));
    }

    #[test]
    fn a_fault_is_shown_while_it_is_on() {
        let mut pulse = Pulse::new([].iter(), Mono(0));
        let mut fault = FaultRecord {
            id: name("freeze"),
            verb: Verb::Pause { target: Target::Primary },
            targets: vec![FaultTarget::Member("postgres-1".parse().expect("a name"))],
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
            pulse.beat(Mono(0), at(1), Phase::Hurt, Status::default()).faults
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
