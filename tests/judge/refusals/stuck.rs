//! Sessions left behind: by the balancers' count, by backends, by clients.

use pgha::check::stuck;
use pgha::model::sighting::ServerSeen;
use serde_json::Value;

use super::*;

/// The small story with looks every 500 ms for five seconds after the failover, each spoiled by `spoil`, which is told
/// the milliseconds since the first of them.
pub fn looked(bound: Option<Value>, spoil: impl Fn(u64, &mut pgha::model::Sighting)) -> Story {
    let mut story = small();
    // the last two looks of the story are of a lab that is whole
    let whole = story.sightings.len() - 2;
    let from = story.sightings[whole].at.0;
    for ms in (0..=5000).step_by(500) {
        let mut seen = healthy(from + ms * MS, "postgres-2", 2);
        spoil(ms, &mut seen);
        story.sightings.push(seen);
    }
    // what lasted longer than the old end of the story is told before it
    story.sightings.drain(whole..whole + 2);
    if let Some(bound) = bound {
        story.expect(Value::Object([("stuck".to_owned(), bound)].into_iter().collect()));
    }
    story
}

pub fn server<'a>(
    seen: &'a mut pgha::model::Sighting,
    balancer: &str,
    port: &str,
    host: &str,
) -> &'a mut ServerSeen {
    let balancer = seen.balancers.get_mut(balancer).expect("a balancer");
    let servers = if port == "rw" { &mut balancer.rw } else { &mut balancer.ro };
    let Sight::Seen(servers) = servers else { panic!("not seen") };
    servers.get_mut(host).expect("a server")
}

fn said(story: &Story) -> String {
    let check = judge(&story.record()).check("stuck").expect("a check").clone();
    format!("{}: {}", check.verdict, check.summary)
}

fn none() -> Value {
    json!({ "max": 0 })
}

#[test]
fn sessions_on_the_server_of_the_old_primary_are_left_behind() {
    // postgres-1 stood on h1 and is a replica now
    let hangs = |_: u64, seen: &mut pgha::model::Sighting| {
        server(seen, "balancer-1", "rw", "h1").sessions = 2;
        server(seen, "balancer-2", "rw", "h1").sessions = 1;
    };
    assert_eq!(
        said(&looked(Some(none()), hangs)),
        "fail: 3 sessions were left behind on `h1` (`balancer-1`), `h1` (`balancer-2`) by the balancers' count, 3000 ms \
         after another member took writes; at most 0 are allowed"
    );
    assert_eq!(
        said(&looked(Some(json!({ "max": 3 })), hangs)),
        "pass: 3 sessions were left behind on `h1` (`balancer-1`), `h1` (`balancer-2`) by the balancers' count, within \
         what was asked"
    );
    // without a bound they are only counted
    assert!(said(&looked(None, hangs)).starts_with("pass: 3 sessions were left behind"));
    assert!(said(&looked(Some(json!({})), hangs)).ends_with("; nothing was asked of it"));
    // those that are gone in time are none
    let gone = |ms: u64, seen: &mut pgha::model::Sighting| {
        server(seen, "balancer-1", "rw", "h1").sessions = u32::from(ms < 500);
    };
    assert_eq!(said(&looked(Some(none()), gone)), "pass: no session was left behind, within what was asked");
    // sessions of the primary and of readers are where they belong
    let fine = |_: u64, seen: &mut pgha::model::Sighting| {
        server(seen, "balancer-1", "rw", "h2").sessions = 8;
        server(seen, "balancer-1", "ro", "h1").sessions = 8;
    };
    assert_eq!(said(&looked(Some(none()), fine)), "pass: no session was left behind, within what was asked");
}

#[test]
fn the_bound_says_how_late_is_too_late() {
    let hangs = |ms: u64, seen: &mut pgha::model::Sighting| {
        server(seen, "balancer-1", "rw", "h1").sessions = u32::from(ms <= 2500);
    };
    assert!(said(&looked(Some(json!({ "max": 0, "after": "3s" })), hangs)).starts_with("fail"));
    assert!(said(&looked(Some(json!({ "max": 0, "after": "6s" })), hangs)).starts_with("pass"));
    // nobody looked so late
    assert_eq!(
        said(&looked(Some(json!({ "max": 0, "after": "1m" })), hangs)),
        "unknown: no look at the sessions of a balancer came 60000 ms after a member took writes"
    );
}

#[test]
fn a_session_that_no_server_has_is_left_behind() {
    let adrift = |number: fn(u64) -> u32| {
        move |ms: u64, seen: &mut pgha::model::Sighting| {
            seen.balancers.get_mut("balancer-1").expect("a balancer").unserved_rw = number(ms);
        }
    };
    assert!(said(&looked(Some(none()), adrift(|_| 2))).starts_with("fail: 2 sessions were left behind"));
    // those that come and go are held, or wait for their connection
    let fine = |number| said(&looked(Some(none()), adrift(number))).starts_with("pass: no session");
    assert!(fine(|ms| u32::from(ms >= 2500)), "not for so long");
    assert!(fine(|ms| u32::from(ms % 1000 != 0)), "not all the time");
}

#[test]
fn readers_on_a_member_that_does_not_run_are_left_behind() {
    let dead = |dead: bool| {
        move |_: u64, seen: &mut pgha::model::Sighting| {
            server(seen, "balancer-2", "ro", "h3").sessions = 4;
            if dead {
                seen.bodies.get_mut("postgres-3").expect("a body").status = ContainerStatus::Exited;
            }
        }
    };
    assert!(said(&looked(Some(none()), dead(true))).starts_with("fail: 4 sessions were left behind on `h3`"));
    assert!(said(&looked(Some(none()), dead(false))).starts_with("pass: no session"));
}

#[test]
fn backends_of_writers_on_a_replica_are_left_behind() {
    let there = |application: &'static str| {
        move |_: u64, seen: &mut pgha::model::Sighting| {
            let postgres = seen.postgres.get_mut("postgres-1").expect("a member");
            let Sight::Seen(sql) = &mut postgres.sql else { panic!("not seen") };
            sql.backends.insert(application.to_owned(), 5);
        }
    };
    assert_eq!(
        said(&looked(Some(none()), there("pgha-writer"))),
        "fail: 5 sessions were left behind on `postgres-1` by their backends, 3000 ms after another member took writes; \
         at most 0 are allowed"
    );
    assert!(said(&looked(Some(none()), there("psql"))).starts_with("pass: no session"), "not a load on 5432");
}

/// A client that was acknowledged by the old primary, and what it met then: sent and ended (milliseconds after the
/// load began), and the code.
pub fn met(mut story: Story, deeds: &[(u64, u64, &str)]) -> Story {
    let ack = story.ack(0).clone();
    let at = |ms: u64| Mono(ZERO + ms * MS);
    let first = (100, 102, Outcome::Ok(ack));
    let then = deeds.iter().map(|(sent, ended, code)| (*sent, *ended, Outcome::Fail(error(code))));
    for (o, (sent, ended, outcome)) in (900..).zip(std::iter::once(first).chain(then)) {
        story.events.push(Event::invoke_by(at(sent), 0, o, 77, at(sent), 70));
        story.events.push(Event::done(at(ended), 0, o, outcome));
    }
    story.rows(|rows| rows.push(900));
    story
}

#[test]
fn clients_that_are_answered_read_only_are_left_behind() {
    // others are acknowledged by postgres-2 from 502 ms on
    let bound = || Some(json!({ "max": 0, "after": "100ms" }));
    let whole = |_: u64, _: &mut pgha::model::Sighting| {};
    let refused: Vec<_> = (520..650).step_by(10).map(|ms| (ms, ms + 1, "25006")).collect();
    assert_eq!(
        said(&met(looked(bound(), whole), &refused)),
        "fail: 1 client was left behind: client 70 of load `writer` was answered read-only 109 ms after another \
         member took writes, 100 ms after another member took writes; at most 0 are allowed"
    );
    assert!(said(&met(looked(bound(), whole), &refused[..8])).starts_with("pass"), "only for a moment");
    let others: Vec<_> = refused.iter().map(|(sent, ended, _)| (*sent, *ended, "40001")).collect();
    assert!(said(&met(looked(bound(), whole), &others)).starts_with("pass"), "it is served");
    // one that waits
    assert!(said(&met(looked(bound(), whole), &[(300, 650, "57014")])).contains("waited for 148 ms"));
    assert!(!said(&met(looked(bound(), whole), &[(300, 601, "57014")])).contains("waited"));
}

#[test]
fn a_client_that_never_came_back_is_left_behind() {
    use super::clients::{How, steady, told};
    let mut deeds: Vec<_> = (0..4).flat_map(|client| steady(client, 0, 100)).collect();
    deeds.extend((1..4).flat_map(|client| steady(client, 200, 1500)));
    deeds.push((0, 93, 0, How::Open));
    let left =
        stuck::measure(&told("closed", &deeds, &[100], 5000).record(), std::time::Duration::from_secs(3));
    assert_eq!(left.clients.len(), 1);
    assert_eq!(left.number(), 1);
    // where nobody was served, nobody was left behind
    deeds.retain(|deed| deed.1 < 200);
    let left =
        stuck::measure(&told("closed", &deeds, &[100], 5000).record(), std::time::Duration::from_secs(3));
    assert_eq!(left.number(), 0);
}
