//! What a step with `when` waits for: text → [`Condition`], and whether it is met. Pure.
//!
//! Invariants: the list is closed; a condition is judged by what PostgreSQL itself said in the runner's
//! sightings, by what the engine holds bodies to, and by the runner's own faults; a controller's word counts for the
//! conditions `controller` and `alarm` alone; nothing seen is not "no primary".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::problem::nearest;
use super::shape::did_you_mean;
use crate::model::alarm::{Alarm, AlarmKind};
use crate::model::id::BadName;
use crate::model::lab::controller_of;
use crate::model::scaling::{Resource, Usages, amount};
use crate::model::target::{BadTarget, Replica, Which};
use crate::model::{MemberId, Name, Sight, Sighting, Target};

/// A condition of a step. Steps look at it at every sighting and at every fault that begins or is healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Another member than the first one seen under this load is primary.
    PrimaryChanged,
    /// Instances were looked at, and none of them is a primary.
    NoPrimary,
    /// So many members at least stream from the primary.
    Streaming(u32),
    /// The step of this id has injected its first fault.
    Fault(Name),
    /// The step of this id has healed its last fault.
    Healed(Name),
    /// A controller is at a step of its work; needs a controller.
    Controller(String),
    /// A controller has an alarm of this kind raised, about this member if one is named; needs a controller.
    Alarm {
        /// The kind of alarm.
        kind: AlarmKind,
        /// The member that it is about; any when absent.
        member: Option<MemberId>,
    },
    /// A body has so much of a resource, by what the engine holds it to; with a target that stands for several, one
    /// of them (`all` of them for `all`).
    Size {
        /// The members whose size is meant.
        target: Target,
        /// What they must have so much of.
        resource: Resource,
        /// How much, as files say it: `1.5` or `1GiB`.
        at_least: String,
    },
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadCondition {
    /// What is wrong with the text, as a sentence for people.
    pub message: String,
    /// What would have been one.
    pub hint: String,
}

const FORMS: &[(&str, &str)] = &[
    ("primary-changed", "primary-changed"),
    ("no-primary", "no-primary"),
    ("streaming", "streaming(N)"),
    ("fault", "fault(ID)"),
    ("healed", "healed(ID)"),
    ("controller", "controller(NAME).step = \"STEP\""),
    ("alarm", "alarm(KIND) or alarm(KIND, MEMBER)"),
    ("size", "size(TARGET, RESOURCE) >= X"),
];

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`BadCondition`], with the nearest form or the list of all.
    pub fn parse(text: &str) -> Result<Self, BadCondition> {
        let word = text.split(['(', ' ']).next().unwrap_or_default();
        let inside = text.strip_prefix(word).and_then(|rest| rest.strip_prefix('('));
        let whole = inside.and_then(|inside| inside.strip_suffix(')')).map(str::trim);
        let forms = || FORMS.iter().map(|(_, form)| *form).collect::<Vec<_>>().join(", ");
        let bad = |what: &str, hint: String| BadCondition { message: what.to_owned(), hint };
        let no = || {
            let near = nearest(word, FORMS.iter().map(|(word, _)| *word));
            let form = near.and_then(|near| FORMS.iter().find(|(word, _)| *word == near));
            let hint = form.map_or_else(forms, |(_, form)| format!("did you mean `{form}`?"));
            bad(&format!("`{text}` is no condition"), hint)
        };
        let step = |id: &str| {
            Name::new(id).map_err(|why| bad(&why.to_string(), format!("`{word}` takes the id of a step")))
        };
        match (word, whole) {
            ("primary-changed", None) if text == word => Ok(Self::PrimaryChanged),
            ("no-primary", None) if text == word => Ok(Self::NoPrimary),
            ("streaming", Some(count)) => match count.parse() {
                Ok(count) if count > 0 => Ok(Self::Streaming(count)),
                _ => {
                    Err(bad(&format!("`{count}` is no number of members"), "streaming(1) or more".to_owned()))
                }
            },
            ("fault", Some(id)) => step(id).map(Self::Fault),
            ("healed", Some(id)) => step(id).map(Self::Healed),
            ("controller", _) if inside.is_some_and(|inside| inside.contains(").step = ")) => {
                Ok(Self::Controller(text.to_owned()))
            }
            ("alarm", Some(whole)) => alarm(whole).map_err(|(what, hint)| bad(&what, hint)),
            ("size", _) if inside.is_some_and(|inside| inside.contains(") >= ")) => {
                size(inside.unwrap_or_default()).map_err(|(what, hint)| bad(&what, hint))
            }
            _ => Err(no()),
        }
    }

    /// The step it is about.
    #[must_use]
    pub const fn step(&self) -> Option<&Name> {
        match self {
            Self::Fault(id) | Self::Healed(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PrimaryChanged => f.write_str("primary-changed"),
            Self::NoPrimary => f.write_str("no-primary"),
            Self::Streaming(count) => write!(f, "streaming({count})"),
            Self::Fault(id) => write!(f, "fault({id})"),
            Self::Healed(id) => write!(f, "healed({id})"),
            Self::Controller(text) => f.write_str(text),
            Self::Alarm { kind, member: None } => write!(f, "alarm({kind})"),
            Self::Alarm { kind, member: Some(member) } => write!(f, "alarm({kind}, {member})"),
            Self::Size { target, resource, at_least } => {
                write!(f, "size({target}, {resource}) >= {at_least}")
            }
        }
    }
}

/// Name and step of `controller(NAME).step = "STEP"`.
pub(crate) fn controller(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix("controller(")?.split_once(')')?;
    let step = rest.split_once('=')?.1.trim().strip_prefix('"')?.strip_suffix('"')?;
    Some((name, step))
}

/// `KIND` or `KIND, MEMBER`, or what is wrong with it and what would be right.
fn alarm(inside: &str) -> Result<Condition, (String, String)> {
    let (kind, member) = inside.split_once(',').map_or((inside, None), |(kind, member)| (kind, Some(member)));
    let kind = kind.trim();
    let words = AlarmKind::ALL.map(AlarmKind::as_str);
    let unknown =
        || (format!("`{kind}` is no kind of alarm"), did_you_mean("kinds", kind, words.into_iter()));
    let kind = AlarmKind::named(kind).ok_or_else(unknown)?;
    let no_member = |why: BadName| (why.to_string(), "alarm(KIND, MEMBER)".to_owned());
    let member = member.map(|member| MemberId::new(member.trim())).transpose().map_err(no_member)?;
    Ok(Condition::Alarm { kind, member })
}

/// `TARGET, RESOURCE) >= X`, or what is wrong with it and what would be right.
fn size(inside: &str) -> Result<Condition, (String, String)> {
    let form = || "size(TARGET, RESOURCE) >= X".to_owned();
    let (whose, at_least) = inside.split_once(") >= ").ok_or_else(|| (inside.to_owned(), form()))?;
    let no_pair = || (format!("`{whose}` is no target and resource"), form());
    let (target, resource) = whose.split_once(',').ok_or_else(no_pair)?;
    let target: Target =
        target.trim().parse().map_err(|bad: BadTarget| (bad.to_string(), BadTarget::HINT.to_owned()))?;
    if !matches!(target, Target::Primary | Target::Replica(_) | Target::Postgres(_) | Target::Balancer(_)) {
        let hint = "primary, replica, postgres:…, balancer:…, or a member of theirs";
        return Err((format!("nobody looks at the size of `{target}`"), hint.to_owned()));
    }
    let resource = resource.trim();
    let known = || (format!("`{resource}` is no resource"), "cpu, memory or disk".to_owned());
    let resource = Resource::named(resource).ok_or_else(known)?;
    amount(resource, at_least).map_err(|why| (format!("`{at_least}` is no amount of {resource}"), why))?;
    Ok(Condition::Size { target, resource, at_least: at_least.to_owned() })
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepMark {
    /// Its first fault has been injected.
    Began,
    /// Its last fault has been healed.
    Healed,
}

/// What is known of the lab while a step waits: a fold over sightings, beside the marks of all steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    first: Option<MemberId>,
    primary: Option<MemberId>,
    looked: bool,
    streaming: usize,
    /// Where the active replica of each controller is in its work.
    steps: BTreeMap<String, String>,
    /// What replicas of controllers have raised.
    alarms: Vec<Alarm>,
    /// Instances and balancers, as they were seen last.
    databases: BTreeSet<MemberId>,
    balancers: BTreeSet<MemberId>,
    /// What bodies are held to.
    sizes: Usages,
}

impl Watched {
    /// Takes one look in; looks come in order.
    pub fn see(&mut self, sighting: &Sighting) {
        let answers = || sighting.postgres.iter().filter_map(|(id, seen)| Some((id, seen.sql.seen()?)));
        let primary = answers().find(|(_, sql)| !sql.in_recovery && sql.writable != Some(false));
        self.looked |= !sighting.postgres.is_empty();
        self.databases = sighting.postgres.keys().cloned().collect();
        self.balancers = sighting.balancers.keys().cloned().collect();
        self.streaming = primary.map_or(0, |(_, sql)| sql.streaming.len());
        self.primary = primary.map(|(id, _)| id.clone());
        for (replica, seen) in &sighting.controllers {
            if let Some(status) = seen.seen().filter(|status| status.active) {
                self.steps.insert(controller_of(replica).to_owned(), status.step.clone());
            }
        }
        if !sighting.controllers.is_empty() {
            let seen = sighting.controllers.values().filter_map(Sight::seen);
            self.alarms = seen.flat_map(|status| &status.raised).map(|raised| raised.alarm.clone()).collect();
        }
        if self.first.is_none() {
            self.first.clone_from(&self.primary);
        }
    }

    /// Takes in what bodies are held to.
    pub fn measure(&mut self, sizes: &Usages) {
        self.sizes.clone_from(sizes);
    }

    /// Whether whom a target stands for has so much.
    fn has(&self, target: &Target, resource: Resource, wanted: f64) -> bool {
        let has = |member: &MemberId| self.sizes.get(member).is_some_and(|usage| usage.has(resource, wanted));
        let which = |members: &BTreeSet<MemberId>, which: &Which| match which {
            Which::Any => members.iter().any(has),
            Which::All => !members.is_empty() && members.iter().all(has),
            Which::Named(name) => has(name),
        };
        let replicas =
            || self.databases.iter().filter(|member| self.primary.as_ref() != Some(*member)).cloned();
        match target {
            Target::Primary => self.primary.as_ref().is_some_and(has),
            Target::Replica(Replica::All) => which(&replicas().collect(), &Which::All),
            Target::Replica(_) => which(&replicas().collect(), &Which::Any),
            Target::Postgres(pick) => which(&self.databases, pick),
            Target::Balancer(pick) => which(&self.balancers, pick),
            _ => false,
        }
    }

    /// Whether `condition` is met now.
    #[must_use]
    pub fn meets(&self, condition: &Condition, marks: &BTreeMap<Name, StepMark>) -> bool {
        match condition {
            Condition::PrimaryChanged => self.primary.is_some() && self.primary != self.first,
            Condition::NoPrimary => self.looked && self.primary.is_none(),
            Condition::Streaming(count) => self.streaming >= *count as usize,
            Condition::Fault(id) => marks.contains_key(id),
            Condition::Healed(id) => marks.get(id) == Some(&StepMark::Healed),
            Condition::Controller(text) => {
                controller(text).is_some_and(|(name, step)| self.steps.get(name).is_some_and(|at| at == step))
            }
            Condition::Alarm { kind, member } => {
                let about = |alarm: &Alarm| member.is_none() || alarm.subject == *member;
                self.alarms.iter().any(|alarm| alarm.kind == *kind && about(alarm))
            }
            Condition::Size { target, resource, at_least } => {
                amount(*resource, at_least).is_ok_and(|wanted| self.has(target, *resource, wanted))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alarm::Raised;
    use crate::model::control::ControllerStatus;
    use crate::model::scaling::Usage;
    use crate::model::sighting::{PostgresSeen, SqlSeen};
    use crate::model::{Bytes, Mono};

    #[test]
    fn every_form_reads_back_as_it_was_written() {
        for text in [
            "primary-changed",
            "no-primary",
            "streaming(2)",
            "fault(kill)",
            "healed(kill)",
            "controller(repair).step = \"fence\"",
            "alarm(no-leader)",
            "alarm(waits-for-host, postgres-2)",
            "size(primary, cpu) >= 2",
            "size(balancer:all, memory) >= 1GiB",
        ] {
            assert_eq!(Condition::parse(text).map(|condition| condition.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_condition_says_what_would_have_been_one() {
        let said = |text: &str| {
            let bad = Condition::parse(text).expect_err(text);
            format!("{}: {}", bad.message, bad.hint)
        };
        assert_eq!(said("no-primry"), "`no-primry` is no condition: did you mean `no-primary`?");
        assert_eq!(said("heald(x)"), "`heald(x)` is no condition: did you mean `healed(ID)`?");
        assert_eq!(said("no-primary()"), "`no-primary()` is no condition: did you mean `no-primary`?");
        assert_eq!(said("streaming(0)"), "`0` is no number of members: streaming(1) or more");
        assert!(said("fault(Kill)").contains("takes the id of a step"), "{}", said("fault(Kill)"));
        assert!(said("fault").contains("did you mean `fault(ID)`?"), "{}", said("fault"));
        assert!(said("perhaps").contains("primary-changed, no-primary, streaming(N)"), "{}", said("perhaps"));
        assert!(said("").contains("primary-changed"), "{}", said(""));
        assert_eq!(
            said("size(primary) >= 2"),
            "`primary` is no target and resource: size(TARGET, RESOURCE) >= X"
        );
        assert_eq!(said("size(primary, ram) >= 2"), "`ram` is no resource: cpu, memory or disk");
        assert_eq!(
            said("size(primary, cpu) >= lots"),
            "`lots` is no amount of cpu: cores are a number such as \"1.5\""
        );
        assert_eq!(said("alarm(no-leder)"), "`no-leder` is no kind of alarm: did you mean `no-leader`?");
        assert!(said("alarm(fire)").starts_with("`fire` is no kind of alarm: kinds: engine-blind, "));
        assert!(said("alarm(frozen, Postgres 1)").ends_with(": alarm(KIND, MEMBER)"));
        assert_eq!(
            said("alarm"),
            "`alarm` is no condition: did you mean `alarm(KIND) or alarm(KIND, MEMBER)`?"
        );
        let etcd = said("size(etcd:leader, cpu) >= 1");
        assert!(etcd.starts_with("nobody looks at the size of `etcd:leader`: primary, replica"), "{etcd}");
        assert!(said("size(nobody:x, cpu) >= 1").contains("is no target"));
    }

    /// A member, and when it answers whether it is in recovery and who streams from it.
    type Instance<'a> = (&'a str, Option<(bool, &'a [&'a str])>);

    fn look(instances: &[Instance<'_>]) -> Sighting {
        let seen = |(name, answer): &Instance<'_>| {
            let sql = answer.map(|(in_recovery, streaming)| SqlSeen {
                in_recovery,
                streaming: streaming.iter().map(|name| (*name).to_owned()).collect(),
                ..SqlSeen::default()
            });
            let sql = sql.map_or_else(|| Sight::Blind("silent".to_owned()), Sight::Seen);
            (MemberId::new(*name).expect("a name"), PostgresSeen { sql, ..PostgresSeen::default() })
        };
        Sighting { postgres: instances.iter().map(seen).collect(), ..Sighting::default() }
    }

    #[test]
    fn a_change_of_primary_is_seen_after_it_and_not_between() {
        let (changed, none) = (Condition::PrimaryChanged, Condition::NoPrimary);
        let marks = BTreeMap::new();
        let mut watched = Watched::default();
        assert!(!watched.meets(&none, &marks), "nobody has looked yet");
        for (sighting, is_changed, is_none) in [
            (look(&[("postgres-1", Some((false, &[]))), ("postgres-2", Some((true, &[])))]), false, false),
            (look(&[("postgres-1", None), ("postgres-2", Some((true, &[])))]), false, true),
            (look(&[("postgres-1", None), ("postgres-2", Some((false, &[])))]), true, false),
            (look(&[("postgres-1", Some((false, &[]))), ("postgres-2", None)]), false, false),
        ] {
            watched.see(&sighting);
            assert_eq!(
                (watched.meets(&changed, &marks), watched.meets(&none, &marks)),
                (is_changed, is_none)
            );
        }
    }

    #[test]
    fn an_alarm_is_on_while_a_replica_shows_it() {
        let mut watched = Watched::default();
        let met = |watched: &Watched, text: &str| {
            watched.meets(&Condition::parse(text).expect("a condition"), &BTreeMap::new())
        };
        let name = |text: &str| MemberId::new(text).expect("a name");
        let look = |raised: Vec<Raised>| {
            let status = ControllerStatus { raised, ..ControllerStatus::default() };
            let controllers = [(name("repair-1"), Sight::Seen(status))].into();
            Sighting { controllers, ..Sighting::default() }
        };
        let alarm = Alarm::new(AlarmKind::WaitsForHost, Some(&name("postgres-2")), "h4 is full");
        watched.see(&look(vec![Raised { alarm, since: Mono(0) }]));
        assert!(met(&watched, "alarm(waits-for-host)"));
        assert!(met(&watched, "alarm(waits-for-host, postgres-2)"));
        assert!(!met(&watched, "alarm(waits-for-host, postgres-3)"));
        assert!(!met(&watched, "alarm(no-leader)"));
        // a look at something else says nothing of alarms
        watched.see(&Sighting::default());
        assert!(met(&watched, "alarm(waits-for-host)"));
        watched.see(&look(Vec::new()));
        assert!(!met(&watched, "alarm(waits-for-host)"));
    }

    #[test]
    fn streams_are_counted_at_the_primary() {
        let mut watched = Watched::default();
        let marks = BTreeMap::new();
        watched.see(&look(&[("postgres-1", Some((false, &["postgres-2"])))]));
        assert!(watched.meets(&Condition::Streaming(1), &marks));
        assert!(!watched.meets(&Condition::Streaming(2), &marks));
        watched.see(&look(&[("postgres-1", None)]));
        assert!(!watched.meets(&Condition::Streaming(1), &marks));
    }

    #[test]
    fn a_size_is_what_the_engine_holds_a_body_to() {
        let name = |text: &str| MemberId::new(text).expect("a name");
        let held = |cores: f64, memory| Usage {
            cores: Some(cores),
            limit: Some(Bytes::mib(memory)),
            ..Usage::default()
        };
        let marks = BTreeMap::new();
        let mut watched = Watched::default();
        let met = |watched: &Watched, text: &str| {
            watched.meets(&Condition::parse(text).expect("a condition"), &marks)
        };
        watched.see(&look(&[("postgres-1", Some((false, &[]))), ("postgres-2", Some((true, &[])))]));
        assert!(!met(&watched, "size(primary, cpu) >= 0.1"), "nobody has measured yet");
        watched
            .measure(&[(name("postgres-1"), held(1.0, 512)), (name("postgres-2"), held(0.5, 1024))].into());
        for (text, is) in [
            ("size(primary, cpu) >= 1", true),
            ("size(primary, cpu) >= 1.1", false),
            ("size(primary, memory) >= 1GiB", false),
            ("size(replica, memory) >= 1GiB", true),
            ("size(replica:all, cpu) >= 1", false),
            ("size(postgres:any, cpu) >= 1", true),
            ("size(postgres:all, cpu) >= 1", false),
            ("size(postgres-2, cpu) >= 0.5", true),
            ("size(primary, disk) >= 1GiB", false),
            ("size(balancer:all, cpu) >= 0.1", false),
        ] {
            assert_eq!(met(&watched, text), is, "{text}");
        }
        // who leads now is whom it means
        watched.see(&look(&[("postgres-1", None), ("postgres-2", Some((false, &[])))]));
        assert!(met(&watched, "size(primary, memory) >= 1GiB"));
    }

    #[test]
    fn a_fault_that_was_healed_has_also_begun() {
        let name = |text: &str| Name::new(text).expect("a name");
        let marks = BTreeMap::from([(name("a"), StepMark::Began), (name("b"), StepMark::Healed)]);
        let watched = Watched::default();
        let met = |text: &str| watched.meets(&Condition::parse(text).expect("a condition"), &marks);
        assert!(met("fault(a)") && met("fault(b)") && met("healed(b)"));
        assert!(!met("healed(a)") && !met("fault(c)") && !met("healed(c)"));
    }
}
