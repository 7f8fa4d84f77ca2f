//! What was read for a site.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::report::html::site::Site;

/// What was read: the data of the pages, and which files they lead to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// The data.
    pub site: Site,
    /// Directories of runs, by their folder in the site.
    pub runs: BTreeMap<String, PathBuf>,
    /// Files that are shown as they are, by their place in the site.
    pub files: BTreeMap<String, PathBuf>,
}
