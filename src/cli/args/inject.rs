//! Arguments of `inject`.
//!
//! Theory: its subcommands are made from the JSON Schema of the verbs. A verb that is added to the grammar is there
//! without a line of code here.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use serde_json::Value;

use super::shared::LabArgs;
use crate::model::{Name, Span};
use crate::spec::schema;

/// A verb of the grammar with the keys that were typed.
#[derive(Clone, Debug)]
pub struct InjectArgs {
    /// The verb, as files call it.
    pub verb: String,
    /// Keys with their values, as TOML.
    pub keys: Vec<(String, String)>,
    /// Which lab.
    pub lab: LabArgs,
    /// How long it stays on; absent: until it is healed.
    pub lasts: Option<Span>,
    /// Its name; absent: that of the verb.
    pub id: Option<Name>,
    /// Chooses where verb or target leave a choice.
    pub seed: u64,
}

/// Every verb of the grammar: name, description, keys.
fn verbs() -> Vec<(String, String, Value)> {
    let schema: Value = serde_json::from_str(&schema::scenario_schema()).unwrap_or_default();
    let options = schema["definitions"]["Verb"]["oneOf"].as_array().cloned().unwrap_or_default();
    let verb = |option: Value| {
        let name = option["required"][0].as_str()?.to_owned();
        let about = option["description"].as_str().unwrap_or_default().to_owned();
        let keys = option["properties"][&name].clone();
        Some((name, about, keys))
    };
    options.into_iter().filter_map(verb).collect()
}

fn keys(schema: &Value) -> Vec<(String, Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn command(name: &str, about: &str, schema: &Value) -> Command {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut command = Command::new(name.to_owned());
    for (key, value) in keys(schema) {
        let mut help = value["description"].as_str().unwrap_or_default().trim_end_matches('.').to_owned();
        if let Some(default) = value.get("default").filter(|default| !default.is_null()) {
            help = format!(
                "{help} [default: {}]",
                default.as_str().map_or_else(|| default.to_string(), str::to_owned)
            );
        }
        let list = if value["type"] == "array" { ", separated by commas" } else { "" };
        let arg = Arg::new(key.clone())
            .long(key.clone())
            .value_name("VALUE")
            .allow_hyphen_values(true)
            .required(required.contains(&key.as_str()))
            .help(format!("{help}{list}"));
        command = command.arg(arg);
    }
    command = command
        .arg(Arg::new("for").long("for").value_name("SPAN").value_parser(clap::value_parser!(Span)).help(
            "Wait so long, then heal; Ctrl-C heals at once. Without it the fault stays on until `pgha heal`",
        ))
        .arg(
            Arg::new("id")
                .long("id")
                .value_name("ID")
                .value_parser(clap::value_parser!(Name))
                .help("Its name"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("SEED")
                .default_value("1")
                .value_parser(clap::value_parser!(u64))
                .help("Chooses where the verb or its target leaves a choice"),
        );
    // the flags bring a description of their own
    LabArgs::augment_args(command).about(about.to_owned())
}

impl Subcommand for InjectArgs {
    fn augment_subcommands(command: Command) -> Command {
        verbs().iter().fold(command, |command, (name, about, keys)| {
            command.subcommand(self::command(name, about, keys))
        })
    }
    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }
    fn has_subcommand(name: &str) -> bool {
        verbs().iter().any(|(verb, ..)| verb == name)
    }
}

impl FromArgMatches for InjectArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (verb, matches) = matches
            .subcommand()
            .ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        let known = verbs().into_iter().find(|(name, ..)| name == verb);
        let keys = known.map(|(_, _, schema)| keys(&schema)).unwrap_or_default();
        let typed = keys.into_iter().filter_map(|(key, schema)| {
            let value = matches.get_one::<String>(&key)?;
            Some((key, toml(&schema, value)))
        });
        Ok(Self {
            verb: verb.to_owned(),
            keys: typed.collect(),
            lab: LabArgs::from_arg_matches(matches)?,
            lasts: matches.get_one("for").copied(),
            id: matches.get_one("id").cloned(),
            seed: matches.get_one("seed").copied().unwrap_or(1),
        })
    }
    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What was typed for a key of this schema, as TOML: numbers, truths and tables as they are, everything else
/// as text; what is no number is left to the reader of scenarios, who says so.
fn toml(schema: &Value, typed: &str) -> String {
    let of = |kind: &str| match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|known| known == kind),
        known => known == kind,
    };
    let text = |typed: &str| Value::String(typed.trim().to_owned()).to_string();
    let bare =
        |typed: &str| if typed.trim().parse::<f64>().is_ok() { typed.trim().to_owned() } else { text(typed) };
    let reference =
        schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str()).unwrap_or_default();
    if of("array") {
        let numbers = schema["items"]["type"] == "integer";
        let items: Vec<String> =
            typed.split(',').map(|item| if numbers { bare(item) } else { text(item) }).collect();
        format!("[{}]", items.join(", "))
    } else if of("boolean") && matches!(typed, "true" | "false") {
        typed.to_owned()
    } else if reference.ends_with("/Verb") {
        let whole = typed.trim().starts_with('{');
        if whole { typed.trim().to_owned() } else { format!("{{ {} }}", typed.trim()) }
    } else if of("number") || of("integer") {
        bare(typed)
    } else {
        text(typed)
    }
}
