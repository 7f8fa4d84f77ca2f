//! Diagnostics of scenario files, pinned as a person sees them.

use super::*;
use crate::spec::Kind;

const GOOD: &str = include_str!("../../scenarios/primary-dies.toml");

fn refused(text: &str) -> String {
    match parse("s.toml", text) {
        Ok(_) => panic!("taken for a scenario: {text}"),
        Err(problems) => problems.list.iter().map(ToString::to_string).collect::<Vec<_>>().join(
            "
",
        ),
    }
}

#[test]
fn the_first_scenario_is_read_whole() {
    let parsed = parse("primary-dies.toml", GOOD).unwrap_or_else(|p| panic!("{}", p.render()));
    assert!(parsed.unbuilt.is_empty(), "{:?}", parsed.unbuilt);
    let scenario = parsed.runnable().expect("it can be run");
    assert_eq!(
        (scenario.seed, scenario.loads.len(), scenario.steps.len(), scenario.expects.len()),
        (42, 1, 1, 2)
    );
    assert_eq!(scenario.steps[0].verb.name(), "kill");
}

#[test]
fn every_rule_has_its_sentence() {
    for (from, to, sentence) in [
        ("schema = 1", "schema = 3", "this version reads schema 1"),
        ("timeout = \"4m\"", "timeout = \"70s\"", "cuts the run short"),
        ("duration = \"80s\"", "duration = \"0s\"", "without duration"),
        ("duration = \"80s\"", "duration = \"9s\"", "over by then"),
        ("name = \"primary-dies\"", "name = \"Primary\"", "is no name"),
        ("endpoint = \"rw\"\n", "", "somewhere to go"),
        ("endpoint = \"rw\"\n", "endpoint = \"rw\"\ndirect = \"postgres-1\"\n", "not both"),
        ("endpoint = \"rw\"\n", "endpoint = \"ro\"\n", "no loaded endpoint is called `rw`"),
        ("rate = 200\n", "", "needs a rate or a curve"),
        ("rate = 200\n", "rate = 200\ncurve = [[\"0s\", 1]]\n", "a rate or a curve, not both"),
        ("rate = 200\n", "rate = 0\n", "a rate is more than 0"),
        ("rate = 200\n", "curve = [[\"5s\", 1]]\n", "a curve begins"),
        ("rate = 200\n", "curve = [[\"0s\", 1, 2]]\n", "2 values are wanted here, found 3"),
        ("connections = 8", "", "needs connections"),
        ("connections = 8", "connections = 0", "nobody would ask"),
        ("connections = 8", "connections = 8\nclients = 2", "belong to the closed model"),
        ("model = \"open\"", "model = \"closed\"", "needs clients"),
        ("model = \"open\"", "model = \"closed\"", "rate belongs to the open model"),
        ("workload = \"set\"", "workload = \"sql\"", "needs a file"),
        ("workload = \"set\"", "workload = \"sets\"", "`sets` is no choice"),
        ("at = \"10s\"\n", "", "needs a time"),
        ("at = \"10s\"\n", "at = \"10s\"\nwhen = \"no-primary\"\nwithin = \"1s\"\n", "no other time"),
        ("at = \"10s\"\n", "when = \"no-primary\"\n", "how long to wait"),
        ("at = \"10s\"\n", "when = \"perhaps\"\nwithin = \"1s\"\n", "is no condition"),
        ("at = \"10s\"\n", "after = \"kil\"\n", "no step is called `kil`"),
        ("at = \"10s\"\n", "after = \"kill\"\n", "in a circle"),
        ("signal = \"KILL\"", "signal = \"SIGKIL\"", "is no signal"),
        ("target = \"primary\"", "target = \"primry\"", "`primry` is no target"),
        ("do.kill", "do.kil", "unknown key `kil`"),
        ("after = \"kill\"", "after = \"kick\"", "no step is called `kick`"),
        ("within = \"documented-bound\"", "within = \"some\"", "`some` is no choice"),
        ("preset = \"stock\"", "set = { etcd = { member = 5 } }", "unknown key `member`"),
        ("preset = \"stock\"", "preset = 5", "a name, as text is wanted here"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let seen = refused(&GOOD.replacen(from, to, 1));
        assert!(seen.contains(sentence), "{from} -> {to}\nsaid:\n{seen}");
    }
    let ends = format!("{GOOD}\n[ends]\nverdict = \"fail\"\ncheck = \"lost-ack\"\n");
    assert!(refused(&ends).contains("`lost-ack` is no check"));
    let twice =
        format!("{GOOD}\n[[step]]\nid = \"kill\"\nat = \"1s\"\ndo.restart = {{ target = \"replica\" }}\n");
    assert!(refused(&twice).contains("step id `kill` is used twice"));
}

#[test]
fn what_is_not_built_is_read_and_refused_by_name() {
    let text = GOOD.replace(
        "do.kill = { target = \"primary\", signal = \"KILL\" }",
        "do.partition = { from = [\"primary\"], to = [\"rest\"] }",
    );
    let parsed = parse("s.toml", &text).unwrap_or_else(|p| panic!("{}", p.render()));
    assert!(parsed.unbuilt.iter().all(|problem| problem.kind == Kind::Unbuilt));
    let problems = parsed.runnable().expect_err("a partition is not built");
    assert_eq!(problems.list[0].to_string(), "`partition` is in the grammar but not built in this version");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is the test")]
fn every_problem_of_a_file_is_said_at_once() {
    let text = r#"schema = 1
name = "Bad_Name"
about = "everything wrong at once"
duration = 80
colour = "red"

[[load]]
name = "writer"
endpont = "rw"
workload = "set"
rate = "fast"
connections = 8

[[step]]
id = "kill"
at = "10 fortnights"
do.kill = { target = "the boss" }

[[step]]
do.kill = { target = "primary", signal = "KILL", when = "now" }

[[step]]
at = "5s"
do = { kill = { target = "primary" }, pause = { target = "primary" } }

[[expect]]
outage = { endpoint = "rw", after = "kil" }

[[expect]]
lost-ack = { within = "zero" }
"#;
    let problems = parse("scenarios/bad.toml", text).expect_err("a bad scenario");
    insta::assert_snapshot!(problems.render(), @r#"
      × scenarios/bad.toml is no scenario: 11 problems

    Error:
      × `Bad_Name` is no name: a small letter first, then small letters, digits or `-`, 41 at most
       ╭─[scenarios/bad.toml:2:8]
     1 │ schema = 1
     2 │ name = "Bad_Name"
       ·        ──────────
     3 │ about = "everything wrong at once"
       ╰────

    Error:
      × a duration with its unit, as text ("1.5s") is wanted here, found a whole number
       ╭─[scenarios/bad.toml:4:12]
     3 │ about = "everything wrong at once"
     4 │ duration = 80
       ·            ──
     5 │ colour = "red"
       ╰────

    Error:
      × unknown key `colour`
       ╭─[scenarios/bad.toml:5:1]
     4 │ duration = 80
     5 │ colour = "red"
       · ──────
     6 │
       ╰────
      help: keys here: schema, name, about, seed, timeout, duration, settle, tags, lab, load, step,
            expect, ends

    Error:
      × unknown key `endpont`
        ╭─[scenarios/bad.toml:9:1]
      8 │ name = "writer"
      9 │ endpont = "rw"
        · ───────
     10 │ workload = "set"
        ╰────
      help: did you mean `endpoint`?

    Error:
      × a number is wanted here, found text
        ╭─[scenarios/bad.toml:11:8]
     10 │ workload = "set"
     11 │ rate = "fast"
        ·        ──────
     12 │ connections = 8
        ╰────

    Error:
      × `10 fortnights` is no duration: write for example "1.5s", "250ms" or "4m"
        ╭─[scenarios/bad.toml:16:6]
     15 │ id = "kill"
     16 │ at = "10 fortnights"
        ·      ───────────────
     17 │ do.kill = { target = "the boss" }
        ╰────

    Error:
      × `the boss` is no target
        ╭─[scenarios/bad.toml:17:22]
     16 │ at = "10 fortnights"
     17 │ do.kill = { target = "the boss" }
        ·                      ──────────
     18 │
        ╰────
      help: targets: primary, replica[:all|most-advanced|most-lagging|sync], postgres:all|NAME,
            etcd:leader|follower|minority|majority|all|NAME, balancer:any|all|NAME, controller:repair|
            scaling|all[:active|:standby], host:NAME|spare, host-of:TARGET, rest, random(N) of TARGET,
            or a member's name such as postgres-1

    Error:
      × unknown key `when`
        ╭─[scenarios/bad.toml:20:50]
     19 │ [[step]]
     20 │ do.kill = { target = "primary", signal = "KILL", when = "now" }
        ·                                                  ────
     21 │
        ╰────
      help: keys here: target, signal, by

    Error:
      × exactly one key is wanted here, found 2: kill, pause
        ╭─[scenarios/bad.toml:24:6]
     23 │ at = "5s"
     24 │ do = { kill = { target = "primary" }, pause = { target = "primary" } }
        ·      ─────────────────────────────────────────────────────────────────
     25 │
        ╰────
      help: keys here: kill, stop, pause, freeze, crash, restart, wipe, power-off, isolate, partition,
            loss, delay, bandwidth, flap, disk-fill, disk-freeze, disk-slow, disk-corrupt, cpu,
            memory, memory-hog, connections, clock, engine, switchover, failover, scale, resize,
            maintenance, replace, rolling-restart, repeat, swizzle

    Error:
      × missing key `max`
        ╭─[scenarios/bad.toml:27:10]
     26 │ [[expect]]
     27 │ outage = { endpoint = "rw", after = "kil" }
        ·          ──────────────────────────────────
     28 │
        ╰────
      help: Bound.

    Error:
      × unknown key `lost-ack`
        ╭─[scenarios/bad.toml:30:1]
     29 │ [[expect]]
     30 │ lost-ack = { within = "zero" }
        · ────────
        ╰────
      help: did you mean `lost-acks`?
    "#);
}
