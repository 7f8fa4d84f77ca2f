//! Names in a scenario that belong to its lab: hosts and members of targets, members of direct loads.

use crate::model::lab::{Desired, Service};
use crate::model::target::{EtcdPick, Which};
use crate::model::{Expect, LabSpec, Name, Target, Verb};
use crate::spec::problem::Problem;
use crate::spec::scenario::Draft;
use crate::spec::shape::did_you_mean;
use crate::spec::tree::Node;

/// What the lab does not have.
pub(crate) fn check(draft: &Draft<'_>, lab: &LabSpec, problems: &mut Vec<Problem>) {
    let known = Known::of(lab);
    for (node, load) in &draft.loads {
        if let Some(member) = &load.direct {
            known.member(node.nearest("direct"), member, Service::Postgres, problems);
        }
    }
    for (node, step) in &draft.steps {
        known.verb(node.nearest("do"), &step.verb, problems);
    }
    for (node, expect) in &draft.expects {
        match expect {
            Expect::Replaced { target, .. } => {
                known.target(node.nearest("replaced.target"), target, problems);
            }
            Expect::Scaled { target, .. } => known.target(node.nearest("scaled.target"), target, problems),
            _ => {}
        }
    }
}

struct Known<'a> {
    lab: &'a LabSpec,
    hosts: Vec<String>,
    controllers: Vec<String>,
    members: Vec<(Service, String)>,
}

impl<'a> Known<'a> {
    fn of(lab: &'a LabSpec) -> Self {
        let counts = Desired::founding(lab).counts.into_iter();
        let members = counts.flat_map(|(service, count)| {
            (1..=count).map(move |n| (service, format!("{}-{n}", service.as_str())))
        });
        Self {
            lab,
            hosts: lab.hosts.iter().map(|host| host.name.to_string()).collect(),
            controllers: lab.controllers.iter().map(|controller| controller.name.to_string()).collect(),
            members: members.collect(),
        }
    }

    fn verb(&self, node: &Node, verb: &Verb, problems: &mut Vec<Problem>) {
        let at = node.nearest(verb.name());
        match verb {
            Verb::Engine { .. } if self.controllers.is_empty() => {
                let said = "`engine` acts on the broker of controllers, and the lab declares none";
                problems.push(at.problem(said).hint("preset `repair` declares one"));
            }
            Verb::Scale { .. } if self.controllers.is_empty() => {
                let said = "`scale` is carried out by controllers, and the lab declares none";
                problems.push(at.problem(said).hint("preset `zerops-2022` declares them"));
            }
            Verb::Scale { service, count } => {
                // another service is refused where verbs are read
                let known = Service::sized(service.as_str());
                if let Some(Err(why)) = known.map(|service| self.lab.may_have(service, *count)) {
                    let hint = "postgres.instances = { start = 3, min = 3, max = 5 }";
                    problems.push(at.nearest("count").problem(why).hint(hint));
                }
            }
            Verb::Partition { from, to, .. } => {
                for (key, side) in [("from", from), ("to", to)] {
                    self.all(at.nearest(key), side, problems);
                }
            }
            Verb::Swizzle { targets } => self.all(at.nearest("targets"), targets, problems),
            Verb::Switchover { to: Some(to) } | Verb::Failover { to } => {
                self.target(at.nearest("to"), to, problems);
            }
            Verb::Repeat { verb, .. } => self.verb(at.nearest("do"), verb, problems),
            one => {
                if let Some(target) = one.target() {
                    self.target(at.nearest("target"), target, problems);
                }
            }
        }
    }

    fn all(&self, node: &Node, targets: &[Target], problems: &mut Vec<Problem>) {
        for (target, at) in targets.iter().zip(node.items()) {
            self.target(at, target, problems);
        }
    }

    fn target(&self, at: &Node, target: &Target, problems: &mut Vec<Problem>) {
        match target {
            Target::Host(name) if !self.hosts.iter().any(|host| host == name.as_str()) => {
                let hint = did_you_mean("hosts", name.as_str(), self.hosts.iter().map(String::as_str));
                problems.push(at.problem(format!("the lab has no host `{name}`")).hint(hint));
            }
            Target::Controller(pick) => {
                let name = pick.split(':').next().unwrap_or_default();
                if self.controllers.is_empty()
                    || name != "all" && !self.controllers.iter().any(|known| known == name)
                {
                    let hint = "preset `repair` declares the controller `repair`";
                    problems.push(at.problem(format!("the lab declares no controller `{name}`")).hint(hint));
                }
            }
            Target::HostOf(of) | Target::Random(_, of) => self.target(at, of, problems),
            Target::Postgres(Which::Named(name)) => self.member(at, name, Service::Postgres, problems),
            Target::Balancer(Which::Named(name)) => self.member(at, name, Service::Balancer, problems),
            Target::Etcd(EtcdPick::Named(name)) => self.member(at, name, Service::Etcd, problems),
            _ => {}
        }
    }

    fn member(&self, at: &Node, name: &Name, service: Service, problems: &mut Vec<Problem>) {
        let of_service =
            || self.members.iter().filter(|(of, _)| *of == service).map(|(_, member)| member.as_str());
        if !of_service().any(|member| member == name.as_str()) {
            let hint = did_you_mean("members", name.as_str(), of_service());
            problems.push(at.problem(format!("the lab has no {service} member `{name}`")).hint(hint));
        }
    }
}
