//! Scenario + seed → what is done when, decided before the run begins. The seed fixes the schedule
//! and every choice made on the way; the outcome of a run it cannot fix.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use super::scenario::step_id;
use crate::model::{Name, Scenario, Span, Step, Verb};

/// One planned injection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// Index of the step in the scenario, from 0.
    pub step: usize,
    /// Its id; `step-1` for a first step without one.
    pub id: Name,
    /// When it is injected, from the start of the load.
    pub at: Span,
    /// When it is healed, from the start of the load; at the end of the run when `None`.
    pub heal_at: Option<Span>,
    /// What is done.
    pub verb: Verb,
    /// Seed of the choices left to the moment of injection (`random(2) of …`).
    pub chance: u64,
}

/// The injections of a scenario in the order of their times; steps of one time in the order of the
/// file. Steps that wait for a condition (`when`) have no time and are not in the plan.
#[must_use]
pub fn plan(scenario: &Scenario, seed: u64) -> Vec<Planned> {
    let steps: Vec<&Step> = scenario.steps.iter().collect();
    let mut plan: Vec<Planned> = steps
        .iter()
        .zip(times(&steps))
        .enumerate()
        .filter_map(|(index, (step, time))| {
            let (at, heal_at) = time?;
            Some(Planned {
                step: index,
                id: step_id(index, step),
                at: Span(at),
                heal_at: heal_at.map(Span),
                verb: step.verb.clone(),
                chance: chance(seed, index),
            })
        })
        .collect();
    plan.sort_by_key(|planned| planned.at); // stable: the file's order among equals
    plan
}

/// A number that depends on the seed and the step alone: another step more or less in the file
/// changes no other step's choices.
fn chance(seed: u64, index: usize) -> u64 {
    let mut rng = rng(seed);
    rng.set_stream(index as u64 + 1);
    rng.next_u64()
}

/// The generator behind every choice, `ChaCha8`: the same numbers in every version and on every machine.
#[must_use]
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Begin and heal of each step; `None` for steps without a time (a condition, a circle, an unknown predecessor).
pub(crate) fn times(steps: &[&Step]) -> Vec<Option<(Duration, Option<Duration>)>> {
    let mut times: Vec<Option<(Duration, Option<Duration>)>> = vec![None; steps.len()];
    // each round fixes the steps whose predecessor is fixed: as many rounds as steps are enough
    for _ in 0..steps.len() {
        for (index, step) in steps.iter().enumerate() {
            if times[index].is_some() || step.when.is_some() {
                continue;
            }
            let offset = step.at.unwrap_or_default().0;
            let begin = match &step.after {
                None => step.at.map(|at| at.0),
                Some(after) => predecessor(steps, after)
                    .and_then(|before| times[before])
                    .map(|(begin, end)| end.unwrap_or(begin).saturating_add(offset)),
            };
            times[index] = begin.map(|begin| (begin, step.lasts.map(|lasts| begin.saturating_add(lasts.0))));
        }
    }
    times
}

/// Whether a step follows itself, over others or directly.
pub(crate) fn circular(steps: &[&Step], step: &Step) -> bool {
    let mut at = step;
    for _ in 0..steps.len() {
        let Some(before) = at.after.as_ref().and_then(|after| predecessor(steps, after)) else {
            return false;
        };
        at = steps[before];
        if std::ptr::eq(at, step) {
            return true;
        }
    }
    false
}

fn predecessor(steps: &[&Step], id: &Name) -> Option<usize> {
    steps.iter().enumerate().position(|(index, step)| step_id(index, step) == *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(steps: &str) -> Scenario {
        let text = format!(
            "schema = 1\nname = \"s\"\nabout = \"a\"\nduration = \"100s\"\n\
             [[load]]\nname = \"w\"\nendpoint = \"rw\"\nworkload = \"set\"\nrate = 1\nconnections = 1\n{steps}"
        );
        crate::spec::scenario::parse("s.toml", &text).unwrap_or_else(|p| panic!("{}", p.render())).scenario
    }

    const STEPS: &str = r#"
        [[step]]
        after = "first"
        at = "5s"
        do.kill = { target = "random(1) of replica:all" }
        [[step]]
        id = "first"
        at = "10s"
        for = "20s"
        do.pause = { target = "primary" }
        [[step]]
        at = "1s"
        do.restart = { target = "balancer:any" }
    "#;

    #[test]
    fn a_step_after_another_counts_from_its_end() {
        let plan = plan(&scenario(STEPS), 1);
        let seen: Vec<_> = plan.iter().map(|p| (p.id.as_str(), p.at, p.heal_at)).collect();
        assert_eq!(
            seen,
            [
                ("step-3", Span::secs(1), None),
                ("first", Span::secs(10), Some(Span::secs(30))),
                ("step-1", Span::secs(35), None),
            ]
        );
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let scenario = scenario(STEPS);
        assert_eq!(plan(&scenario, 1), plan(&scenario, 1));
        assert_ne!(plan(&scenario, 1)[0].chance, plan(&scenario, 2)[0].chance);
        // fixed for ever: a stored seed must mean the same next year
        insta::assert_snapshot!(chance(42, 0), @"13222472167927179408");
    }
}
