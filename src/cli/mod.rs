//! The door: arguments in, text and exit codes out. The only room that prints, exits, or reads the
//! environment. Data goes to stdout, everything else to stderr.

#![expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]

// first, because its macros are what the others print with
#[macro_use]
mod out;

mod args;
mod bench;
mod bodies;
mod check;
mod client;
mod connect;
mod controllers;
mod doctor;
mod faults;
mod init;
mod lab;
mod man;
mod news;
mod operate;
mod problem;
mod run;
mod screen;
mod settings;
mod site;
mod status;
mod validate;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use problem::{CliError, Exit};

use connect::engine;

use crate::model::scaling::SizeWish;
use args::{Cli, CliVerb, ClientPart, SchemaOf};

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    start_tracing(cli.verbose);
    let mut builder = match cli.verb {
        // one thread, as the programs a load is compared with: waking another costs more than an operation, or than one
        // of the many small questions of a controller
        CliVerb::Client { part: ClientPart::Load, .. } | CliVerb::Controller { .. } => {
            tokio::runtime::Builder::new_current_thread()
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return Exit::Software.into();
        }
    };
    let exit = runtime.block_on(dispatch(cli));
    // a blocking read of stdin must not hold the program at its end
    runtime.shutdown_background();
    match exit {
        Ok(exit) => match out::failed() {
            // whoever reads the file would take half of it for all
            Some(why) => {
                eprintln!("error: what was to be printed did not arrive: {why}");
                Exit::Software.into()
            }
            None => exit.into(),
        },
        Err(error) => {
            eprintln!("{}", error.render());
            error.exit().into()
        }
    }
}

/// Help and version are no errors; everything else clap says is a usage error, and those are 64
/// here: 2 means *unknown*.
fn usage(error: &clap::Error) -> ExitCode {
    // the message may meet a closed pipe, which is nobody's error
    let _ = error.print();
    if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() }
}

/// The program's arguments: every verb with its flags. Papers are held against it.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// The commands a shell should offer: completions know no hidden ones, so what is hidden is left out.
fn offered() -> clap::Command {
    let all = command();
    let shown: Vec<clap::Command> =
        all.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let mut bare = clap::Command::new("pgha")
        .about(all.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"));
    if let Some(after) = all.get_after_help() {
        bare = bare.after_help(after.clone());
    }
    bare.args(all.get_arguments().cloned()).subcommands(shown)
}

fn start_tracing(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "pgha=debug,warn",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| out::Stderr).with_ansi(false).init();
}

async fn dispatch(cli: Cli) -> Result<Exit, CliError> {
    match cli.verb {
        CliVerb::Init { folder } => init::init(&folder),
        CliVerb::Doctor { lab, output } => doctor::doctor(&lab, output).await,
        CliVerb::Up { lab, wait } => lab::up(&lab, wait).await,
        CliVerb::Down { lab, all } => lab::down(&lab, all).await,
        CliVerb::Status { lab, output, watch, plain, all } => {
            let watch = watch.then_some(status::StatusWatch { plain });
            Box::pin(status::status(&lab, output, watch, all)).await
        }
        CliVerb::Dsn { endpoint, lab, format } => lab::dsn(&lab, endpoint, format).await,
        CliVerb::Logs { member, lab, follow, tail } => bodies::logs(&lab, &member, follow, tail).await,
        CliVerb::Exec { member, lab, command } => bodies::exec(&lab, &member, &command).await,
        CliVerb::Switchover { lab, to, output } => operate::switchover(&lab, to, output).await,
        CliVerb::Failover { lab, to, output } => operate::failover(&lab, to, output).await,
        CliVerb::Maintenance { switch, lab, output } => operate::maintenance(&lab, switch, output).await,
        CliVerb::RollingRestart { lab, output } => operate::rolling_restart(&lab, output).await,
        CliVerb::Replace { member, lab, no_wait, wait, output } => {
            operate::replace(&lab, &member, (!no_wait).then_some(wait), output).await
        }
        CliVerb::Scale { service, count, lab, no_wait, wait, output } => {
            operate::scale(&lab, &service, count, (!no_wait).then_some(wait), output).await
        }
        CliVerb::Resize { member, cpu, memory, disk, lab, wait, output } => {
            operate::resize(&lab, &member, SizeWish { cpu, memory, disk }, wait, output).await
        }
        // a run is large, and the others should not carry its room
        CliVerb::Run(args) => Box::pin(run::run(&args)).await,
        CliVerb::Bench(args) => Box::pin(bench::bench(&args)).await,
        CliVerb::Inject(args) => faults::inject(&args).await,
        CliVerb::Faults { lab, output } => faults::faults(&lab, output).await,
        CliVerb::Heal { ids, lab } => faults::heal(&lab, &ids).await,
        CliVerb::Check { run, output } => check::check(&run, output),
        CliVerb::Site(args) => site::write(&args),
        CliVerb::Serve(args) => site::serve(&args).await,
        CliVerb::Validate { files, lab } => validate::validate(&lab, &files),
        CliVerb::Schema { of } => {
            print!(
                "{}",
                match of {
                    SchemaOf::Lab => crate::spec::schema::lab_schema(),
                    SchemaOf::Scenario => crate::spec::schema::scenario_schema(),
                    SchemaOf::Suite => crate::spec::schema::suite_schema(),
                    SchemaOf::Controller =>
                        crate::spec::schema::schema_for::<crate::model::control::Contract>(),
                    SchemaOf::Report => crate::spec::schema::schema_for::<crate::report::Report>(),
                }
            );
            Ok(Exit::Done)
        }
        CliVerb::Prune { base } => lab::prune(base).await,
        CliVerb::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut offered(), "pgha", &mut text);
            print!("{}", String::from_utf8_lossy(&text));
            Ok(Exit::Done)
        }
        CliVerb::Man { dir } => man::man(offered(), dir.as_deref()),
        CliVerb::Broker { ask } => controllers::broker(ask).await,
        CliVerb::Controller { name } => controllers::controller(&name).await,
        CliVerb::Client { part, plan, .. } => client::client(part, plan.as_deref()).await,
    }
}
