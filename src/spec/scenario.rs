//! Text of a scenario → [`Scenario`], or every problem in it.

use serde::de::DeserializeOwned;

pub use super::draft::step_id;
use super::draft::{Draft, head};
use super::lab;
use super::problem::{Problem, Problems, SourceText};
use super::scenario_rules;
use super::schema;
use super::shape::SchemaShape;
use super::tree::{self, TomlNode};
use crate::model::{LabSpec, Load, Name, Scenario};

/// Reads the text of a scenario; `name` is what messages call it, usually its path.
///
/// # Errors
/// Every problem of the file, in the order of its lines.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Problems> {
    let mut problems = Vec::new();
    let source = SourceText::new(name, text);
    let mut tree = tree::read(&source, &mut problems);
    SchemaShape::new(schema::scenario()).check(&mut tree, &mut problems);
    if let Some(set) = tree.get("lab").and_then(|lab| lab.get("set")) {
        lab::check_layer(&SchemaShape::pruning(schema::lab_layer()), &mut set.clone(), &mut problems);
    }
    let draft = Draft::of(&tree);
    scenario_rules::check(&draft, &mut problems);
    let subject = format!("{name} is no scenario");
    if !problems.is_empty() {
        return Err(Problems::new(subject, problems));
    }
    serde_json::from_value(tree.value())
        .map_err(|why| Problems::new(subject, vec![Problem::new(&source, None, why.to_string())]))
}

/// Whether a scenario that was read names hosts and members that this lab declares.
///
/// # Errors
/// Every name that it does not, where it stands.
pub fn fits_lab(name: &str, text: &str, lab: &LabSpec) -> Result<(), Problems> {
    let mut problems = Vec::new();
    let tree = tree::read(&SourceText::new(name, text), &mut problems);
    scenario_rules::names::check(&Draft::of(&tree), lab, &mut problems);
    Problems::new(format!("{name} does not fit lab `{}`", lab.name), problems).or(())
}

/// The preset a scenario names, read as far as it can be.
#[must_use]
pub fn preset(text: &str) -> Option<Name> {
    one(tree::read(&SourceText::new("", text), &mut Vec::new()).get("lab")?, "preset")
}

/// A problem about the value at `path` (keys joined by dots, positions of lists as numbers), or about the nearest
/// one on the way to it.
#[must_use]
pub fn problem(name: &str, text: &str, path: &str, message: &str, hint: &str) -> Problem {
    let tree = tree::read(&SourceText::new(name, text), &mut Vec::new());
    let mut at = &tree;
    for key in path.split('.') {
        let item = key.parse().ok().and_then(|index: usize| at.items().get(index));
        let Some(next) = item.or_else(|| at.get(key)) else { break };
        at = next;
    }
    head(at, message).hint(hint)
}

/// Every load that could be read, with its position.
#[must_use]
pub fn loads(text: &str) -> Vec<(usize, Load)> {
    let tree = tree::read(&SourceText::new("", text), &mut Vec::new());
    let items = tree.get("load").map_or(&[][..], TomlNode::items).iter().enumerate();
    items.filter_map(|(at, item)| Some((at, serde_json::from_value(item.value()).ok()?))).collect()
}

impl<'a> Draft<'a> {
    fn of(tree: &'a TomlNode) -> Self {
        Self {
            tree,
            schema: one(tree, "schema"),
            duration: one(tree, "duration"),
            timeout: one(tree, "timeout"),
            loads: many(tree, "load"),
            steps: many(tree, "step"),
            expects: many(tree, "expect"),
            ends: one(tree, "ends"),
        }
    }

    /// Ids of all steps, also of those that could not be read.
    pub(crate) fn step_ids(&self) -> Vec<&'a str> {
        self.tree
            .get("step")
            .map_or(&[][..], TomlNode::items)
            .iter()
            .filter_map(|s| s.get("id")?.text())
            .collect()
    }

    /// Names of all loads, also of those that could not be read.
    pub(crate) fn load_names(&self) -> Vec<&'a str> {
        self.tree
            .get("load")
            .map_or(&[][..], TomlNode::items)
            .iter()
            .filter_map(|l| l.get("name")?.text())
            .collect()
    }
}

fn one<T: DeserializeOwned>(tree: &TomlNode, key: &str) -> Option<T> {
    serde_json::from_value(tree.get(key)?.value()).ok()
}

fn many<'a, T: DeserializeOwned>(tree: &'a TomlNode, key: &str) -> Vec<(&'a TomlNode, T)> {
    let items = tree.get(key).map_or(&[][..], TomlNode::items);
    items.iter().filter_map(|item| Some((item, serde_json::from_value(item.value()).ok()?))).collect()
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
