//! A scenario as far as it could be read, and how its steps are called.

use super::problem::Problem;
use super::shape::first_line;
use super::tree::TomlNode;
use crate::model::scenario::Ends;
use crate::model::{Expect, Load, Name, Span, Step};

/// Those parts of a scenario that could be read, so that a broken one does not hide the problems
/// of the others. Elements carry the node they came from.
pub(crate) struct Draft<'a> {
    pub(crate) tree: &'a TomlNode,
    pub(crate) schema: Option<u32>,
    pub(crate) duration: Option<Span>,
    pub(crate) timeout: Option<Span>,
    pub(crate) loads: Vec<(&'a TomlNode, Load)>,
    pub(crate) steps: Vec<(&'a TomlNode, Step)>,
    pub(crate) expects: Vec<(&'a TomlNode, Expect)>,
    pub(crate) ends: Option<Ends>,
}

/// The id a step has in records: its own, or `step-3` for the third of the file.
#[must_use]
pub fn step_id(index: usize, step: &Step) -> Name {
    match &step.id {
        Some(id) => id.clone(),
        // the pattern of names admits every number; a name that could not be made would need 10^36 steps
        None => Name::new(format!("step-{}", index + 1)).unwrap_or_else(|_| unreachable!("step-N is a name")),
    }
}

/// A node's first line: a problem about a whole step is shown at its head.
pub(crate) fn head(node: &TomlNode, message: impl Into<String>) -> Problem {
    Problem::new(&node.source, Some(first_line(&node.source.text, &node.span)), message)
}
