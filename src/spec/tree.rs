//! A file as nodes that remember where they were written. Layers are merged node by node: tables
//! merge, everything else replaces.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, SourceText};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct TomlNode {
    pub(crate) source: Arc<SourceText>,
    pub(crate) span: Range<usize>,
    pub(crate) kind: NodeKind,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Text, number or truth.
    Leaf(Value),
    Array(Vec<TomlNode>),
    Table(Vec<TableEntry>),
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(crate) struct TableEntry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) node: TomlNode,
}

/// Reads TOML. What cannot be read is reported and left out of the tree.
pub(crate) fn read(source: &Arc<SourceText>, problems: &mut Vec<Problem>) -> TomlNode {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        problems.push(Problem::new(source, error.span(), error.message().trim().to_owned()));
    }
    let span = table.span();
    let entries = entries(source, table.get_ref(), problems);
    TomlNode { source: Arc::clone(source), span, kind: NodeKind::Table(entries) }
}

fn entries(source: &Arc<SourceText>, table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<TableEntry> {
    let mut entries: Vec<TableEntry> = Vec::with_capacity(table.len());
    for (key, value) in table {
        if let Some(node) = node(source, value.get_ref(), value.span(), problems) {
            entries.push(TableEntry { key: key.get_ref().to_string(), key_span: key.span(), node });
        }
    }
    // the map is sorted by key; people read in the order of the file
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn node(
    source: &Arc<SourceText>,
    value: &DeValue<'_>,
    span: Range<usize>,
    problems: &mut Vec<Problem>,
) -> Option<TomlNode> {
    let mut refuse = |what: &str| {
        problems.push(Problem::new(source, Some(span.clone()), what));
        None
    };
    let kind = match value {
        DeValue::String(text) => NodeKind::Leaf(Value::String(text.to_string())),
        DeValue::Boolean(truth) => NodeKind::Leaf(Value::Bool(*truth)),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => NodeKind::Leaf(Value::Number(number.into())),
            Err(_) => return refuse("the number is too large"),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => NodeKind::Leaf(Value::Number(number)),
            None => return refuse("the number is not finite"),
        },
        DeValue::Datetime(_) => {
            return refuse("dates and times are not used here: write a duration as text, \"30s\"");
        }
        DeValue::Array(items) => {
            let items = items.iter().filter_map(|item| node(source, item.get_ref(), item.span(), problems));
            NodeKind::Array(items.collect())
        }
        DeValue::Table(table) => NodeKind::Table(entries(source, table, problems)),
    };
    Some(TomlNode { source: Arc::clone(source), span, kind })
}

impl TomlNode {
    /// A problem about this value.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::new(&self.source, Some(self.span.clone()), message)
    }

    pub(crate) fn entries(&self) -> &[TableEntry] {
        if let NodeKind::Table(entries) = &self.kind { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let NodeKind::Array(items) = &self.kind { items } else { &[] }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let NodeKind::Table(entries) = &mut self.kind else { return None };
        entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let NodeKind::Leaf(Value::String(text)) = &self.kind { Some(text) } else { None }
    }

    /// The node at `path` (keys joined by dots), or the deepest one on the way: where a problem
    /// about the path is best shown.
    pub(crate) fn nearest(&self, path: &str) -> &Self {
        path.split('.').try_fold(self, |node, key| node.get(key).ok_or(node)).unwrap_or_else(|node| node)
    }

    /// The plain value, positions forgotten.
    pub(crate) fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Leaf(value) => value.clone(),
            NodeKind::Array(items) => Value::Array(items.iter().map(Self::value).collect()),
            NodeKind::Table(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// Lays `above` over this one.
    pub(crate) fn merge(&mut self, above: Self) {
        match (&mut self.kind, above) {
            (NodeKind::Table(below), Self { kind: NodeKind::Table(above), source, span }) => {
                for entry in above {
                    match below.iter_mut().find(|known| known.key == entry.key) {
                        Some(known) => {
                            known.key_span = entry.key_span;
                            known.node.merge(entry.node);
                        }
                        None => below.push(entry),
                    }
                }
                // a table that several layers wrote is shown where the last of them wrote it
                self.source = source;
                self.span = span;
            }
            (_, above) => *self = above,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tree(text: &str) -> TomlNode {
        let mut problems = Vec::new();
        let node = read(&SourceText::new("t.toml", text), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        node
    }

    #[test]
    fn tables_merge_and_arrays_replace() {
        let mut below = tree("a = { x = 1, y = 2 }\nlist = [1, 2]\nb = 1");
        below.merge(tree("a = { y = 3, z = 4 }\nlist = [3]\nb = { c = 1 }"));
        assert_eq!(below.value(), json!({ "a": { "x": 1, "y": 3, "z": 4 }, "list": [3], "b": { "c": 1 } }));
    }

    #[test]
    fn a_broken_line_does_not_hide_the_others() {
        let mut problems = Vec::new();
        let source = SourceText::new("t.toml", "a = \nb = 2\nc = [1\nd = 1979-05-27\n");
        read(&source, &mut problems);
        assert!(problems.len() >= 2, "{problems:?}");
    }

    #[test]
    fn the_deepest_node_on_a_path_stands_for_what_is_missing() {
        let node = tree("a = { x = 1 }");
        assert_eq!(node.nearest("a.q").span, node.get("a").expect("a").span);
        assert_eq!(node.nearest("a.x").value(), json!(1));
    }
}
