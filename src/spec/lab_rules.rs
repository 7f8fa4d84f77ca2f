//! What the schema of a lab cannot say: rules between values, each with its source.

use std::net::Ipv4Addr;

use super::problem::Problem;
use super::shape::{did_you_mean, first_line};
use super::tree::Node;
use crate::model::control::RepairPolicy;
use crate::model::lab::{OURS, Range, Replication};
use crate::model::scaling::ScalingPolicy;
use crate::model::{Bytes, HostName, LabSpec, Service};

/// mkfs.xfs refuses smaller file systems.
const SMALLEST_DISK: Bytes = Bytes::mib(300);
/// The engine refuses to limit a container to less.
const SMALLEST_MEMORY: Bytes = Bytes::mib(6);
/// Host k has address .(11+k) in a /24 whose last address is a broadcast.
const MOST_HOSTS: usize = 243;

/// Words that mean something else where members are named.
const RESERVED: [&str; 8] =
    ["client", "etcd", "postgres", "balancer", "controller", "broker", "host", "helper"];

struct Rules<'a> {
    spec: &'a LabSpec,
    tree: &'a Node,
    problems: &'a mut Vec<Problem>,
}

/// Applies every rule; problems point at the layer that wrote the value.
pub(crate) fn check(spec: &LabSpec, tree: &Node, problems: &mut Vec<Problem>) {
    let mut rules = Rules { spec, tree, problems };
    if spec.schema != 1 {
        rules.say("schema", format!("this version reads schema 1, found {}", spec.schema), None);
    }
    rules.network();
    rules.hosts();
    rules.etcd();
    rules.postgres();
    rules.balancers();
    rules.pins("etcd", Service::Etcd, spec.etcd.members, &spec.etcd.hosts);
    rules.pins("postgres", Service::Postgres, spec.postgres.instances.start, &spec.postgres.hosts);
    rules.pins("balancers", Service::Balancer, spec.balancers.instances.start, &spec.balancers.hosts);
    rules.controllers();
}

impl Rules<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: Option<&str>) {
        let node = self.tree.nearest(path);
        let span = first_line(&node.source.text, &node.span);
        let problem = Problem::new(&node.source, Some(span), message);
        self.problems.push(if let Some(hint) = hint { problem.hint(hint) } else { problem });
    }

    fn demand(&mut self, holds: bool, path: &str, message: impl Into<String>, hint: &str) {
        if !holds {
            self.say(path, message, Some(hint));
        }
    }

    fn controllers(&mut self) {
        let (spec, tree) = (self.spec, self.tree);
        let may = spec.hosts.iter().filter(|host| spec.may_stand(Service::Controller, host)).count();
        for (index, controller) in spec.controllers.iter().enumerate() {
            let Some(node) = tree.nearest("controller").items().get(index) else { continue };
            let mut refuse = |message: String, hint: &str, unbuilt: bool| {
                let span = first_line(&node.source.text, &node.span);
                let problem = Problem::new(&node.source, Some(span), message).hint(hint);
                self.problems.push(if unbuilt { problem.unbuilt() } else { problem });
            };
            let name = controller.name.as_str();
            if RESERVED.contains(&name) {
                refuse(
                    format!("`{name}` is no name for a controller"),
                    "its replicas are called after it, and this word means something else",
                    false,
                );
            }
            if spec.controllers[..index].iter().any(|other| other.name == controller.name) {
                refuse(
                    format!("controller `{name}` is declared twice"),
                    "one entry, several replicas",
                    false,
                );
            }
            if controller.replicas == 0 || controller.replicas as usize > may {
                refuse(
                    format!("controller `{name}` cannot have {} replicas", controller.replicas),
                    &format!("one at least, and two never share a host: {may} hosts may carry one"),
                    false,
                );
            }
            if controller.image != OURS {
                continue;
            }
            match name {
                "repair" => {
                    let told = serde_json::to_value(&controller.policy).unwrap_or_default();
                    if let Err(error) = serde_json::from_value::<RepairPolicy>(told) {
                        refuse(
                            format!("the policy of `repair`: {error}"),
                            "see lab.toml for its keys",
                            false,
                        );
                    }
                }
                "scaling" => {
                    if let Err(error) = ScalingPolicy::told(&controller.policy) {
                        refuse(
                            format!("the policy of `scaling`: {error}"),
                            "see preset `zerops-2022` for its keys",
                            false,
                        );
                    }
                }
                _ => refuse(
                    format!("this program is no controller `{name}`"),
                    "`repair` or `scaling`; for a controller of your own, name its image",
                    false,
                ),
            }
        }
    }

    fn network(&mut self) {
        let network = &self.spec.network;
        let subnet = network.subnet == "auto"
            || slash_24(&network.subnet).is_some_and(|[a, b, _]| a == 198 && (b == 18 || b == 19));
        let message = format!("`{}` is no subnet for a lab", network.subnet);
        self.demand(
            subnet,
            "network.subnet",
            message,
            "\"auto\", or a /24 of 198.18.0.0/15 such as \"198.18.7.0/24\"",
        );
        let publish = network.publish == "none" || slash_24(&network.publish).is_some_and(|[a, ..]| a == 127);
        let message = format!("`{}` is nothing to publish on: only loopback is allowed", network.publish);
        self.demand(
            publish,
            "network.publish",
            message,
            "\"none\", or a loopback /24 such as \"127.0.1.0/24\"",
        );
    }

    fn hosts(&mut self) {
        let hosts = &self.spec.hosts;
        for (index, host) in hosts.iter().enumerate() {
            let item = self.tree.nearest("host").items().get(index);
            let mut say = |key: &str, message: String, hint: &str| {
                if let Some(node) = item.map(|item| item.nearest(key)) {
                    self.problems.push(node.problem(message).hint(hint));
                }
            };
            if hosts[..index].iter().any(|earlier| earlier.name == host.name) {
                say(
                    "name",
                    format!("host `{}` is declared twice", host.name),
                    "every host has a name of its own",
                );
            }
            if !positive(host.cpus) {
                say(
                    "cpus",
                    format!("a host with {} cores carries nothing", host.cpus),
                    "write for example 2.0",
                );
            }
        }
        let client = hosts.iter().any(|host| host.only.contains(&Service::Client));
        self.demand(
            client,
            "host",
            "no host is for the client: load and probes have nowhere to run",
            "[[host]] with name = \"client\" and only = [\"client\"]",
        );
        let message = format!("{} hosts do not fit into the lab's /24", hosts.len());
        self.demand(hosts.len() <= MOST_HOSTS, "host", message, "243 hosts at most");
    }

    fn etcd(&mut self) {
        let etcd = &self.spec.etcd;
        let message =
            format!("{} etcd members: an even number tolerates no more losses than one fewer", etcd.members);
        self.demand(etcd.members % 2 == 1, "etcd.members", message, "write 1, 3 or 5");
        self.cores("etcd.cpus", etcd.cpus);
        self.memory("etcd.memory", etcd.memory);
        self.disk("etcd.disk", etcd.disk);
    }

    fn postgres(&mut self) {
        let postgres = &self.spec.postgres;
        self.service("postgres", postgres.instances, postgres.cpus, postgres.memory, postgres.disk);
        let patroni = &postgres.patroni;
        // Patroni's documentation, "Dynamic configuration settings": minima, and the rule between the three
        let minima = [
            ("ttl", patroni.ttl, 20),
            ("loop-wait", patroni.loop_wait, 1),
            ("retry-timeout", patroni.retry_timeout, 3),
        ];
        for (key, value, least) in minima {
            let message = format!("{key} = {value} is below Patroni's minimum");
            self.demand(
                value >= least,
                &format!("postgres.patroni.{key}"),
                message,
                &format!("{least} or more (seconds)"),
            );
        }
        let needed = u64::from(patroni.loop_wait) + 2 * u64::from(patroni.retry_timeout);
        let message = format!(
            "loop-wait + 2 × retry-timeout = {needed} is more than ttl = {}: a primary that still retries would lose its lease",
            patroni.ttl
        );
        self.demand(
            needed <= u64::from(patroni.ttl),
            "postgres.patroni.ttl",
            message,
            "Patroni's rule: loop_wait + 2 * retry_timeout <= ttl",
        );
        if postgres.replication != Replication::Async {
            let (standbys, instances) = (postgres.sync_standbys, postgres.instances.start);
            let message = format!(
                "{standbys} synchronous standbys of {instances} instances: no write could ever be acknowledged"
            );
            self.demand(
                standbys < instances,
                "postgres.sync-standbys",
                message,
                "at least one less than instances",
            );
            self.demand(
                standbys > 0,
                "postgres.sync-standbys",
                "synchronous replication to nobody",
                "1 or more, or replication = \"async\"",
            );
        }
        let segment = postgres.wal_segment;
        self.demand(
            [1, 2, 4, 8, 16].map(Bytes::mib).contains(&segment),
            "postgres.wal-segment",
            format!("a WAL segment of {segment} is none that a lab can have"),
            "1MiB, 2MiB, 4MiB, 8MiB or 16MiB; PostgreSQL has larger ones, of which a small disk does not hold two",
        );
        for (name, value) in &postgres.parameters {
            let holds = !(value.is_object() || value.is_array());
            let message = format!("PostgreSQL's `{name}` takes one value");
            self.demand(
                holds,
                &format!("postgres.parameters.{name}"),
                message,
                "text, a number, true or false",
            );
        }
    }

    fn balancers(&mut self) {
        let balancers = &self.spec.balancers;
        self.service("balancers", balancers.instances, balancers.cpus, balancers.memory, balancers.disk);
        let least = [
            ("balancers.maxconn", balancers.maxconn),
            ("balancers.check.fall", balancers.check.fall),
            ("balancers.check.rise", balancers.check.rise),
        ];
        for (path, value) in least {
            self.demand(value > 0, path, "0 would let nothing through", "1 or more");
        }
        let spans = [
            ("balancers.check.inter", Some(balancers.check.inter)),
            ("balancers.check.fastinter", balancers.check.fastinter),
            ("balancers.check.downinter", balancers.check.downinter),
            ("balancers.check.timeout", Some(balancers.check.timeout)),
            ("balancers.timeout-connect", Some(balancers.timeout_connect)),
            ("balancers.timeout-client", Some(balancers.timeout_client)),
            ("balancers.timeout-server", Some(balancers.timeout_server)),
        ];
        for (path, span) in spans {
            let holds = span.is_none_or(|span| span.0.as_millis() > 0);
            self.demand(holds, path, "HAProxy's clock has no less than a millisecond", "\"1ms\" or more");
        }
    }

    fn service(
        &mut self,
        name: &str,
        instances: Range<u32>,
        cpus: Range<f64>,
        memory: Range<Bytes>,
        disk: Range<Bytes>,
    ) {
        self.range(&format!("{name}.instances"), instances);
        self.range(&format!("{name}.cpus"), cpus);
        self.range(&format!("{name}.memory"), memory);
        self.range(&format!("{name}.disk"), disk);
        self.demand(
            instances.min > 0,
            &format!("{name}.instances.min"),
            "none at all is no service",
            "1 or more",
        );
        self.cores(&format!("{name}.cpus.min"), cpus.min);
        self.memory(&format!("{name}.memory.min"), memory.min);
        self.disk(&format!("{name}.disk.min"), disk.min);
    }

    fn range<T: PartialOrd + std::fmt::Display>(&mut self, path: &str, range: Range<T>) {
        let Range { start, min, max } = range;
        let holds = min <= start && start <= max;
        let message = format!("start = {start} is not between min = {min} and max = {max}");
        self.demand(
            holds,
            &format!("{path}.start"),
            message,
            "min <= start <= max; one value alone never moves",
        );
    }

    fn cores(&mut self, path: &str, cores: f64) {
        self.demand(positive(cores), path, format!("{cores} cores do no work"), "more than 0");
    }

    fn memory(&mut self, path: &str, memory: Bytes) {
        let message = format!("{memory} is less than the engine can limit a container to");
        self.demand(memory >= SMALLEST_MEMORY, path, message, "6MiB or more");
    }

    fn disk(&mut self, path: &str, disk: Bytes) {
        let message = format!("{disk} is too small for a file system of its own");
        self.demand(disk >= SMALLEST_DISK, path, message, "XFS wants 300MiB or more");
    }

    fn pins(&mut self, path: &str, service: Service, count: u32, pins: &[HostName]) {
        let hosts_path = format!("{path}.hosts");
        let mut good = true;
        for (index, pin) in pins.iter().enumerate() {
            let Some(node) = self.tree.nearest(&hosts_path).items().get(index) else { continue };
            let known = self.spec.host(pin);
            let names = self.spec.hosts.iter().map(|host| host.name.as_str());
            let problem = match known {
                None => node.problem(format!("`{pin}` is no host of this lab")).hint(did_you_mean(
                    "hosts",
                    pin.as_str(),
                    names,
                )),
                Some(host) if !self.spec.may_stand(service, host) => node
                    .problem(format!("`{pin}` does not take {service}: its `only` says so"))
                    .hint("another host, or another `only`"),
                Some(_) if pins[..index].contains(pin) => node
                    .problem(format!("`{pin}` is named twice"))
                    .hint("two of one service never share a host"),
                Some(_) => continue,
            };
            good = false;
            self.problems.push(problem);
        }
        let room = self.spec.hosts.iter().filter(|host| self.spec.may_stand(service, host)).count();
        if good && (count as usize) > room {
            let message =
                format!("{count} of service {service} are wanted; hosts that may carry one: {room}");
            let number = if service == Service::Etcd { "members" } else { "instances" };
            self.say(
                &format!("{path}.{number}"),
                message,
                Some("two of one service never share a host: more hosts, or fewer of them"),
            );
        }
    }
}

fn positive(number: f64) -> bool {
    number.is_finite() && number > 0.0
}

/// The first three parts of a text such as `198.18.7.0/24`.
fn slash_24(text: &str) -> Option<[u8; 3]> {
    let address: Ipv4Addr = text.strip_suffix("/24")?.parse().ok()?;
    let [a, b, c, d] = address.octets();
    (d == 0).then_some([a, b, c])
}
