//! Clients as they are: what one of libpq and one of a pool do where servers refuse, hang, hang up, or are not
//! what is wanted. A load takes the time it takes, so those of one test run side by side.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use pgha::engine::clock;
use pgha::history::{Class, History, Op};
use pgha::load::generator::LoadPatience;
use pgha::model::Mono;

use crate::fake::{self, Manner, Seen};

/// A load of two closed clients.
fn closed(more: &str) -> String {
    format!(
        r#"{{"name":"closed","endpoint":"rw","workload":"set","model":"closed","clients":2,"think":"10ms",{more}}}"#
    )
}

fn soon() -> Mono {
    clock::now().plus(Duration::from_millis(300))
}

fn never() -> std::future::Pending<()> {
    std::future::pending()
}

fn count(history: &History, class: Class) -> usize {
    history.ops.iter().filter(|op| op.class() == class).count()
}

/// Codes of what was not acknowledged, each once.
fn codes(history: &History) -> Vec<&str> {
    let errors = history.ops.iter().filter_map(Op::error);
    let mut codes: Vec<&str> = errors.map(|error| error.c.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libpq_asks_for_ssl_and_the_own_client_does_not() {
    join_all([("libpq", true), ("pool", true), ("wire", false)].map(|(client, asks)| async move {
        let server = fake::serve_as(Manner::default()).await;
        let load = closed(&format!(r#""client":"{client}""#));
        let history = fake::load(server.address, &load, 1, soon()).await;
        assert!(count(&history, Class::Ok) > 20, "{client}: {:?}", codes(&history));
        let asked = Seen::count(&server.seen.asked_for_ssl);
        assert_eq!(asked, if asks { server.connections() } else { 0 }, "{client}");
        assert_eq!(server.connections(), 2, "{client}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libpq_goes_past_a_host_that_refuses_and_begins_with_the_first_again() {
    let goes_past = async {
        let second = fake::serve_as(Manner::default()).await;
        let hosts = [fake::nobody().await, second.address];
        let history = fake::load_on(&hosts, &closed(r#""client":"libpq""#), 1, soon(), never()).await;
        assert_eq!((codes(&history), second.connections()), (vec![], 2), "nobody noticed the first host");
    };
    // the first host ends its connections and takes new ones: everybody is back there, nobody at the second
    let comes_back = async {
        let start = soon();
        let closes = Some(start.plus(Duration::from_millis(300)));
        let first = fake::serve_as(Manner { closes, ..Manner::default() }).await;
        let second = fake::serve_as(Manner::default()).await;
        let hosts = [first.address, second.address];
        let history = fake::load_on(&hosts, &closed(r#""client":"libpq""#), 1, start, never()).await;
        assert_eq!((first.connections(), second.connections()), (4, 0));
        assert!(history.ops.last().is_some_and(|op| op.class() == Class::Ok), "they came back");
    };
    // the own client takes turns
    let takes_turns = async {
        let (first, second) =
            (fake::serve_as(Manner::default()).await, fake::serve_as(Manner::default()).await);
        let hosts = [first.address, second.address];
        fake::load_on(&hosts, &closed(r#""client":"wire""#), 1, soon(), never()).await;
        assert_eq!((first.connections(), second.connections()), (1, 1));
    };
    tokio::join!(goes_past, comes_back, takes_turns);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hangs_up_ends_libpqs_attempt() {
    let balancer = fake::serve_as(Manner { hangs_up: true, ..Manner::default() }).await;
    let second = fake::serve_as(Manner::default()).await;
    let hosts = [balancer.address, second.address];
    let history = fake::load_on(&hosts, &closed(r#""client":"libpq""#), 1, soon(), never()).await;
    assert_eq!((codes(&history), count(&history, Class::Ok)), (vec!["connect-eof"], 0));
    assert_eq!(second.connections(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_refusals_only_cannot_connect_now_leads_to_the_next_host() {
    join_all([("57P03", true), ("53300", false), ("28P01", false)].map(|(state, goes_on)| async move {
        let first = fake::serve_as(Manner { refuses: Some(state), ..Manner::default() }).await;
        let second = fake::serve_as(Manner::default()).await;
        let history = briefly(&[first.address, second.address], r#""via":"balancers""#).await;
        let expected = if goes_on { vec![] } else { vec![state] };
        assert_eq!(
            (codes(&history), second.connections()),
            (expected, if goes_on { 2 } else { 0 }),
            "{state}"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn libpq_goes_past_a_host_that_is_not_what_is_wanted() {
    let standby = || Manner { told: Some(("off", "on")), ..Manner::default() };
    let primary = || Manner { told: Some(("off", "off")), ..Manner::default() };
    // older servers report nothing and are asked
    let old = |says| Manner { says: Some(says), ..Manner::default() };
    let cases = [
        (r#""via":"instances""#, standby(), primary(), [2, 2]),
        (
            r#""via":"instances""#,
            Manner { told: Some(("on", "off")), ..Manner::default() },
            primary(),
            [2, 2],
        ),
        (r#""via":"instances""#, old("on"), old("off"), [2, 2]),
        (r#""target-session-attrs":"read-only""#, primary(), standby(), [2, 2]),
        (r#""target-session-attrs":"primary""#, standby(), primary(), [2, 2]),
        (r#""target-session-attrs":"primary""#, old("t"), old("f"), [2, 2]),
        (r#""target-session-attrs":"standby""#, primary(), standby(), [2, 2]),
        (r#""target-session-attrs":"prefer-standby""#, primary(), standby(), [2, 2]),
        // nobody is one, so a second pass takes the first
        (r#""target-session-attrs":"prefer-standby""#, primary(), primary(), [4, 2]),
        (r#""target-session-attrs":"any""#, standby(), primary(), [2, 0]),
    ];
    // a few at a time: a machine that is short of everything makes clients late
    let mut cases = cases.into_iter().peekable();
    while cases.peek().is_some() {
        let some = cases.by_ref().take(4);
        join_all(some.map(|(attrs, one, other, connections)| async move {
            let servers = [fake::serve_as(one).await, fake::serve_as(other).await];
            let history = briefly(&servers.clone().map(|server| server.address), attrs).await;
            assert_eq!((codes(&history), count(&history, Class::Ok) > 5), (vec![], true), "{attrs}");
            assert_eq!(servers.map(|server| server.connections()), connections, "{attrs}");
        }))
        .await;
    }
    let servers = [fake::serve_as(standby()).await, fake::serve_as(standby()).await];
    let history =
        briefly(&servers.map(|server| server.address), r#""target-session-attrs":"read-write""#).await;
    assert_eq!((codes(&history), count(&history, Class::Ok)), (vec!["wrong-server"], 0));
}

/// Three tenths of a second of libpq.
async fn briefly(hosts: &[SocketAddr], more: &str) -> History {
    // late enough that both clients are connected before
    let start = soon();
    let stop = clock::sleep_until(start.plus(Duration::from_millis(300)));
    fake::load_on(hosts, &closed(&format!(r#""client":"libpq",{more}"#)), 1, start, stop).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_says_nothing_is_waited_for_as_long_as_told() {
    let told = async {
        let mute = fake::serve_as(Manner { mute: true, ..Manner::default() }).await;
        let second = fake::serve_as(Manner::default()).await;
        let hosts = [mute.address, second.address];
        let told = closed(r#""client":"libpq","connect-timeout":"100ms""#);
        let history = fake::load_on(&hosts, &told, 1, soon(), never()).await;
        assert_eq!((codes(&history), second.connections()), (vec![], 2));
        assert!(count(&history, Class::Ok) > 20);
    };
    // untold it is waited for for ever, and the load can still be stopped
    let untold = async {
        let mute = fake::serve_as(Manner { mute: true, ..Manner::default() }).await;
        let second = fake::serve_as(Manner::default()).await;
        let hosts = [mute.address, second.address];
        let start = soon();
        let stop = clock::sleep_until(start.plus(Duration::from_millis(500)));
        let history = fake::load_on(&hosts, &closed(r#""client":"libpq""#), 1, start, stop).await;
        let open = history.ops.iter().filter(|op| op.done.is_none()).count();
        assert_eq!((open, history.ops.len(), second.connections()), (2, 2, 0));
    };
    tokio::join!(told, untold);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_waited_for_until_the_load_is_over() {
    let start = soon();
    let deaf = Some(start.plus(Duration::from_millis(300)));
    let patience = LoadPatience { answers: Duration::from_secs(2), ..LoadPatience::default() };
    assert_eq!(LoadPatience::default().answers, Duration::from_secs(10));
    let mut waited = Vec::new();
    for (client, more) in
        [("libpq", ""), ("wire", r#","timeout":"200ms""#), ("libpq", r#","timeout":"200ms""#)]
    {
        let server = fake::serve_as(Manner { deaf, ..Manner::default() }).await;
        let load = closed(&format!(r#""client":"{client}"{more}"#));
        waited.push(tokio::spawn(async move {
            fake::hasty_load(server.address, &load, 1, start, patience).await
        }));
    }
    let began = clock::now();
    let mut histories = Vec::new();
    for history in waited {
        histories.push(history.await.expect("a history"));
    }
    // it ended by itself, when its patience was over
    assert!(clock::now().since(began) < Duration::from_secs(9));
    let open = |history: &History| history.ops.iter().filter(|op| op.done.is_none()).count();
    assert_eq!(open(&histories[0]), 2, "{:?}", histories[0].ops.last());
    assert!(
        histories[0].notes.iter().any(|(_, text)| text.contains("are left open")),
        "{:?}",
        histories[0].notes
    );
    for told in &histories[1..] {
        assert_eq!((open(told), codes(told)), (0, vec!["timeout"]));
        assert!(told.ops.last().is_some_and(|op| op.class() == Class::Ok), "they came back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_tries_a_connection_before_it_lends_it() {
    let slow =
        r#"{"name":"open","endpoint":"rw","workload":"set","rate":20,"connections":2,"client":"CLIENT"}"#;
    let pool = async {
        let start = soon();
        // between two of its questions, which come every 50 ms
        let closes = Some(start.plus(Duration::from_millis(525)));
        let server = fake::serve_as(Manner { closes, ..Manner::default() }).await;
        let history = fake::load(server.address, &slow.replace("CLIENT", "pool"), 1, start).await;
        assert_eq!(codes(&history), Vec::<&str>::new(), "what was gone was replaced within the borrowing");
        assert_eq!(server.connections(), 4);
        assert!(Seen::count(&server.seen.trials) >= 16, "{:?}", server.seen);
    };
    // whoever does not try asks on a connection that is gone, and cannot know what became of it
    let libpq = async {
        let start = soon();
        let closes = Some(start.plus(Duration::from_millis(525)));
        let server = fake::serve_as(Manner { closes, ..Manner::default() }).await;
        let history = fake::load(server.address, &slow.replace("CLIENT", "libpq"), 1, start).await;
        assert_eq!(count(&history, Class::Info), 2, "{:?}", codes(&history));
        assert_eq!(Seen::count(&server.seen.trials), 0);
    };
    tokio::join!(pool, libpq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_replaces_what_does_not_answer_and_what_is_too_old() {
    assert_eq!(LoadPatience::default().trial, Duration::from_secs(5));
    let silent = async {
        let start = soon();
        let deaf = Some(start.plus(Duration::from_millis(300)));
        let server = fake::serve_as(Manner { deaf, ..Manner::default() }).await;
        let slow =
            r#"{"name":"open","endpoint":"rw","workload":"set","rate":5,"connections":1,"client":"pool"}"#;
        let patience = LoadPatience { trial: Duration::from_secs(1), ..LoadPatience::default() };
        let history = fake::hasty_load(server.address, slow, 3, start, patience).await;
        // one trial of its full length, then a new connection: nothing failed, much was late
        assert_eq!((codes(&history), server.connections()), (vec![], 2));
        let waits = history.ops.iter().map(|op| op.done.expect("an end").since(op.intended));
        let took = waits.max().expect("operations");
        assert!((Duration::from_millis(800)..Duration::from_millis(2500)).contains(&took), "{took:?}");
    };
    let aged = async {
        let server = fake::serve_as(Manner::default()).await;
        let young = r#"{"name":"open","endpoint":"rw","workload":"set","rate":20,"connections":1,"client":"pool","max-age":"200ms"}"#;
        let history = fake::load(server.address, young, 1, soon()).await;
        assert_eq!(codes(&history), Vec::<&str>::new());
        assert!((4..=9).contains(&server.connections()), "{}", server.connections());
    };
    tokio::join!(silent, aged);
}
