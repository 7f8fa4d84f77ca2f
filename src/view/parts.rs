//! What is made or waited for, a line each: images while they are built, bodies until they are ready.
//!
//! Invariant: nothing is said of a part that was said of it before, so a part that comes and goes fills no screen.

use std::collections::BTreeSet;

use crate::model::part::{LabPart, PartStage};

/// All of them, in the order in which they were heard of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    parts: Vec<LabPart>,
    said: BTreeSet<(String, String)>,
}

impl Parts {
    /// Hears what a part is at; the line that is to be said of it, where it is news.
    pub fn hear(&mut self, part: LabPart) -> Option<String> {
        let LabPart { name, state, stage } = part.clone();
        match self.parts.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = part,
            None => self.parts.push(part),
        }
        if stage == PartStage::Still {
            return None;
        }
        let line = format!("{name}: {state}");
        self.said.insert((name, state)).then_some(line)
    }

    /// Hears who is not ready, and why: whoever else was heard of is ready.
    pub fn waiting<'a>(&mut self, waiting: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let waiting: Vec<(&str, &str)> = waiting.collect();
        let open = |part: &&LabPart| {
            part.stage != PartStage::Done && !waiting.iter().any(|(name, _)| *name == part.name)
        };
        let ready: Vec<String> = self.parts.iter().filter(open).map(|part| part.name.clone()).collect();
        let ready = ready.into_iter().map(|name| LabPart::done(name, "ready"));
        let not_yet = waiting.into_iter().map(|(name, why)| LabPart::at(name, why));
        ready.chain(not_yet).filter_map(|part| self.hear(part)).collect()
    }

    /// Those that something is still waited for.
    pub fn open(&self) -> impl Iterator<Item = &LabPart> {
        self.parts.iter().filter(|part| part.stage != PartStage::Done)
    }

    /// How many nothing is waited for any more, and how many there are.
    #[must_use]
    pub fn done(&self) -> (usize, usize) {
        (self.parts.len() - self.open().count(), self.parts.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, state: &str, stage: PartStage) -> LabPart {
        LabPart { name: name.to_owned(), state: state.to_owned(), stage }
    }

    #[test]
    fn a_part_is_said_once_for_each_of_its_states() {
        let mut parts = Parts::default();
        let image = |state: &str, stage| part("image etcd", state, stage);
        assert_eq!(parts.hear(image("building", PartStage::At)).as_deref(), Some("image etcd: building"));
        assert_eq!(parts.hear(image("step 2 of 5", PartStage::Still)), None);
        assert_eq!(parts.open().next(), Some(&image("step 2 of 5", PartStage::Still)), "it is shown");
        assert_eq!(parts.hear(image("building", PartStage::At)), None);
        assert_eq!(parts.hear(image("built", PartStage::Done)).as_deref(), Some("image etcd: built"));
        assert_eq!(parts.done(), (1, 1));
    }

    #[test]
    fn whoever_is_not_waited_for_is_ready_and_one_that_falls_back_is_not_said_again() {
        let mut parts = Parts::default();
        for name in ["etcd-1", "postgres-1"] {
            parts.hear(part(name, "started", PartStage::At));
        }
        let all = [("etcd-1", "has no leader"), ("postgres-1", "does not answer")];
        assert_eq!(parts.waiting(all.into_iter()), ["etcd-1: has no leader", "postgres-1: does not answer"]);
        let one = [("postgres-1", "no primary yet")];
        assert_eq!(parts.waiting(one.into_iter()), ["etcd-1: ready", "postgres-1: no primary yet"]);
        assert_eq!(parts.waiting(all.into_iter()), [""; 0]);
        assert_eq!(parts.done(), (0, 2));
        assert_eq!(parts.waiting(one.into_iter()), [""; 0]);
        assert_eq!(parts.waiting([].into_iter()), ["postgres-1: ready"]);
        assert_eq!(parts.done(), (2, 2));
    }
}
