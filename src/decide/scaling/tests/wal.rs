//! WAL that is held back, told apart from data.

use super::*;
use crate::model::self_report::{Slot, Wal};

fn keeps(story: &mut Story, size: u64, slots: &[(&str, bool, u64)]) {
    let slot = |(name, active, held): &(&str, bool, u64)| Slot {
        name: (*name).to_owned(),
        active: *active,
        held: Bytes::mib(*held),
    };
    let wal = Wal { size: Bytes::mib(size), slots: slots.iter().map(slot).collect() };
    story.inside = [(name("postgres-1"), SelfReport { wal: Some(wal), ..SelfReport::default() })].into();
}

#[test]
fn who_holds_wal_back_is_said_and_the_disk_grows_all_the_same() {
    let mut story = Story::new();
    keeps(&mut story, 80, &[("postgres_2", true, 0), ("postgres_3", true, 1)]);
    let decision = story.turn(0.5, 300, 400);
    insta::assert_snapshot!(decision.reason, @"disk: 400 MiB of 512 MiB used (50th percentile of 10s), 128 MiB shall be free, WAL has 80 MiB: 1024 MiB");
    assert_eq!((decision.alarms.len(), story.size().disk), (0, Bytes::gib(1)));
    let mut story = Story::new();
    keeps(&mut story, 260, &[("postgres_2", false, 200), ("postgres_3", true, 201)]);
    let decision = story.turn(0.5, 300, 400);
    insta::assert_snapshot!(decision.reason, @"disk: 400 MiB of 512 MiB used (50th percentile of 10s), 128 MiB shall be free, WAL has 260 MiB, of which slot postgres_2, which nobody reads, holds 200 MiB back: 1024 MiB");
    insta::assert_snapshot!(texts(&decision.alarms).join("; "), @"postgres-1: slot postgres_2, which nobody reads, holds 200 MiB of 260 MiB of WAL back");
    assert_eq!(story.size().disk, Bytes::gib(1));
    // nobody reads slots of one that does not lead
    keeps(&mut story, 460, &[("postgres_2", false, 400)]);
    story.store.leader = Some(name("postgres-2"));
    assert!(story.turn(0.5, 300, 400).alarms.is_empty());
    story.store.leader = Some(name("postgres-1"));
    assert_eq!(story.turn(0.5, 300, 400).alarms.len(), 1);
    // what would be kept without the slot, too, alarms nobody
    keeps(&mut story, 80, &[("postgres_2", false, 60)]);
    assert!(story.turn(0.5, 300, 400).alarms.is_empty());
}
