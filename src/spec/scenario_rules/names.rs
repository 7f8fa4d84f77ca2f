//! What a scenario asks of its lab: hosts, members and controllers that are there or can come to be, and sizes that
//! they can have. What is refused here would match nobody, or change nothing, however the run goes.

use super::{kinds, sizes};
use crate::model::lab::Replication;
use crate::model::lab::{Desired, Service, controller_of};
use crate::model::scenario::ActsOn;
use crate::model::target::{EtcdPick, Replica, Which};
use crate::model::{Expect, HostName, LabSpec, MemberId, Span, Target, Verb};
use crate::spec::condition::{self, Condition};
use crate::spec::draft::Draft;
use crate::spec::problem::Problem;
use crate::spec::shape::did_you_mean;
use crate::spec::tree::TomlNode;

/// What the lab does not have.
pub(crate) fn check(draft: &Draft<'_>, lab: &LabSpec, problems: &mut Vec<Problem>) {
    let known = KnownNames::of(lab, draft.duration.unwrap_or_default());
    for (node, load) in &draft.loads {
        if let Some(member) = &load.direct {
            let at = node.nearest("direct");
            if !known.founded(Service::Postgres).any(|founded| founded == member.as_str()) {
                problems.push(known.nobody(at, member, Service::Postgres));
            }
        }
    }
    for (node, step) in &draft.steps {
        known.verb(node.nearest("do"), &step.verb, problems);
        if let Some(Ok(condition)) = step.when.as_deref().map(Condition::parse) {
            known.condition(node.nearest("when"), &condition, problems);
        }
    }
    for (node, expect) in &draft.expects {
        known.expect(node, expect, problems);
    }
}

/// Who there is in a lab, and who may come to be.
pub(super) struct KnownNames<'a> {
    pub(super) lab: &'a LabSpec,
    duration: Span,
}

impl<'a> KnownNames<'a> {
    const fn of(lab: &'a LabSpec, duration: Span) -> Self {
        Self { lab, duration }
    }

    /// How many of a service there are when the lab is founded.
    fn count(&self, service: Service) -> u32 {
        Desired::founding(self.lab).counts.get(&service).copied().unwrap_or(0)
    }

    /// How many of a service there may ever be at once.
    fn most(&self, service: Service) -> u32 {
        let range = match service {
            Service::Postgres => self.lab.postgres.instances,
            Service::Balancer => self.lab.balancers.instances,
            _ => return self.count(service),
        };
        if self.lab.has_controller("scaling") && self.lab.has_controller("repair") {
            range.max
        } else {
            range.start
        }
    }

    /// Names of a service when the lab is founded.
    fn founded(&self, service: Service) -> impl Iterator<Item = String> {
        (1..=self.count(service)).map(move |n| format!("{service}-{n}"))
    }

    /// Whether a member of this name is there, or may be one day: a newcomer has the next number, and takes a second
    /// at least.
    fn may_be(&self, name: &MemberId, service: Service) -> bool {
        let number = name.as_str().strip_prefix(service.as_str()).and_then(|rest| rest.strip_prefix('-'));
        let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) else { return false };
        let newcomers = if self.lab.has_controller("repair") { self.duration.0.as_secs() } else { 0 };
        (1..=u64::from(self.most(service)).saturating_add(newcomers)).contains(&number)
    }

    fn nobody(&self, at: &TomlNode, name: &MemberId, service: Service) -> Problem {
        let founded: Vec<String> = self.founded(service).collect();
        let hint = did_you_mean("members", name.as_str(), founded.iter().map(String::as_str));
        at.problem(format!("the lab has no {service} member `{name}`")).hint(hint)
    }

    fn verb(&self, node: &TomlNode, verb: &Verb, problems: &mut Vec<Problem>) {
        let at = node.nearest(verb.name());
        if let Verb::Repeat { verb, .. } = verb {
            return self.verb(at.nearest("do"), verb, problems);
        }
        problems.extend(self.asked(at, verb));
        for (node, target) in kinds::targets(at, verb) {
            let before = problems.len();
            self.target(node, target, problems);
            if problems.len() == before {
                problems.extend(self.client(node, verb, target));
                problems.extend(self.too_many(node, verb, target));
            }
        }
        sizes::check(self.lab, at, verb, problems);
    }

    /// Verbs that somebody in the lab must carry out.
    fn asked(&self, at: &TomlNode, verb: &Verb) -> Option<Problem> {
        let needs: &[&str] = match verb {
            Verb::Scale { .. } => &["scaling", "repair"],
            Verb::Resize { .. } => &["scaling"],
            Verb::Replace { .. } => &["repair"],
            Verb::Engine { .. } if self.lab.controllers.is_empty() => {
                let said = "`engine` acts on the broker of controllers, and the lab declares none";
                return Some(at.problem(said).hint("preset `repair` declares one"));
            }
            Verb::Clock { .. } if !self.lab.postgres.fake_clock => {
                let said = "`clock` needs a lab whose clocks can be set wrong, and this one's cannot";
                let hint = "set = { postgres = { fake-clock = true } } under [lab], or `--set postgres.fake-clock=true`";
                return Some(at.problem(said).hint(hint));
            }
            _ => &[],
        };
        if let Some(lacking) = needs.iter().find(|name| !self.lab.has_controller(name)) {
            let said = format!(
                "`{}` is carried out by controllers, and the lab declares no `{lacking}`",
                verb.name()
            );
            let preset = if needs.contains(&"scaling") { "zerops-2022" } else { "repair" };
            return Some(at.problem(said).hint(format!("preset `{preset}` declares it")));
        }
        if let Verb::Scale { service, count } = verb {
            // another service is refused where verbs are read
            let known = Service::sized(service.as_str())?;
            let why = self.lab.may_have(known, *count).err()?;
            let hint = "postgres.instances = { start = 3, min = 3, max = 5 }";
            return Some(at.nearest("count").problem(why).hint(hint));
        }
        None
    }

    /// Targets that name nobody of this lab, whenever they are looked up.
    fn target(&self, at: &TomlNode, target: &Target, problems: &mut Vec<Problem>) {
        let few = |message: &str, hint: &str| Some(at.problem(message).hint(hint));
        let said = match target {
            Target::HostOf(of) => return self.target(at, of, problems),
            Target::Random(_, of) => {
                self.target(at, of, problems);
                return;
            }
            Target::Host(name) => self.host(at, name),
            Target::Controller(pick) => self.controller(at, pick),
            Target::Postgres(Which::Named(name)) => self.member(at, name, Service::Postgres),
            Target::Balancer(Which::Named(name)) => self.member(at, name, Service::Balancer),
            Target::Etcd(EtcdPick::Named(name)) => self.member(at, name, Service::Etcd),
            Target::Replica(_) if self.most(Service::Postgres) < 2 => {
                few("the lab has one instance of PostgreSQL and no replica", "postgres.instances = 2 or more")
            }
            Target::Replica(Replica::Sync) if self.lab.postgres.replication == Replication::Async => few(
                "the lab replicates asynchronously: no replica is a synchronous one",
                "replication = \"sync\" under [postgres]",
            ),
            Target::Etcd(EtcdPick::Follower | EtcdPick::Minority) if self.count(Service::Etcd) < 2 => {
                few("the lab has one member of etcd: it leads, and nobody follows", "etcd.members = 3")
            }
            Target::Primary
            | Target::Replica(_)
            | Target::Postgres(Which::Any | Which::All)
            | Target::Balancer(Which::Any | Which::All)
            | Target::Etcd(_)
            | Target::HostSpare
            | Target::Rest => None,
        };
        problems.extend(said);
    }

    fn host(&self, at: &TomlNode, name: &HostName) -> Option<Problem> {
        if self.lab.host(name).is_some() {
            return None;
        }
        let hosts = self.lab.hosts.iter().map(|host| host.name.as_str());
        let hint = did_you_mean("hosts", name.as_str(), hosts);
        Some(at.problem(format!("the lab has no host `{name}`")).hint(hint))
    }

    fn controller(&self, at: &TomlNode, pick: &str) -> Option<Problem> {
        let (name, state) = pick.split_once(':').unwrap_or((pick, "any"));
        let named = |controller: &&crate::model::lab::ControllerSpec| {
            name == "all" || controller.name.as_str() == name
        };
        let mut declared = self.lab.controllers.iter().filter(named).peekable();
        if declared.peek().is_none() {
            let hint =
                "preset `repair` declares the controller `repair`, preset `zerops-2022` also `scaling`";
            let what = if name == "all" { "controller".to_owned() } else { format!("controller `{name}`") };
            return Some(at.problem(format!("the lab declares no {what}")).hint(hint));
        }
        let alone = state == "standby" && declared.all(|controller| controller.replicas < 2);
        alone.then(|| at.problem("one replica is the active one: none stands by").hint("replicas = 2"))
    }

    fn member(&self, at: &TomlNode, name: &MemberId, service: Service) -> Option<Problem> {
        (!self.may_be(name, service)).then(|| self.nobody(at, name, service))
    }

    /// Hosts that must not go: without the client's nobody would see what the lab does.
    fn client(&self, at: &TomlNode, verb: &Verb, target: &Target) -> Option<Problem> {
        let goes = matches!(
            verb,
            Verb::PowerOff { .. } | Verb::Isolate { .. } | Verb::Flap { .. } | Verb::Swizzle { .. }
        );
        let Target::Host(name) = kinds::innermost(target) else { return None };
        let host = self.lab.host(name)?;
        let client = self.lab.may_stand(Service::Client, host);
        (goes && client).then(|| {
            let said = format!("`{name}` is the client host: without it nobody would see what the lab does");
            at.problem(said).hint("another host; a `partition` of it is possible")
        })
    }

    /// A number that is drawn from fewer, and a handover nobody can take.
    fn too_many(&self, at: &TomlNode, verb: &Verb, target: &Target) -> Option<Problem> {
        if let Target::Random(count, of) = target {
            let most = self.names_at_most(of, verb.acts_on());
            return (*count > most).then(|| {
                at.problem(format!("`{of}` names {most} of this lab at most"))
                    .hint(format!("random({most}) of {of}"))
            });
        }
        let alone = matches!(verb, Verb::Failover { .. }) && matches!(target, Target::Replica(Replica::All));
        let others = self.lab.postgres.instances.min.saturating_sub(1);
        (alone && others > 1).then(|| {
            let said = format!("a failover has one candidate, and this target names {others} or more");
            at.problem(said).hint("to = \"replica:most-advanced\"")
        })
    }

    /// How many a target names at most.
    fn names_at_most(&self, target: &Target, acts_on: ActsOn) -> u32 {
        let bodies = |service| self.most(service);
        let many = match target {
            Target::Primary
            | Target::Replica(Replica::One | Replica::MostAdvanced | Replica::MostLagging)
            | Target::Postgres(Which::Any | Which::Named(_))
            | Target::Balancer(Which::Any | Which::Named(_))
            | Target::Etcd(EtcdPick::Leader | EtcdPick::Follower | EtcdPick::Named(_))
            | Target::Host(_)
            | Target::HostSpare => 1,
            Target::Replica(Replica::All) => bodies(Service::Postgres).saturating_sub(1),
            Target::Replica(Replica::Sync) => {
                bodies(Service::Postgres).saturating_sub(1).min(self.lab.postgres.sync_standbys)
            }
            Target::Postgres(Which::All) => bodies(Service::Postgres),
            Target::Balancer(Which::All) => bodies(Service::Balancer),
            Target::Etcd(EtcdPick::Minority) => bodies(Service::Etcd).saturating_sub(1) / 2,
            Target::Etcd(EtcdPick::Majority) => bodies(Service::Etcd) / 2 + 1,
            Target::Etcd(EtcdPick::All) => bodies(Service::Etcd),
            Target::Controller(pick) => self.replicas(pick),
            Target::HostOf(of) => self.names_at_most(of, ActsOn::Hosts),
            Target::Random(count, of) => (*count).min(self.names_at_most(of, acts_on)),
            Target::Rest => u32::MAX,
        };
        let hosts = u32::try_from(self.lab.hosts.len()).unwrap_or(u32::MAX);
        if acts_on == ActsOn::Hosts { many.min(hosts) } else { many }
    }

    /// How many replicas of controllers a pick names at most.
    fn replicas(&self, pick: &str) -> u32 {
        let (name, state) = pick.split_once(':').unwrap_or((pick, "any"));
        let named = self.lab.controllers.iter().filter(|one| name == "all" || one.name.as_str() == name);
        let count = |replicas: u32| match state {
            "active" => 1,
            "standby" => replicas.saturating_sub(1),
            _ => replicas,
        };
        named.map(|controller| count(controller.replicas)).sum()
    }

    fn condition(&self, at: &TomlNode, condition: &Condition, problems: &mut Vec<Problem>) {
        let most = self.most(Service::Postgres).saturating_sub(1);
        match condition {
            Condition::Streaming(count) if *count > most => {
                let said = format!("{count} never stream: the lab has {most} replicas at most");
                problems
                    .push(at.problem(said).hint("postgres.instances under [lab] set, or a smaller number"));
            }
            Condition::Controller(text) => {
                let name = condition::controller(text).map_or("", |(name, _)| name);
                problems.extend(self.declared(at, name));
            }
            Condition::Alarm { member, .. } => problems.extend(self.alarmed(at, at, member.as_ref())),
            Condition::Size { target, resource, at_least } => {
                self.target(at, target, problems);
                problems.extend(sizes::never_reached(self.lab, at, target, *resource, at_least));
            }
            _ => {}
        }
    }

    fn declared(&self, at: &TomlNode, name: &str) -> Option<Problem> {
        let there = self.lab.controllers.iter().any(|controller| controller.name.as_str() == name);
        (!there).then(|| {
            let names: Vec<&str> =
                self.lab.controllers.iter().map(|controller| controller.name.as_str()).collect();
            let hint = if names.is_empty() {
                "preset `repair` declares the controller `repair`, preset `zerops-2022` also `scaling`"
                    .to_owned()
            } else {
                did_you_mean("controllers", name, names.iter().copied())
            };
            at.problem(format!("the lab declares no controller `{name}`")).hint(hint)
        })
    }

    /// Alarms that no controller raises, or about a member that the lab never has.
    fn alarmed(&self, at: &TomlNode, about: &TomlNode, member: Option<&MemberId>) -> Option<Problem> {
        if self.lab.controllers.is_empty() {
            let said = "alarms are raised by controllers, and the lab declares none";
            return Some(at.problem(said).hint("preset `repair` declares one"));
        }
        let member = member?;
        let services = [Service::Postgres, Service::Balancer, Service::Etcd];
        let controller =
            self.lab.controllers.iter().any(|known| known.name.as_str() == controller_of(member));
        if controller || services.into_iter().any(|service| self.may_be(member, service)) {
            return None;
        }
        let founded: Vec<String> = services.into_iter().flat_map(|service| self.founded(service)).collect();
        let hint = did_you_mean("members", member.as_str(), founded.iter().map(String::as_str));
        Some(about.problem(format!("the lab has no member `{member}`")).hint(hint))
    }

    fn expect(&self, node: &TomlNode, expect: &Expect, problems: &mut Vec<Problem>) {
        match expect {
            Expect::Replaced { target, min, .. } => {
                let at = node.nearest("replaced.target");
                self.target(at, target, problems);
                if min.is_some_and(|min| min > 0) && !self.lab.has_controller("repair") {
                    let said = "bodies are replaced by the controller `repair`, and the lab declares none";
                    problems
                        .push(node.nearest("replaced.min").problem(said).hint("preset `repair` declares it"));
                }
            }
            Expect::Scaled { target, resource, to_at_least, .. } => {
                self.target(node.nearest("scaled.target"), target, problems);
                let at = node.nearest("scaled.to-at-least");
                problems.extend(sizes::never_reached(self.lab, at, target, *resource, to_at_least));
            }
            Expect::Alarm { member, .. } => {
                let (kind, about) = (node.nearest("alarm.kind"), node.nearest("alarm.member"));
                problems.extend(self.alarmed(kind, about, member.as_ref()));
            }
            Expect::Controller { name, .. } => {
                problems.extend(self.declared(node.nearest("controller.name"), name.as_str()));
            }
            _ => {}
        }
    }
}
