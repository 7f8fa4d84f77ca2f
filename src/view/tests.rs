//! What a person sees of a run and of a lab, on screens of several sizes.

use std::net::Ipv4Addr;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::{Beat, LoadBeat, Story, ViewLook, ViewScene, draw};
use crate::history::event::Phase;
use crate::model::control::ControllerStatus;
use crate::model::part::LabPart;
use crate::model::self_report::Work;
use crate::model::status::{HostStatus, MemberStatus, Status};
use crate::model::{Bytes, Lsn, Service, Size};

const FULL: ViewLook = ViewLook { colour: true, unicode: true };
const BARE: ViewLook = ViewLook { colour: false, unicode: false };

/// A name of the kind that is wanted here.
fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

/// A lab of six hosts and a spare one, with a repair controller.
fn lab() -> Status {
    let member = |id: &str, service, host: &str, role: Option<&str>| MemberStatus {
        name: name(id),
        service,
        host: name(host),
        state: "running".to_owned(),
        size: Size { cpus: 0.5, memory: Bytes::mib(256), disk: Bytes(0) },
        most: None,
        cpu_used: None,
        cpu_held_back: None,
        memory_used: None,
        disk_used: None,
        work: None,
        role: role.map(str::to_owned),
        timeline: None,
        wal: None,
        lag_bytes: None,
        routes_rw: None,
        routes_ro: None,
        sessions: None,
        controller: None,
    };
    let postgres = |id: &str, host: &str, role: &str, lag: Option<u64>| MemberStatus {
        size: Size { cpus: 1.0, memory: Bytes::gib(1), disk: Bytes::gib(5) },
        most: Some(Size { cpus: 5.0, memory: Bytes::gib(4), disk: Bytes::gib(100) }),
        cpu_used: Some(0.314),
        memory_used: Some(Bytes::mib(410)),
        disk_used: Some(Bytes::mib(1230)),
        timeline: Some(1),
        wal: Some(Lsn(0x0300_0000)),
        lag_bytes: lag,
        work: Some(Work { sessions: 24, active: 3, waiting: 0 }),
        ..member(id, Service::Postgres, host, Some(role))
    };
    let balancer = |id: &str, host: &str| MemberStatus {
        routes_rw: Some(vec![name("h4")]),
        routes_ro: Some(vec![name("h5"), name("h6")]),
        sessions: Some(12),
        ..member(id, Service::Balancer, host, None)
    };
    let controller = |id: &str, host: &str, active: bool| MemberStatus {
        controller: Some(ControllerStatus {
            active,
            step: if active { "watch" } else { "standby" }.to_owned(),
            reason: "every member is well".to_owned(),
            ..ControllerStatus::default()
        }),
        ..member(id, Service::Controller, host, Some(if active { "active" } else { "standby" }))
    };
    let members = vec![
        member("client", Service::Client, "client", None),
        member("etcd-1", Service::Etcd, "h1", Some("leader")),
        member("etcd-2", Service::Etcd, "h2", Some("follower")),
        member("etcd-3", Service::Etcd, "h3", Some("follower")),
        postgres("postgres-1", "h4", "primary", None),
        postgres("postgres-2", "h5", "replica", Some(0)),
        postgres("postgres-3", "h6", "replica", Some(1_500_000)),
        balancer("balancer-1", "h1"),
        balancer("balancer-2", "h2"),
        controller("repair-1", "h1", true),
        controller("repair-2", "h2", false),
    ];
    let host = |(index, host): (usize, &str)| HostStatus {
        name: name(host),
        address: Ipv4Addr::new(198, 18, 0, u8::try_from(index + 11).expect("a host")),
        state: "running".to_owned(),
        carries: members.iter().filter(|one| one.host.as_str() == host).map(|one| one.name.clone()).collect(),
    };
    Status {
        schema_version: 1,
        lab: "primary-dies".to_owned(),
        preset: Some(name("repair")),
        ready: true,
        primary: Some(name("postgres-1")),
        hosts: ["h1", "h2", "h3", "h4", "h5", "h6", "h7", "client"]
            .into_iter()
            .enumerate()
            .map(host)
            .collect(),
        members,
        waiting: std::collections::BTreeMap::new(),
    }
}

/// The same without its primary.
fn hurt() -> Status {
    let mut lab = lab();
    (lab.ready, lab.primary) = (false, None);
    for member in &mut lab.members {
        match member.name.as_str() {
            "postgres-1" => {
                (member.state, member.role, member.timeline) = ("exited".to_owned(), None, None);
                (member.cpu_used, member.memory_used, member.work) = (None, None, None);
            }
            "balancer-1" | "balancer-2" => member.routes_rw = Some(Vec::new()),
            "repair-1" => {
                if let Some(seen) = &mut member.controller {
                    (seen.step, seen.subject) = ("fence".to_owned(), Some(name("postgres-1")));
                    seen.reason = "its body ended, and postgres-2 may lead".to_owned();
                    seen.alarms = vec!["the body of postgres-1 ended".to_owned()];
                }
            }
            _ => {}
        }
    }
    lab.waiting.insert(name("postgres-1"), "does not answer: connection refused".to_owned());
    lab
}

/// A run whose primary was killed 20 s after its load began, seen 2.5 s later.
fn outage() -> Story {
    let mut story = Story::new("primary-dies (seed 7)", "q: lines   Ctrl-C: heal, judge, clean up");
    story.say("run directory runs/primary-dies/20261128T010000Z-7\nload for 40s");
    for half in 1..=45_u32 {
        let seconds = f64::from(half) / 2.0;
        let dead = seconds > 20.0;
        let load = |name: &str, ok: u64, last_ok_s| LoadBeat {
            name: name.to_owned(),
            ok: if dead { 0 } else { ok + u64::from(half % 5) },
            bad: if dead { 6 } else { 0 },
            p50_ms: (!dead).then_some(1.3),
            max_ms: (!dead).then_some(9.7),
            last_ok_s: Some(if dead { seconds - 20.0 } else { last_ok_s }),
        };
        if half == 41 {
            story.say("  20.1 s  inject kill: SIGKILL on postgres-1");
        }
        story.beat(Beat {
            seconds,
            over: 0.5,
            phase: if dead { Phase::Hurt } else { Phase::Baseline },
            faults: if dead { vec!["kill (kill on postgres-1)".to_owned()] } else { Vec::new() },
            loads: vec![load("writer", 98, 0.012), load("reader", 490, 0.002)],
            lab: if dead { hurt() } else { lab() },
        });
    }
    story
}

fn watched() -> Story {
    let mut story = Story::new("lab primary-dies", "q or Ctrl-C: leave");
    for second in 0..40_u32 {
        let mut lab = lab();
        let written = 0x0300_0000 + u64::from(second) * 300_000 + u64::from(second % 7) * 90_000;
        for member in &mut lab.members {
            member.wal = member.wal.map(|_| Lsn(written));
        }
        story.look(f64::from(second) + 0.5, lab, Vec::new());
    }
    story
}

fn terminal(width: u16, height: u16, scene: &ViewScene, look: ViewLook) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, scene, look)).expect("a picture");
    terminal
}

/// The screen as text, without the spaces at the ends of its lines.
fn screen(width: u16, height: u16, story: &Story, look: ViewLook) -> String {
    let terminal = terminal(width, height, &story.scene(), look);
    let text = terminal.backend().to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wide_screen_shows_everything() {
    insta::assert_snapshot!(screen(140, 40, &outage(), FULL));
}

#[test]
fn a_usual_screen_shows_what_matters() {
    insta::assert_snapshot!(screen(100, 30, &outage(), FULL));
}

#[test]
fn on_a_small_screen_members_share_the_line_of_their_host() {
    insta::assert_snapshot!(screen(80, 24, &outage(), FULL));
}

#[test]
fn on_a_very_small_screen_names_are_short() {
    insta::assert_snapshot!(screen(48, 14, &outage(), FULL));
}

#[test]
fn a_screen_without_other_letters_shows_the_same() {
    let seen = screen(100, 30, &outage(), BARE);
    assert!(seen.is_ascii(), "{seen}");
    insta::assert_snapshot!(seen);
}

#[test]
fn a_lab_that_nobody_measures_shows_its_wal() {
    insta::assert_snapshot!(screen(120, 26, &watched(), FULL));
}

#[test]
fn a_lab_that_is_made_shows_what_is_waited_for() {
    let mut story = Story::new("primary-dies (seed 7)", "q: lines");
    story.say("  network pgha-primary-dies on 198.18.0.0/24");
    story.part(LabPart::done("image etcd", "built in 4.1 s"));
    story.part(LabPart::at("image postgres", "building pgha/postgres:trixie-0123456789ab"));
    story.part(LabPart::still("image postgres", "Step 4/7 : RUN apt-get install"));
    story.part(LabPart::at("etcd-1", "started"));
    story.waiting([("etcd-1", "has no leader"), ("postgres-1", "does not answer: refused")].into_iter());
    insta::assert_snapshot!(screen(80, 14, &story, FULL));
}

#[test]
fn no_size_of_a_screen_breaks_the_view() {
    let story = outage().scene();
    for width in (1..160).step_by(13) {
        for height in (1..45).step_by(3) {
            terminal(width, height, &story, FULL);
            terminal(width, height, &story, BARE);
        }
    }
    terminal(80, 24, &ViewScene::default(), FULL);
}

#[test]
fn colours_are_the_terminals_own_and_go_when_nobody_wants_them() {
    let scene = outage().scene();
    let used = |look| {
        let terminal = terminal(100, 30, &scene, look);
        let cells = terminal.backend().buffer().content();
        assert!(cells.iter().all(|cell| cell.bg == Color::Reset), "a background fits no terminal but one");
        let mut colours: Vec<Color> = cells.iter().map(|cell| cell.fg).collect();
        colours.sort_by_key(|colour| format!("{colour:?}"));
        colours.dedup();
        (colours, cells.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)))
    };
    assert_eq!(used(FULL), (vec![Color::Red, Color::Reset, Color::Yellow], true));
    assert_eq!(used(ViewLook { colour: false, ..FULL }), (vec![Color::Reset], true));
}

#[test]
fn what_is_on_is_said_with_the_most_urgent_first() {
    let now: Vec<String> = outage().scene().now.into_iter().map(|piece| piece.text).collect();
    assert_eq!(
        now,
        [
            "ALARM repair-1: the body of postgres-1 ended",
            "fault on: kill (kill on postgres-1)",
            "postgres-1: does not answer: connection refused",
            "repair-1: fence postgres-1: its body ended, and postgres-2 may lead",
        ]
    );
}

#[test]
fn changes_are_told_once_with_their_time() {
    let mut story = Story::new("x", "");
    story.look(1.0, lab(), Vec::new());
    story.look(2.0, hurt(), vec!["kill (kill on postgres-1)".to_owned()]);
    story.look(3.0, hurt(), vec!["kill (kill on postgres-1)".to_owned()]);
    let mut whole = lab();
    whole.members.retain(|member| member.name.as_str() != "postgres-3");
    story.look(4.5, whole, Vec::new());
    insta::assert_snapshot!(story.scene().log.join("\n"));
}

#[test]
fn a_second_without_an_acknowledgement_is_marked_and_the_newest_second_is_not_over() {
    let scene = outage().scene();
    let writer = &scene.loads[0];
    assert_eq!(writer.past.len(), 22);
    assert!(writer.past[..20].iter().all(|count| *count > 0));
    assert_eq!(writer.past[20..], [0, 0]);
    assert_eq!((writer.last.text.as_str(), writer.bad.text.as_str()), ("2.5 s ago", "30"));
    assert_eq!(writer.latency, "0.0013 s – 0.0097 s", "the last one there was");
}
