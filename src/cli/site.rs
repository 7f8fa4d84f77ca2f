//! `site` and `serve`: what lies on disk as pages, in a folder or on an address of this machine.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::args::{Output, ServeArgs, SiteArgs, SourceArgs};
use super::{CliError, Exit};
use crate::site::{self, Door, MARK, SiteError, Sources, Written};

/// What the arguments name, if it is what it should be.
fn sources(args: &SourceArgs) -> Result<Sources, CliError> {
    for dir in args.repository.iter().chain(&args.benches) {
        if !dir.is_dir() {
            return Err(CliError::usage(format!("{} is no folder", dir.display()), "is the path right?"));
        }
    }
    if let Some(dir) = args.repository.as_ref().filter(|dir| !dir.join(MARK).is_file()) {
        let hint = format!("a clone has {MARK}");
        return Err(CliError::usage(format!("{} is no clone of pgha", dir.display()), hint));
    }
    Ok(Sources {
        runs: args.runs.clone(),
        repository: args.repository.clone().or_else(nearest),
        benches: args.benches.clone(),
    })
}

/// The nearest clone, from the working directory upwards.
fn nearest() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find(|dir| dir.join(MARK).is_file()).map(PathBuf::from)
}

/// `pgha site`
pub fn write(args: &SiteArgs) -> Result<Exit, CliError> {
    let sources = sources(&args.sources)?;
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
    let ServeArgs { sources: named, listen, public } = args;
    if !public && !listen.ip().is_loopback() {
        let hint =
            "listen on 127.0.0.1, or say --public: whoever reaches the address reads every run and its logs";
        return Err(CliError::usage(format!("other machines may reach {listen}"), hint));
    }
    let sources = sources(named)?;
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
