//! Compares a tree with the JSON Schema of what it should be, and reports every difference where
//! it stands: unknown keys, missing keys, wrong types, words that are no choice, bad units.
//!
//! Only the part of JSON Schema that schemars writes for our types is understood; texts with a
//! grammar (names, durations, sizes, targets) are read by their own parsers, which explain better
//! than a pattern can.

use serde_json::Value;

use super::problem::{Problem, nearest};
use super::tree::{NodeKind, TomlNode};
use crate::model::target::BadTarget;
use crate::model::{Bytes, Name, Span, Target};

/// A schema, ready to compare with.
pub(crate) struct SchemaShape {
    root: Value,
    prune: bool,
}

impl SchemaShape {
    /// Reports differences and leaves the tree as it is.
    pub(crate) const fn new(root: Value) -> Self {
        Self { root, prune: false }
    }

    /// Also takes out what is no good, so that the layer below shows through and the rest can
    /// still be judged.
    pub(crate) const fn pruning(root: Value) -> Self {
        Self { root, prune: true }
    }

    /// Compares `node` with the schema; problems are added to `problems`.
    pub(crate) fn check(&self, node: &mut TomlNode, problems: &mut Vec<Problem>) {
        self.node(&self.root, node, problems);
    }

    /// Follows references and takes the one alternative that is not null; the second value is the
    /// name of the definition, if there was one.
    fn plain<'a>(&'a self, mut schema: &'a Value) -> (&'a Value, &'a str) {
        let mut name = "";
        loop {
            let inner = if let Some(reference) = schema["$ref"].as_str() {
                name = reference.rsplit('/').next().unwrap_or_default();
                Some(&self.root["definitions"][name])
            } else if let Some(all) = schema["allOf"].as_array() {
                all.first()
            } else if let Some(any) = schema["anyOf"].as_array() {
                any.iter().find(|option| option["type"] != "null")
            } else {
                None
            };
            match inner {
                Some(inner) => schema = inner,
                None => return (schema, name),
            }
        }
    }

    /// Whether what is left of the node can be used.
    fn node(&self, schema: &Value, node: &mut TomlNode, problems: &mut Vec<Problem>) -> bool {
        let (schema, name) = self.plain(schema);
        if let Some(options) = schema["oneOf"].as_array() {
            return if options.iter().all(|option| option.get("const").is_some()) {
                choice(node, options.iter().filter_map(|option| option["const"].as_str()), problems)
            } else {
                self.tagged(options, node, problems)
            };
        }
        if let Some(words) = schema["enum"].as_array() {
            return choice(node, words.iter().filter_map(Value::as_str), problems);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or_default(),
            kind => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "object" => self.table(schema, node, problems),
            "array" => self.array(schema, node, problems),
            "" => true, // anything goes
            _ => leaf(schema, name, kind, node, problems),
        }
    }

    fn table(&self, schema: &Value, node: &mut TomlNode, problems: &mut Vec<Problem>) -> bool {
        let whole = node.span.clone();
        let source = std::sync::Arc::clone(&node.source);
        let NodeKind::Table(entries) = &mut node.kind else {
            return wrong(node, "a table", problems);
        };
        let properties = schema["properties"].as_object();
        let open = properties.is_none() && schema["additionalProperties"] != Value::Bool(false);
        let seen: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let mut usable = true;
        entries.retain_mut(|entry| {
            let known = properties.and_then(|properties| properties.get(&entry.key));
            let good = match known {
                Some(known) => self.node(known, &mut entry.node, problems),
                None if open => self.node(&schema["additionalProperties"], &mut entry.node, problems),
                None => {
                    let keys = properties.into_iter().flatten().map(|(key, _)| key.as_str());
                    let problem = Problem::new(
                        &source,
                        Some(entry.key_span.clone()),
                        format!("unknown key `{}`", entry.key),
                    );
                    problems.push(problem.hint(did_you_mean("keys here", &entry.key, keys)));
                    false
                }
            };
            usable &= good || self.prune;
            good || !self.prune
        });
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            usable &= entries.iter().any(|entry| entry.key == key);
            // a key that is there and no good has had its own message
            if !seen.iter().any(|seen| seen == key) {
                let about = properties.and_then(|p| p[key]["description"].as_str()).unwrap_or_default();
                let line = first_line(&source.text, &whole);
                problems.push(Problem::new(&source, Some(line), format!("missing key `{key}`")).hint(about));
            }
        }
        usable
    }

    /// A table with exactly one key that says what it is: `{ kill = { … } }`.
    fn tagged(&self, options: &[Value], node: &mut TomlNode, problems: &mut Vec<Problem>) -> bool {
        let tags = || {
            let keys = options.iter().filter_map(|option| option["properties"].as_object());
            keys.flat_map(|properties| properties.keys().map(String::as_str))
        };
        let NodeKind::Table(entries) = &mut node.kind else {
            let list = tags().collect::<Vec<_>>().join(", ");
            return wrong(node, &format!("a table with one of these keys: {list}"), problems);
        };
        if entries.len() != 1 {
            let seen: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
            let message =
                format!("exactly one key is wanted here, found {}: {}", seen.len(), seen.join(", "));
            problems.push(
                node.problem(message).hint(format!("keys here: {}", tags().collect::<Vec<_>>().join(", "))),
            );
            return false;
        }
        let entry = &mut entries[0];
        if let Some(schema) = options.iter().find_map(|option| option["properties"].get(&entry.key)) {
            return self.node(schema, &mut entry.node, problems);
        }
        let message = format!("unknown key `{}`", entry.key);
        let problem = Problem::new(&entry.node.source, Some(entry.key_span.clone()), message);
        problems.push(problem.hint(did_you_mean("keys here", &entry.key, tags())));
        false
    }

    fn array(&self, schema: &Value, node: &mut TomlNode, problems: &mut Vec<Problem>) -> bool {
        let NodeKind::Array(items) = &mut node.kind else { return wrong(node, "an array", problems) };
        if let Some(parts) = schema["items"].as_array() {
            if parts.len() != items.len() {
                let message = format!("{} values are wanted here, found {}", parts.len(), items.len());
                problems.push(node.problem(message));
                return false;
            }
            return parts
                .iter()
                .zip(items)
                .fold(true, |usable, (part, item)| self.node(part, item, problems) && usable);
        }
        let mut usable = true;
        items.retain_mut(|item| {
            let table = matches!(item.kind, NodeKind::Table(_));
            let good = self.node(&schema["items"], item, problems);
            usable &= good || (table && self.prune);
            good || !(table && self.prune)
        });
        usable
    }
}

fn leaf(schema: &Value, name: &str, kind: &str, node: &TomlNode, problems: &mut Vec<Problem>) -> bool {
    let NodeKind::Leaf(value) = &node.kind else { return wrong(node, kind_in_words(kind, name), problems) };
    let fits = match kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    };
    if !fits {
        return wrong(node, kind_in_words(kind, name), problems);
    }
    if kind == "integer" {
        let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
        let most = if schema["format"] == "uint32" { i64::from(u32::MAX) } else { i64::MAX };
        let most = schema["maximum"].as_i64().unwrap_or(most);
        if !value.as_i64().is_some_and(|number| (least..=most).contains(&number)) {
            problems
                .push(node.problem(format!("a number from {least} to {most} is wanted here, found {value}")));
            return false;
        }
    }
    let text = value.as_str().unwrap_or_default();
    let refused = match name {
        "Name" => text.parse::<Name>().err().map(|why| (why.to_string(), None)),
        "Span" => text.parse::<Span>().err().map(|why| (why.to_string(), None)),
        "Bytes" => text.parse::<Bytes>().err().map(|why| (why.to_string(), None)),
        "Target" => text.parse::<Target>().err().map(|why| (why.to_string(), Some(BadTarget::HINT))),
        _ => None,
    };
    let Some((message, hint)) = refused else { return true };
    let problem = node.problem(message);
    problems.push(if let Some(hint) = hint { problem.hint(hint) } else { problem });
    false
}

fn choice<'a>(
    node: &TomlNode,
    words: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Vec<Problem>,
) -> bool {
    let Some(text) = node.text() else {
        let list = words.collect::<Vec<_>>().join(", ");
        return wrong(node, &format!("one of {list}, as text"), problems);
    };
    if words.clone().any(|word| word == text) {
        return true;
    }
    let hint = did_you_mean("choices", text, words);
    problems.push(node.problem(format!("`{text}` is no choice here")).hint(hint));
    false
}

fn wrong(node: &TomlNode, wanted: &str, problems: &mut Vec<Problem>) -> bool {
    let seen = match &node.kind {
        NodeKind::Table(_) => "a table",
        NodeKind::Array(_) => "an array",
        NodeKind::Leaf(Value::String(_)) => "text",
        NodeKind::Leaf(Value::Bool(_)) => "true or false",
        NodeKind::Leaf(value) if value.is_f64() => "a number with a fraction",
        NodeKind::Leaf(_) => "a whole number",
    };
    problems.push(node.problem(format!("{wanted} is wanted here, found {seen}")));
    false
}

fn kind_in_words<'a>(kind: &'a str, name: &str) -> &'a str {
    match (kind, name) {
        (_, "Span") => "a duration with its unit, as text (\"1.5s\")",
        (_, "Bytes") => "a size with its unit, as text (\"512MiB\")",
        (_, "Target") => "a target, as text (\"primary\")",
        (_, "Name") => "a name, as text",
        ("string", _) => "text",
        ("boolean", _) => "true or false",
        ("number", _) => "a number",
        ("integer", _) => "a whole number",
        (kind, _) => kind,
    }
}

/// "did you mean `x`?" when something is near, else the list of what there is.
pub(crate) fn did_you_mean<'a>(
    what: &str,
    seen: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match nearest(seen, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what}: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The part of `span` on its first line: what is missing from a long table is shown at its head.
pub(crate) fn first_line(text: &str, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
    let end = text.get(span.clone()).and_then(|part| part.find('\n')).map_or(span.end, |at| span.start + at);
    span.start..end
}
