//! What condemns a leader that lives by every outward sign, and which proof suffices where it cannot be killed.

use super::*;

fn it(seen: &mut RepairSeen) -> &mut InstanceSeen {
    seen.postgres.get_mut(&name("postgres-1")).expect("it")
}

/// postgres-1 answers, and this far its disk had come when it was asked now.
fn hung(so_far: &str) -> RepairSeen {
    let mut seen = healthy(&world());
    let at = seen.at;
    it(&mut seen).disk = DiskSeen::Waits { so_far: so_far.to_owned(), at };
    seen
}

/// Memory in which the disk of postgres-1 had come this far ten seconds ago.
fn stalled(so_far: &str) -> RepairMemory {
    let stalled = Some((name("postgres-1"), so_far.to_owned(), Mono(0)));
    RepairMemory { stalled, ..RepairMemory::default() }
}

#[test]
fn a_disk_that_takes_nothing_has_a_grace_of_its_own() {
    let mut seen = hung("WAL at 0/5, 7 writes done");
    let first = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @" | grace: the leader waits for its disk (WAL at 0/5, 7 writes done): it is fenced when nothing moves for 10s");
    assert_eq!(first.memory.stalled.map(|(.., since)| since), Some(seen.at));
    let waited = stalled("WAL at 0/5, 7 writes done");
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    // it took something, so it is slow
    let slow = decide(&hung("WAL at 0/5, 8 writes done"), waited.clone());
    insta::assert_snapshot!(line(&slow), @" | grace: the leader waits for its disk (WAL at 0/5, 8 writes done): it is fenced when nothing moves for 10s");
    // an old count says nothing of what came after it
    it(&mut seen).disk =
        DiskSeen::Waits { so_far: "WAL at 0/5, 7 writes done".to_owned(), at: Mono(9_000_000_000) };
    assert_eq!(decide(&seen, waited.clone()).steps, []);
    it(&mut seen).disk = DiskSeen::Takes;
    let well = decide(&seen, waited);
    insta::assert_snapshot!(line(&well), @" | watch: nothing to do");
    assert_eq!(well.memory.stalled, None);
}

#[test]
fn who_is_slow_in_everything_is_not_judged_by_its_disk() {
    let mut seen = hung("here");
    for held in [HeldConnection::Slow, HeldConnection::Silent, HeldConnection::None] {
        it(&mut seen).held = held;
        let decision = decide(&seen, stalled("here"));
        assert_eq!(decision.steps, [], "{held:?}");
        // and nothing is forgotten by it: counters that only grow stood still
        assert_eq!(decision.memory.stalled, stalled("here").stalled, "{held:?}");
    }
    // a replica writes what the primary wrote before it
    let mut seen = healthy(&world());
    let at = seen.at;
    seen.postgres.get_mut(&name("postgres-2")).expect("it").disk =
        DiskSeen::Waits { so_far: "here".to_owned(), at };
    let waited = RepairMemory {
        stalled: Some((name("postgres-2"), "here".to_owned(), Mono(0))),
        ..RepairMemory::default()
    };
    insta::assert_snapshot!(line(&decide(&seen, waited)), @" | watch: nothing to do");
}

#[test]
fn one_that_cannot_be_killed_keeps_its_key_unless_the_policy_says_otherwise() {
    let mut seen = hung("here");
    let waited = stalled("here");
    prove(&mut seen, "postgres-1", ProofLevel::Doomed);
    seen.fenced = [("id-postgres-1".to_owned(), 7)].into();
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @" | wait: the proof says Doomed: seen; without more the lease decides");
    let mut bold = world();
    bold.policy.release_doomed = true;
    insta::assert_snapshot!(line(&repair(&bold, &seen, waited.clone())), @"release postgres-1 | release: the leader is doomed and cut off; Patroni's race decides");
    // it was doomed as the holder of another key: it has lived since
    seen.fenced = [("id-postgres-1".to_owned(), 6)].into();
    insta::assert_snapshot!(line(&repair(&bold, &seen, waited.clone())), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    for level in [ProofLevel::CutOff, ProofLevel::Nothing] {
        seen.fenced = [("id-postgres-1".to_owned(), 7)].into();
        prove(&mut seen, "postgres-1", level);
        let decision = repair(&bold, &seen, waited.clone());
        assert!(decision.steps.iter().all(|step| step.name() != "release"), "{level:?}");
        assert!(decision.steps.iter().any(|step| step.name() == "fence"), "{level:?}: it is tried again");
    }
}

#[test]
fn whoever_is_cut_off_stays_condemned() {
    let mut seen = healthy(&world());
    let refuses = || "nobody listens".to_owned();
    *it(&mut seen) = InstanceSeen {
        sql: ConnectionReply::Refuses(refuses()),
        rest: ConnectionReply::Refuses(refuses()),
        ..InstanceSeen::default()
    };
    seen.fenced = [("id-postgres-1".to_owned(), 7)].into();
    prove(&mut seen, "postgres-1", ProofLevel::CutOff);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    prove(&mut seen, "postgres-1", ProofLevel::Doomed);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: the proof says Doomed: seen; without more the lease decides");
    let mut bold = world();
    bold.policy.release_doomed = true;
    insta::assert_snapshot!(line(&repair(&bold, &seen, RepairMemory::default())), @"release postgres-1 | release: the leader is doomed and cut off; Patroni's race decides");
    // it was started again by somebody, and wrote its key anew
    store(&mut seen).leader.as_mut().expect("a leader").mod_revision = 8;
    insta::assert_snapshot!(line(&repair(&bold, &seen, RepairMemory::default())), @" | elect: the leader does not take writes yet");
}

#[test]
fn one_that_was_doomed_and_died_is_proved_dead_first() {
    let mut seen = healthy(&world());
    turn(&mut seen, "postgres-1", ContainerStatus::Exited);
    prove(&mut seen, "postgres-1", ProofLevel::Doomed);
    seen.fenced = [("id-postgres-1".to_owned(), 7)].into();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h1, fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
}

#[test]
fn a_silent_port_condemns_only_beside_a_lease_that_is_not_renewed() {
    let mut seen = healthy(&world());
    it(&mut seen).rest = ConnectionReply::Silent("no way".to_owned());
    let waited = long("postgres-1", "hangs");
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @" | watch: nothing to do");
    // its loop turns every ten seconds
    store(&mut seen).unrenewed = Some(Span::secs(10));
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @" | watch: nothing to do");
    store(&mut seen).unrenewed = Some(Span::secs(11));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: the leader hangs, for less than 3s");
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    // a lost way to the host looks the same, but nobody answers there
    it(&mut seen).held = HeldConnection::Silent;
    insta::assert_snapshot!(line(&decide(&seen, waited.clone())), @" | watch: nothing to do");
    (it(&mut seen).held, it(&mut seen).sql) =
        (HeldConnection::Quick, ConnectionReply::Silent("no way".to_owned()));
    insta::assert_snapshot!(line(&decide(&seen, waited)), @" | elect: the leader does not take writes yet");
}

#[test]
fn an_engine_that_cannot_be_seen_is_an_alarm() {
    let mut seen = healthy(&world());
    seen.bodies = Sight::Blind("502".to_owned());
    let decision = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @" | blind: the engine cannot be seen: 502");
    insta::assert_snapshot!(alarms(&decision).join("; "), @"the engine cannot be seen (502): nobody can be proved dead, so the lease of a primary that dies decides");
}

#[test]
fn time_in_which_nobody_looked_counts_for_no_grace_and_takes_nothing_back() {
    // the Patroni of a replica is silent; for a while nobody sees the engine, or the store
    let watched = |unseen: std::ops::Range<u64>, store: bool| {
        let mut memory = RepairMemory::default();
        for second in 1..200 {
            let mut seen = healthy(&world());
            seen.at = Mono(second * 1_000_000_000);
            seen.postgres.get_mut(&name("postgres-3")).expect("it is asked").rest =
                ConnectionReply::Silent("late".to_owned());
            if unseen.contains(&second) {
                let blind = "stalled".to_owned();
                if store { seen.store = Sight::Blind(blind) } else { seen.bodies = Sight::Blind(blind) }
            }
            let decision = decide(&seen, memory);
            if !decision.steps.is_empty() {
                return format!("after {second} s: {}", line(&decision));
            }
            memory = decision.memory;
        }
        "nothing".to_owned()
    };
    insta::assert_snapshot!(watched(0..0, true), @"after 61 s: fence postgres-3 | restart: its Patroni does not answer: late, for 1m: it is restarted in place");
    insta::assert_snapshot!(watched(30..31, false), @"after 63 s: fence postgres-3 | restart: its Patroni does not answer: late, for 1m: it is restarted in place");
    insta::assert_snapshot!(watched(30..50, true), @"after 82 s: fence postgres-3 | restart: its Patroni does not answer: late, for 1m: it is restarted in place");
}
