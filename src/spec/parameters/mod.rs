//! `postgres.parameters`: every name and value looked at before anything starts, by what PostgreSQL of the declared
//! version knows itself. Pure.
//!
//! Each question has a file: what PostgreSQL takes (`catalogue`, `value`, `text`), what is not a lab's to choose
//! (`owned`), and what does not fit together or into the body (`together`). Of a version without data (`lab/data`)
//! nothing is said but what holds for every version.

mod catalogue;
mod owned;
mod settings;
mod text;
mod together;
mod value;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::LabSpec;
use crate::spec::problem::nearest;
use catalogue::{Catalogue, Setting, SettingContext, SettingKind};
pub(crate) use settings::{ProblemPlace, Settings, WrongSetting};
use value::ReadValue;

/// Everything that is wrong with the parameters of a lab.
pub(crate) fn wrong(spec: &LabSpec) -> Vec<WrongSetting> {
    let catalogue = catalogue::of(spec.images.postgres);
    let mut settings = Settings { catalogue, read: BTreeMap::new() };
    let mut wrong = Vec::new();
    for (name, value) in &spec.postgres.parameters {
        match one(catalogue, name, value) {
            Ok(Some(read)) => {
                settings.read.insert(name.to_ascii_lowercase(), read);
            }
            Ok(None) => {}
            Err(problem) => wrong.push(problem),
        }
    }
    wrong.extend(text::wrong(&settings, spec));
    wrong.extend(together::wrong(&settings, spec));
    wrong
}

/// The value of one setting, if it can be understood at all.
fn one(catalogue: Option<&Catalogue>, name: &str, value: &Value) -> Result<Option<ReadValue>, WrongSetting> {
    let at_name = |message: String, hint: String| {
        WrongSetting::new(vec![ProblemPlace::Name(name.to_owned())], message, hint)
    };
    if let Some(owner) = owned::owner(name) {
        return Err(at_name(format!("`{name}` is not set here"), owner.to_owned()));
    }
    if value.is_object() || value.is_array() {
        let message = format!("PostgreSQL's `{name}` takes one value");
        let inner = value.as_object().and_then(|table| table.keys().next());
        let hint = inner.map_or_else(
            || "text, a number, true or false".to_owned(),
            |inner| format!("a name with a dot is written in quotes: \"{name}.{inner}\" = …"),
        );
        return Err(WrongSetting::value(name, message, hint));
    }
    let Some(catalogue) = catalogue else { return Ok(None) };
    let Some(setting) = catalogue.setting(name) else {
        return unknown(catalogue, name).map_or(Ok(None), |(message, hint)| Err(at_name(message, hint)));
    };
    if setting.context == SettingContext::Internal {
        let hint = if name == "wal_segment_size" { "wal-segment, under [postgres]" } else { "take it out" };
        return Err(at_name(format!("`{name}` says how PostgreSQL is; nobody sets it"), hint.to_owned()));
    }
    let read =
        value::read(setting, value).map_err(|(message, hint)| WrongSetting::value(name, message, hint))?;
    match owned::unfit(name, &read) {
        Some((message, hint)) => Err(WrongSetting::value(name, message, hint)),
        None => Ok(Some(read)),
    }
}

/// What is wrong with a name that this version does not know; nothing with one of a library's own.
fn unknown(catalogue: &Catalogue, name: &str) -> Option<(String, String)> {
    let major = catalogue.major;
    if let Some((library, _)) = name.split_once('.') {
        return of_library(catalogue, name, library);
    }
    let message = format!("PostgreSQL {major} has no setting `{name}`");
    let other = catalogue::all().iter().find(|other| other.major != major && other.setting(name).is_some());
    let near = || {
        let near = nearest(name, catalogue.settings.iter().map(|setting| setting.name.as_str()));
        near.map(|near| format!("did you mean `{near}`?"))
    };
    let hint = owned::gone(name)
        .map(str::to_owned)
        .or_else(|| other.map(|other| format!("PostgreSQL {} has it", other.major)))
        .or_else(near)
        .unwrap_or_else(|| {
            format!("see \"Server Configuration\" in the documentation of PostgreSQL {major}")
        });
    Some((message, hint))
}

/// A name with a dot is whatever its library makes of it; of a library that is installed it is known what that is.
fn of_library(catalogue: &Catalogue, name: &str, library: &str) -> Option<(String, String)> {
    let word = |part: &str| {
        let first = part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        first && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    if !name.split('.').all(word) {
        return Some((format!("`{name}` is no name of a setting"), "letters, digits and `_`".to_owned()));
    }
    let prefix = format!("{library}.");
    let ours = || {
        catalogue
            .settings
            .iter()
            .map(|setting| setting.name.as_str())
            .filter(|known| known.starts_with(&prefix))
    };
    // one that is installed and has no settings may be a name of somebody's own
    if !catalogue.has_library(library) || ours().next().is_none() {
        return None;
    }
    let hint = crate::spec::shape::did_you_mean("its settings", name, ours().collect::<Vec<_>>().into_iter());
    Some((format!("library `{library}` has no setting `{name}`"), hint))
}

/// The JSON Schema of the parameters for editors: every name of every version there is data of, with what it takes.
pub(crate) fn schema() -> Value {
    let mut properties = Map::new();
    for catalogue in catalogue::all() {
        let free = |setting: &&Setting| {
            setting.context != SettingContext::Internal && owned::owner(&setting.name).is_none()
        };
        for setting in catalogue.settings.iter().filter(free) {
            let others =
                catalogue::all().iter().filter(|other| other.setting(&setting.name).is_some()).count();
            let alone = others < catalogue::all().len();
            let only = if alone { format!(" PostgreSQL {}.", catalogue.major) } else { String::new() };
            properties.entry(setting.name.clone()).or_insert_with(|| describe(setting, &only));
        }
    }
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^[A-Za-z_][A-Za-z0-9_$]*(\\.[A-Za-z_][A-Za-z0-9_$]*)+$": {} },
        "additionalProperties": false,
    })
}

/// What a setting takes, in words and for an editor's lists.
fn describe(setting: &Setting, only: &str) -> Value {
    let unit = setting.unit.as_deref().map_or_else(String::new, |unit| format!(", in {unit}"));
    let range = match (&setting.min, &setting.max) {
        (Some(min), Some(max)) => format!("{min} to {max}{unit}."),
        _ => String::new(),
    };
    let when = if setting.context == SettingContext::Postmaster { " Counts from a restart." } else { "" };
    let about = format!("{range}{when}{only}").trim().to_owned();
    let mut said = match setting.kind {
        SettingKind::Bool => json!({ "type": ["boolean", "string", "integer"] }),
        SettingKind::Enum => {
            json!({ "anyOf": [{ "enum": setting.words }, { "type": ["boolean", "string"] }] })
        }
        SettingKind::Integer | SettingKind::Real => json!({ "type": ["number", "string"] }),
        SettingKind::String => json!({ "type": ["string", "number"] }),
    };
    if !about.is_empty() {
        said["description"] = Value::String(about);
    }
    said
}

#[cfg(test)]
mod tests;
