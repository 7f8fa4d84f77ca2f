//! What is remembered of a look.
//!
//! Invariant: `remember` is the only writer of when a trouble began; what is ordered and done is noted when it is.

use super::RepairMemory;
use super::assess::RepairAssessment;
use super::trouble::Trouble;

/// What is noted of a member that is on its way out.
const OUT: [Trouble; 2] = [Trouble::Drain, Trouble::Leaves];

/// What is remembered of a look. A trouble that is over is forgotten; one that another look could not tell stays.
#[must_use]
pub fn remember(memory: &RepairMemory, a: &RepairAssessment<'_>) -> RepairMemory {
    let mut next = memory.clone();
    let troubled = a.conditions.iter().filter(|(_, condition)| !condition.troubles.is_empty());
    next.since = troubled.map(|(id, condition)| ((*id).clone(), condition.troubles.clone())).collect();
    // a member that leaves goes on doing so while the word about it stands, and so does a newcomer that was given up
    let words = a.view.store.replacing.iter().flat_map(|word| [&word.member, &word.by]);
    for (id, trouble) in words.flat_map(|id| OUT.map(|trouble| (id, trouble))) {
        if let Some(since) = memory.since_of(id, trouble) {
            next.since.entry(id.clone()).or_default().insert(trouble, since);
        }
    }
    (next.leaderless, next.stalled, next.paths) = (a.leaderless, a.stalled.clone(), a.paths.clone());
    if let Some(key) = &a.view.store.leader {
        next.led = Some(key.member.clone());
        if let Some(body) = a.view.body(&key.member) {
            next.known.insert(key.member.clone(), body.id.clone());
        }
    }
    if a.view.store.handover.is_none() && a.view.store.wish.is_none() && a.lives() {
        next.handover = (None, None);
        next.failed.retain(|step, _| !step.starts_with("prepare ") && !step.starts_with("drain "));
    }
    next.looked = Some(a.now());
    next.sweep(a.now(), &a.view.world.policy);
    next
}
