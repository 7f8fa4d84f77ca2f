//! Text of a suite → [`Suite`], or every problem in it; and what each trial of it is.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::problem::{Problem, Problems, SourceText};
use super::schema;
use super::shape::SchemaShape;
use super::tree;
use crate::model::scenario::{Client, Via};
use crate::model::suite::{Arm, Comparison, Suite};
use crate::model::suite_goal::Goal;
use crate::model::{Load, Name, Scenario, Span, Step};

/// How long the load goes on when the fault is over.
const LOAD_AFTER_FAULT: Duration = Duration::from_secs(3);

/// Reads the text of a suite; `name` is what messages call it, usually its path.
///
/// # Errors
/// Every problem of the file, in the order of its lines.
pub fn parse(name: &str, text: &str) -> Result<Suite, Problems> {
    let mut problems = Vec::new();
    let source = SourceText::new(name, text);
    let mut tree = tree::read(&source, &mut problems);
    SchemaShape::new(schema::suite()).check(&mut tree, &mut problems);
    let subject = format!("{name} is no suite");
    if !problems.is_empty() {
        return Err(Problems::new(subject, problems));
    }
    let suite: Suite = serde_json::from_value(tree.value())
        .map_err(|why| Problems::new(&*subject, vec![Problem::new(&source, None, why.to_string())]))?;
    let wrong = rules(&suite).into_iter().map(|why| Problem::new(&source, None, why)).collect();
    Problems::new(subject, wrong).or(suite)
}

/// What a schema cannot say.
fn rules(suite: &Suite) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    if suite.schema != 1 {
        wrong.push(format!("schema {} is not known, this version reads 1", suite.schema));
    }
    for comparison in &suite.comparisons {
        let name = &comparison.name;
        let mut demand = |holds: bool, why: String| {
            if !holds {
                wrong.push(format!("comparison `{name}`: {why}"));
            }
        };
        demand(names.insert(name), "its name is used twice".to_owned());
        let arms: BTreeSet<&Name> = comparison.arms.iter().map(|arm| &arm.name).collect();
        demand(arms.len() == comparison.arms.len(), "two arms have one name".to_owned());
        demand(arms.contains(&comparison.baseline), format!("no arm is called `{}`", comparison.baseline));
        demand(comparison.phase.from <= comparison.phase.to, "its phase ends before it begins".to_owned());
        demand(comparison.blocks > 0, "it has no blocks".to_owned());
        let candidate = comparison.candidate.iter().all(|name| arms.contains(name));
        demand(candidate, format!("no arm is called `{}`", comparison.candidate().unwrap_or(name)));
        for why in comparison.goals.iter().flat_map(|goal| unreachable_goals(comparison, goal)) {
            demand(false, why);
        }
        if let Some(whose) = &comparison.runs_of {
            let known = suite.comparisons.iter().find(|other| other.name == *whose);
            let shared = known.ok_or_else(|| format!("no comparison is called `{whose}`"));
            let shared = shared.and_then(|other| shares(comparison, other));
            demand(shared.is_ok(), shared.err().unwrap_or_default());
        }
        for arm in &comparison.arms {
            demand(arm.trials > 0, format!("arm `{}` has no trials", arm.name));
            let named = trial_name(comparison, arm).is_some();
            demand(named, format!("`{name}-{}` is too long for a scenario's name", arm.name));
        }
    }
    wrong
}

/// What no arm of this comparison could reach or miss.
fn unreachable_goals(comparison: &Comparison, goal: &Goal) -> Vec<String> {
    let (arm, metric) = (&goal.arm, comparison.metric);
    let times = goal.median.is_some() || goal.p95.is_some() || goal.max.is_some();
    let clients = goal.first_back.is_some() || goal.never_back.is_some();
    let losses = goal.lost.is_some() || goal.lost_as_baseline || goal.zombie_acks.is_some();
    let any = times || clients || losses || goal.count.is_some() || goal.ratio.is_some();
    let timed = metric.unit() == "ms";
    let positive = goal.ratio.is_none_or(|ratio| ratio > 0.0);
    let beside = (goal.ratio.is_some() || goal.lost_as_baseline) && *arm == comparison.baseline;
    let known = comparison.arms.iter().any(|known| known.name == *arm);
    [
        (!known, format!("its goal is of arm `{arm}`, which is not there")),
        (!any, format!("a goal of `{arm}` asks for nothing")),
        (times && !timed, format!("`{}` counts: its goals are of `count`, not of a time", metric.word())),
        (goal.count.is_some() && timed, format!("`{}` is a time: it has no `count`", metric.word())),
        (!positive, format!("a ratio of `{arm}` that is not above 0 asks for nothing")),
        (beside, format!("`{arm}` is the baseline, it has nothing beside it")),
    ]
    .into_iter()
    .filter_map(|(wrong, why)| wrong.then_some(why))
    .collect()
}

/// Runs are found again by this name: comparisons that share runs share it.
fn trial_name(comparison: &Comparison, arm: &Arm) -> Option<Name> {
    let whose = comparison.runs_of.as_ref().unwrap_or(&comparison.name);
    Name::new(format!("{whose}-{}", arm.name)).ok()
}

/// What must be the same where runs are shared: else each would be run for itself under one name.
fn shares(one: &Comparison, other: &Comparison) -> Result<(), String> {
    let same = (&one.scenario, &one.fault, one.phase) == (&other.scenario, &other.fault, other.phase);
    if !same || other.runs_of.is_some() {
        return Err(format!("`{}` is another experiment, its runs cannot be shared", other.name));
    }
    let run = |arm: &Arm| {
        let clients = (arm.via, arm.connect_timeout);
        (arm.preset.clone(), arm.set.clone(), arm.verb.clone(), arm.lasts, clients)
    };
    let differs =
        |arm: &&Arm| other.arms.iter().all(|known| known.name != arm.name || run(known) != run(arm));
    match one.arms.iter().find(differs) {
        Some(arm) => {
            Err(format!("arm `{}` is not that of `{}`, its runs cannot be shared", arm.name, other.name))
        }
        None => Ok(()),
    }
}

/// One trial of one arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trial {
    /// Position of the arm in its comparison, from 0.
    pub arm: usize,
    /// Number of the trial, from 0.
    pub number: u32,
}

/// All trials in the order in which they are run: in blocks, every arm once a block with its share of trials, every
/// other block from the last arm to the first (A B B A …).
#[must_use]
pub fn order(comparison: &Comparison) -> Vec<Trial> {
    let fewest = comparison.arms.iter().map(|arm| arm.trials).min().unwrap_or(1);
    let blocks = comparison.blocks.min(fewest).max(1);
    let mut order = Vec::new();
    for block in 0..blocks {
        let share = |arm: &Arm, block: u32| {
            u32::try_from(u64::from(arm.trials) * u64::from(block) / u64::from(blocks)).unwrap_or(u32::MAX)
        };
        let mut arms: Vec<(usize, &Arm)> = comparison.arms.iter().enumerate().collect();
        if block % 2 == 1 {
            arms.reverse();
        }
        for (index, arm) in arms {
            order.extend(
                (share(arm, block)..share(arm, block + 1)).map(|number| Trial { arm: index, number }),
            );
        }
    }
    order
}

/// When the fault of trial `number` is injected: the same for every arm.
#[must_use]
pub fn instant(comparison: &Comparison, seed: u64, number: u32) -> Span {
    let mut chance = ChaCha8Rng::seed_from_u64(seed.wrapping_add(u64::from(number)));
    let (from, to) = (comparison.phase.from.0.as_millis(), comparison.phase.to.0.as_millis());
    let drawn = chance.random_range(from..=to.max(from));
    Span::millis(u64::try_from(drawn).unwrap_or(u64::MAX))
}

/// The scenario of one trial, made from the one of the comparison.
///
/// # Errors
/// When that one has no such step, or the step waits for something.
pub fn of_trial(comparison: &Comparison, scenario: &Scenario, trial: Trial) -> Result<Scenario, String> {
    let Some(arm) = comparison.arms.get(trial.arm) else { return Err("no such arm".to_owned()) };
    let mut made = scenario.clone();
    made.name = trial_name(comparison, arm).ok_or_else(|| "its name is too long".to_owned())?;
    made.seed = scenario.seed.wrapping_add(u64::from(trial.number));
    made.lab.preset = Some(arm.preset.clone());
    if !arm.set.is_null() {
        made.lab.set = arm.set.clone();
    }
    made.loads.iter_mut().for_each(|load| connect_as(arm, load));
    let at = instant(comparison, scenario.seed, trial.number);
    let mut steps = made.steps.iter_mut().filter(|step| step.id.as_ref() == Some(&comparison.fault));
    let step = steps.next().ok_or_else(|| format!("it has no step `{}`", comparison.fault))?;
    if step.after.is_some() || step.when.is_some() {
        return Err(format!(
            "step `{}` waits for something, so its instant cannot be drawn",
            comparison.fault
        ));
    }
    if let Some(verb) = &arm.verb {
        step.verb = verb.clone();
    }
    let group = step.together.clone();
    let fault = |step: &Step| step.id.as_ref() == Some(&comparison.fault);
    let same = |step: &&mut Step| fault(step) || (group.is_some() && step.together == group);
    for step in made.steps.iter_mut().filter(same) {
        (step.at, step.lasts) = (Some(at), step.lasts.map(|_| arm.lasts));
    }
    made.duration = Span(at.0 + arm.lasts.0 + LOAD_AFTER_FAULT);
    Ok(made)
}

/// How the clients of a load connect in this arm.
fn connect_as(arm: &Arm, load: &mut Load) {
    if let Some(via) = arm.via.filter(|_| load.direct.is_none()) {
        load.via = via;
        // the generator's own client cannot tell a primary from a replica
        if via == Via::Instances && load.client == Client::Wire {
            load.client = Client::Libpq;
        }
    }
    load.connect_timeout = arm.connect_timeout.or(load.connect_timeout);
}

/// A scenario as a file would say it.
///
/// # Errors
/// When it holds what TOML cannot say.
pub fn text(scenario: &Scenario) -> Result<String, String> {
    toml::to_string(scenario).map_err(|error| error.to_string())
}

/// A suite of one comparison, for tests.
#[cfg(test)]
pub(crate) const SAMPLE: &str = r#"
    schema = 1
    [[comparison]]
    name = "dies"
    about = "A death."
    scenario = "x.toml"
    metric = "write-outage"
    fault = "kill"
    phase = { from = "4s", to = "14s" }
    baseline = "stock"
    arm = [
        { name = "stock", preset = "stock", trials = 2, lasts = "40s" },
        { name = "ours", preset = "repair", trials = 5, lasts = "6s" },
    ]
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::scenario;

    fn suite() -> Comparison {
        let suite = parse("suite.toml", SAMPLE).unwrap_or_else(|problems| panic!("{}", problems.render()));
        suite.comparisons[0].clone()
    }

    #[test]
    fn arms_take_turns_and_every_trial_is_run_once() {
        let order: Vec<String> = order(&suite())
            .iter()
            .map(|trial| format!("{}{}", ["s", "o"][trial.arm], trial.number))
            .collect();
        assert_eq!(order.join(" "), "s0 o0 o1 o2 o3 o4 s1");
    }

    #[test]
    fn the_instant_is_the_same_for_every_arm_and_within_the_phase() {
        let comparison = suite();
        let instants: Vec<Span> = (0..50).map(|number| instant(&comparison, 7, number)).collect();
        assert!(instants.iter().all(|at| *at >= Span::secs(4) && *at <= Span::secs(14)), "{instants:?}");
        assert!(instants.iter().collect::<BTreeSet<_>>().len() > 40);
        let file = include_str!("../../scenarios/primary-dies.toml");
        let scenario = scenario::parse("x", file).expect("a scenario");
        let made = |arm| of_trial(&comparison, &scenario, Trial { arm, number: 1 }).expect("a trial");
        let (stock, ours) = (made(0), made(1));
        assert_eq!((stock.steps[0].at, stock.seed), (ours.steps[0].at, ours.seed));
        assert_eq!((stock.name.as_str(), ours.name.as_str()), ("dies-stock", "dies-ours"));
        assert_eq!(stock.duration.0, ours.duration.0 + Duration::from_secs(34));
        // what is kept of a trial is a scenario like any other
        let kept = text(&ours).expect("TOML");
        assert_eq!(scenario::parse("kept", &kept).unwrap_or_else(|p| panic!("{}", p.render())), ours);
    }

    #[test]
    fn an_arm_without_balancers_changes_every_load_and_nothing_else() {
        let text =
            SAMPLE.replace("lasts = \"6s\"", "lasts = \"6s\", via = \"instances\", connect-timeout = \"2s\"");
        let suite = parse("suite.toml", &text).unwrap_or_else(|problems| panic!("{}", problems.render()));
        let file = include_str!("../../benches/scenarios/primary-dies.toml");
        let file = file.replace("\"fault\"", "\"kill\"");
        let scenario = scenario::parse("x", &file).unwrap_or_else(|problems| panic!("{}", problems.render()));
        let made =
            |arm| of_trial(&suite.comparisons[0], &scenario, Trial { arm, number: 0 }).expect("a trial");
        assert_eq!(made(0).loads, scenario.loads);
        let past = made(1);
        for (load, declared) in past.loads.iter().zip(&scenario.loads) {
            assert_eq!((load.via, load.client), (Via::Instances, Client::Libpq));
            assert_eq!((load.connect_timeout, load.answer_limit()), (Some(Span::secs(2)), None));
            assert_eq!(
                (&load.name, load.rate, load.clients),
                (&declared.name, declared.rate, declared.clients)
            );
        }
        let kept = text_of(&past);
        assert_eq!(scenario::parse("kept", &kept).unwrap_or_else(|p| panic!("{}", p.render())), past);
    }

    fn text_of(scenario: &Scenario) -> String {
        text(scenario).expect("TOML")
    }

    #[test]
    fn runs_are_read_twice_only_where_they_are_the_same() {
        let second = SAMPLE.replace("    schema = 1\n", "");
        let second = second
            .replace("\"dies\"", "\"fails\"\n    runs-of = \"dies\"")
            .replace("write-outage", "failed-writes");
        let text = format!("{SAMPLE}{second}");
        let suite = parse("suite.toml", &text).unwrap_or_else(|problems| panic!("{}", problems.render()));
        let file = include_str!("../../scenarios/primary-dies.toml");
        let scenario = scenario::parse("x", file).expect("a scenario");
        let made = suite.comparisons.iter().map(|one| of_trial(one, &scenario, Trial { arm: 1, number: 3 }));
        let made: Vec<Scenario> = made.collect::<Result<_, _>>().expect("trials");
        assert_eq!(made[0], made[1]);
        let refused = |second: String, why: &str| {
            let said = parse("suite.toml", &format!("{SAMPLE}{second}")).expect_err("wrong").render();
            assert!(said.contains(why), "{said}");
        };
        refused(second.replace("6s", "7s"), "arm `ours` is not that of `dies`");
        refused(second.replace("from = \"4s\"", "from = \"5s\""), "`dies` is another experiment");
        refused(second.replace("runs-of = \"dies\"", "runs-of = \"fails\""), "`fails` is another experiment");
        refused(
            second.replace("runs-of = \"dies\"", "runs-of = \"tests\""),
            "no comparison is called `tests`",
        );
    }

    #[test]
    fn arms_that_are_one_lab_under_two_names_are_noise() {
        let noise = SAMPLE.replace("preset = \"stock\"", "preset = \"repair\"").replace("40s", "6s");
        let parsed =
            |text: &str| parse("suite", text).unwrap_or_else(|problems| panic!("{}", problems.render()));
        assert!(parsed(&noise).comparisons[0].is_noise());
        assert!(!suite().is_noise());
        assert_eq!(suite().candidate().map(Name::as_str), Some("ours"));
    }

    #[test]
    fn a_goal_of_the_baseline_has_nothing_beside_it() {
        let text = SAMPLE.replace(
            "baseline = \"stock\"",
            "baseline = \"stock\"\n    goal = [{ arm = \"stock\", ratio = 2 }, { arm = \"ours\", ratio = 0 }]",
        );
        let said = parse("suite.toml", &text).expect_err("wrong").render();
        assert!(said.contains("`stock` is the baseline") && said.contains("not above 0"), "{said}");
    }

    #[test]
    fn every_problem_is_said() {
        let goals = "candidate = \"us\"\n    goal = [{ arm = \"ous\", count = 1 }, { arm = \"stock\", ratio = 2 }, { arm = \"ours\" }]";
        let text = SAMPLE
            .replace("baseline = \"stock\"", &format!("baseline = \"stok\"\n    {goals}"))
            .replace("from = \"4s\"", "from = \"24s\"")
            .replace("trials = 2", "trials = 0");
        let said = parse("suite.toml", &text).expect_err("wrong").render();
        for what in [
            "no arm is called `stok`",
            "ends before it begins",
            "arm `stock` has no trials",
            "no arm is called `us`",
            "its goal is of arm `ous`",
            "`write-outage` is a time: it has no `count`",
            "a goal of `ours` asks for nothing",
        ] {
            assert!(said.contains(what), "{said}");
        }
        assert!(parse("suite.toml", "schema = 1\ncomparson = 2").is_err());
    }
}
