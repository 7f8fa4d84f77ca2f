//! `site` and `serve`: what lies on disk as pages, in a folder or on an address of this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::args::Output;
use super::{CliError, Exit};
use crate::site::{self, Door, MARK, SiteError, Sources, Written};

/// What a site is made from.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Where run directories are.
    #[arg(long, default_value = "runs", env = "PGHA_RUNS", hide_env_values = true)]
    pub runs: PathBuf,
    /// A clone of pgha, for papers and scenarios; the nearest one upwards when absent.
    #[arg(long, value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// A further folder that `pgha bench` wrote, or one of several; may be given several times.
    #[arg(long = "bench", value_name = "DIR")]
    pub benches: Vec<PathBuf>,
}

impl SourceArgs {
    fn sources(&self) -> Result<Sources, CliError> {
        for dir in self.repository.iter().chain(&self.benches) {
            if !dir.is_dir() {
                return Err(CliError::usage(format!("{} is no folder", dir.display()), "is the path right?"));
            }
        }
        if let Some(dir) = self.repository.as_ref().filter(|dir| !dir.join(MARK).is_file()) {
            let hint = format!("a clone has {MARK}");
            return Err(CliError::usage(format!("{} is no clone of pgha", dir.display()), hint));
        }
        Ok(Sources {
            runs: self.runs.clone(),
            repository: self.repository.clone().or_else(nearest),
            benches: self.benches.clone(),
        })
    }
}

/// The nearest clone, from the working directory upwards.
fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|dir| dir.join(MARK).is_file()).map(PathBuf::from)
}

/// `pgha site`
#[derive(Clone, Debug, Args)]
pub struct SiteArgs {
    /// Where the site goes: an empty folder, or one that has a site.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Text or JSON.
    #[arg(short, long, default_value = "text")]
    pub output: Output,
}

/// `pgha serve`
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Address and port.
    #[arg(long, default_value = "127.0.0.1:8642", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,
    /// Allow an address that other machines reach: whoever reaches it reads every run and its logs.
    #[arg(long)]
    pub public: bool,
}

/// `pgha site`
pub fn write(args: &SiteArgs) -> Result<Exit, CliError> {
    let sources = args.sources.sources()?;
    let tell = |text: String| tracing::info!("{text}");
    let written = site::write(&sources, &args.dir, &tell).map_err(|error| told(&error))?;
    for run in &written.without_page {
        eprintln!("note: no page: {run}");
    }
    let first = args.dir.join("index.html");
    match args.output {
        Output::Text => {
            let Written { files, bytes, runs, .. } = &written;
            let bytes = crate::stats::figures::bytes(*bytes);
            println!("{}: {files} files, {bytes}, {runs} runs", first.display());
        }
        Output::Json => {
            let text = serde_json::to_string(&written)
                .map_err(|error| CliError::usage(format!("the result cannot be written: {error}"), ""))?;
            println!("{text}");
        }
    }
    Ok(Exit::Done)
}

/// `pgha serve`
pub async fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let ServeArgs { sources, listen, public } = args;
    if !public && !listen.ip().is_loopback() {
        let hint =
            "listen on 127.0.0.1, or say --public: whoever reaches the address reads every run and its logs";
        return Err(CliError::usage(format!("other machines may reach {listen}"), hint));
    }
    let sources = sources.sources()?;
    let ready = |address: SocketAddr| {
        println!("http://{address}/");
        eprintln!(
            "Ctrl-C ends it; a page of a run that goes on is made on this machine, so it takes some of its cores"
        );
    };
    site::serve(sources, Door { listen: *listen, public: *public }, &ready)
        .await
        .map_err(|error| told(&error))?;
    Ok(Exit::Done)
}

fn told(error: &SiteError) -> CliError {
    let hint = match error {
        SiteError::Occupied(_) => "name an empty folder, or one that `pgha site` wrote",
        SiteError::Listen(..) => {
            "is another program there? `--listen 127.0.0.1:0` takes any port that is free"
        }
        SiteError::File { .. } | SiteError::Server(_) => "",
    };
    CliError::usage(error.to_string(), hint)
}
