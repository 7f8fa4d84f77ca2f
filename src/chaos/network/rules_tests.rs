//! Which rules a fault lays, to the letter, and what is read back from them.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::scenario::FamilyVerb;
use crate::model::{Bytes, Mono, Span, Target, Verb};

/// A name of the kind that is wanted here.
fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

fn fault(verb: Verb, notes: &[(&str, serde_json::Value)]) -> FaultRecord {
    FaultRecord {
        id: name("cut"),
        verb,
        targets: Vec::new(),
        containers: Vec::new(),
        notes: notes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
        intent: Mono(7),
        began: None,
        healing: None,
        healed: None,
        receipt: None,
        heal: None,
        of: None,
    }
}

fn address(host: &HostName) -> Option<Ipv4Addr> {
    host.as_str().strip_prefix('h')?.parse().ok().map(|n: u8| Ipv4Addr::new(198, 18, 0, 10 + n))
}

fn partition(direction: Direction, ports: &[u16]) -> Verb {
    Verb::Partition { from: Vec::new(), to: Vec::new(), direction, ports: ports.to_vec(), shape: None }
}

fn rules(
    fault: &FaultRecord,
    here: &HostName,
    address: impl Fn(&HostName) -> Option<Ipv4Addr>,
) -> Result<Vec<PacketRule>, String> {
    match fault.verb.family() {
        FamilyVerb::Network(verb) => super::rules(fault, verb, here, address),
        other => Err(format!("{other:?} lays no rules")),
    }
}

fn laid(fault: &FaultRecord, here: &str) -> String {
    let rules = rules(fault, &name(here), address).expect("rules");
    lay("0011aabbccdd", &rules, true)
}

#[test]
fn a_cut_drops_where_packets_would_arrive() {
    let fault = fault(partition(Direction::Forward, &[]), &[("cuts", json!([["h1", "h3"], ["h2", "h3"]]))]);
    insta::assert_snapshot!(laid(&fault, "h3"), @r"
    *filter
    :PGHA-0011aabbccdd-I - [0:0]
    -A PGHA-0011aabbccdd-I -s 198.18.0.11/32 -j DROP
    -A PGHA-0011aabbccdd-I -s 198.18.0.12/32 -j DROP
    -I INPUT -j PGHA-0011aabbccdd-I
    COMMIT
    ");
    assert_eq!(laid(&fault, "h1"), "", "the sender's kernel does not know");
}

#[test]
fn ports_are_those_of_the_far_side_on_the_way_there_and_back() {
    let sides = [("from", json!(["h1"])), ("to", json!(["h2"]))];
    let both = [&sides[..], &[("cuts", json!([["h1", "h2"], ["h2", "h1"]]))]].concat();
    let both = fault(partition(Direction::Both, &[2379, 2380]), &both);
    insta::assert_snapshot!(laid(&both, "h2"), @r"
    *filter
    :PGHA-0011aabbccdd-I - [0:0]
    -A PGHA-0011aabbccdd-I -s 198.18.0.11/32 -p tcp -m tcp --dport 2379 -j DROP
    -A PGHA-0011aabbccdd-I -s 198.18.0.11/32 -p tcp -m tcp --dport 2380 -j DROP
    -I INPUT -j PGHA-0011aabbccdd-I
    COMMIT
    ");
    insta::assert_snapshot!(laid(&both, "h1"), @r"
    *filter
    :PGHA-0011aabbccdd-I - [0:0]
    -A PGHA-0011aabbccdd-I -s 198.18.0.12/32 -p tcp -m tcp --sport 2379 -j DROP
    -A PGHA-0011aabbccdd-I -s 198.18.0.12/32 -p tcp -m tcp --sport 2380 -j DROP
    -I INPUT -j PGHA-0011aabbccdd-I
    COMMIT
    ");
    let baits: Vec<Option<Bait>> =
        rules(&both, &name("h1"), address).expect("rules").into_iter().map(|rule| rule.bait).collect();
    // an answer of h2 is had by asking it
    assert_eq!(baits[0], Some(Bait { from: name("h1"), to: name("h2"), port: Some(2379) }));

    let back = [&sides[..], &[("cuts", json!([["h2", "h1"]]))]].concat();
    let back = fault(partition(Direction::Backward, &[2379]), &back);
    assert!(laid(&back, "h1").contains("-s 198.18.0.12/32 -p tcp -m tcp --sport 2379 -j DROP"));
    assert_eq!(laid(&back, "h2"), "");
}

#[test]
fn every_other_fault_spares_the_loopback_device() {
    let target = Target::Host(name("h1"));
    for verb in [
        Verb::Isolate { target: target.clone() },
        Verb::Flap { target: target.clone(), on: Span::secs(1), off: Span::secs(1) },
        Verb::Loss { target: target.clone(), percent: 12.5 },
        Verb::Bandwidth { target: target.clone(), rate: Bytes(1_000_000) },
        Verb::Delay { target, delay: Span::millis(50), jitter: Span::millis(5) },
    ] {
        let fault = fault(verb, &[]);
        let rules = rules(&fault, &name("h1"), address).expect("rules");
        assert!(!rules.is_empty());
        for rule in rules {
            let device = if rule.hook == Hook::In { "! -i lo " } else { "! -o lo " };
            assert!(rule.text.starts_with(device), "{rule:?}");
        }
    }
}

#[test]
fn a_loss_is_a_share() {
    let fault = fault(Verb::Loss { target: Target::Primary, percent: 12.5 }, &[]);
    assert!(
        laid(&fault, "h1").contains("-I ! -i lo -m statistic --mode random --probability 0.125000 -j DROP")
    );
}

#[test]
fn late_packets_pass_the_filter_afterwards() {
    let target = Target::Primary;
    let fault = fault(Verb::Delay { target, delay: Span::millis(50), jitter: Span::millis(5) }, &[]);
    let laid = laid(&fault, "h1");
    assert!(laid.starts_with("*mangle\n") && laid.contains("--queue-bypass"), "{laid}");
}

#[test]
fn chains_are_of_one_fault_and_fit_the_kernel() {
    let one = fault(partition(Direction::Both, &[]), &[]);
    let mut other = one.clone();
    other.intent = Mono(8);
    assert_ne!(mark(&one), mark(&other), "the same step injected again is another fault");
    assert_eq!(mark(&one), mark(&one));
    assert!(chain(&mark(&one), Hook::Late).len() <= 28);
    assert_ne!(queue("0000"), 0);
}

#[test]
fn what_a_rule_caught_is_read_in_its_order() {
    let rule = |hook, text: &str| PacketRule { hook, text: text.to_owned(), bait: None, shadowed: false };
    let rules = [
        rule(Hook::In, "-s 1.2.3.4/32 -j DROP"),
        rule(Hook::In, "-s 1.2.3.5/32 -j DROP"),
        rule(Hook::Out, "-j DROP"),
    ];
    let printed = "-N PGHA-00-I\n-A PGHA-00-I -s 1.2.3.4/32 -c 3 180 -j DROP\n-A PGHA-00-I -s 1.2.3.5/32 -c 0 0 -j DROP\n\
                   -N PGHA-00-O\n-A PGHA-00-O -c 11 900 -j DROP\n";
    assert_eq!(caught("00", &rules, printed), Some(vec![3, 0, 11]));
    assert_eq!(caught("01", &rules, printed), None, "another fault's chain");
    assert_eq!(caught("00", &rules, "-N PGHA-00-I\n"), None);
}

#[test]
fn chains_go_with_their_jumps_however_often() {
    let fault = fault(Verb::Isolate { target: Target::Primary }, &[]);
    let rules = rules(&fault, &name("h1"), address).expect("rules");
    let script = take_away("0011aabbccdd", &rules);
    for way in ["INPUT -j PGHA-0011aabbccdd-I", "OUTPUT -j PGHA-0011aabbccdd-O"] {
        assert!(script.contains(&format!("while iptables -t filter -D {way} ")), "{script}");
    }
    assert_eq!(script.matches(" -X ").count(), 2, "{script}");
    assert_eq!(
        script.matches("if iptables -t filter -F ").count(),
        2,
        "what is gone already is fine: {script}"
    );
}

#[test]
fn notes_without_cuts_are_an_error_and_no_empty_partition() {
    let none = fault(partition(Direction::Both, &[]), &[]);
    assert!(rules(&none, &name("h1"), address).is_err());
    let odd = fault(partition(Direction::Both, &[]), &[("cuts", json!("h1"))]);
    assert!(rules(&odd, &name("h1"), address).is_err());
    let unknown = fault(partition(Direction::Both, &[]), &[("cuts", json!([["x", "h1"]]))]);
    assert!(rules(&unknown, &name("h1"), address).is_err());
}
