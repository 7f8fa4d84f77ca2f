//! Arguments of `site` and `serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::shared::Output;

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
