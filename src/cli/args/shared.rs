//! Arguments that many verbs have: which lab, and how the data on stdout is written.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::model::Name;

/// How the data on stdout is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: documented keys, only ever added to.
    Json,
}

/// Which lab, and from what.
#[derive(Clone, Debug, Default, Args)]
pub struct LabArgs {
    /// Lab file; the nearest `lab/lab.toml` upwards when absent, then the built-in one.
    #[arg(short = 'f', long, env = "PGHA_FILE", hide_env_values = true, value_name = "LAB.TOML")]
    pub file: Option<PathBuf>,
    /// Preset laid over the lab file.
    #[arg(short, long, env = "PGHA_PRESET", hide_env_values = true, value_name = "NAME")]
    pub preset: Option<Name>,
    /// Setting laid over everything, for example `--set postgres.instances=5`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Name of the lab, when it should not be the lab file's.
    #[arg(long, env = "PGHA_LAB", hide_env_values = true, value_name = "NAME")]
    pub lab: Option<Name>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .ok_or_else(|| format!("`{text}` is no KEY=VALUE"))
}
