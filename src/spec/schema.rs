//! JSON Schemas (draft-07, the one editors know) of the file formats, made from the types.
//!
//! The schema of a lab file differs from that of [`LabSpec`] in two ways: nothing is required,
//! because a file is one layer of several, and a range may be written as one value. For editors the names of
//! PostgreSQL's settings are in it, and a lab's own schema is in that of a scenario, under `[lab] set`.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::parameters;
use crate::model::suite::Suite;
use crate::model::{LabSpec, Scenario};

/// Schema of `lab.toml`, of presets, and of a scenario's `[lab] set`, as committed in `lab/lab.schema.json`.
#[must_use]
pub fn lab_schema() -> String {
    text(&lab_for_editors())
}

fn lab_for_editors() -> Value {
    let mut schema = lab_layer();
    if let Some(parameters) = schema.pointer_mut("/definitions/Postgres/properties/parameters") {
        let about = parameters["description"].take();
        *parameters = parameters::schema();
        parameters["description"] = about;
    }
    for (name, definition) in definitions(&mut schema) {
        if name.starts_with("Range") {
            let table = definition.take();
            let mut value = table.pointer("/properties/start").cloned().unwrap_or_default();
            if let Some(value) = value.as_object_mut() {
                value.remove("description");
            }
            *definition = json!({
                "description": "One value that never moves, or a start with limits.",
                "anyOf": [value, table],
            });
        }
    }
    schema
}

/// A schema with that of a lab at a place where settings of one are laid over it.
fn with_lab(mut schema: Value, at: &str) -> Value {
    let mut lab = lab_for_editors();
    let mut inner: serde_json::Map<String, Value> =
        definitions(&mut lab).map(|(name, definition)| (name.clone(), definition.take())).collect();
    inner.insert(
        "Lab".to_owned(),
        json!({ "type": "object", "properties": lab["properties"], "additionalProperties": false }),
    );
    if let Some(set) = schema.pointer_mut(at) {
        *set = json!({ "description": set["description"], "allOf": [{ "$ref": "#/definitions/Lab" }] });
    }
    if let Some(known) = schema.get_mut("definitions").and_then(Value::as_object_mut) {
        for (name, definition) in inner {
            known.entry(name).or_insert(definition);
        }
    }
    schema
}

/// Schema of a scenario, as committed in `scenarios/scenario.schema.json`.
#[must_use]
pub fn scenario_schema() -> String {
    text(&with_lab(scenario(), "/definitions/LabChoice/properties/set"))
}

/// Schema of a suite, as committed in `benches/suite.schema.json`.
#[must_use]
pub fn suite_schema() -> String {
    text(&with_lab(suite(), "/definitions/Arm/properties/set"))
}

/// Schema of any other format this program writes.
#[must_use]
pub fn schema_for<T: JsonSchema>() -> String {
    text(&of::<T>())
}

/// Schema of a suite as it is checked.
pub(crate) fn suite() -> Value {
    of::<Suite>()
}

/// Schema of one layer of a lab once its ranges are written out.
pub(crate) fn lab_layer() -> Value {
    let mut schema = of::<LabSpec>();
    if let Some(root) = schema.as_object_mut() {
        root.remove("required");
        // editors' own key, allowed as a comment in the first line of the file only
        root.insert("title".to_owned(), json!("pgha lab"));
    }
    for (name, definition) in definitions(&mut schema) {
        match name.as_str() {
            "Host" => definition["required"] = json!(["name"]),
            "Controller" => {}
            _ if definition.get("properties").is_some() => {
                definition.as_object_mut().map(|object| object.remove("required"));
            }
            _ => {}
        }
    }
    schema
}

/// Schema of a scenario.
pub(crate) fn scenario() -> Value {
    let mut schema = of::<Scenario>();
    schema["title"] = json!("pgha scenario");
    schema
}

fn of<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

fn definitions(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    schema.get_mut("definitions").and_then(Value::as_object_mut).into_iter().flatten()
}

fn text(schema: &Value) -> String {
    let mut text = format!("{schema:#}");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_knows_what_a_lab_may_be_set_to() {
        let lab: Value = serde_json::from_str(&lab_schema()).expect("JSON");
        for (text, at) in [
            (scenario_schema(), "/definitions/LabChoice/properties/set"),
            (suite_schema(), "/definitions/Arm/properties/set"),
        ] {
            let schema: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(schema.pointer(at).expect("a place")["allOf"][0]["$ref"], "#/definitions/Lab");
            for (name, definition) in lab["definitions"].as_object().expect("definitions") {
                assert_eq!(&schema["definitions"][name], definition, "two things are called {name}");
            }
        }
        let parameters = &lab["definitions"]["Postgres"]["properties"]["parameters"];
        assert!(parameters["properties"]["shared_buffers"].is_object());
        assert!(parameters["properties"]["port"].is_null(), "what Patroni sets is not offered");
        assert_eq!(parameters["additionalProperties"], false);
    }

    #[test]
    fn a_range_may_be_one_value_in_a_lab_file() {
        let schema: Value = serde_json::from_str(&lab_schema()).expect("JSON");
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        let ranges: Vec<_> = schema["definitions"]
            .as_object()
            .expect("definitions")
            .iter()
            .filter(|(name, _)| name.starts_with("Range"))
            .collect();
        assert_eq!(ranges.len(), 3, "counts, cores and sizes");
        for (name, range) in ranges {
            assert_eq!(range["anyOf"].as_array().map(Vec::len), Some(2), "{name}");
        }
    }
}
