//! Exposure: what would be gone if the primary died at a look, from positions and acknowledgements.

use pgha::check::Measured;
use pgha::check::RunRecord;
use pgha::model::lab::Replication;
use pgha::model::{Lsn, Mono, Sight};
use pgha::report::{Exposed, exposed, exposure};
use proptest::prelude::*;

use crate::story::{EVERY, MS, Plan, Story, ZERO, healthy, tell};

/// Where the first write of a story begins, and how much each writes.
const BEGIN: u64 = 0x0300_0000;
const WAL: u64 = 200;

/// A quiet story with a look after so many writes: the primary has all of them, each copy lacks so many bytes.
fn behind(looks: &[(u64, [u64; 2])]) -> Story {
    let mut story = tell(&Plan { kill: false, in_flight: 0, refused: 0, ..Plan::small() });
    story.sightings.clear();
    for (writes, lacks) in looks {
        let end = BEGIN + writes * WAL;
        let mut seen = healthy(ZERO + writes * EVERY - MS, "postgres-1", 1);
        for (member, lacks) in [("postgres-1", 0), ("postgres-2", lacks[0]), ("postgres-3", lacks[1])] {
            let Some(Sight::Seen(sql)) = seen.postgres.get_mut(member).map(|seen| &mut seen.sql) else {
                panic!("{member} is seen")
            };
            sql.lsn = Some(Lsn(end - lacks));
        }
        story.sightings.push(seen);
    }
    story
}

fn seen(record: &RunRecord) -> Vec<(Option<u64>, Option<u64>, usize)> {
    exposed(record).iter().map(|look| (look.writes, look.bytes, look.could_follow.len())).collect()
}

#[test]
fn what_the_best_copy_lacks_would_be_gone() {
    let story = behind(&[(10, [0, 0]), (20, [5 * WAL, 3 * WAL]), (30, [WAL / 2, 7 * WAL])]);
    let looks = seen(&story.record());
    // half a write that is not there is no acknowledged write that is gone for certain
    assert_eq!(looks, [(Some(0), Some(0), 2), (Some(3), Some(600), 2), (Some(0), Some(100), 2)]);
    let told = exposure(&exposed(&story.record())).expect("looks");
    let (writes, bytes) = (told.writes.expect("writes"), told.wal_bytes.expect("bytes"));
    assert_eq!((told.looks, told.without_follower), (3, 0));
    assert_eq!(writes.rounded(), [0, 3, 3]);
    assert_eq!(bytes.rounded(), [100, 600, 600]);
}

#[test]
fn a_copy_that_may_not_lead_saves_nothing() {
    let mib = 1024 * 1024;
    // one is further behind than Patroni allows, one has the tag
    let mut story = behind(&[(20, [2 * mib, 0])]);
    if let Some(Sight::Seen(patroni)) =
        story.sightings[0].postgres.get_mut("postgres-3").map(|seen| &mut seen.patroni)
    {
        patroni.nofailover = true;
    }
    assert_eq!(seen(&story.record()), [(None, None, 0)]);
    let told = exposure(&exposed(&story.record())).expect("a look");
    assert_eq!((told.looks, told.without_follower, told.writes), (1, 1, None));
    // one that nobody could ask, one on another timeline
    let mut story = behind(&[(20, [0, 0])]);
    for (member, blind) in [("postgres-2", true), ("postgres-3", false)] {
        let seen = story.sightings[0].postgres.get_mut(member).expect("a member");
        match &mut seen.sql {
            sql if blind => *sql = Sight::Blind("refused".to_owned()),
            Sight::Seen(sql) => sql.timeline = Some(2),
            Sight::Blind(_) => panic!("it is seen"),
        }
    }
    assert_eq!(seen(&story.record()), [(None, None, 0)]);
}

#[test]
fn where_replication_is_synchronous_its_standbys_alone_follow() {
    let mut story = behind(&[(20, [0, 4 * WAL])]);
    story.resolved.lab.postgres.replication = Replication::Sync;
    let standby = |story: &mut Story, member: &str| {
        let seen = story.sightings[0].postgres.get_mut(member).expect("a member");
        if let Sight::Seen(patroni) = &mut seen.patroni {
            patroni.sync_standby = true;
        }
    };
    assert_eq!(seen(&story.record()), [(None, None, 0)]);
    standby(&mut story, "postgres-3");
    assert_eq!(seen(&story.record()), [(Some(4), Some(800), 1)]);
    standby(&mut story, "postgres-2");
    assert_eq!(seen(&story.record()), [(Some(0), Some(0), 2)]);
}

#[test]
fn a_copy_has_what_it_received_or_replayed() {
    let mut story = behind(&[(20, [10 * WAL, 10 * WAL])]);
    let seen_at = story.sightings[0].postgres.get_mut("postgres-2").expect("a member");
    if let Sight::Seen(sql) = &mut seen_at.sql {
        sql.replayed = Some(Lsn(BEGIN + 19 * WAL));
    }
    assert_eq!(seen(&story.record()), [(Some(1), Some(200), 2)]);
}

#[test]
fn without_positions_nothing_is_told() {
    let story = tell(&Plan::small());
    assert_eq!(exposed(&story.record()), []);
    assert_eq!(exposure(&[]), None);
    let record = story.record();
    let judgement = pgha::check::judge(&record);
    let report = pgha::report::build(&Measured::of(&record), &judgement);
    assert_eq!(report.exposure, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn exposure_is_what_lies_between_two_positions(
        looks in prop::collection::vec((1_u64..80, [0_u64..20_000, 0_u64..20_000]), 1..6),
        ahead in any::<bool>(),
    ) {
        let mut looks = looks;
        looks.sort_unstable();
        let lacking: Vec<(u64, [u64; 2])> = looks
            .into_iter()
            .map(|(writes, lacks)| (writes, lacks.map(|lacks| lacks.min(writes * WAL))))
            .collect();
        let mut story = behind(&lacking);
        if ahead {
            // the copy was asked later than the primary
            for seen in &mut story.sightings {
                if let Some(Sight::Seen(sql)) = seen.postgres.get_mut("postgres-2").map(|seen| &mut seen.sql) {
                    sql.lsn = Some(Lsn(BEGIN + 1_000 * WAL));
                }
            }
        }
        let seen = exposed(&story.record());
        prop_assert_eq!(seen.len(), lacking.len());
        for (Exposed { at, writes, bytes, .. }, (written, lacks)) in seen.into_iter().zip(lacking) {
            prop_assert_eq!(at, Mono(ZERO + written * EVERY - MS));
            let least = if ahead { 0 } else { lacks[0].min(lacks[1]) };
            prop_assert_eq!(bytes, Some(least));
            // whole writes behind the position, and never more than were acknowledged
            prop_assert_eq!(writes, Some((least / WAL).min(written)));
        }
    }
}
