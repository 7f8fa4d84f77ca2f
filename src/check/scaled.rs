//! `scaled`: a size that had to be reached was, by what the engine held bodies to in the runner's own looks. The
//! evidence is the time line: every change of a size, with what was used when it was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::audit::load_start;
use super::record::{Finding, RunRecord};
use super::replaced::is;
use super::sizes::LimitChange;
use crate::model::scaling::{Resource, Usage, amount};
use crate::model::sighting::BodySeen;
use crate::model::{Expect, MemberId, Mono, Target};

/// Judges the sizes a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord, changes: &[LimitChange]) -> Finding {
    let sightings = record.sightings_in_order();
    let looks: Vec<(Mono, &MemberId, &Usage)> = sightings
        .iter()
        .flat_map(|seen| seen.usage.iter().map(|(member, usage)| (seen.at, member, usage)))
        .collect();
    let evidence = json!({ "looks": looks.len(), "changes": changes });
    if looks.is_empty() {
        return Finding::unknown("nobody looked at sizes, so nobody saw one change", evidence);
    }
    let bodies: BTreeMap<&MemberId, &BodySeen> = sightings.iter().flat_map(|seen| &seen.bodies).collect();
    let began = load_start(record);
    let mut reached = 0;
    for expect in &record.scenario.expects {
        let Expect::Scaled { resource, target, to_at_least, within } = expect else { continue };
        let Ok(wanted) = amount(*resource, to_at_least) else {
            return Finding::unknown(format!("`{to_at_least}` is no amount of {resource}"), evidence);
        };
        let named = |member: &MemberId| bodies.get(member).is_some_and(|body| is(target, member, body));
        let of = looks.iter().filter(|(_, member, _)| named(member));
        let highest = of.clone().filter_map(|(_, _, usage)| usage.given(*resource)).reduce(f64::max);
        let first = of.clone().find(|(at, _, usage)| *at >= began && usage.has(*resource, wanted));
        match first {
            Some((at, ..)) if at.since(began) <= within.0 => reached += 1,
            Some((at, ..)) => {
                return Finding::fail(late(*resource, target, wanted, at.since(began)), evidence);
            }
            None => {
                let most = highest.map_or_else(|| "nothing".to_owned(), |most| resource.words(most));
                let wanted = resource.words(wanted);
                let said =
                    format!("{resource} of `{target}` never reached {wanted}; the most seen is {most}");
                return Finding::fail(said, evidence);
            }
        }
    }
    Finding::pass(format!("{reached} sizes that were asked for were reached"), evidence)
}

fn late(resource: Resource, target: &Target, wanted: f64, after: Duration) -> String {
    let (wanted, after) = (resource.words(wanted), after.as_secs_f64());
    format!("{resource} of `{target}` reached {wanted} only {after:.1} s after the load began")
}
