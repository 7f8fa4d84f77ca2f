//! Replicas that run and do not come closer to the leader, and data that fails its checksums.

use super::replace::roomy;
use super::*;

/// postgres-3 as its Patroni says it is, at this position.
fn says(seen: &mut RepairSeen, word: &str, lsn: u64) {
    let mut one = instance(false, lsn);
    if let ConnectionReply::Answers(rest) = &mut one.rest {
        word.clone_into(&mut rest.patroni.state);
    }
    seen.postgres.insert(name("postgres-3"), one);
}

/// Looks once a second at words that Patroni says in turn, each for so long; the first decision to act, and when.
fn watched(story: &[(&str, u64)], rounds: usize, moves: u64) -> String {
    watched_in(roomy(), story, rounds, moves)
}

/// The same while the leader sends a base backup that moves.
fn watched_beside_a_backup(story: &[(&str, u64)]) -> String {
    let seen = RepairSeen { sent: Some(0), ..roomy() };
    watched_in(seen, story, 1, 0)
}

fn watched_in(mut seen: RepairSeen, story: &[(&str, u64)], rounds: usize, moves: u64) -> String {
    let mut memory = RepairMemory::default();
    let mut second = 0;
    for _ in 0..rounds {
        for (word, seconds) in story {
            for _ in 0..*seconds {
                second += 1;
                seen.at = Mono(second * 1_000_000_000);
                seen.sent = seen.sent.map(|sent| sent + 1);
                says(&mut seen, word, 500 + second * moves);
                let decision = decide(&seen, memory);
                // to try again at once takes nothing down
                if decision.steps.iter().any(|step| !matches!(step, RepairStep::Wake { .. })) {
                    return format!("after {second} s: {}", line(&decision));
                }
                memory = decision.memory;
            }
        }
    }
    format!("nothing in {second} s")
}

#[test]
fn who_makes_progress_is_left_alone_for_as_long_as_it_takes() {
    // a clone, a recovery, a rewind: phases that end by themselves
    assert_eq!(watched_beside_a_backup(&[("creating replica", 10_000)]), "nothing in 10000 s");
    for word in ["creating replica", "running pg_rewind", "starting", "restarting"] {
        assert_eq!(watched(&[(word, 600)], 1, 0), "nothing in 600 s", "{word}");
    }
    // one after the other, and what follows
    let story =
        [("stopped", 30), ("creating replica", 500), ("starting", 200), ("running", 50), ("streaming", 9)];
    assert_eq!(watched(&story, 1, 0), "nothing in 789 s");
    // a clone that failed once is tried again
    assert_eq!(watched(&[("creating replica", 300), ("stopped", 5)], 3, 0), "nothing in 915 s");
    // it does not stream, and its position moves
    assert_eq!(watched(&[("running", 1_000)], 1, 1), "nothing in 1000 s");
    // it comes and goes
    assert_eq!(watched(&[("running", 50), ("streaming", 1)], 20, 0), "nothing in 1020 s");
}

#[test]
fn who_stands_still_or_goes_round_in_a_circle_is_restarted() {
    insta::assert_snapshot!(watched(&[("running", 100)], 1, 0), @"after 61 s: fence postgres-3 | restart: its Patroni says running, and it comes no closer to the leader, for 1m: it is restarted in place");
    insta::assert_snapshot!(watched(&[("start failed", 100)], 1, 0), @"after 61 s: wake postgres-3, fence postgres-3 | restart: its Patroni says start failed, and it comes no closer to the leader, for 1m: it is restarted in place");
    insta::assert_snapshot!(watched(&[("starting", 4), ("stopped", 3)], 100, 0), @"after 78 s: fence postgres-3 | restart: its Patroni says starting, and it goes round in a circle, for 1m: it is restarted in place");
    insta::assert_snapshot!(watched(&[("starting", 20), ("running", 30)], 100, 0), @"after 180 s: fence postgres-3 | restart: its Patroni says running, and it goes round in a circle, for 1m: it is restarted in place");
}

#[test]
fn a_phase_that_shows_nothing_for_ten_graces_is_ended() {
    insta::assert_snapshot!(watched(&[("creating replica", 1_000)], 1, 0), @"after 601 s: fence postgres-3 | restart: its Patroni says creating replica, and nothing moves, for 10m: it is restarted in place");
}

#[test]
fn who_recovers_for_ever_is_replaced_and_its_recovery_goes_on_meanwhile() {
    insta::assert_snapshot!(watched(&[("starting", 1_000)], 1, 0), @"after 601 s: intend postgres-3 | intend: its Patroni has said starting for 10m: postgres-4 on h4 shall take its place");
    // it comes further
    assert_eq!(watched(&[("starting", 1_000)], 1, 1), "nothing in 1000 s");
}

#[test]
fn whose_wal_is_gone_is_replaced_and_not_restarted() {
    let lost = |story: &[(&str, u64)], moves| {
        let seen = RepairSeen { lost_slots: ["postgres_3".to_owned()].into(), ..roomy() };
        watched_in(seen, story, 1, moves)
    };
    insta::assert_snapshot!(lost(&[("running", 100)], 0), @"after 16 s: intend postgres-3 | intend: it does not follow, and the leader has removed WAL that it needs: postgres-4 on h4 shall take its place");
    // it reads what it has, and that leads nowhere
    insta::assert_snapshot!(lost(&[("starting", 100)], 1), @"after 16 s: intend postgres-3 | intend: it does not follow, and the leader has removed WAL that it needs: postgres-4 on h4 shall take its place");
    // the leader was asked before it led, or Patroni has begun to bring it back
    assert_eq!(lost(&[("running", 10), ("streaming", 100)], 0), "nothing in 110 s");
    assert_eq!(lost(&[("running", 10), ("creating replica", 100)], 0), "nothing in 110 s");
}

#[test]
fn who_streams_on_another_timeline_does_not_follow() {
    let (mut seen, mut memory) = (roomy(), RepairMemory::default());
    if let ConnectionReply::Answers(rest) = &mut seen.postgres.get_mut(&name("postgres-1")).expect("it").rest
    {
        rest.patroni.timeline = Some(2);
    }
    // replicas on the leader's timeline but one
    let mut second = instance(false, 1002);
    if let ConnectionReply::Answers(rest) = &mut second.rest {
        rest.patroni.timeline = Some(2);
    }
    seen.postgres.insert(name("postgres-2"), second);
    for at in [1, 62] {
        seen.at = Mono(at * 1_000_000_000);
        let decision = decide(&seen, memory);
        memory = decision.memory.clone();
        if at == 62 {
            insta::assert_snapshot!(line(&decision), @"fence postgres-3 | restart: its Patroni says streaming, and it comes no closer to the leader, for 1m: it is restarted in place");
        }
    }
}

#[test]
fn whom_a_restart_did_not_help_is_replaced() {
    let (mut seen, mut memory) = (roomy(), RepairMemory::default());
    memory.restarted.insert(name("postgres-3"), Mono(0));
    for at in [1, 62] {
        seen.at = Mono(at * 1_000_000_000);
        says(&mut seen, "running", 500);
        let decision = decide(&seen, memory);
        memory = decision.memory.clone();
        if at == 62 {
            insta::assert_snapshot!(line(&decision), @"intend postgres-3 | intend: its Patroni says running, and it comes no closer to the leader, and a restart did not help: postgres-4 on h4 shall take its place");
        }
    }
    // nobody takes writes: there is nobody to follow, and the time does not count, nor is anything forgotten
    let mut headless = seen.clone();
    headless.postgres.insert(name("postgres-1"), instance(false, 1));
    let decision = decide(&headless, memory);
    assert_eq!((beside_doors(&decision).len(), decision.memory.paths.len()), (0, 1));
}

#[test]
fn rotten_data_is_replaced_and_neither_restarted_nor_led_by() {
    let mut seen = roomy();
    seen.corrupt.insert(name("postgres-3"), 2);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend postgres-3 | intend: its data failed its checksums (2): postgres-4 on h4 shall take its place");
    // the best copy by its position, and no candidate
    let mut lost = seen.clone();
    turn(&mut lost, "postgres-1", ContainerStatus::Exited);
    prove(&mut lost, "postgres-1", ProofLevel::Dead);
    bodies(&mut lost).hosts.get_mut(&host_name("h1")).expect("a host").status = ContainerStatus::Exited;
    insta::assert_snapshot!(line(&decide(&lost, RepairMemory::default())), @"release postgres-1 for postgres-2 | release: the leader is proved dead; its address is silent, the best replica follows");
    // it died while it is being replaced: its data is not served again
    super::replace::begun(&mut seen, "postgres-3");
    super::replace::added(&mut seen, cloning());
    turn(&mut seen, "postgres-3", ContainerStatus::Exited);
    let decision = decide(&seen, long("postgres-3", "dead"));
    assert!(!decision.steps.iter().any(RepairStep::disruptive), "{decision:?}");
}

#[test]
fn a_rotten_primary_is_for_a_person() {
    let mut seen = roomy();
    seen.corrupt.insert(name("postgres-1"), 1);
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"postgres-1 leads and its data failed its checksums (1); postgres-2 is a good copy: hand over to it");
    for replica in ["postgres-2", "postgres-3"] {
        seen.corrupt.insert(name(replica), 1);
    }
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"postgres-1 leads and its data failed its checksums (1); no other copy is good; postgres-2: its data failed its checksums (1), and so it is with the leader: nobody can be cloned; postgres-3: its data failed its checksums (1), and so it is with the leader: nobody can be cloned");
}

#[test]
fn a_replica_that_did_not_start_is_tried_again_at_once() {
    let mut seen = roomy();
    let mut failed = cloning();
    if let ConnectionReply::Answers(rest) = &mut failed.rest {
        "start failed".clone_into(&mut rest.patroni.state);
    }
    seen.postgres.insert(name("postgres-2"), failed);
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(decision.steps, [RepairStep::Wake { member: name("postgres-2") }]);
    // within a second it is not asked twice, and nobody is while nobody leads
    assert_eq!(
        decide(
            &seen,
            RepairMemory { done: [("wake postgres-2".to_owned(), seen.at)].into(), ..decision.memory }
        )
        .steps,
        []
    );
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&seen, RepairMemory::default())), [] as [&RepairStep; 0]);
}
