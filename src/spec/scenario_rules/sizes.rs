//! Sizes a scenario asks for, against what bodies and hosts of its lab can have.

use super::kinds::{self, TargetKind};
use crate::model::lab::Service;
use crate::model::scaling::{Resource, amount};
use crate::model::{Bytes, LabSpec, Size, Target, Verb};
use crate::spec::problem::Problem;
use crate::spec::tree::TomlNode;

/// The service of a target that names bodies.
fn service(target: &Target) -> Option<Service> {
    match kinds::kind(target) {
        TargetKind::Postgres => Some(Service::Postgres),
        TargetKind::Etcd => Some(Service::Etcd),
        TargetKind::Balancer => Some(Service::Balancer),
        TargetKind::Controller => Some(Service::Controller),
        TargetKind::Hosts | TargetKind::Rest => None,
    }
}

/// The largest size a body of a service can have.
fn largest(lab: &LabSpec, service: Service) -> Size {
    let limits = if lab.sizes_move() { lab.limits(service) } else { None };
    limits.map_or_else(|| lab.start_size(service), |(_, max)| max)
}

/// The largest host a body of a service may stand on.
fn roomiest(lab: &LabSpec, service: Service) -> Size {
    let hosts = lab.hosts.iter().filter(|host| lab.may_stand(service, host));
    hosts.fold(Size { cpus: 0.0, memory: Bytes(0), disk: Bytes(0) }, |size, host| {
        size.or_more(&Size { cpus: host.cpus, memory: host.memory, disk: host.disk })
    })
}

/// Sizes that change nothing, or that nobody can have.
pub(super) fn check(lab: &LabSpec, at: &TomlNode, verb: &Verb, problems: &mut Vec<Problem>) {
    let Some(service) = verb.target().and_then(service) else { return };
    let (largest, host) = (largest(lab, service), roomiest(lab, service));
    let mut say = |key: &str, message: String, hint: String| {
        problems.push(at.nearest(key).problem(message).hint(hint));
    };
    match verb {
        Verb::Cpu { cores, .. } if *cores >= largest.cpus => say(
            "cores",
            format!("{cores} cores are no fewer than a {service} has, {}", largest.cpus),
            format!("less than {}", largest.cpus),
        ),
        Verb::Memory { limit, .. } if *limit >= largest.memory => say(
            "limit",
            format!("{limit} is no less than a {service} has, {}", largest.memory),
            format!("less than {}", largest.memory),
        ),
        Verb::MemoryHog { size, .. } if *size > host.memory => say(
            "size",
            format!(
                "{size} is more than the whole host has, {}; a {service} has {}",
                host.memory, largest.memory
            ),
            format!("{} is as much as a {service} has: more is killed", largest.memory),
        ),
        Verb::DiskFill { leave, .. } if *leave >= largest.disk => say(
            "leave",
            format!("nothing would be filled: the disk of a {service} is {}", largest.disk),
            format!("less than {}", largest.disk),
        ),
        Verb::Resize { cpu, memory, disk, .. } => {
            let wanted = [
                ("cpu", Resource::Cpu, cpu.map(|cores| cores.to_string())),
                ("memory", Resource::Memory, memory.map(|size| size.to_string())),
                ("disk", Resource::Disk, disk.map(|size| size.to_string())),
            ];
            for (key, resource, text) in wanted {
                if let Some((message, hint)) =
                    text.and_then(|text| out_of_limits(lab, service, resource, &text))
                {
                    say(key, message, hint);
                }
            }
        }
        _ => {}
    }
}

/// Of a size: the part that is meant, as a number and in words.
fn part(size: &Size, resource: Resource) -> (f64, String) {
    let bytes = |size: Bytes| (size.0 as f64, size.to_string());
    match resource {
        Resource::Cpu => (size.cpus, size.cpus.to_string()),
        Resource::Memory => bytes(size.memory),
        Resource::Disk => bytes(size.disk),
    }
}

/// A size that is asked for beside what a service may have, and what its hosts have.
fn out_of_limits(
    lab: &LabSpec,
    service: Service,
    resource: Resource,
    text: &str,
) -> Option<(String, String)> {
    let wanted = amount(resource, text).ok()?;
    let (min, max) = lab.limits(service)?;
    let ((least, shown_least), (most, shown_most)) = (part(&min, resource), part(&max, resource));
    if wanted < least || wanted > most {
        let message =
            format!("{text} is not between {shown_least} and {shown_most}, the limits of {service}");
        return Some((message, format!("a range under the lab's settings of {service} says its limits")));
    }
    let (room, shown) = part(&roomiest(lab, service), resource);
    (wanted > room).then(|| {
        (format!("{text} of {resource} is more than any host has, {shown}"), format!("{shown} or less"))
    })
}

/// A size that is waited for and that no body of the target can reach.
pub(super) fn never_reached(
    lab: &LabSpec,
    at: &TomlNode,
    target: &Target,
    resource: Resource,
    text: &str,
) -> Option<Problem> {
    let service = service(target)?;
    let wanted = amount(resource, text).ok()?;
    let (most, shown) = part(&largest(lab, service), resource);
    (wanted > most).then(|| {
        let said =
            format!("a {service} of this lab has {shown} of {resource} at most, and {text} is waited for");
        let hint = if lab.sizes_move() {
            "a range with a larger max, or a smaller size"
        } else {
            "sizes move where the lab has the controller `scaling`: preset `zerops-2022`"
        };
        at.problem(said).hint(hint)
    })
}
