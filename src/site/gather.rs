//! Reading everything that a site shows.

use super::gathered::Gathered;
use super::sources::Sources;
use super::{benches, repository, runs};
use crate::engine::clock;

/// Reads everything a site is made from; runs that did not change are not read again.
#[derive(Debug, Default)]
pub struct Gatherer {
    repository: Option<repository::Repository>,
    known: runs::Known,
}

impl Gatherer {
    /// What lies there now. The repository is read the first time only.
    pub fn gather(&mut self, sources: &Sources, live: bool) -> Gathered {
        let repository =
            self.repository.get_or_insert_with(|| repository::read(sources.repository.as_deref()));
        let mut gathered = Gathered { files: repository.pictures.clone(), ..Gathered::default() };
        let site = &mut gathered.site;
        site.texts.clone_from(&repository.texts);
        site.pictures.clone_from(&repository.shown);
        site.stories.clone_from(&repository.stories);
        env!("CARGO_PKG_VERSION").clone_into(&mut site.pgha);
        (site.made, site.live) = (clock::utc_now(), live);
        let found = runs::find(&sources.runs);
        self.known.read(&sources.runs, &found, clock::utc_seconds(), &mut gathered);
        benches::read(sources, &found.benches, &mut gathered);
        gathered
    }
}
