//! Arguments of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::shared::{LabArgs, Output};
use crate::model::{Name, Span};

/// `pgha bench`
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// What else is done with a bench.
    #[command(subcommand)]
    pub verb: Option<BenchVerb>,
    /// A file with comparisons.
    #[arg(default_value = "benches/suite.toml", value_name = "SUITE")]
    pub suite: PathBuf,
    #[command(flatten)]
    pub lab: LabArgs,
    /// Only this comparison; may be given several times.
    #[arg(long, value_name = "COMPARISON")]
    pub only: Vec<Name>,
    /// At most so many trials of every arm.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub trials: Option<u32>,
    /// Where points, numbers and run directories go.
    #[arg(long, default_value = "runs/bench")]
    pub out: PathBuf,
    /// Only print what would be run, in order, without an engine.
    #[arg(long)]
    pub dry_run: bool,
    /// Longest wait for a lab.
    #[arg(long, default_value = "3m", env = "PGHA_WAIT", hide_env_values = true)]
    pub wait: Span,
    /// Text (Markdown) or JSON.
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// What is done with a bench that has points, without an engine.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchVerb {
    /// Make page and numbers of a bench anew from its points, and judge them by the goals of the suite.
    ///
    /// Exit codes as of `pgha bench`.
    Report {
        /// A file with comparisons.
        #[arg(default_value = "benches/suite.toml", value_name = "SUITE")]
        suite: PathBuf,
        /// Let only this comparison decide how it ends; may be given several times.
        #[arg(long, value_name = "COMPARISON")]
        only: Vec<Name>,
        /// Where the points are.
        #[arg(long, default_value = "runs/bench")]
        out: PathBuf,
        /// Text (Markdown) or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Copy page, numbers and points of a bench, without its runs, to INTO/<date>-<machine>: what others can cite.
    Publish {
        /// A file with comparisons.
        #[arg(default_value = "benches/suite.toml", value_name = "SUITE")]
        suite: PathBuf,
        /// Where the points are.
        #[arg(long, default_value = "runs/bench")]
        out: PathBuf,
        /// What the machine is called, for example `two-cores`.
        #[arg(long, value_name = "NAME")]
        machine: Name,
        /// Where published benches are.
        #[arg(long, default_value = "benches/results")]
        into: PathBuf,
    },
    /// What changed from one bench to another beyond chance, arm by arm.
    ///
    /// An arm changed where the 95 % bootstrap interval of the ratio of its medians leaves 1 out. How often clients never came back,
    /// and how often acknowledged writes were lost, is compared as well. Exit codes: 0 nothing got worse · 1 an arm got worse · 2
    /// no arm has enough points in both.
    Compare {
        /// The older bench: a directory with bench.json, or that file.
        before: PathBuf,
        /// The newer one.
        after: PathBuf,
        /// Text (Markdown) or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
}
