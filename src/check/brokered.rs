//! What controllers did, from two journals kept in the logs of a run: the broker's (every order and its
//! answer) and the controllers' own (every decision). Shared by `audit` and `restarts`.
//!
//! The broker's journal says who asked for a deed; a controller's says why. An order that none of our own
//! controllers' decisions explains is nobody's: the revision that allowed it was not theirs to show.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::deeds;
use super::record::RunRecord;
use crate::model::control::{BrokerAnswer, Brokered};
use crate::model::lab::{OURS, Service, controller_of};
use crate::model::scaling::Resource;
use crate::model::sighting::EngineEvent;
use crate::model::{MemberId, Mono, Size};

/// What a deed of the broker makes the engine tell.
const MAY: [(&str, &str); 14] = [
    ("fence", "kill"),
    ("fence", "update"),
    ("start", "start"),
    ("create", "create"),
    ("create", "start"),
    // a dead body made room for the new one
    ("create", "destroy"),
    // a balancer that leaves is removed as it runs
    ("retire", "kill"),
    ("retire", "destroy"),
    // a controller that leaves is asked to end before it is removed
    ("retire", "stop"),
    ("remove", "destroy"),
    // an engine lets a frozen body go before it kills or removes it (Docker 20.10 with cgroup v1)
    ("fence", "unpause"),
    ("retire", "unpause"),
    ("remove", "unpause"),
    ("resize", "update"),
];
/// How long a decision may wait to be carried out, nanoseconds.
const DECISION_TIMEOUT: u64 = 60_000_000_000;

/// Orders of controllers that may have had an effect, and what was decided.
#[derive(Debug, Default)]
pub struct BrokeredOrders {
    given: Vec<Brokered>,
    decided: Vec<DecisionLine>,
    own: Vec<String>,
    /// Whether the broker's journal was kept.
    pub heard: bool,
}

#[derive(Debug)]
struct DecisionLine {
    controller: String,
    at: Mono,
    deed: String,
    /// A container by its id, a member by its name, or a service.
    subject: String,
}

#[derive(Deserialize)]
struct StepsLine {
    entry: String,
    at: Mono,
    #[serde(default, deserialize_with = "word")]
    step: String,
    #[serde(default)]
    steps: Vec<BTreeMap<String, Value>>,
}

impl BrokeredOrders {
    /// Reads the journals of a run.
    #[must_use]
    pub fn of(record: &RunRecord) -> Self {
        let broker = MemberId::from(Service::Broker);
        let heard = record.logs.get(&broker).filter(|log| !log.starts_with("no logs"));
        let given = heard.map(|log| lines::<Brokered>(log).filter(effective).collect()).unwrap_or_default();
        let mut decided = Vec::new();
        for (name, log) in journals(record) {
            for line in lines::<StepsLine>(log).filter(|line| line.entry == "decided") {
                for (deed, told) in line.steps.iter().flatten() {
                    let subject =
                        ["container", "member", "service"].into_iter().find_map(|key| told.get(key));
                    if let Some(subject) = subject.and_then(Value::as_str) {
                        decided.push(DecisionLine {
                            controller: name.to_owned(),
                            at: line.at,
                            deed: deed.clone(),
                            subject: subject.to_owned(),
                        });
                    }
                }
            }
        }
        let ours = record.resolved.lab.controllers.iter().filter(|controller| controller.image == OURS);
        let own = ours.map(|controller| controller.name.to_string()).collect();
        Self { given, decided, own, heard: heard.is_some() }
    }

    /// Whether an order answers for what the engine told.
    #[must_use]
    pub fn explain(&self, event: &EngineEvent) -> bool {
        self.given.iter().any(|order| {
            let subject = order.order.deed.subject();
            (subject == event.id || subject == event.member)
                && MAY.contains(&(order.order.deed.name(), event.action.as_str()))
                && event.when() >= order.began
                && event.when().0 <= order.at.0.saturating_add(deeds::SLACK)
        })
    }

    /// Every order that may have had an effect.
    pub fn given(&self) -> impl Iterator<Item = &Brokered> {
        self.given.iter()
    }

    /// How many orders there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.given.len()
    }

    /// The first order in the name of one of our controllers that none of its decisions explains.
    #[must_use]
    pub fn undecided(&self) -> Option<&Brokered> {
        self.given.iter().find(|order| {
            let key = &order.order.token.key;
            let own = self.own.iter().find(|name| key.contains(&format!("/controllers/{name}/")));
            own.is_some_and(|name| {
                !self.decided.iter().any(|decision| {
                    decision.controller == *name
                        && asks_for(&decision.deed, order.order.deed.name())
                        && decision.subject == order.order.deed.subject()
                        && decision.at <= order.began
                        && order.began.0 - decision.at.0 <= DECISION_TIMEOUT
                })
            })
        })
    }
}

/// A size that was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Resized {
    /// When the controller decided it, on the machine's monotonic clock.
    pub at: Mono,
    /// The member that gets the size.
    pub member: MemberId,
    /// The size that it had.
    pub from: Size,
    /// The size that it was to have.
    pub to: Size,
    /// What the controller gave as its reason.
    pub why: String,
}

impl Resized {
    /// Whether this resource is another then.
    #[must_use]
    pub fn changes(&self, resource: Resource) -> bool {
        match resource {
            Resource::Cpu => (self.from.cpus - self.to.cpus).abs() > f64::EPSILON,
            Resource::Memory => self.from.memory != self.to.memory,
            Resource::Disk => self.from.disk != self.to.disk,
        }
    }
}

/// Sizes that controllers decided, in order.
#[must_use]
pub fn resized(record: &RunRecord) -> Vec<Resized> {
    let decided = journals(record).flat_map(|(_, log)| lines::<StepsLine>(log));
    let steps = decided.filter(|line| line.entry == "decided").flat_map(|line| {
        let resizes = line.steps.into_iter().filter_map(|mut step| step.remove("resize"));
        let told = resizes.filter_map(|told| serde_json::from_value::<Resize>(told).ok());
        let at = line.at;
        told.map(move |Resize { member, from, to, why }| Resized { at, member, from, to, why })
            .collect::<Vec<_>>()
    });
    let mut all: Vec<Resized> = steps.collect();
    all.sort_by_key(|known| known.at);
    all
}

/// Where the replicas of a controller were in its work, decision by decision; `None` without their journals.
pub fn decisions(record: &RunRecord, controller: &str) -> Option<Vec<String>> {
    let logs: Vec<&str> =
        journals(record).filter(|(name, _)| *name == controller).map(|(_, log)| log).collect();
    let decided = logs.iter().flat_map(|log| lines::<StepsLine>(log)).filter(|line| line.entry == "decided");
    (!logs.is_empty()).then(|| decided.map(|line| line.step).collect())
}

/// When controllers first decided to act, and did each step, after an instant, in the order in which it happened.
pub fn done(record: &RunRecord, after: Mono) -> Vec<(&'static str, Mono)> {
    const DID: [(&str, &str); 4] =
        [("fence", "fenced"), ("release", "released"), ("yield", "released"), ("open", "pushed")];
    let mut seen = Vec::new();
    for (_, log) in journals(record) {
        for line in lines::<ControllerLine>(log).filter(|line| line.at >= after) {
            match (line.entry.as_str(), &line.step) {
                ("decided", _) if !line.steps.is_empty() => seen.push(("decided", line.at)),
                ("did", Value::Object(step)) if line.error.is_none() => {
                    let word = DID.iter().find(|(name, _)| step.contains_key(*name));
                    seen.extend(word.map(|(_, word)| (*word, line.at)));
                }
                _ => {}
            }
        }
    }
    seen.sort_by_key(|(_, at)| *at);
    seen
}

/// The journals of controllers, whoever their replicas were: they come and go like other members.
pub(super) fn journals(record: &RunRecord) -> impl Iterator<Item = (&str, &str)> {
    let declared = &record.resolved.lab.controllers;
    record.logs.iter().filter_map(|(member, log)| {
        let name = controller_of(member);
        declared.iter().any(|known| known.name.as_str() == name).then_some((name, log.as_str()))
    })
}

/// A size in a controller's journal.
#[derive(Deserialize)]
struct Resize {
    member: MemberId,
    from: Size,
    to: Size,
    why: String,
}

/// Any line of a controller's journal.
#[derive(Deserialize)]
struct ControllerLine {
    entry: String,
    at: Mono,
    #[serde(default)]
    step: Value,
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    error: Option<String>,
}

/// Lines of a log that are of this shape; everything else was written for people.
pub(super) fn lines<'a, T: for<'de> Deserialize<'de> + 'a>(log: &'a str) -> impl Iterator<Item = T> + 'a {
    log.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok())
}

/// The step of a decision is a word, that of a deed an object.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().unwrap_or_default().to_owned())
}

/// Whether a step of a controller asks the broker for a deed. One that ends a stuck body while nobody leads asks for the
/// fence that a leader gets.
fn asks_for(step: &str, deed: &str) -> bool {
    step == deed || (step, deed) == ("end", "fence")
}

/// A refusal changed nothing.
fn effective(order: &Brokered) -> bool {
    !matches!(order.answer, BrokerAnswer::Refused { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_ended_is_fenced() {
        assert!(asks_for("end", "fence"));
        assert!(asks_for("start", "start"));
        assert!(!asks_for("end", "retire"));
        assert!(!asks_for("fence", "end"));
    }
}
