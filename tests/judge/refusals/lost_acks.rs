//! What `lost-acks` refuses.

use pgha::model::scenario::VerdictWord;

use super::*;

#[test]
fn a_loss_below_the_fork_fails_in_any_mode() {
    let gone = |story: &mut Story| story.rows(|rows| rows.retain(|row| *row != 5));
    let wanted = "fail\nlost-acks: 1 acknowledged writes are gone although the surviving timeline had them";
    assert_eq!(spoiled(gone), wanted);
    assert_eq!(
        spoiled(|story| {
            gone(story);
            story.resolved.lab.postgres.replication = Replication::Sync;
        }),
        wanted
    );
    // on the timeline that was never left, there is no fork to blame
    assert_eq!(
        spoiled(|story| story.rows(|rows| {
            rows.pop();
        })),
        wanted
    );
    // acknowledged by the primary alone, yet below the fork
    assert_eq!(
        spoiled(|story| {
            gone(story);
            let ack = story.ack(5).clone();
            *story.outcome(5) = Outcome::OkLocal(ack);
        }),
        wanted
    );
}

#[test]
fn the_asynchronous_window_is_measured() {
    let check = judge(&losing(3).record()).check("lost-acks").expect("a check").clone();
    assert_eq!(
        check.summary,
        "3 of 80 acknowledged writes are gone, all in the asynchronous window or at its boundary"
    );
    let window = &check.evidence["windows"][0];
    assert_eq!(window["transactions"], 3);
    assert_eq!(window["lost_bytes"], 600);
    assert_eq!(window["lost_seconds"], 0.01);
    // 200 bytes every 5 ms for 30 s, on top of 1 MiB
    assert_eq!(window["bound_bytes"], 1_048_576 + 40_000 * 30);
    assert_eq!(check.evidence["boundary"], 0);
}

#[test]
fn one_end_of_a_loss_may_say_where_it_was() {
    // the session of the last one broke before it was asked where it ended: it began behind the switch point
    let mut story = losing(3);
    story.ack(39).hi = None;
    let check = judge(&story.record()).check("lost-acks").expect("a check").clone();
    assert_eq!((check.verdict, check.evidence["in_window"].clone()), (VerdictWord::Pass, 3.into()));
    // one that began before it may have ended on either side
    let mut story = losing(3);
    let before = story.ack(36).lo;
    story.ack(37).lo = before;
    story.ack(37).hi = None;
    assert_eq!(
        judged(&story),
        "unknown\nlost-acks: 1 lost writes carry no position, so nobody can tell which kind of loss it is"
    );
    // and one that ended before it was on the surviving timeline wherever it began
    let mut story = losing(3);
    let before = story.ack(36).hi;
    story.ack(37).lo = None;
    story.ack(37).hi = before;
    assert_eq!(
        judged(&story),
        "fail\nlost-acks: 1 acknowledged writes are gone although the surviving timeline had them"
    );
}

#[test]
fn a_window_larger_than_documented_fails_when_asked() {
    let mut story = losing(3);
    story.ack(39).hi = Some(Lsn(0x0400_0000));
    let bytes = 0x0100_0000 - 37 * 200;
    assert_eq!(
        judged(&story),
        format!(
            "fail\nlost-acks: {bytes} bytes of acknowledged writes are gone, the documented bound is 2248576 bytes"
        )
    );
    story.scenario.expects.clear();
    assert_eq!(judged(&story), "pass");
}

#[test]
fn a_bound_nobody_can_estimate_is_unknown() {
    let mut story = losing(40);
    story.ack(39).hi = Some(Lsn(0x0400_0000));
    for op in 0..39 {
        (story.ack(op).lo, story.ack(op).hi) = (None, None);
    }
    let said = judged(&story);
    assert_eq!(
        said,
        "unknown\nlost-acks: 39 lost writes carry no position, so nobody can tell which kind of loss it is"
    );
    let mut story = losing(40);
    story.ack(39).hi = Some(Lsn(0x0400_0000));
    let wanted = "unknown\nlost-acks: too few acknowledgements before the loss to know the documented bound";
    assert_eq!(judged(&story), wanted);
}

#[test]
fn a_loss_around_the_switch_point_is_boundary() {
    let mut story = losing(1);
    story.ack(39).lo = Some(Lsn(0x0300_0000));
    let judgement = judge(&story.record());
    let check = judgement.check("lost-acks").expect("a check");
    assert_eq!(
        (check.evidence["boundary"].clone(), check.evidence["in_window"].clone()),
        (json!(1), json!(0))
    );
    assert_eq!(crate::verdict(&judgement), "pass");
}

#[test]
fn synchronous_replication_may_lose_nothing() {
    for mode in [Replication::Sync, Replication::Quorum] {
        let mut story = losing(2);
        story.resolved.lab.postgres.replication = mode;
        assert_eq!(
            judged(&story),
            "fail\nlost-acks: 2 acknowledged writes are gone, and replication was synchronous"
        );
        for op in [38, 39] {
            let ack = story.ack(op).clone();
            *story.outcome(op) = Outcome::OkLocal(ack);
        }
        assert_eq!(judged(&story), "pass");
        let check = judge(&story.record()).check("lost-acks").expect("a check").clone();
        assert_eq!(check.evidence["lost_local"], 2);
    }
}

#[test]
fn zero_means_zero() {
    let mut story = losing(1);
    story.expect(json!({ "lost-acks": { "within": "zero" } }));
    assert_eq!(judged(&story), "fail\nlost-acks: 1 acknowledged writes are gone, none may be");
}

#[test]
fn nodes_that_disagree_fail_and_nodes_not_read_are_unknown() {
    assert_eq!(
        spoiled(|story| story.reads()[2].rows.as_mut().expect("rows").truncate(2)),
        "fail\nlost-acks: `postgres-3` lacks 80 rows of the primary `postgres-2` and has 0 it does not have"
    );
    assert_eq!(
        spoiled(|story| {
            let read = &mut *story.reads()[2];
            (read.rows, read.error) = (None, Some("refused".to_owned()));
        }),
        "unknown\nlost-acks: `postgres-3` could not be read in the end: refused"
    );
    assert_eq!(
        spoiled(|story| story
            .events
            .retain(|event| !matches!(event, Event::FinalRead(read) if read.node == name("postgres-3")))),
        "unknown\nlost-acks: `postgres-3` was not read in the end"
    );
    assert_eq!(
        spoiled(|story| story.reads()[2].lsn = Some(Lsn(1))),
        "unknown\nlost-acks: `postgres-3` was read before it had replayed what the primary had flushed"
    );
    assert_eq!(
        spoiled(|story| story.reads()[1].primary = false),
        "unknown\nlost-acks: load `writer` was read on 0 primaries in the end, one is wanted"
    );
}

#[test]
fn a_branch_the_primary_does_not_descend_from_lost_all_it_had() {
    let mut story = losing(2);
    for op in [38, 39] {
        story.ack(op).tl = Some(7);
        story.ack(op).n = Some(name("postgres-3"));
    }
    let check = judge(&story.record()).check("lost-acks").expect("a check").clone();
    assert_eq!(
        (check.evidence["windows"][0]["timeline"].clone(), check.evidence["in_window"].clone()),
        (json!(7), json!(2))
    );
    story.reads()[1].timelines.clear();
    assert_eq!(
        judge(&story.record()).check("lost-acks").expect("a check").summary,
        "2 lost writes carry no position, so nobody can tell which kind of loss it is"
    );
}

#[test]
fn the_documented_bound_looks_back_one_lease_and_no_further() {
    let mut story = losing(3);
    story.resolved.lab.postgres.patroni.ttl = 1;
    let bound = |story: &Story| {
        judge(&story.record()).check("lost-acks").expect("a check").evidence["windows"][0]["bound_bytes"]
            .clone()
    };
    assert_eq!(bound(&story), 1_048_576 + 40_000);
    // an acknowledgement two seconds older, from a time of heavier writing, changes nothing
    let old = story.ack(0).clone();
    let t = Mono(ZERO - 2000 * MS);
    story.events.push(Event::invoke(t, 0, 901, 0, t));
    story.events.push(Event::done(
        t,
        0,
        901,
        Outcome::Ok(pgha::history::Ack { hi: Some(Lsn(0)), lo: Some(Lsn(0)), ..old }),
    ));
    assert_eq!(bound(&story), 1_048_576 + 40_000);
}
