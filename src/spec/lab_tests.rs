//! Diagnostics of lab files, pinned as a person sees them.

use serde_json::json;

use super::*;
use crate::model::lab::{ImageSource, Range, RestartRule};
use crate::model::{Bytes, Span};

fn resolved(layers: &[Layer]) -> LabSpec {
    resolve(layers).unwrap_or_else(|problems| panic!("{}", problems.render()))
}

fn with(layers: impl IntoIterator<Item = Layer>) -> LabSpec {
    resolved(&std::iter::once(Layer::built_in()).chain(layers).collect::<Vec<_>>())
}

fn refused(text: &str) -> String {
    match resolve(&[Layer::built_in(), Layer::file("lab.toml", text)]) {
        Ok(_) => panic!("taken for a lab: {text}"),
        Err(problems) => problems.list.iter().map(ToString::to_string).collect::<Vec<_>>().join(
            "
",
        ),
    }
}

#[test]
fn the_built_in_lab_is_the_preset_stock() {
    let stock = Layer::preset(DEFAULT_PRESET).expect("a preset");
    assert_eq!(with([]), with([stock]));
}

#[test]
fn every_preset_resolves_and_says_what_its_name_promises() {
    for (name, _) in PRESETS {
        with([Layer::preset(name).expect("a preset")]);
    }
    let tuned = with([Layer::preset("stock-tuned").expect("a preset")]);
    assert_eq!((tuned.postgres.patroni.ttl, tuned.postgres.patroni.loop_wait), (20, 1));
    assert_eq!(tuned.balancers.check.fastinter, Some(Span::millis(500)));
    assert_eq!(
        with([Layer::preset("stock-restart").expect("a preset")]).postgres.restart,
        RestartRule::Always
    );
    let small = with([Layer::preset("small").expect("a preset")]);
    assert_eq!((small.hosts.len(), small.etcd.members), (4, 1));
    assert_eq!((small.postgres.instances, small.balancers.instances), (Range::fixed(2), Range::fixed(1)));
    assert!(Layer::preset("nobody").is_none());
}

#[test]
fn later_layers_win_tables_merge_and_ranges_have_two_forms() {
    let spec = with(
        [
            Layer::file(
                "lab.toml",
                "name = \"mine\"\n[postgres]\ninstances = 2\nmemory = { start = \"1GiB\" }\n",
            ),
            Layer::preset("stock-tuned").expect("a preset"),
            Layer::scenario(
                "s.toml",
                "name = \"s\"\n[lab]\nset = { postgres = { patroni = { ttl = 40 } } }\n",
            ),
        ]
        .into_iter()
        .chain(Layer::overrides(&[
            ("postgres.patroni.loop-wait".into(), "2".into()),
            ("images.suite".into(), "forky".into()),
            ("images.postgres".into(), "18".into()),
            ("postgres.disk".into(), "1GiB".into()),
        ]))
        .chain([Layer::value("the run", json!({ "network": { "subnet": "198.19.3.0/24" }, "name": null }))]),
    );
    assert_eq!(spec.name.as_str(), "mine");
    assert_eq!(spec.postgres.instances, Range::fixed(2));
    assert_eq!(
        spec.postgres.memory,
        Range { start: Bytes::gib(1), min: Bytes::mib(256), max: Bytes::gib(2) }
    );
    assert_eq!((spec.postgres.patroni.ttl, spec.postgres.patroni.loop_wait), (40, 2));
    assert_eq!(spec.images.suite.as_str(), "forky");
    assert_eq!(spec.postgres.disk, Range::fixed(Bytes::gib(1)));
    assert_eq!(spec.network.subnet, "198.19.3.0/24");
}

#[test]
fn images_of_the_flake_have_no_suite() {
    let spec = with([Layer::file("lab.toml", "[images]\nsource = \"nix\"\npostgres = 18\n")]);
    assert_eq!((spec.images.source, spec.images.postgres), (ImageSource::Nix, 18));
}

#[test]
fn a_host_without_capacity_gets_that_of_a_small_computer() {
    let spec = with([Layer::file(
        "lab.toml",
        "[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[host]]\nname = \"c\"\ncpus = 8\n[[host]]\nname = \"client\"\nonly = [\"client\"]\n",
    )]);
    assert_eq!((spec.hosts[0].cpus, spec.hosts[0].memory), (2.0, Bytes::gib(4)));
    assert_eq!((spec.hosts[2].cpus, spec.hosts[2].disk), (8.0, Bytes::gib(20)));
}

#[test]
fn every_rule_has_its_sentence() {
    for (text, sentence) in [
        ("schema = 2", "this version reads schema 1"),
        ("[images]\nsource = \"nix\"\npostgres = 16", "no image with PostgreSQL 16"),
        ("[images]\nsource = \"nix\"\nhaproxy = \"forky\"", "these images come from nixpkgs"),
        ("[etcd]\nmembers = 4", "even number"),
        ("[etcd]\nmembers = 0", "even number"),
        ("[etcd]\ndisk = \"100MiB\"", "too small for a file system"),
        ("[etcd]\nhosts = [\"h9\"]", "`h9` is no host"),
        ("[etcd]\nhosts = [\"client\"]", "does not take etcd"),
        ("[etcd]\nhosts = [\"h1\", \"h1\", \"h2\"]", "named twice"),
        ("[etcd]\nhosts = [\"h1\"]", "hosts that may carry one: 1"),
        ("[postgres]\nwal-segment = \"3MiB\"", "a WAL segment of"),
        ("[postgres.patroni]\nttl = 10", "below Patroni's minimum"),
        ("[postgres.patroni]\nttl = 29", "is more than ttl = 29"),
        ("[postgres]\ninstances = { max = 2 }", "start = 3 is not between"),
        ("[postgres]\ninstances = 0", "no service"),
        ("[postgres]\nreplication = \"sync\"\nsync-standbys = 3", "no write could ever"),
        ("[postgres]\nreplication = \"sync\"\nsync-standbys = 0", "to nobody"),
        ("[postgres]\ncpus = 0.0", "do no work"),
        ("[postgres.parameters]\nwork_mem = [\"4MB\"]", "takes one value"),
        ("[balancers.check]\nfall = 0", "nothing through"),
        ("[balancers.check]\ninter = \"0s\"", "HAProxy's clock"),
        ("[network]\nsubnet = \"10.0.0.0/24\"", "no subnet for a lab"),
        ("[network]\nsubnet = \"198.18.7.1/24\"", "no subnet for a lab"),
        ("[network]\npublish = \"0.0.0.0/24\"", "only loopback"),
        ("[[host]]\nname = \"h1\"\n[[host]]\nname = \"h1\"\n", "declared twice"),
        ("[[host]]\nname = \"h1\"\n", "no host is for the client"),
        (
            "[[controller]]\nname = \"scaling\"\nreplicas = 2\nimage = \"pgha\"\npolicy = { cpu = { min-step = 0.0 } }\n",
            "the policy of `scaling`: cpu: `min-step` must be more than nothing",
        ),
        (
            "[[controller]]\nname = \"mend\"\nreplicas = 2\nimage = \"pgha\"\n",
            "this program is no controller `mend`",
        ),
        (
            "[[controller]]\nname = \"repair\"\nreplicas = 7\nimage = \"pgha\"\n",
            "controller `repair` cannot have 7 replicas",
        ),
        (
            "[[controller]]\nname = \"etcd\"\nreplicas = 1\nimage = \"x\"\n",
            "`etcd` is no name for a controller",
        ),
        (
            "[[controller]]\nname = \"repair\"\nreplicas = 1\nimage = \"pgha\"\n[controller.policy]\nhaste = true",
            "unknown field `haste`",
        ),
    ] {
        let seen = refused(text);
        assert!(seen.contains(sentence), "{text}\nsaid:\n{seen}");
    }
}

#[test]
fn a_lab_without_a_first_layer_is_refused_in_words() {
    assert!(resolve(&[]).is_err());
    assert!(resolve(&[Layer::built_in(), Layer::value("the run", json!(5))]).is_err(), "a value is a table");
    assert!(resolve(&[Layer::file("lab.toml", "name = \"x\"")]).is_err());
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is the test")]
fn every_problem_of_every_layer_is_said_at_once() {
    let file = r#"schema = 1
name = "My Lab"
[postgres]
instances = "three"
memory = { start = "512M" }
replicaton = "sync"
[postgres.patroni]
ttl = 20
[etcd]
members = 2
[[host]]
name = "h1"
cpu = 2.0
[[host]]
cpus = "two"
"#;
    let mut layers = vec![Layer::built_in(), Layer::file("lab/lab.toml", file)];
    layers.extend(Layer::overrides(&[("balancers.start".into(), "cheked".into())]));
    let problems = resolve(&layers).expect_err("a bad lab");
    insta::assert_snapshot!(problems.render(), @r#"
      × the lab cannot be read: 14 problems

    Error:
      × `My Lab` is no name: a small letter first, then small letters, digits or `-`, 41 at most
       ╭─[lab/lab.toml:2:8]
     1 │ schema = 1
     2 │ name = "My Lab"
       ·        ────────
     3 │ [postgres]
       ╰────

    Error:
      × a whole number is wanted here, found text
       ╭─[lab/lab.toml:4:13]
     3 │ [postgres]
     4 │ instances = "three"
       ·             ───────
     5 │ memory = { start = "512M" }
       ╰────

    Error:
      × `512M` is no size: write for example "512MiB" or "2GiB"
       ╭─[lab/lab.toml:5:20]
     4 │ instances = "three"
     5 │ memory = { start = "512M" }
       ·                    ──────
     6 │ replicaton = "sync"
       ╰────

    Error:
      × unknown key `replicaton`
       ╭─[lab/lab.toml:6:1]
     5 │ memory = { start = "512M" }
     6 │ replicaton = "sync"
       · ──────────
     7 │ [postgres.patroni]
       ╰────
      help: did you mean `replication`?

    Error:
      × loop-wait + 2 × retry-timeout = 30 is more than ttl = 20: a primary that still retries would
      │ lose its lease
       ╭─[lab/lab.toml:8:7]
     7 │ [postgres.patroni]
     8 │ ttl = 20
       ·       ──
     9 │ [etcd]
       ╰────
      help: Patroni's rule: loop_wait + 2 * retry_timeout <= ttl

    Error:
      × 2 etcd members: an even number tolerates no more losses than one fewer
        ╭─[lab/lab.toml:10:11]
      9 │ [etcd]
     10 │ members = 2
        ·           ─
     11 │ [[host]]
        ╰────
      help: write 1, 3 or 5

    Error:
      × 2 of service etcd are wanted; hosts that may carry one: 1
        ╭─[lab/lab.toml:10:11]
      9 │ [etcd]
     10 │ members = 2
        ·           ─
     11 │ [[host]]
        ╰────
      help: two of one service never share a host: more hosts, or fewer of them

    Error:
      × no host is for the client: load and probes have nowhere to run
        ╭─[lab/lab.toml:11:1]
     10 │ members = 2
     11 │ [[host]]
        · ────────
     12 │ name = "h1"
        ╰────
      help: [[host]] with name = "client" and only = ["client"]

    Error:
      × 3 of service postgres are wanted; hosts that may carry one: 1
        ╭─[lab/lab.toml:11:1]
     10 │ members = 2
     11 │ [[host]]
        · ────────
     12 │ name = "h1"
        ╰────
      help: two of one service never share a host: more hosts, or fewer of them

    Error:
      × 2 of service balancer are wanted; hosts that may carry one: 1
        ╭─[lab/lab.toml:11:1]
     10 │ members = 2
     11 │ [[host]]
        · ────────
     12 │ name = "h1"
        ╰────
      help: two of one service never share a host: more hosts, or fewer of them

    Error:
      × unknown key `cpu`
        ╭─[lab/lab.toml:13:1]
     12 │ name = "h1"
     13 │ cpu = 2.0
        · ───
     14 │ [[host]]
        ╰────
      help: did you mean `cpus`?

    Error:
      × missing key `name`
        ╭─[lab/lab.toml:14:1]
     13 │ cpu = 2.0
     14 │ [[host]]
        · ────────
     15 │ cpus = "two"
        ╰────
      help: What everything else calls it, for example `h1`.

    Error:
      × a number is wanted here, found text
        ╭─[lab/lab.toml:15:8]
     14 │ [[host]]
     15 │ cpus = "two"
        ·        ─────
        ╰────

    Error:
      × `cheked` is no choice here
       ╭─[--set:1:19]
     1 │ balancers.start = "cheked"
       ·                   ────────
       ╰────
      help: did you mean `checked`?
    "#);
}

#[test]
fn a_balancer_that_may_leave_clients_hanging_says_so() {
    let caveat = |preset: &str, text: &str| {
        with([Layer::preset(preset).expect("a preset"), Layer::file("lab.toml", text)]).haproxy_caveat()
    };
    assert!(caveat("stock", "").is_some());
    assert_eq!(caveat("stock", "[images]\nhaproxy = \"forky\"\n"), None);
    assert_eq!(caveat("repair", ""), None);
    assert_eq!(caveat("stock", "[images]\nsource = \"nix\"\n"), None, "nixpkgs has another HAProxy");
}
