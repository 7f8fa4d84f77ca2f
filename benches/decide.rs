//! How long brains take to decide in a lab of a thousand members. Repair: nothing to do, and a leader that is dead.
//! Scaling: sizes that fit, with full windows, and every instance short of cores.

#![allow(clippy::expect_used, clippy::panic, reason = "a bench that cannot go on should say so loudly")]

use std::fmt::Debug;
use std::hint::black_box;
use std::str::FromStr;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pgha::decide::brain::Brain as _;
use pgha::decide::repair::{
    ConnectionReply, HeldConnection, InstanceSeen, LeaderSeen, RepairMemory, RepairSeen, RepairStoreSeen,
    RepairWorld, RestReply, Routes, SqlReply, VoterStanding, VotersSeen, repair,
};
use pgha::decide::scaling;
use pgha::model::control::{Bodies, RepairPolicy};
use pgha::model::lab::Host;
use pgha::model::scaling::{DiskUsage, ScalingPolicy, Usage, Usages};
use pgha::model::sighting::{BodySeen, PatroniSeen, ServerSeen};
use pgha::model::{Bytes, ContainerStatus, HostName, Lsn, Member, Mono, Service, Sight, Size};
use pgha::spec::lab::{Layer, resolve};

/// Databases; etcd and balancers make the thousand full.
const DATABASES: usize = 990;

/// A name of the kind that is wanted here.
fn name<N: FromStr<Err: Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

fn world() -> RepairWorld {
    let size = Size { cpus: 1.0, memory: Bytes::mib(256), disk: Bytes::gib(1) };
    let stand = |word: &str, service, n: usize, host: usize| Member {
        id: name(&format!("{word}-{n}")),
        service,
        host: name(&format!("h{host}")),
        size,
    };
    let databases = (1..=DATABASES).map(|n| stand("postgres", Service::Postgres, n, n));
    let etcd = (1..=5).map(|n| stand("etcd", Service::Etcd, n, n));
    let balancers = (1..=5).map(|n| stand("balancer", Service::Balancer, n, n));
    let spec = resolve(&[Layer::built_in()]).expect("the built-in lab");
    let members = databases.chain(etcd).chain(balancers).collect();
    RepairWorld { spec, members, lag: Bytes::mib(1), policy: RepairPolicy::default() }
}

fn instance(leads: bool) -> InstanceSeen {
    let patroni = PatroniSeen {
        role: if leads { "primary" } else { "replica" }.to_owned(),
        state: if leads { "running" } else { "streaming" }.to_owned(),
        timeline: Some(1),
        lsn: Some(Lsn(1_000)),
        ..PatroniSeen::default()
    };
    InstanceSeen {
        sql: ConnectionReply::Answers(SqlReply { in_recovery: !leads }),
        rest: ConnectionReply::Answers(RestReply { patroni, loop_runs: true }),
        held: HeldConnection::Quick,
        ..InstanceSeen::default()
    }
}

/// Everybody runs, and the first database leads.
fn healthy(world: &RepairWorld) -> RepairSeen {
    let body = |id: &str, host: &HostName, service: &str| BodySeen {
        id: format!("id-{id}"),
        status: ContainerStatus::Running,
        host: host.clone(),
        service: service.to_owned(),
        started: String::new(),
        oom_killed: false,
    };
    let mut bodies = Bodies { placed: world.members.clone(), ..Bodies::default() };
    bodies.counts = [(Service::Postgres, 990), (Service::Balancer, 5)].into();
    for member in &world.members {
        let service = member.service.as_str();
        bodies.members.insert(member.id.clone(), vec![body(member.id.as_str(), &member.host, service)]);
        bodies.hosts.insert(member.host.clone(), body(member.host.as_str(), &member.host, "host"));
    }
    let leader = LeaderSeen { member: name("postgres-1"), mod_revision: 7, lease: 70 };
    let server =
        |up| ServerSeen { status: if up { "UP" } else { "DOWN" }.to_owned(), ..ServerSeen::default() };
    let rw = (1..=DATABASES).map(|n| (name(&format!("h{n}")), server(n == 1))).collect();
    let routes = Routes { rw, ..Routes::default() };
    let of = |service| world.members.iter().filter(move |member| member.service == service);
    RepairSeen {
        at: Mono(10_000_000_000),
        bodies: Sight::Seen(bodies),
        store: Sight::Seen(RepairStoreSeen {
            leader: Some(leader),
            initialized: true,
            ..RepairStoreSeen::default()
        }),
        postgres: of(Service::Postgres)
            .map(|member| (member.id.clone(), instance(member.id.as_str() == "postgres-1")))
            .collect(),
        balancers: of(Service::Balancer)
            .map(|member| (member.id.clone(), Sight::Seen(routes.clone())))
            .collect(),
        voters: Sight::Seen(VotersSeen {
            listed: 5,
            members: of(Service::Etcd).map(|member| (member.id.clone(), VoterStanding::Serves)).collect(),
        }),
        ..RepairSeen::default()
    }
}

fn decide(criterion: &mut Criterion) {
    let world = world();
    let seen = healthy(&world);
    let quiet = repair(&world, &seen, RepairMemory::default());
    assert_eq!(quiet.step, "watch", "{}", quiet.reason);
    criterion.bench_function("a thousand members, nothing to do", |bencher| {
        bencher.iter(|| repair(black_box(&world), black_box(&seen), RepairMemory::default()));
    });
    let mut dead = seen;
    if let Sight::Seen(bodies) = &mut dead.bodies
        && let Some(body) = bodies.members.get_mut("postgres-1")
    {
        body[0].status = ContainerStatus::Exited;
    }
    let fences = repair(&world, &dead, RepairMemory::default());
    assert_eq!(fences.step, "fence", "{}", fences.reason);
    criterion.bench_function("a thousand members, the leader is dead", |bencher| {
        bencher.iter(|| repair(black_box(&world), black_box(&dead), RepairMemory::default()));
    });
}

/// A lab in which every member stands on a host of its own, with room for more.
fn large(world: &RepairWorld) -> scaling::ScalingWorld {
    let mut spec = world.spec.clone();
    let like = spec.hosts[0].clone();
    let host = |member: &Member| Host { name: member.host.clone(), cpus: 4.0, ..like.clone() };
    spec.hosts = world.members.iter().take(DATABASES).map(host).collect();
    scaling::ScalingWorld { spec, policy: ScalingPolicy::default() }
}

/// The same look for scaling: `cores` are what every database uses after so many pauses.
fn used(
    world: &scaling::ScalingWorld,
    healthy: &RepairSeen,
    cores: f64,
    pauses: u64,
) -> scaling::ScalingSeen {
    let pause = u64::try_from(world.policy.every.0.as_nanos()).expect("a pause");
    let at = Mono(1_000_000_000_000 + pauses * pause);
    let Sight::Seen(bodies) = &healthy.bodies else { panic!("it was seen") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds of a pause")]
    let cpu_ns = (cores * pause as f64) as u64 * pauses;
    let usage = |member: &Member| Usage {
        at,
        container: format!("id-{}", member.id),
        cpu_ns,
        memory: Bytes::mib(180),
        cores: Some(member.size.cpus),
        limit: Some(member.size.memory),
        disk: Some(DiskUsage { free: Bytes::mib(700), size: member.size.disk }),
        ..Usage::default()
    };
    let sized = bodies.placed.iter().filter(|member| Service::SIZED.contains(&member.service));
    let usages: Usages = sized.map(|member| (member.id.clone(), usage(member))).collect();
    let patroni = healthy.postgres.iter().filter_map(|(id, instance)| match &instance.rest {
        ConnectionReply::Answers(rest) => Some((id.clone(), Sight::Seen(rest.patroni.clone()))),
        _ => None,
    });
    scaling::ScalingSeen {
        at,
        bodies: healthy.bodies.clone(),
        usage: Sight::Seen(usages),
        store: Sight::Seen(scaling::ScalingStoreSeen {
            leader: Some(name("postgres-1")),
            ..scaling::ScalingStoreSeen::default()
        }),
        postgres: patroni.collect(),
        ..scaling::ScalingSeen::default()
    }
}

fn sizes(criterion: &mut Criterion) {
    let repair = world();
    let healthy = healthy(&repair);
    let world = large(&repair);
    for (what, cores, step) in [("sizes that fit", 0.85, "watch"), ("all are short", 0.95, "resize")] {
        // windows are full when it is asked
        let mut memory = scaling::ScalingMemory::default();
        for pauses in 1..70 {
            memory = world.decide(&used(&world, &healthy, 0.85, pauses), memory).memory;
        }
        let seen = used(&world, &healthy, cores, 70);
        let decision = world.decide(&seen, memory.clone());
        assert_eq!(decision.step, step, "{}", decision.reason);
        criterion.bench_function(&format!("scaling a thousand members, {what}"), |bencher| {
            let ask = |memory| world.decide(black_box(&seen), memory);
            bencher.iter_batched(|| memory.clone(), ask, BatchSize::LargeInput);
        });
    }
}

criterion_group!(benches, decide, sizes);
criterion_main!(benches);
