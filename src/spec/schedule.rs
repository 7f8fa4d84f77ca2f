//! Scenario + seed → what is done when, decided before the run begins. The seed fixes the schedule
//! and every choice made on the way; the outcome of a run it cannot fix.

use std::time::Duration;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::condition::{Condition, StepMark};
use super::draft::step_id;
use crate::model::{HostName, Name, Scenario, Span, Step, Target, Verb};

/// What a step waits for before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// So long after the start of the load.
    At(Span),
    /// So long after another step, whose own time nobody knows before.
    After {
        /// That step.
        id: Name,
        /// What of it is waited for: its last heal, or its first fault when it is not healed under load.
        mark: StepMark,
        /// How long after that it begins.
        offset: Span,
    },
    /// When what a condition says was seen.
    When {
        /// The condition that must be met.
        condition: Condition,
        /// Longest wait from the start of the load; the rest of the load when `None`.
        within: Option<Span>,
    },
}

/// A step of the scenario with the instant it is due at.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedStep {
    /// Index of the step in the scenario, from 0.
    pub step: usize,
    /// Its id; `step-1` for a first step without one.
    pub id: Name,
    /// What it waits for.
    pub start: Start,
    /// How long it lasts; to the end of the load when `None`.
    pub lasts: Option<Span>,
    /// The group it is injected with.
    pub together: Option<Name>,
    /// The verb with its keys.
    pub verb: Verb,
    /// Seed of the choices left to the moment of injection (`random(2) of …`).
    pub chance: u64,
}

/// One fault of a step that is made of several. Times count from the beginning of the step.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultTurn {
    /// Its id, the step's with a suffix.
    pub id: Name,
    /// When it is injected, counted from the beginning of its step.
    pub at: Span,
    /// When it is healed; at once when its verb leaves nothing to undo.
    pub heal_at: Span,
    /// The verb with its keys.
    pub verb: Verb,
}

/// The steps of a scenario in the order of their times; steps of one time in the order of the file,
/// steps whose time nobody knows before at the end.
#[must_use]
pub fn plan(scenario: &Scenario, seed: u64) -> Vec<PlannedStep> {
    let steps: Vec<&Step> = scenario.steps.iter().collect();
    let mut plan: Vec<PlannedStep> = steps
        .iter()
        .zip(times(&steps))
        .enumerate()
        .filter_map(|(index, (step, time))| {
            Some(PlannedStep {
                step: index,
                id: step_id(index, step),
                start: match time {
                    Some((at, _)) => Start::At(Span(at)),
                    None => start(&steps, step)?,
                },
                lasts: step.lasts,
                together: step.together.clone(),
                verb: step.verb.clone(),
                chance: chance(seed, index),
            })
        })
        .collect();
    // stable: the file's order among equals
    plan.sort_by_key(|planned| match planned.start {
        Start::At(at) => (0, at),
        _ => (1, Span::default()),
    });
    plan
}

/// Steps that are injected as one, each with itself alone where it names no group.
#[must_use]
pub fn groups(plan: &[PlannedStep]) -> Vec<Vec<PlannedStep>> {
    let mut groups: Vec<Vec<PlannedStep>> = Vec::new();
    for planned in plan {
        let of_its_group = |group: &&mut Vec<PlannedStep>| {
            planned.together.is_some() && group.iter().all(|other| other.together == planned.together)
        };
        match groups.iter_mut().find(of_its_group) {
            Some(group) => group.push(planned.clone()),
            None => groups.push(vec![planned.clone()]),
        }
    }
    groups
}

/// The beginning of a step without a time of its own; `None` for a condition or a predecessor that is none,
/// which a file with such a step was refused for.
fn start(steps: &[&Step], step: &Step) -> Option<Start> {
    if let Some(when) = &step.when {
        let condition = Condition::parse(when).ok()?;
        return Some(Start::When { condition, within: step.within });
    }
    let id = step.after.clone()?;
    let before = steps[predecessor(steps, &id)?];
    let mark = if length(before).is_some() { StepMark::Healed } else { StepMark::Began };
    Some(Start::After { id, mark, offset: step.at.unwrap_or_default() })
}

/// From the beginning of a step to its last heal; `None` when it is healed at the end of the load.
fn length(step: &Step) -> Option<Duration> {
    match &step.verb {
        Verb::Repeat { every, times, verb } => {
            let turns = turns(&step.id.clone().unwrap_or_else(nameless), *every, *times, verb, step.lasts);
            turns.last().map(|turn| turn.heal_at.0)
        }
        _ => step.lasts.map(|lasts| lasts.0),
    }
}

/// The turns of a `repeat`. One that must be undone is healed after `lasts`, and when the next one is to
/// begin in any case.
#[must_use]
pub fn turns(id: &Name, every: Span, times: u32, verb: &Verb, lasts: Option<Span>) -> Vec<FaultTurn> {
    let on = if verb.lasting() { Span::default() } else { lasts.unwrap_or(every).min(every) };
    (0..times)
        .map(|turn| {
            let at = every.0.saturating_mul(turn);
            FaultTurn {
                id: sub_id(id, &(turn + 1).to_string()),
                at: Span(at),
                heal_at: Span(at.saturating_add(on.0)),
                verb: verb.clone(),
            }
        })
        .collect()
}

/// The isolations of a `swizzle`: spread evenly over the first half of `lasts` in one order of the seed,
/// healed over the second half in another; the last one at its very end. In the order of their beginnings.
#[must_use]
pub fn swizzle(id: &Name, hosts: &[HostName], lasts: Span, chance: &mut ChaCha8Rng) -> Vec<FaultTurn> {
    let (mut inward, mut outward) = (hosts.to_vec(), hosts.to_vec());
    inward.shuffle(chance);
    outward.shuffle(chance);
    let half = lasts.0 / 2;
    let slot = half / u32::try_from(hosts.len().max(1)).unwrap_or(u32::MAX);
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    inward
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let left = outward.iter().position(|other| other == host).unwrap_or(index);
            let still_on = slot.saturating_mul(number(hosts.len() - 1 - left));
            FaultTurn {
                id: sub_id(id, host.as_str()),
                at: Span(slot.saturating_mul(number(index))),
                heal_at: Span(lasts.0.saturating_sub(still_on)),
                verb: Verb::Isolate { target: Target::Host(host.clone()) },
            }
        })
        .collect()
}

/// `id-suffix`; a long id loses its tail, so that both stay one name. Rules keep ids short enough.
fn sub_id(id: &Name, suffix: &str) -> Name {
    let room = 40_usize.saturating_sub(suffix.len());
    let head: String = id.as_str().chars().take(room).collect();
    Name::new(format!("{head}-{suffix}")).unwrap_or_else(|_| id.clone())
}

/// Stands for the id of a step in times, which depend on no id.
fn nameless() -> Name {
    Name::new("step").unwrap_or_else(|_| unreachable!("step is a name"))
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
            times[index] = begin.map(|begin| (begin, length(step).map(|lasts| begin.saturating_add(lasts))));
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

/// Whether a step waits for a size.
#[must_use]
pub fn asks_for_sizes(scenario: &Scenario) -> bool {
    let mut conditions = scenario.steps.iter().filter_map(|step| step.when.as_deref());
    conditions.any(|when| matches!(Condition::parse(when), Ok(Condition::Size { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(steps: &str) -> Scenario {
        let text = format!(
            "schema = 1\nname = \"s\"\nabout = \"a\"\nduration = \"100s\"\n\
             [[load]]\nname = \"w\"\nendpoint = \"rw\"\nworkload = \"set\"\nrate = 1\nconnections = 1\n{steps}"
        );
        crate::spec::scenario::parse("s.toml", &text).unwrap_or_else(|p| panic!("{}", p.render()))
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
        let seen: Vec<_> = plan.iter().map(|p| (p.id.as_str(), p.start.clone(), p.lasts)).collect();
        let at = |secs| Start::At(Span::secs(secs));
        assert_eq!(
            seen,
            [("step-3", at(1), None), ("first", at(10), Some(Span::secs(20))), ("step-1", at(35), None),]
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

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    #[test]
    fn a_step_after_a_condition_waits_for_its_mark() {
        let plan = plan(
            &scenario(
                r#"
        [[step]]
        id = "cut"
        when = "no-primary"
        within = "40s"
        for = "5s"
        do.pause = { target = "replica" }
        [[step]]
        after = "cut"
        at = "2s"
        do.restart = { target = "replica" }
        [[step]]
        after = "step-2"
        do.kill = { target = "replica" }
        "#,
            ),
            1,
        );
        let starts: Vec<Start> = plan.into_iter().map(|planned| planned.start).collect();
        let after = |id, mark, offset| Start::After { id: name(id), mark, offset };
        assert_eq!(
            starts,
            [
                Start::When { condition: Condition::NoPrimary, within: Some(Span::secs(40)) },
                after("cut", StepMark::Healed, Span::secs(2)),
                after("step-2", StepMark::Began, Span::default()),
            ]
        );
    }

    #[test]
    fn a_turn_is_healed_before_the_next_begins_where_there_is_something_to_heal() {
        let pause = Verb::Pause { target: Target::Primary };
        let restart = Verb::Restart { target: Target::Primary };
        let seen = |verb: &Verb, lasts: Option<Span>| -> Vec<(String, u128, u128)> {
            turns(&name("x"), Span::secs(10), 3, verb, lasts)
                .iter()
                .map(|turn| (turn.id.to_string(), turn.at.0.as_millis(), turn.heal_at.0.as_millis()))
                .collect()
        };
        let told = |times: [(u128, u128); 3]| -> Vec<(String, u128, u128)> {
            (1..).zip(times).map(|(n, (at, heal))| (format!("x-{n}"), at, heal)).collect()
        };
        assert_eq!(seen(&pause, None), told([(0, 10_000), (10_000, 20_000), (20_000, 30_000)]));
        assert_eq!(seen(&pause, Some(Span::secs(4))), told([(0, 4_000), (10_000, 14_000), (20_000, 24_000)]));
        assert_eq!(
            seen(&pause, Some(Span::secs(40))),
            told([(0, 10_000), (10_000, 20_000), (20_000, 30_000)])
        );
        assert_eq!(seen(&restart, Some(Span::secs(4))), told([(0, 0), (10_000, 10_000), (20_000, 20_000)]));
    }

    #[test]
    fn what_follows_a_repeat_follows_its_last_heal() {
        let plan = plan(
            &scenario(
                r#"
        [[step]]
        id = "again"
        at = "10s"
        for = "2s"
        do.repeat = { every = "5s", times = 3, do.pause = { target = "replica" } }
        [[step]]
        after = "again"
        do.kill = { target = "replica" }
        "#,
            ),
            1,
        );
        assert_eq!(plan[1].start, Start::At(Span::secs(10 + 5 + 5 + 2)));
    }

    #[test]
    fn a_swizzle_isolates_in_one_order_and_heals_in_another() {
        let hosts: Vec<HostName> = ["h1", "h2", "h3", "h4"].map(name).to_vec();
        let seen = |seed| swizzle(&name("s"), &hosts, Span::secs(80), &mut rng(seed));
        let turns = seen(7);
        assert_eq!(turns, seen(7), "the seed decides");
        let orders = |turns: &[FaultTurn]| -> (Vec<String>, Vec<String>) {
            let mut healed = turns.to_vec();
            healed.sort_by_key(|turn| turn.heal_at);
            let ids = |turns: &[FaultTurn]| turns.iter().map(|turn| turn.id.to_string()).collect();
            (ids(turns), ids(&healed))
        };
        let (inward, outward) = orders(&turns);
        assert_ne!(inward, outward);
        assert!((1..20).any(|seed| orders(&seen(seed)).0 != inward), "another seed, another order");
        let mut all = inward;
        all.sort();
        assert_eq!(all, ["s-h1", "s-h2", "s-h3", "s-h4"]);
        let begins: Vec<Span> = turns.iter().map(|turn| turn.at).collect();
        assert_eq!(begins, [0, 10, 20, 30].map(Span::secs));
        let mut heals: Vec<Span> = turns.iter().map(|turn| turn.heal_at).collect();
        heals.sort();
        assert_eq!(heals, [50, 60, 70, 80].map(Span::secs));
    }

    #[test]
    fn a_group_is_one_and_everybody_else_is_alone() {
        let plan = plan(
            &scenario(
                r#"
        [[step]]
        at = "10s"
        together = "cut"
        do.pause = { target = "replica" }
        [[step]]
        at = "10s"
        do.pause = { target = "primary" }
        [[step]]
        at = "10s"
        together = "cut"
        do.pause = { target = "balancer:any" }
        "#,
            ),
            1,
        );
        let ids: Vec<Vec<usize>> =
            groups(&plan).iter().map(|group| group.iter().map(|planned| planned.step).collect()).collect();
        assert_eq!(ids, [vec![0, 2], vec![1]]);
    }

    #[test]
    fn a_long_id_keeps_its_suffix() {
        let long = name(&format!("a{}", "b".repeat(40)));
        let id = sub_id(&long, "12");
        assert!(id.as_str().ends_with("b-12") && id.as_str().len() == 41, "{id}");
    }
}
