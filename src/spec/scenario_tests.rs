//! Diagnostics of scenario files, pinned as a person sees them.

use super::*;
use crate::model::scenario::SessionAttrs;

/// A scenario with one load.
const GOOD: &str = include_str!("sample.toml");

/// The verb of [`GOOD`], to be replaced by others.
const KILL: &str = "do.kill = { target = \"primary\", signal = \"KILL\" }";

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
fn a_scenario_is_read_whole() {
    let scenario = parse("primary-dies.toml", GOOD).unwrap_or_else(|p| panic!("{}", p.render()));
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
        ("rate = 200\n", "rate = 200\nthink = \"20ms\"\n", "think belongs to the closed model"),
        ("rate = 200\n", "rate = 200\nclient = \"jdbc\"\n", "`jdbc` is no choice"),
        ("rate = 200\n", "rate = 200\nmax-age = \"1m\"\n", "only a pool replaces"),
        ("rate = 200\n", "rate = 200\nconnect-timeout = \"0s\"\n", "in no time"),
        ("rate = 200\n", "rate = 200\ntarget-session-attrs = \"read-write\"\n", "takes every server"),
        ("rate = 200\n", "rate = 200\nvia = \"instances\"\n", "tell a primary from a replica"),
        ("rate = 200\n", "rate = 200\nclient = \"pool\"\nsession = \"fresh\"\n", "a pool keeps"),
        ("at = \"10s\"\n", "", "needs a time"),
        ("at = \"10s\"\n", "at = \"10s\"\nwhen = \"no-primary\"\nwithin = \"1s\"\n", "no other time"),
        ("at = \"10s\"\n", "when = \"perhaps\"\nwithin = \"1s\"\n", "is no condition"),
        ("at = \"10s\"\n", "when = \"healed(kil)\"\n", "no step is called `kil`"),
        ("at = \"10s\"\n", "when = \"fault(kill)\"\n", "waits for itself"),
        ("at = \"10s\"\n", "when = \"no-primary\"\nwithin = \"0s\"\n", "within no time"),
        ("at = \"10s\"\n", "at = \"10s\"\nwithin = \"3s\"\n", "within belongs to when"),
        ("for = \"60s\"", "for = \"0s\"", "a fault of no length"),
        ("at = \"10s\"\n", "after = \"kil\"\n", "no step is called `kil`"),
        ("at = \"10s\"\n", "after = \"kill\"\n", "in a circle"),
        ("signal = \"KILL\"", "signal = \"SIGKIL\"", "is no signal"),
        ("target = \"primary\"", "target = \"primry\"", "`primry` is no target"),
        (KILL, "do.clock = { target = \"primary\", offset = \"30s\" }", "is no offset of a clock"),
        (KILL, "do.clock = { target = \"primary\", offset = \"+0s\" }", "is no offset of a clock"),
        (KILL, "do.cpu = { target = \"primary\", cores = 0 }", "cores are more than 0"),
        (KILL, "do.memory = { target = \"primary\", limit = \"1MiB\" }", "less than the engine takes"),
        (KILL, "do.memory-hog = { target = \"primary\", size = \"0B\" }", "nothing would be eaten"),
        (KILL, "do.connections = { target = \"primary\", count = 0 }", "a storm is 1 to 60000"),
        ("do.kill", "do.kil", "unknown key `kil`"),
        ("after = \"kill\"", "after = \"kick\"", "no step is called `kick`"),
        ("within = \"documented-bound\"", "within = \"some\"", "`some` is no choice"),
        (
            "lost-acks = { within = \"documented-bound\" }",
            "log = { absent = \"a\", tolerated = \"b\" }",
            "either `absent` or `tolerated`",
        ),
        ("lost-acks = { within = \"documented-bound\" }", "log = {}", "either `absent` or `tolerated`"),
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
            expect, ends, skip

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
      help: Longest time that is allowed.

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

/// The rules for one step each: what stands after `do.`, or a whole step, and the sentence that refuses it.
#[test]
fn every_rule_of_a_verb_has_its_sentence() {
    const KILL: &str = "do.kill = { target = \"primary\", signal = \"KILL\" }";
    for (verb, sentence) in [
        (r#"loss = { target = "host:h1", percent = 0.0 }"#, "percent is more than 0"),
        (r#"loss = { target = "host:h1", percent = 100.5 }"#, "at most 100"),
        (r#"delay = { target = "host:h1", delay = "0s" }"#, "no packet would be late"),
        (r#"delay = { target = "host:h1", delay = "1ms", jitter = "2ms" }"#, "before it was sent"),
        (r#"bandwidth = { target = "host:h1", rate = "0B" }"#, "nothing would pass"),
        (r#"flap = { target = "host:h1", on = "1s", off = "0s" }"#, "silent for a while"),
        (r#"disk-slow = { target = "primary", bytes-per-second = "0B" }"#, "nothing would be written"),
        (
            r#"disk-slow = { target = "primary", bytes-per-second = "1MiB", iops = 0 }"#,
            "nothing would be done",
        ),
        (r#"disk-corrupt = { target = "primary", what = "wal", bytes = 0 }"#, "nothing would be corrupted"),
        (
            r#"disk-corrupt = { target = "etcd:leader", what = "wal", bytes = 1 }"#,
            "needs a table or its WAL, and `etcd:leader` names members of etcd",
        ),
        (
            r#"disk-fill = { target = "balancer:any" }"#,
            "needs data on a disk, and `balancer:any` names balancers",
        ),
        (r#"cpu = { target = "primary", cores = 0.0 }"#, "cores are more than 0"),
        (r#"memory = { target = "primary", limit = "0B" }"#, "less than the engine takes"),
        (r#"memory-hog = { target = "primary", size = "0B" }"#, "nothing would be eaten"),
        (r#"connections = { target = "balancer:any", count = 0 }"#, "a storm is 1 to 60000"),
        (r#"connections = { target = "etcd:leader", count = 5 }"#, "a port for clients"),
        (r#"clock = { target = "postgres-1", offset = "soon" }"#, "is no offset of a clock"),
        (r#"clock = { target = "postgres-1", offset = "-0s" }"#, "is no offset of a clock"),
        (r#"freeze = { target = "etcd:leader", process = "postmaster" }"#, "needs process `postmaster`"),
        (
            r#"crash = { target = "random(1) of replica:all", process = "haproxy" }"#,
            "needs process `haproxy`, and",
        ),
        (r#"switchover = { to = "etcd:follower" }"#, "what Patroni manages"),
        (r#"failover = { to = "host:h1" }"#, "acts on bodies, and `host:h1` names hosts"),
        (r#"pause = { target = "host-of:primary" }"#, "acts on bodies"),
        (r#"kill = { target = "random(1) of host:h1" }"#, "acts on bodies"),
        (r#"isolate = { target = "rest" }"#, "no other side to be the rest of"),
        (r#"partition = { from = ["primary"] }"#, "a side of the partition is empty: to"),
        (r#"partition = { to = ["primary"] }"#, "a side of the partition is empty: from"),
        ("partition = {}", "two sides or a shape"),
        (r#"partition = { from = ["primary"], to = ["rest"], shape = "ring" }"#, "not both"),
        (r#"partition = { from = ["rest"], to = ["rest"] }"#, "both sides are the rest"),
        (r#"partition = { from = ["primary"], to = ["rest", "etcd:all"] }"#, "`rest` is a side of its own"),
        (r#"partition = { from = ["primary"], to = ["rest"], ports = [0] }"#, "port 0 is no port"),
        (r#"partition = { shape = "ring", ports = [1] }"#, "a shape has no sides"),
        (
            r#"repeat = { every = "3s", times = 0, do.restart = { target = "replica" } }"#,
            "times is 1 to 10000",
        ),
        (
            r#"repeat = { every = "0s", times = 2, do.restart = { target = "replica" } }"#,
            "all turns would be at once",
        ),
        (
            r#"repeat = { every = "70s", times = 2, do.loss = { target = "host:h1", percent = 0.0 } }"#,
            "percent is more",
        ),
        (
            r#"repeat = { every = "1s", times = 2, do.restart = { target = "replica" } }"#,
            "not over when the next one begins",
        ),
        (
            r#"repeat = { every = "70s", times = 2, do.swizzle = { targets = ["rest"] } }"#,
            "a `swizzle` is not repeated",
        ),
        ("swizzle = { targets = [] }", "nobody would be isolated"),
    ] {
        let seen = refused(&GOOD.replace(KILL, &format!("do.{verb}")));
        assert!(seen.contains(sentence), "{verb}\nsaid:\n{seen}");
    }
}

#[test]
fn every_rule_of_times_and_groups_has_its_sentence() {
    const PAUSE: &str = "do.pause = { target = \"replica\" }";
    let step = |text: &str| format!("{GOOD}\n[[step]]\n{text}\n");
    for (text, sentence) in [
        (format!("when = \"fault(kill)\"\nwithin = \"5s\"\n{PAUSE}"), "comes 10s into the load"),
        (format!("when = \"healed(kill)\"\nwithin = \"70s\"\n{PAUSE}"), "comes 1m 10s into the load"),
        (format!("when = \"heald(kill)\"\n{PAUSE}"), "`heald(kill)` is no condition"),
        (
            format!(
                "at = \"1s\"\ntogether = \"g\"\n{PAUSE}\n[[step]]\nat = \"2s\"\ntogether = \"g\"\n{PAUSE}"
            ),
            "the steps of group `g` do not begin together",
        ),
        (
            format!("at = \"1s\"\ntogether = \"g\"\ndo.repeat = {{ every = \"1s\", times = 2, {PAUSE} }}"),
            "injected with no other as one",
        ),
        ("at = \"1s\"\ndo.swizzle = { targets = [\"etcd:all\"] }".to_owned(), "needs to know how long"),
        (
            format!(
                "id = \"a-name-of-more-than-24-letters\"\nat = \"1s\"\ndo.repeat = {{ every = \"1s\", times = 2, {PAUSE} }}"
            ),
            "gets too long",
        ),
    ] {
        let seen = refused(&step(&text));
        assert!(seen.contains(sentence), "{text}\nsaid:\n{seen}");
    }
    // a step may follow one that has no id of its own, and a group may wait for a condition
    for text in [
        format!("after = \"step-1\"\n{PAUSE}").replace("step-1", "step-2") + "\n",
        format!(
            "when = \"no-primary\"\ntogether = \"g\"\n{PAUSE}\n[[step]]\nwhen = \"no-primary\"\ntogether = \"g\"\n{PAUSE}"
        ),
    ] {
        let text = step(&text).replace("after = \"step-2\"", "after = \"kill\"\nat = \"1s\"");
        parse("s.toml", &text).unwrap_or_else(|p| panic!("{}", p.render()));
    }
}

#[test]
fn pgbench_is_asked_for_nothing_it_cannot_do() {
    let bench = GOOD.replacen("workload = \"set\"", "workload = \"pgbench\"", 1);
    let more = |text: &str| bench.replacen("rate = 200\n", &format!("rate = 200\n{text}\n"), 1);
    for text in
        ["", "client = \"libpq\"", "via = \"instances\"\nconnect-timeout = \"2s\"", "reconnect = \"100ms\""]
    {
        parse("s.toml", &more(text)).unwrap_or_else(|problems| panic!("{text}: {}", problems.render()));
    }
    for (text, sentence) in [
        ("client = \"pool\"", "connects by libpq"),
        ("client = \"wire\"", "connects by libpq"),
        ("session = \"kept\"", "keeps its connections"),
        ("timeout = \"3s\"", "waits for every answer"),
        ("isolation = \"serializable\"", "names no isolation level"),
        ("record = \"histogram\"", "read as operations"),
        ("connect-timeout = \"500ms\"", "whole seconds"),
    ] {
        let seen = refused(&more(text));
        assert!(seen.contains(sentence), "{text}\nsaid:\n{seen}");
    }
    let reads = more("").replacen("endpoint = \"rw\"", "endpoint = \"ro\"", 1);
    assert!(refused(&reads).contains("transaction writes"));
}

#[test]
fn clients_that_wait_for_ever_say_so_by_saying_nothing() {
    let read = |more: &str| {
        let text = GOOD.replacen("rate = 200\n", &format!("rate = 200\n{more}\n"), 1);
        parse("s.toml", &text).unwrap_or_else(|problems| panic!("{}", problems.render())).loads[0].clone()
    };
    let seconds = |load: &crate::model::Load| load.answer_limit().map(|limit| limit.as_secs());
    assert_eq!(seconds(&read("")), Some(10));
    assert_eq!(seconds(&read("client = \"libpq\"")), None);
    assert_eq!(seconds(&read("client = \"pool\"")), None);
    assert_eq!(seconds(&read("client = \"libpq\"\ntimeout = \"3s\"")), Some(3));
    assert_eq!(read("client = \"libpq\"").session_attrs(), SessionAttrs::Any);
    let direct = read("client = \"libpq\"\nvia = \"instances\"");
    assert_eq!(direct.session_attrs(), SessionAttrs::ReadWrite);
    let asked = read("client = \"libpq\"\nvia = \"instances\"\ntarget-session-attrs = \"standby\"");
    assert_eq!(asked.session_attrs(), SessionAttrs::Standby);
}

#[test]
fn a_load_that_reads_another_says_which() {
    let load = |text: &str| {
        format!(
            "{GOOD}\n[[load]]\nname = \"lists\"\nendpoint = \"rw\"\nworkload = \"append\"\nrate = 5\nconnections = 1\n\
             [[load]]\nname = \"reader\"\nrate = 5\nconnections = 1\n{text}\n"
        )
    };
    for (text, sentence) in [
        ("endpoint = \"ro\"\nworkload = \"append\"", "a `append` load on ro reads what another load writes"),
        ("direct = \"postgres-2\"\nworkload = \"bank\"", "a `bank` load on postgres-2 reads"),
        ("endpoint = \"ro\"\nworkload = \"append\"\nof = \"list\"", "no other load is called `list`"),
        ("endpoint = \"ro\"\nworkload = \"append\"\nof = \"reader\"", "no other load is called `reader`"),
        ("endpoint = \"ro\"\nworkload = \"bank\"\nof = \"lists\"", "has another workload"),
        ("endpoint = \"rw\"\nworkload = \"set\"\nof = \"lists\"", "reads no other load's tables"),
        (
            "endpoint = \"rw\"\nworkload = \"set\"\nisolation = \"serializable\"",
            "an operation of one statement",
        ),
        ("endpoint = \"rw\"\nworkload = \"set\"\nfile = \"x.sql\"", "only workload `sql` reads a file"),
        (
            "endpoint = \"ro\"\nworkload = \"append\"\nof = \"again\"\n[[load]]\nname = \"again\"\nendpoint = \"ro\"\n\
             workload = \"append\"\nof = \"lists\"\nrate = 5\nconnections = 1",
            "load `again` writes nothing",
        ),
    ] {
        let seen = refused(&load(text));
        assert!(seen.contains(sentence), "{text}\nsaid:\n{seen}");
    }
    let text = load("endpoint = \"ro\"\nworkload = \"append\"\nof = \"lists\"");
    parse("s.toml", &text).unwrap_or_else(|p| panic!("{}", p.render()));
}

/// [`GOOD`] with another expectation in the place of its second one.
fn asking(expect: &str) -> String {
    GOOD.replace("lost-acks = { within = \"documented-bound\" }", expect)
}

#[test]
fn an_alarm_is_asked_for_by_a_kind_that_there_is() {
    let said = |alarm: &str| {
        let Err(problems) = parse("s.toml", &asking(&format!("alarm = {alarm}"))) else {
            return String::new();
        };
        problems.render()
    };
    assert_eq!(said(r#"{ kind = "no-leader", after = "kill", within = "10s" }"#), "");
    assert_eq!(said(r#"{ kind = "frozen", member = "postgres-1", is = "never" }"#), "");
    let unknown = said(r#"{ kind = "no-leder" }"#);
    assert!(unknown.contains("`no-leder` is no choice here"), "{unknown}");
    assert!(unknown.contains("did you mean `no-leader`?"), "{unknown}");
    assert!(unknown.contains("alarm = { kind = \"no-leder\" }"), "where it stands: {unknown}");
    assert!(said("{}").contains("missing key `kind`"));
    assert!(said(r#"{ kind = "frozen", after = "kil" }"#).contains("no step is called `kil`"));
    assert!(said(r#"{ kind = "frozen", is = "risen" }"#).contains("did you mean `raised`?"));
    let when = GOOD.replace("at = \"10s\"\n", "when = \"alarm(frozzen)\"\n");
    assert!(refused(&when).contains("`frozzen` is no kind of alarm"), "{}", refused(&when));
}

#[test]
fn alarms_belong_to_a_lab_with_controllers() {
    let lab = |controllers: bool| {
        let mut lab = crate::spec::lab::resolve(&[crate::spec::lab::Layer::built_in()])
            .unwrap_or_else(|p| panic!("{}", p.render()));
        let repair = serde_json::json!({ "name": "repair", "replicas": 2, "image": "pgha" });
        if controllers {
            lab.controllers.push(serde_json::from_value(repair).expect("a controller"));
        }
        lab
    };
    let fits = |text: &str, lab: &LabSpec| match fits_lab("s.toml", text, lab) {
        Ok(()) => String::new(),
        Err(problems) => problems.list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    };
    let of = |member: &str| asking(&format!("alarm = {{ kind = \"frozen\", member = \"{member}\" }}"));
    let none = "alarms are raised by controllers, and the lab declares none";
    assert_eq!(fits(&of("postgres-1"), &lab(false)), none);
    let when = GOOD.replace("at = \"10s\"\n", "when = \"alarm(frozen)\"\n");
    assert_eq!(fits(&when, &lab(false)), none);
    for member in ["postgres-1", "postgres-4", "etcd-2", "balancer-2", "repair-1"] {
        assert_eq!(fits(&of(member), &lab(true)), "");
    }
    assert_eq!(fits(&of("postgrs-1"), &lab(true)), "the lab has no member `postgrs-1`");
}

#[test]
fn names_belong_to_the_lab() {
    let lab = crate::spec::lab::resolve(&[crate::spec::lab::Layer::built_in()])
        .unwrap_or_else(|p| panic!("{}", p.render()));
    let fits = |text: &str| {
        parse("s.toml", text).unwrap_or_else(|p| panic!("{}", p.render()));
        fits_lab("s.toml", text, &lab)
            .err()
            .map(|problems| problems.list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    };
    assert_eq!(fits(GOOD), None);
    for (verb, sentence) in [
        (r#"pause = { target = "postgres-9" }"#, "the lab has no postgres member `postgres-9`"),
        (r#"pause = { target = "random(1) of etcd:etcd-9" }"#, "the lab has no etcd member `etcd-9`"),
        (r#"isolate = { target = "host:h99" }"#, "the lab has no host `h99`"),
        (r#"isolate = { target = "host-of:balancer-7" }"#, "the lab has no balancer member `balancer-7`"),
        (
            r#"partition = { from = ["host:h98"], to = ["host:h1", "host:h99"] }"#,
            "no host `h98`; the lab has no host `h99`",
        ),
        (r#"kill = { target = "controller:repair:active" }"#, "the lab declares no controller `repair`"),
        (r#"isolate = { target = "host-of:controller:all" }"#, "the lab declares no controller"),
        (r#"engine = { mode = "stall" }"#, "the lab declares none"),
        (r#"switchover = { to = "postgres-9" }"#, "the lab has no postgres member `postgres-9`"),
        (r#"repeat = { every = "70s", times = 1, do.pause = { target = "postgres-9" } }"#, "`postgres-9`"),
    ] {
        let text =
            GOOD.replace("do.kill = { target = \"primary\", signal = \"KILL\" }", &format!("do.{verb}"));
        let said = fits(&text).unwrap_or_default();
        assert!(said.contains(sentence), "{verb}\nsaid: {said}");
    }
    let direct = GOOD
        .replace("endpoint = \"rw\"\n", "direct = \"postgres-8\"\n")
        .replace("outage = { endpoint = \"rw\", after = \"kill\", max = \"45s\" }", "placement = {}");
    assert_eq!(fits(&direct).as_deref(), Some("the lab has no postgres member `postgres-8`"));
}
