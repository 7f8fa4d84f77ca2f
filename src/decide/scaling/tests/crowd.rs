//! Several instances that are measured together.

use super::*;
use crate::model::lab::{Host, Range};

/// Instances on a host each, of which the first leads; `cores` are what each of them wants.
pub(super) struct Crowd {
    pub(super) world: ScalingWorld,
    pub(super) memory: ScalingMemory,
    pub(super) seen: ScalingSeen,
    pub(super) cores: Vec<f64>,
}

impl Crowd {
    pub(super) fn of(copies: usize, wanted: u32) -> Self {
        let mut spec = crate::decide::body::samples::spec();
        spec.postgres.cpus = Range { start: 1.0, min: 0.5, max: 1.0 };
        spec.postgres.instances = Range { start: 3, min: 3, max: 5 };
        let bodies =
            Bodies { counts: [(Service::Postgres, wanted)].into(), generation: 7, ..Bodies::default() };
        let store = ScalingStoreSeen { leader: Some(name("postgres-1")), ..ScalingStoreSeen::default() };
        let mut crowd = Self {
            world: ScalingWorld { spec, policy: ScalingPolicy::default() },
            memory: ScalingMemory::default(),
            seen: ScalingSeen {
                at: Mono(1_000 * SECOND),
                bodies: Sight::Seen(bodies),
                usage: Sight::Seen(Usages::new()),
                store: Sight::Seen(store),
                ..ScalingSeen::default()
            },
            cores: vec![0.1; copies],
        };
        for n in 1..=copies {
            crowd.add(n);
        }
        crowd
    }

    pub(super) fn add(&mut self, n: usize) {
        let (id, host) = (name(&format!("postgres-{n}")), host_name(&format!("p{n}")));
        let size = self.world.spec.start_size(Service::Postgres);
        // a host of its own, with room for nothing else
        let like = self.world.spec.hosts[0].clone();
        self.world.spec.hosts.push(Host { name: host.clone(), cpus: 1.0, ..like });
        let (role, state) = if n == 1 { ("primary", "running") } else { ("replica", "streaming") };
        let patroni =
            PatroniSeen { role: role.to_owned(), state: state.to_owned(), ..PatroniSeen::default() };
        self.stand(Member { id: id.clone(), service: Service::Postgres, host, size });
        self.seen.postgres.insert(id, Sight::Seen(patroni));
    }

    /// A balancer that answers, on a host of its own.
    pub(super) fn add_balancer(&mut self, n: usize) {
        let (id, host) = (name(&format!("balancer-{n}")), host_name(&format!("b{n}")));
        let size = self.world.spec.start_size(Service::Balancer);
        let like = self.world.spec.hosts[0].clone();
        self.world.spec.hosts.push(Host { name: host.clone(), ..like });
        self.stand(Member { id: id.clone(), service: Service::Balancer, host, size });
        self.seen.inside.insert(id, SelfReport::default());
    }

    /// A member whose body runs where it stands.
    fn stand(&mut self, member: Member) {
        let bodies = self.bodies();
        let body = BodySeen {
            id: format!("c{}", bodies.placed.len() + 1),
            status: ContainerStatus::Running,
            host: member.host.clone(),
            service: member.service.as_str().to_owned(),
            started: String::new(),
            oom_killed: false,
        };
        bodies.members.insert(member.id.clone(), vec![body]);
        bodies.placed.push(member);
    }

    pub(super) fn bodies(&mut self) -> &mut Bodies {
        let Sight::Seen(bodies) = &mut self.seen.bodies else { panic!("blind") };
        bodies
    }

    pub(super) fn store(&mut self) -> &mut ScalingStoreSeen {
        let Sight::Seen(store) = &mut self.seen.store else { panic!("blind") };
        store
    }

    /// One decision, carried out.
    pub(super) fn decide(&mut self) -> ScalingDecision {
        let decision = scaling(&self.world, &self.seen, std::mem::take(&mut self.memory));
        self.memory = decision.memory.clone();
        for step in &decision.steps {
            ScalingWorld::took(&mut self.memory, step, self.seen.at, &StepOutcome::Done);
        }
        decision
    }

    /// One decision; what it wants of the number.
    pub(super) fn ask(&mut self) -> String {
        let decision = self.decide();
        let said = decision.steps.iter().find_map(|step| match step {
            ScalingStep::Scale { generation, count, leaving, why, .. } => {
                let leaving: Vec<&str> = leaving.iter().map(MemberId::as_str).collect();
                Some(format!("{count} without [{}] at {generation}: {why}", leaving.join(", ")))
            }
            ScalingStep::ForgetCount { revision, .. } => {
                Some(format!("forget {revision}: {} {}", decision.step, decision.reason))
            }
            _ => None,
        });
        said.unwrap_or_else(|| format!("nothing: {} {}", decision.step, decision.reason))
    }

    /// The next measurement, and what it says of the number.
    pub(super) fn turn(&mut self) -> String {
        self.measure();
        self.ask()
    }

    /// The next measurement.
    pub(super) fn measure(&mut self) {
        self.seen.at = Mono(self.seen.at.0 + 10 * SECOND);
        let at = self.seen.at;
        let placed = self.bodies().placed.clone();
        let Sight::Seen(usage) = &mut self.seen.usage else { panic!("blind") };
        for (n, member) in placed.iter().enumerate() {
            let its = usage.entry(member.id.clone()).or_default();
            its.container = format!("c{}", n + 1);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "nanoseconds of a pause"
            )]
            let used = (self.cores.get(n).copied().unwrap_or(0.01) * 10e9) as u64;
            (its.at, its.cpu_ns, its.memory) = (at, its.cpu_ns + used, Bytes::mib(300));
            (its.cores, its.limit) = (Some(member.size.cpus), Some(member.size.memory));
        }
    }

    /// The first change of the number in so many measurements, and how many it took.
    pub(super) fn turns(&mut self, most: usize) -> (usize, String) {
        for n in 1..=most {
            let said = self.turn();
            if !said.starts_with("nothing") {
                return (n, said);
            }
        }
        (most, "nothing".to_owned())
    }
}
