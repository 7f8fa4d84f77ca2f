//! What the schema of a lab cannot say: rules between values, each with its source.

use std::net::Ipv4Addr;
use std::ops::Range as Between;
use std::sync::Arc;

use super::parameters::{self, ProblemPlace};
use super::problem::{Problem, SourceText as Text};
use super::shape::{did_you_mean, first_line};
use super::tree::TomlNode;
use crate::model::control::RepairPolicy;
use crate::model::lab::{ImageSource, OURS, Range, Replication};
use crate::model::scaling::ScalingPolicy;
use crate::model::self_report::{files_for, memory_for, session, sessions};
use crate::model::{Bytes, HostName, LabSpec, Service};

/// mkfs.xfs refuses smaller file systems.
const SMALLEST_DISK: Bytes = Bytes::mib(300);
/// The engine refuses to limit a container to less.
const SMALLEST_MEMORY: Bytes = Bytes::mib(6);
/// Host k has address .(11+k) in a /24 whose last address is a broadcast.
const MOST_HOSTS: usize = 243;

/// What a kernel lets a process open at most, unless it was told otherwise (`fs.nr_open`).
const MOST_FILES: u64 = 1 << 20;
/// Suites of which it is known which PostgreSQL they have.
const SUITES: [(&str, u32); 3] = [("bookworm", 15), ("trixie", 17), ("forky", 18)];
/// Versions of PostgreSQL of which the flake makes an image.
const NIX: [u32; 2] = [17, 18];

/// Words that mean something else where members are named.
const RESERVED: [&str; 8] =
    ["client", "etcd", "postgres", "balancer", "controller", "broker", "host", "helper"];

struct LabRules<'a> {
    spec: &'a LabSpec,
    tree: &'a TomlNode,
    problems: &'a mut Vec<Problem>,
}

/// Applies every rule; problems point at the layer that wrote the value.
pub(crate) fn check(spec: &LabSpec, tree: &TomlNode, problems: &mut Vec<Problem>) {
    let mut rules = LabRules { spec, tree, problems };
    if spec.schema != 1 {
        rules.say("schema", format!("this version reads schema 1, found {}", spec.schema), None);
    }
    rules.images();
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

/// A problem at the head of a value.
pub(crate) fn at(node: &TomlNode, message: impl Into<String>) -> Problem {
    Problem::new(&node.source, Some(first_line(&node.source.text, &node.span)), message)
}

/// The value among those at `paths` that was written last: of a rule between values it is the one that broke it.
pub(crate) fn latest<'a>(tree: &'a TomlNode, paths: &[&str]) -> &'a TomlNode {
    let nodes = paths.iter().filter_map(|path| path.split('.').try_fold(tree, TomlNode::get));
    let latest = nodes.reduce(|best, node| if node.source.layer > best.source.layer { node } else { best });
    latest.unwrap_or_else(|| paths.first().map_or(tree, |path| tree.nearest(path)))
}

impl LabRules<'_> {
    fn say(&mut self, path: &str, message: impl Into<String>, hint: Option<&str>) {
        let problem = at(self.tree.nearest(path), message);
        self.problems.push(if let Some(hint) = hint { problem.hint(hint) } else { problem });
    }

    /// The same for a rule between several values.
    fn demand_of(&mut self, holds: bool, paths: &[&str], message: impl Into<String>, hint: &str) {
        if !holds {
            self.problems.push(at(latest(self.tree, paths), message).hint(hint));
        }
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

    fn images(&mut self) {
        let images = &self.spec.images;
        if images.source == ImageSource::Nix {
            let message = format!("the flake has no image with PostgreSQL {}", images.postgres);
            self.demand(NIX.contains(&images.postgres), "images.postgres", message, "17 or 18");
            let message = "`haproxy` names a suite of Debian, and these images come from nixpkgs".to_owned();
            self.demand(
                images.haproxy.is_none(),
                "images.haproxy",
                message,
                "leave it out: nixpkgs has one HAProxy",
            );
            return;
        }
        if let Some((suite, has)) = SUITES.iter().find(|(suite, _)| *suite == images.suite.as_str()) {
            let message = format!("suite {suite} has PostgreSQL {has}, not {}", images.postgres);
            let known = SUITES.map(|(suite, has)| format!("{suite} has {has}")).join(", ");
            let paths = ["images.postgres", "images.suite"];
            self.demand_of(*has == images.postgres, &paths, message, &known);
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
        let paths = ["postgres.patroni.ttl", "postgres.patroni.loop-wait", "postgres.patroni.retry-timeout"];
        let hint = "Patroni's rule: loop_wait + 2 * retry_timeout <= ttl";
        self.demand_of(needed <= u64::from(patroni.ttl), &paths, message, hint);
        if postgres.replication != Replication::Async {
            let (standbys, instances) = (postgres.sync_standbys, postgres.instances.start);
            let message = format!(
                "{standbys} synchronous standbys of {instances} instances: no write could ever be acknowledged"
            );
            let paths = ["postgres.sync-standbys", "postgres.instances.start", "postgres.replication"];
            self.demand_of(standbys < instances, &paths, message, "at least one less than instances");
            let paths = ["postgres.sync-standbys", "postgres.replication"];
            let hint = "1 or more, or replication = \"async\"";
            self.demand_of(standbys > 0, &paths, "synchronous replication to nobody", hint);
        }
        let segment = postgres.wal_segment;
        self.demand(
            [1, 2, 4, 8, 16].map(Bytes::mib).contains(&segment),
            "postgres.wal-segment",
            format!("a WAL segment of {segment} is none that a lab can have"),
            "1MiB, 2MiB, 4MiB, 8MiB or 16MiB; PostgreSQL has larger ones, of which a small disk does not hold two",
        );
        for wrong in parameters::wrong(self.spec) {
            let places = wrong.places.iter().map(|place| self.place(place));
            let latest = places.reduce(|best, one| if one.0.layer > best.0.layer { one } else { best });
            if let Some((source, span)) = latest {
                self.problems.push(Problem::new(&source, Some(span), wrong.message).hint(wrong.hint));
            }
        }
    }

    /// Where a problem about parameters is shown, and in which text.
    fn place(&self, place: &ProblemPlace) -> (Arc<Text>, Between<usize>) {
        let parameters = self.tree.nearest("postgres.parameters");
        let head = |node: &TomlNode| (Arc::clone(&node.source), first_line(&node.source.text, &node.span));
        let entry =
            |name: &str| parameters.entries().iter().find(|entry| entry.key.eq_ignore_ascii_case(name));
        match place {
            ProblemPlace::Path(path) => head(self.tree.nearest(path)),
            // what is not set was written by nobody: any other place is better
            ProblemPlace::Value(name) => {
                entry(name).map_or_else(|| (Text::new("", ""), 0..0), |entry| head(&entry.node))
            }
            ProblemPlace::Name(name) => entry(name).map_or_else(
                || head(parameters),
                |entry| (Arc::clone(&entry.node.source), entry.key_span.clone()),
            ),
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
        self.capacity();
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

    /// Whether a balancer can have as many sessions as it may: HAProxy ends at once where it cannot.
    fn capacity(&mut self) {
        let (maxconn, most) = (self.spec.balancers.maxconn, self.spec.balancers.memory.max);
        let room = sessions(most, u32::MAX);
        let message = format!(
            "maxconn = {maxconn} does not fit: HAProxy's own {}, and {} for each of {maxconn} sessions, make {}MiB, and a balancer has {most} at most",
            memory_for(0),
            session(),
            memory_for(maxconn).0.div_ceil(1 << 20)
        );
        let paths = ["balancers.maxconn", "balancers.memory.max"];
        let hint = format!("maxconn = {room} fits, or a larger memory under [balancers]");
        self.demand_of(memory_for(maxconn) <= most, &paths, message, &hint);
        let files = files_for(maxconn);
        let message = format!(
            "maxconn = {maxconn} needs {files} open files, two a session and {}; a kernel gives a process {MOST_FILES} at most",
            files_for(0)
        );
        let hint = format!("maxconn = {} or less", (MOST_FILES - files_for(0)) / 2);
        self.demand(files <= MOST_FILES, "balancers.maxconn", message, &hint);
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
        let paths = ["start", "min", "max"].map(|key| format!("{path}.{key}"));
        let paths = paths.each_ref().map(String::as_str);
        self.demand_of(holds, &paths, message, "min <= start <= max; one value alone never moves");
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
            let number = if service == Service::Etcd { "members" } else { "instances.start" };
            let paths = [format!("{path}.{number}"), hosts_path, "host".to_owned()];
            let paths = paths.each_ref().map(String::as_str);
            let hint = "two of one service never share a host: more hosts, or fewer of them";
            self.demand_of(false, &paths, message, hint);
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
