//! From flags, environment and files to a resolved lab or scenario.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::CliError;
use super::args::LabArgs;
use crate::decide::placement::{self, WhyNot};
use crate::model::lab::Desired;
use crate::model::{LabSpec, Name, Scenario, Service};
use crate::run::sql_files;
use crate::spec::lab::{self, Layer};
use crate::spec::{Problem, Problems, scenario};

const NO_LAB: &str = "the lab cannot be read";

/// A lab as resolved, and the preset it came from.
#[derive(Clone, Debug)]
pub struct ResolvedLab {
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

/// Writes a file that the user named.
pub fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text)
        .map_err(|error| CliError::usage(format!("cannot write {}: {error}", path.display()), ""))
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

/// The text of a scenario that lays settings over the lab of the flags.
#[derive(Clone, Copy, Debug)]
pub struct Over<'a> {
    /// What messages call it, usually its path.
    pub name: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

/// The lab of the flags with what a scenario lays over it, as far as it can be read.
fn written(args: &LabArgs, over: Option<Over<'_>>) -> Result<Laid, CliError> {
    let mut layers = vec![Layer::built_in()];
    let file = args.file.clone().or_else(nearest_lab_file);
    if let Some(path) = &file {
        layers.push(Layer::file(path.display().to_string(), read(path)?));
    }
    // a preset lies over the lab file, so it is laid only when somebody names one
    let of_scenario = over.and_then(|over| scenario::preset(over.text));
    let preset = args.preset.clone().or_else(|| of_scenario.clone());
    if let Some(preset) = &preset {
        layers.push(preset_layer(preset, file.as_deref()).map_err(|error| match (over, &error) {
            (Some(over), CliError::Usage { message, hint }) if of_scenario.as_ref() == Some(preset) => {
                let problem = scenario::problem(over.name, over.text, "lab.preset", message, hint);
                Problems::new(format!("{} names a lab that is not there", over.name), vec![problem]).into()
            }
            _ => error,
        })?);
    }
    layers.extend(over.map(|over| Layer::scenario(over.name, over.text)));
    if !args.set.is_empty() {
        layers.extend(Layer::overrides(&args.set));
    }
    if let Some(lab) = &args.lab {
        layers.extend(Layer::overrides(&[("name".to_owned(), format!("\"{lab}\""))]));
    }
    let (written, problems) = lab::read_far(&layers);
    Ok(Laid { written, preset, problems })
}

/// A lab, as far as it can be read, and what is wrong with it.
struct Laid {
    written: Option<lab::WrittenLab>,
    preset: Option<Name>,
    problems: Vec<Problem>,
}

impl Laid {
    /// The lab, when nothing is wrong with it.
    fn whole(self, subject: &str) -> Result<ResolvedLab, CliError> {
        Problems::new(subject, self.problems).or(())?;
        match self.written {
            Some(written) => Ok(ResolvedLab { spec: written.spec, preset: self.preset }),
            // without a lab there was a problem
            None => Err(CliError::usage(subject, "")),
        }
    }
}

/// Resolves the lab of the flags.
///
/// # Errors
/// Every problem of every layer, with its place.
pub fn resolve(args: &LabArgs) -> Result<ResolvedLab, CliError> {
    written(args, None)?.whole(NO_LAB)
}

/// Resolves a lab that is to be founded: everybody finds a host.
///
/// # Errors
/// As [`resolve`], and what finds no host.
pub fn to_found(args: &LabArgs) -> Result<ResolvedLab, CliError> {
    let mut laid = written(args, None)?;
    laid.problems.extend(laid.written.as_ref().and_then(unplaceable));
    laid.whole(NO_LAB)
}

/// What of a lab finds no host, shown at the value that was written last of those it follows from.
fn unplaceable(written: &lab::WrittenLab) -> Option<Problem> {
    let wanted = Desired::founding(&written.spec);
    // more than there are hosts has been said already
    let controllers = written.spec.controllers.iter().map(|controller| controller.replicas);
    if wanted
        .counts
        .values()
        .copied()
        .chain(controllers)
        .any(|count| count as usize > written.spec.hosts.len())
    {
        return None;
    }
    let why = placement::place(&written.spec, &wanted, &[]).err()?;
    let number = if why.service == Service::Etcd { "members" } else { "instances.start" };
    let section = match why.service {
        Service::Etcd => "etcd",
        Service::Postgres => "postgres",
        Service::Balancer => "balancers",
        Service::Client | Service::Controller | Service::Broker => "controller",
    };
    let of = |key: &str| {
        if why.service == Service::Etcd {
            format!("{section}.{key}")
        } else {
            format!("{section}.{key}.start")
        }
    };
    let mut paths: Vec<String> = Vec::new();
    for (_, why) in &why.hosts {
        paths.extend(match why {
            WhyNot::Cores { .. } => Some(of("cpus")),
            WhyNot::Memory { .. } => Some(of("memory")),
            WhyNot::Disk { .. } => Some(of("disk")),
            WhyNot::Has(_) => Some(format!("{section}.{number}")),
            WhyNot::NotAllowed => None,
        });
    }
    paths.extend([section.to_owned(), "host".to_owned()]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let hint = "add a host, make one larger, or ask for less";
    Some(written.problem(&paths, why.to_string(), hint))
}

/// A scenario and the lab it runs on, both without a problem.
#[derive(Clone, Debug)]
pub struct CheckedScenario {
    /// What the file declares.
    pub scenario: Scenario,
    /// The file as it was read.
    pub text: String,
    /// Texts of the loads that run a file, by load.
    pub sql: BTreeMap<Name, String>,
    /// The lab it runs on, and the preset that came from.
    pub lab: ResolvedLab,
}

/// Reads a scenario that is to be run, and everything it needs besides an engine.
///
/// # Errors
/// Every problem of the scenario, of its lab, of both together, and of the files it names, at once.
pub fn checked(args: &LabArgs, path: &Path) -> Result<CheckedScenario, CliError> {
    let (name, text) = (path.display().to_string(), read(path)?);
    let over = Over { name: &name, text: &text };
    let mut problems = Vec::new();
    let scenario = gather(scenario::parse(&name, &text).map_err(CliError::from), &mut problems)?;
    let sql = sql(path, over, &mut problems);
    let lab = gather(on_lab(args, over), &mut problems)?;
    Problems::new(format!("{name} cannot be run"), problems).or(())?;
    match (scenario, lab) {
        (Some(scenario), Some(lab)) => Ok(CheckedScenario { scenario, text, sql, lab }),
        // who has no value had a problem
        _ => Err(CliError::usage(format!("{name} cannot be run"), "")),
    }
}

/// The lab a scenario runs on.
///
/// # Errors
/// Every problem of the lab, and of the scenario on it, at once.
pub fn on_lab(args: &LabArgs, over: Over<'_>) -> Result<ResolvedLab, CliError> {
    let mut laid = written(args, Some(over))?;
    if let Some(written) = &laid.written {
        laid.problems.extend(unplaceable(written));
        let unfit = scenario::fits_lab(over.name, over.text, &written.spec).err();
        laid.problems.extend(unfit.into_iter().flat_map(|unfit| unfit.list));
    }
    laid.whole(&format!("{} does not fit its lab", over.name))
}

/// Keeps the problems of a part, so that the others can still be looked at.
fn gather<T>(part: Result<T, CliError>, problems: &mut Vec<Problem>) -> Result<Option<T>, CliError> {
    match part {
        Ok(value) => Ok(Some(value)),
        Err(CliError::Spec(found)) => {
            problems.extend(found.list);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The files of SQL that loads run.
fn sql(path: &Path, over: Over<'_>, problems: &mut Vec<Problem>) -> BTreeMap<Name, String> {
    let mut texts = BTreeMap::new();
    for (at, load) in scenario::loads(over.text) {
        match sql_files::read(path, &[load]) {
            Ok(read) => texts.extend(read),
            Err(why) => {
                let hint = "a file of SQL lies beside its scenario, or in a folder there";
                problems.push(scenario::problem(
                    over.name,
                    over.text,
                    &format!("load.{at}.file"),
                    &why,
                    hint,
                ));
            }
        }
    }
    texts
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
        None => Ok(resolve(args)?.spec.name.to_string()),
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
