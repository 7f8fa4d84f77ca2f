//! Pages of `docs/src` that are made from the program: `commands.md` from its help, `grammar.md` from the JSON Schema
//! of scenarios. Each is compared to the letter. `TRYCMD=overwrite cargo test --test cli` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Width of the help on the page: that of a terminal of its reader is another matter.
const COLUMNS: &str = "100";

/// Tables of a scenario file, and their types.
const SECTIONS: [(&str, &str); 4] = [
    ("The lab: `[lab]`", "LabChoice"),
    ("Loads: `[[load]]`", "Load"),
    ("Steps: `[[step]]`", "Step"),
    ("The end: `[ends]`", "Ends"),
];

/// What the program prints for these words, without blanks at the ends of lines.
fn said(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
    let command = command.args(words).env("COLUMNS", COLUMNS);
    let command = command.env_remove("PGHA_FILE").env_remove("PGHA_PRESET").env_remove("PGHA_LAB");
    let output = command.output().expect("pgha starts");
    assert_eq!(output.status.code(), Some(0), "{words:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

/// The verbs of the program, in the order in which its help names them.
pub fn verbs() -> Vec<String> {
    let help = said(&["--help"]);
    let lines =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The page of all verbs.
fn commands() -> String {
    let mut page = "# Commands\n\n`pgha` prints this page itself, and a test compares it. Data goes to stdout, progress and \
                    diagnostics go to stderr.\n[Runs and verdicts](runs.md#verdicts) explains the exit codes, and [the \
                    grammar](grammar.md#verbs) the verbs of `pgha inject`.\n"
        .to_owned();
    let _ = write!(page, "\n```text\n{}\n```\n", said(&["--help"]));
    for verb in verbs() {
        let long = said(&[&verb, "--help"]);
        let about = long.split("\nUsage:").next().unwrap_or_default().trim();
        let short = said(&[&verb, "-h"]);
        let usage = short.split_once("\nUsage:").map_or(short.as_str(), |(_, usage)| usage.trim());
        let _ = write!(page, "\n## `pgha {verb}`\n\n{about}\n\n```text\nUsage: {usage}\n```\n");
    }
    page
}

/// A type with too many words for a cell: it has a table of its own.
struct List {
    name: &'static str,
    title: &'static str,
    /// What one of its words is.
    word: &'static str,
    /// What is said of each.
    about: &'static str,
}

const LISTS: [List; 2] = [
    List { name: "Workload", title: "Workloads", word: "workload", about: "one operation" },
    List { name: "AlarmKind", title: "Kinds of alarms", word: "kind of alarm", about: "what it says" },
];

/// One line of a table: no line breaks, no bars.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// What a value may be, in a word or two.
fn kind(schema: &Value, definitions: &Value) -> String {
    let options = schema["anyOf"].as_array().or_else(|| schema["allOf"].as_array());
    if let Some(option) = options.and_then(|options| options.iter().find(|option| option["type"] != "null")) {
        return kind(option, definitions);
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return named(name, &definitions[name]);
    }
    let word = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("value");
    match word {
        "array" => match schema["items"].as_array() {
            Some(items) => items.iter().map(|item| kind(item, definitions)).collect::<Vec<_>>().join(" and "),
            None => format!("list of {}", kind(&schema["items"], definitions)),
        },
        "string" => "text".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        word => word.to_owned(),
    }
}

/// The same for a type with a name: its words where it is a list of words.
fn named(name: &str, definition: &Value) -> String {
    let words: Vec<&str> = definition["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word["const"].as_str())
        .collect();
    if let Some(list) = LISTS.iter().find(|list| list.name == name) {
        return list.word.to_owned();
    }
    match name {
        "Span" => "duration".to_owned(),
        "Bytes" => "size".to_owned(),
        "LabChoice" => "lab".to_owned(),
        _ if words.is_empty() => name.to_lowercase(),
        _ => format!("`{}`", words.join("` `")),
    }
}

/// The keys of an object as a table.
fn keys(object: &Value, definitions: &Value) -> String {
    let Some(properties) = object["properties"].as_object().filter(|properties| !properties.is_empty())
    else {
        return "It has no keys.\n".to_owned();
    };
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut table = "| key | is | default | what |\n|---|---|---|---|\n".to_owned();
    for (key, schema) in properties {
        let default = match &schema["default"] {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            Value::Null => "–".to_owned(),
            Value::String(text) => format!("`{text}`"),
            value => format!("`{value}`"),
        };
        let what = cell(schema["description"].as_str().unwrap_or_default());
        let _ = writeln!(table, "| `{key}` | {} | {default} | {what} |", kind(schema, definitions));
    }
    table
}

/// A section for each choice of an enum whose choices carry keys.
fn choices(definition: &Value, definitions: &Value, out: &mut String) {
    for choice in definition["oneOf"].as_array().into_iter().flatten() {
        let name = choice["required"][0].as_str().unwrap_or_default();
        let about = choice["description"].as_str().unwrap_or_default();
        let _ = write!(
            out,
            "\n### `{name}`\n\n{}\n\n{}",
            cell(about),
            keys(&choice["properties"][name], definitions)
        );
    }
}

/// The page of the grammar of scenarios.
fn grammar() -> String {
    let schema: Value = serde_json::from_str(&said(&["schema", "scenario"])).expect("a schema");
    let definitions = &schema["definitions"];
    let mut page = "# The grammar\n\nThis page is made from the JSON Schema of scenarios (`pgha schema scenario`), and a test \
                    compares it.\n[Scenarios](scenarios.md) explains the parts, and [the tour](../../scenarios/tour.toml) \
                    shows all of them in one file.\n"
        .to_owned();
    let _ = write!(page, "\n## A scenario\n\n{}", keys(&schema, definitions));
    for (title, name) in SECTIONS {
        let _ = write!(page, "\n## {title}\n\n{}", keys(&definitions[name], definitions));
    }
    for List { name, title, word, about } in LISTS {
        let _ = write!(page, "\n## {title}\n\n| {word} | {about} |\n|---|---|\n");
        for one in definitions[name]["oneOf"].as_array().into_iter().flatten() {
            let about = cell(one["description"].as_str().unwrap_or_default());
            let _ = writeln!(page, "| `{}` | {about} |", one["const"].as_str().unwrap_or_default());
        }
    }
    let targets = definitions["Target"]["description"].as_str().unwrap_or_default();
    let (_, forms) = targets.split_once(": ").unwrap_or(("", targets));
    page.push_str("\n## Targets\n\n");
    for form in forms.split(", ") {
        let _ = match form.strip_prefix("or ") {
            Some(words) => writeln!(page, "- {words}"),
            None => writeln!(page, "- `{form}`"),
        };
    }
    page.push_str("\n## Verbs\n");
    choices(&definitions["Verb"], definitions, &mut page);
    page.push_str("\n## Expectations\n");
    choices(&definitions["Expect"], definitions, &mut page);
    page
}

/// Every page that is made, by its path below the root of the repository.
pub fn pages() -> BTreeMap<&'static str, String> {
    BTreeMap::from([("docs/src/commands.md", commands()), ("docs/src/grammar.md", grammar())])
}

/// Whether the committed page is the one that the program makes; with `overwrite` it is made so.
pub fn compare(path: &str, made: &str, overwrite: bool) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if overwrite {
        std::fs::write(&file, made).expect("a page that can be written");
    }
    let committed = std::fs::read_to_string(&file).expect("a committed page");
    assert!(
        committed == made,
        "{path} is not what the program says. `TRYCMD=overwrite cargo test --test cli` writes it anew."
    );
}
