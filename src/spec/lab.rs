//! A lab from its layers: built-in, then the user's file, a preset, a scenario's `[lab] set`,
//! `--set`. Later layers win; tables merge, arrays replace.
//!
//! What has a short form (`instances = 2` for a range that does not move) is written out in each
//! layer before the layers are merged, so that a layer may also change one limit only.

use std::sync::Arc;

use super::lab_rules;
use super::problem::{Problem, Problems, SourceText};
use super::schema;
use super::shape::SchemaShape;
use super::tree::{self, NodeKind, TableEntry, TomlNode};
use crate::model::LabSpec;

/// The lab everybody starts from.
pub const BUILT_IN: &str = include_str!("../../lab/lab.toml");

/// The presets that come with the program: name and text.
pub const PRESETS: &[(&str, &str)] = &[
    ("stock", include_str!("../../lab/presets/stock.toml")),
    ("repair", include_str!("../../lab/presets/repair.toml")),
    ("zerops-2022", include_str!("../../lab/presets/zerops-2022.toml")),
    ("zerops-2026", include_str!("../../lab/presets/zerops-2026.toml")),
    ("stock-tuned", include_str!("../../lab/presets/stock-tuned.toml")),
    ("stock-restart", include_str!("../../lab/presets/stock-restart.toml")),
    ("small", include_str!("../../lab/presets/small.toml")),
];

/// The preset in force when nobody names one: `lab/lab.toml` as it comes says the same.
pub const DEFAULT_PRESET: &str = "stock";

/// Where a layer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// The text inside the program.
    BuiltIn,
    /// A lab file, which declares a whole lab.
    File,
    /// A preset that comes with the program.
    Preset,
    /// A scenario; its `[lab] set` counts.
    Scenario,
    /// One `--set KEY=VALUE` of the command line.
    Override,
    /// A value made by the program.
    Value,
}

/// One layer of settings: text, and what to call it in messages.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Name in messages: a path, `preset stock`, `--set`.
    pub name: String,
    /// The layer as TOML.
    pub text: String,
    /// What sort of layer it is.
    pub kind: LayerKind,
}

impl Layer {
    fn of(kind: LayerKind, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), kind }
    }

    /// The lab everybody starts from. Always the first layer.
    #[must_use]
    pub fn built_in() -> Self {
        Self::of(LayerKind::BuiltIn, "built-in lab.toml", BUILT_IN)
    }

    /// A lab file, or a preset found beside it.
    #[must_use]
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(LayerKind::File, name, text)
    }

    /// One of [`PRESETS`]; `None` when there is none of that name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.iter().find(|(known, _)| *known == name)?;
        Some(Self::of(LayerKind::Preset, format!("preset {name}"), *text))
    }

    /// The `[lab] set` of a scenario, given the whole text of the scenario, so that problems point into it.
    #[must_use]
    pub fn scenario(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of(LayerKind::Scenario, name, text)
    }

    /// `--set a.b.c=value`, one layer each, later ones win. A value that is no TOML is taken as text.
    #[must_use]
    pub fn overrides(pairs: &[(String, String)]) -> Vec<Self> {
        let layer = |(key, value): &(String, String)| {
            let plain = format!("{key} = {value}");
            let text = if value.contains('\n') || plain.parse::<toml::Table>().is_err() {
                format!("{key} = {}", toml::Value::String(value.clone()))
            } else {
                plain
            };
            Self::of(LayerKind::Override, "--set", text)
        };
        pairs.iter().map(layer).collect()
    }

    /// A value made by the program. Nulls are left out: TOML has none.
    #[must_use]
    pub fn value(name: impl Into<String>, mut value: serde_json::Value) -> Self {
        drop_nulls(&mut value);
        // what is no table cannot be written as TOML; its JSON is no TOML either, so `resolve` reports it
        let text = toml::to_string(&value).unwrap_or_else(|_| value.to_string());
        Self::of(LayerKind::Value, name, text)
    }
}

fn drop_nulls(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        serde_json::Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

const SUBJECT: &str = "the lab cannot be read";

/// A lab that was read, and where each of its values was written.
#[derive(Clone, Debug)]
pub struct WrittenLab {
    /// The lab that the layers make.
    pub spec: LabSpec,
    tree: TomlNode,
}

impl WrittenLab {
    /// A problem about the key among `paths` (joined by dots) that was written last.
    #[must_use]
    pub fn problem(&self, paths: &[&str], message: impl Into<String>, hint: impl Into<String>) -> Problem {
        lab_rules::at(lab_rules::latest(&self.tree, paths), message).hint(hint)
    }
}

/// Merges the layers, first to last, and checks what comes out.
///
/// # Errors
/// Every problem of every layer and of the whole. When the whole is right but names what this
/// version cannot do, the problems say so.
pub fn resolve(layers: &[Layer]) -> Result<LabSpec, Problems> {
    read_all(layers).map(|written| written.spec)
}

/// The same, with the places of values.
///
/// # Errors
/// As [`resolve`].
pub fn read_all(layers: &[Layer]) -> Result<WrittenLab, Problems> {
    let (written, problems) = read_far(layers);
    let problems = Problems::new(SUBJECT, problems);
    match written {
        Some(written) => problems.or(written),
        None => Err(problems),
    }
}

/// The same as far as it goes: a lab that breaks a rule can still be held against what is asked of it, so that
/// everything is said at once. Without a lab there is a problem.
#[must_use]
pub fn read_far(layers: &[Layer]) -> (Option<WrittenLab>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut merged: Option<TomlNode> = None;
    let shape = SchemaShape::pruning(schema::lab_layer());
    for (number, layer) in layers.iter().enumerate() {
        let source = SourceText::layer(&layer.name, &layer.text, number);
        let Some(mut node) = read(layer.kind, &source, &mut problems) else { continue };
        check_layer(&shape, &mut node, &mut problems);
        match &mut merged {
            Some(below) => below.merge(node),
            None => merged = Some(node),
        }
    }
    let Some(mut merged) = merged else {
        return (
            None,
            vec![Problem::new(&SourceText::new("lab", ""), None, "no layer of settings was given")],
        );
    };
    fill_hosts(&mut merged);
    match serde_json::from_value::<LabSpec>(merged.value()) {
        Ok(spec) => {
            lab_rules::check(&spec, &merged, &mut problems);
            (Some(WrittenLab { spec, tree: merged }), problems)
        }
        Err(why) => {
            if problems.is_empty() {
                problems.push(Problem::new(&merged.source, None, why.to_string()));
            }
            (None, problems)
        }
    }
}

fn read(kind: LayerKind, source: &Arc<SourceText>, problems: &mut Vec<Problem>) -> Option<TomlNode> {
    if kind != LayerKind::Scenario {
        return Some(tree::read(source, problems));
    }
    // the rest of a scenario is not this room's business: spec::scenario has judged it
    tree::read(source, &mut Vec::new()).get("lab")?.get("set").cloned()
}

/// Compares one layer with the schema, its short forms written out.
pub(crate) fn check_layer(shape: &SchemaShape, node: &mut TomlNode, problems: &mut Vec<Problem>) {
    write_out(node);
    shape.check(node, problems);
}

/// Where a lab has ranges.
const RANGES: &[(&str, &[&str])] = &[
    ("postgres", &["instances", "cpus", "memory", "disk"]),
    ("balancers", &["instances", "cpus", "memory", "disk"]),
];

fn write_out(lab: &mut TomlNode) {
    for (service, keys) in RANGES {
        for key in *keys {
            let Some(node) = lab.get_mut(service).and_then(|service| service.get_mut(key)) else { continue };
            if let NodeKind::Leaf(_) = node.kind {
                let entry = |key: &str| TableEntry {
                    key: key.to_owned(),
                    key_span: node.span.clone(),
                    node: node.clone(),
                };
                node.kind = NodeKind::Table(["start", "min", "max"].map(entry).into());
            }
        }
    }
}

/// A host that declares no capacity has that of a small computer.
const HOST_DEFAULTS: &str = "cpus = 2.0\nmemory = \"4GiB\"\ndisk = \"20GiB\"\n";

fn fill_hosts(lab: &mut TomlNode) {
    let defaults = tree::read(&SourceText::new("built-in host", HOST_DEFAULTS), &mut Vec::new());
    if let Some(TomlNode { kind: NodeKind::Array(hosts), .. }) = lab.get_mut("host") {
        for host in hosts {
            let mut filled = defaults.clone();
            filled.merge(host.clone());
            *host = filled;
        }
    }
}

#[cfg(test)]
#[path = "lab_tests.rs"]
mod tests;
