//! Arguments. `--help` teaches: each verb says what it does and what comes next.

mod bench;
mod inject;
mod shared;
mod site;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::{Bytes, MemberId, Name, Span};

pub use bench::{BenchArgs, BenchVerb};
pub use inject::InjectArgs;
pub use shared::{LabArgs, Output};
pub use site::{ServeArgs, SiteArgs, SourceArgs};

/// A reference lab for highly available PostgreSQL: break a real cluster, learn what it cost.
#[derive(Debug, Parser)]
#[command(
    name = "pgha",
    version,
    about,
    after_help = "Exit codes: 0 pass or done · 1 a check failed · 2 unknown: the run proves nothing · 3 the lab could \
                  not be made ready · 64 usage or bad file · 69 no engine · 130 interrupted, after healing.\n\n\
                  Begin with `pgha doctor`, then `pgha run scenarios/primary-dies.toml` (`pgha init` writes it)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: CliVerb,
    /// More words on stderr (-v decisions, -vv everything); `RUST_LOG` overrides it.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// Everything `pgha` can do.
#[derive(Debug, Subcommand)]
pub enum CliVerb {
    /// Write a lab and first scenarios to change; replaces no file.
    Init {
        /// Where; it is made when it is not there.
        #[arg(default_value = ".", value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// What is on this machine, and what its absence switches off.
    Doctor {
        #[command(flatten)]
        lab: LabArgs,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Make the lab, or add what it lacks; waits until it is ready.
    Up {
        #[command(flatten)]
        lab: LabArgs,
        /// Longest wait for readiness.
        #[arg(long, default_value = "3m", env = "PGHA_WAIT", hide_env_values = true)]
        wait: Span,
    },
    /// Remove the lab: exactly what carries its label.
    Down {
        #[command(flatten)]
        lab: LabArgs,
        /// Every lab on this engine.
        #[arg(long)]
        all: bool,
    },
    /// Hosts and services, roles, timelines, lag, the balancers' view.
    Status {
        #[command(flatten)]
        lab: LabArgs,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
        /// Look again every second until `q` or Ctrl-C: a view on a terminal, else the table again and again.
        #[arg(long)]
        watch: bool,
        /// Lines also on a terminal, no view.
        #[arg(long)]
        plain: bool,
        /// Only the names of the labs on this engine.
        #[arg(long)]
        all: bool,
    },
    /// One connection string that names every balancer; it contains the password.
    Dsn {
        /// `rw` (5432, the primary) or `ro` (5433, the least busy instance).
        endpoint: DsnEndpoint,
        #[command(flatten)]
        lab: LabArgs,
        /// Shape.
        #[arg(long, default_value = "uri")]
        format: DsnFormat,
    },
    /// What a member wrote.
    Logs {
        /// Member, for example `postgres-1`.
        member: Name,
        #[command(flatten)]
        lab: LabArgs,
        /// Go on until interrupted.
        #[arg(long)]
        follow: bool,
        /// The last so many lines.
        #[arg(long, default_value_t = 100)]
        tail: u32,
    },
    /// Run a program inside a member.
    Exec {
        /// Member, for example `postgres-1`.
        member: Name,
        #[command(flatten)]
        lab: LabArgs,
        /// The program and its arguments, after `--`.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Hand the primary over in order.
    Switchover {
        #[command(flatten)]
        lab: LabArgs,
        /// The next primary; Patroni's choice when absent.
        #[arg(long, value_name = "MEMBER")]
        to: Option<MemberId>,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Make a member primary without asking the old one: writes may be lost.
    Failover {
        #[command(flatten)]
        lab: LabArgs,
        /// The next primary.
        #[arg(long, value_name = "MEMBER")]
        to: MemberId,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Patroni only watches: nobody is elected until it is off again.
    Maintenance {
        /// On or off.
        switch: Switch,
        #[command(flatten)]
        lab: LabArgs,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Restart PostgreSQL of every member in turn, replicas first.
    RollingRestart {
        #[command(flatten)]
        lab: LabArgs,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Put a new member on another host in the place of one: added, verified, and only then is the old one removed.
    ///
    /// The repair controller does it (preset `repair`), when it is safe: not while nobody takes writes, and never to the leader. A
    /// member of etcd leaves its cluster before another joins, and a balancer goes when its sessions are over or had their time.
    Replace {
        /// Who goes: `postgres-2`, `balancer-1`, `etcd-3`, or a controller's replica, `repair-1`.
        member: MemberId,
        #[command(flatten)]
        lab: LabArgs,
        /// Ask, and do not wait until it is done.
        #[arg(long)]
        no_wait: bool,
        /// Longest wait.
        #[arg(long, value_name = "DURATION", default_value = "5m", conflicts_with = "no_wait")]
        wait: Span,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Have another number of PostgreSQL instances or balancers: newcomers are verified one at a time, whoever is too many is
    /// drained first.
    ///
    /// The scaling controller writes the number down, the repair controller makes it so (preset `zerops-2022`), between the
    /// limits of the lab file. It goes on scaling from there.
    Scale {
        /// Of which service: `postgres` or `balancer`.
        service: Name,
        /// How many.
        count: u32,
        #[command(flatten)]
        lab: LabArgs,
        /// Ask, and do not wait until it is done.
        #[arg(long)]
        no_wait: bool,
        /// Longest wait.
        #[arg(long, value_name = "DURATION", default_value = "5m", conflicts_with = "no_wait")]
        wait: Span,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Give a PostgreSQL or a balancer another size, live; what is not named stays.
    ///
    /// The scaling controller does it (preset `zerops-2022`), between the limits of the lab file and within what the
    /// host has. It goes on scaling from there.
    Resize {
        /// Whose, for example `postgres-2`.
        member: MemberId,
        /// Cores.
        #[arg(long, value_name = "CORES")]
        cpu: Option<f64>,
        /// Memory, for example `1GiB`.
        #[arg(long, value_name = "BYTES")]
        memory: Option<Bytes>,
        /// Disk; it never shrinks.
        #[arg(long, value_name = "BYTES")]
        disk: Option<Bytes>,
        #[command(flatten)]
        lab: LabArgs,
        /// Longest wait.
        #[arg(long, value_name = "DURATION", default_value = "1m")]
        wait: Span,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Run scenarios: bring up, load, break, heal, judge, take down.
    Run(RunArgs),
    /// Measure labs side by side: a suite of comparisons, arms in turn, the fault at a random phase; can be gone on with.
    ///
    /// Every trial is a run whose directory stays below OUT/runs; points go to OUT/points.jsonl, the page to OUT/index.html, the
    /// numbers to OUT/bench.json and OUT/bench.md. Begun again with the same OUT, what is finished is not run again.
    ///
    /// Trackers of benchmarks read OUT/smaller-is-better.json (github-action-benchmark, tool `customSmallerIsBetter`) and
    /// OUT/bmf.json (Bencher Metric Format, adapter `json`).
    ///
    /// The suite says what each arm must reach (`goal`). Exit codes: 0 every goal of what was asked for is met, or there is none · 1
    /// one is not met · 2 one is not decided, because points are missing.
    Bench(BenchArgs),
    /// Inject one fault by hand; `pgha inject VERB --help` shows the keys of a verb.
    #[command(subcommand)]
    Inject(InjectArgs),
    /// Faults that are on now, whoever injected them.
    Faults {
        #[command(flatten)]
        lab: LabArgs,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Undo faults that are on, also after whoever injected them was killed.
    Heal {
        /// Ids as `pgha faults` shows them; all of them when none is named.
        #[arg(value_name = "ID")]
        ids: Vec<Name>,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Judge a stored run again, from its directory alone.
    Check {
        /// Run directory, for example `runs/latest`.
        run: PathBuf,
        /// Text or JSON.
        #[arg(short, long, default_value = "text")]
        output: Output,
    },
    /// Write a static site: runs, benchmarks with trends, the library with what was seen, found bugs, papers.
    ///
    /// Its pages need neither a network nor a script. A run without a page gets one in the site; nothing that is read is
    /// changed. Written again into the same folder, what is gone is removed.
    Site(SiteArgs),
    /// Show the same site on an address of this machine, while runs go on.
    ///
    /// Lists are read again when runs come and end. A page that changes asks to be loaded again every few seconds.
    Serve(ServeArgs),
    /// Find every problem in a lab or scenario file, without an engine: whatever would stop `up` or `run`.
    Validate {
        /// Labs, presets, scenarios and suites, under any name.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        // what a scenario is laid over, as for `run`
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Print a JSON Schema (draft-07), for editors and other programs.
    Schema {
        /// Of which file format.
        of: SchemaOf,
    },
    /// Remove the images this program built, when no lab needs them.
    Prune {
        /// Also the base image.
        #[arg(long)]
        base: bool,
    },
    /// Print completions for a shell.
    Completions {
        /// For which shell the completions are.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for every verb.
    Man {
        /// Write all pages into this folder.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// What stands between controllers and the engine.
    #[command(hide = true)]
    Broker {
        /// Only ask the broker that runs once, and say what came of it.
        #[arg(long)]
        ask: bool,
    },
    /// A controller, inside its body.
    #[command(hide = true)]
    Controller {
        /// Which.
        name: Name,
    },
    /// What runs inside the client host.
    #[command(hide = true)]
    Client {
        /// Which part.
        part: ClientPart,
        /// What it is told, as JSON; the parts without it read their plan from stdin.
        #[arg(long)]
        plan: Option<String>,
        /// What the process table shall call it.
        label: Option<String>,
    },
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct RunArgs {
    /// Scenario files, or folders of them.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,
    #[command(flatten)]
    pub lab: LabArgs,
    /// Of folders, only scenarios with this tag; may be given several times.
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<Name>,
    /// Seed instead of the scenario's.
    #[arg(long, env = "PGHA_SEED", hide_env_values = true)]
    pub seed: Option<u64>,
    /// So many runs of each scenario on one lab, each with the next seed.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub trials: u32,
    /// Go on with a series: trials that stand finished below RUNS, of the same scenario, lab and seed, count.
    #[arg(long)]
    pub resume: bool,
    /// Only print what would be done and when, without an engine.
    #[arg(long)]
    pub dry_run: bool,
    /// Leave the lab standing that this run brings up.
    #[arg(long)]
    pub keep: bool,
    /// Lines also on a terminal, no view.
    #[arg(long)]
    pub plain: bool,
    /// Where run directories go.
    #[arg(long, default_value = "runs", env = "PGHA_RUNS", hide_env_values = true)]
    pub runs: PathBuf,
    /// Longest wait for the lab.
    #[arg(long, default_value = "3m", env = "PGHA_WAIT", hide_env_values = true)]
    pub wait: Span,
    /// Also write one `JUnit` file for all runs.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Text or JSON: one run's report, or one line for each of several runs with its report in it.
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Begin.
    On,
    /// End.
    Off,
}

/// A port of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DsnEndpoint {
    /// The primary, 5432.
    Rw,
    /// Reads, 5433.
    Ro,
}

/// Shape of a connection string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DsnFormat {
    /// `postgresql://…`
    Uri,
    /// `host=… port=…`
    Kv,
    /// `export PGHOST=…`
    Env,
}

/// A file format with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// `lab.toml`
    Lab,
    /// Scenario files.
    Scenario,
    /// Suites of `pgha bench`
    Suite,
    /// `report.json`
    Report,
    /// What passes between a lab and a controller
    Controller,
}

/// A part of the client program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientPart {
    /// Wait.
    Idle,
    /// Generate load.
    Load,
    /// Sample the lab.
    Watch,
    /// Read every node.
    FinalRead,
    /// Make the packets of a queue late.
    Late,
    /// Ask Patroni for an operator's verb.
    Operate,
    /// Hold many connections.
    Storm,
}
