//! From flags, environment and files to a resolved lab or scenario.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::LabArgs;
use super::{CliError, Exit};
use crate::model::{LabSpec, Name, Scenario};
use crate::spec::lab::{self, Layer};
use crate::spec::scenario;

/// A lab as resolved, and the preset it came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The lab.
    pub spec: LabSpec,
    /// The preset, when one was named.
    pub preset: Option<Name>,
}

/// Reads a file that a person named.
///
/// # Errors
/// A usage error with the reason.
pub fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!("cannot read {}: {error}", path.display()), "is the path right?")
    })
}

/// The nearest `lab/lab.toml`, from the working directory upwards.
fn nearest_lab_file() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|dir| dir.join("lab/lab.toml")).find(|path| path.is_file())
}

/// The binary that is running: it goes into the client image.
///
/// # Errors
/// When the system does not say which file that is.
pub fn program() -> Result<PathBuf, CliError> {
    std::env::current_exe().map_err(|error| CliError::usage(format!("which program is this? {error}"), ""))
}

/// Where the fault ledgers of labs lie, the same from any directory: `PGHA_STATE`, else what the XDG base
/// directory specification says for state.
#[must_use]
pub fn state() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PGHA_STATE")
        .or_else(|| set("XDG_STATE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("pgha")))
        .or_else(|| set("HOME").map(|home| home.join(".local/state/pgha")))
        .unwrap_or_else(|| std::env::temp_dir().join("pgha-state"))
}

/// Resolves the lab of the flags, with what a scenario lays over it.
///
/// # Errors
/// Every problem of every layer, with its place.
pub fn resolve(args: &LabArgs, of_scenario: Option<&Scenario>) -> Result<Resolved, CliError> {
    let mut layers = vec![Layer::built_in()];
    let file = args.file.clone().or_else(nearest_lab_file);
    if let Some(path) = &file {
        layers.push(Layer::file(path.display().to_string(), read(path)?));
    }
    // a preset lies over the lab file, so it is laid only when somebody names one
    let preset = args.preset.clone().or_else(|| of_scenario.and_then(|scenario| scenario.lab.preset.clone()));
    if let Some(preset) = &preset {
        layers.push(preset_layer(preset, file.as_deref())?);
    }
    if let Some(scenario) = of_scenario.filter(|scenario| !scenario.lab.set.is_null()) {
        layers.push(Layer::value(format!("[lab] set of {}", scenario.name), scenario.lab.set.clone()));
    }
    if !args.set.is_empty() {
        layers.extend(Layer::overrides(&args.set));
    }
    if let Some(lab) = &args.lab {
        layers.extend(Layer::overrides(&[("name".to_owned(), format!("\"{lab}\""))]));
    }
    Ok(Resolved { spec: lab::resolve(&layers)?, preset })
}

/// A preset beside the lab file, else one of the built-in ones.
fn preset_layer(preset: &Name, lab_file: Option<&Path>) -> Result<Layer, CliError> {
    if let Some(path) = lab_file.and_then(Path::parent).map(|dir| dir.join(format!("presets/{preset}.toml")))
        && path.is_file()
    {
        return Ok(Layer::file(path.display().to_string(), read(&path)?));
    }
    Layer::preset(preset.as_str()).ok_or_else(|| {
        let known: Vec<&str> = lab::PRESETS.iter().map(|(name, _)| *name).collect();
        CliError::usage(format!("there is no preset `{preset}`"), format!("presets: {}", known.join(", ")))
    })
}

/// Name of the lab a read verb is about.
///
/// # Errors
/// Problems of the lab file.
pub fn lab_name(args: &LabArgs) -> Result<String, CliError> {
    match &args.lab {
        Some(name) => Ok(name.to_string()),
        None => Ok(resolve(args, None)?.spec.name.to_string()),
    }
}

/// Reads a scenario that is to be run.
///
/// # Errors
/// Every problem, with its place.
pub fn scenario_to_run(path: &Path) -> Result<(Scenario, String), CliError> {
    let text = read(path)?;
    Ok((scenario::parse(&path.display().to_string(), &text)?, text))
}

/// `pgha validate`: every problem of every file.
///
/// # Errors
/// When a file cannot be read.
pub fn validate(files: &[PathBuf]) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    for path in files {
        let name = path.display().to_string();
        let text = read(path)?;
        // a scenario has steps, loads and a duration; a lab has hosts: tell them by the schema line or the folder
        let is_lab = text.contains("lab.schema.json")
            || path.components().any(|part| part.as_os_str() == "presets")
            || path.file_name().is_some_and(|file| file == "lab.toml");
        let outcome = if is_lab {
            lab::resolve(&[Layer::built_in(), Layer::file(&name, &text)]).map(drop)
        } else {
            scenario::parse(&name, &text).map(drop)
        };
        match outcome {
            Ok(()) => println!("{name}: ok"),
            Err(problems) => {
                eprintln!("{}", problems.render());
                exit = Exit::Usage;
            }
        }
    }
    Ok(exit)
}
