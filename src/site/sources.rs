//! Where a site is made from, and why none can be made.

use std::io;
use std::path::{Path, PathBuf};

/// Where a site is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Where runs are.
    pub runs: PathBuf,
    /// A clone of pgha, for its papers, scenarios and measurements.
    pub repository: Option<PathBuf>,
    /// Further folders of measurements.
    pub benches: Vec<PathBuf>,
}

/// Why a site cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The folder holds something else.
    #[error("{} is not empty, and no site of pgha", .0.display())]
    Occupied(PathBuf),
    /// A file of the site cannot be written or read.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, io::Error),
    /// The server ended.
    #[error("the server ended: {0}")]
    Server(io::Error),
}

/// An error about a file.
pub fn file(path: &Path) -> impl FnOnce(io::Error) -> SiteError {
    let path = path.to_owned();
    move |why| SiteError::File { path, why }
}
