//! What of a lab is not as its record says: bodies made from another image or another recipe, or in another host, and
//! containers that nobody of the record has. Pure: two lists, compared.
//!
//! Sizes never count: they are no part of a recipe's digest, because bodies take them up live. Nor does an image whose
//! name the engine no longer knows: it then shows an id, which says nothing about how the image was made.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::MOVABLE;
use crate::lab::record::{self, LabRecord};
use crate::model::body::LABEL_RECIPE;
use crate::model::{Container, Service};

/// What the engine shows instead of the name of an image that has none any more.
const ID: &str = "sha256:";

/// One body as the record wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct BodyShape {
    /// `None`: the record does not say.
    image: Option<String>,
    recipe: String,
    host: String,
}

/// Every body that the record wants, by the name of its container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WantedBodies(BTreeMap<String, BodyShape>);

/// What is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drift {
    /// In what a body differs, by its container's id.
    pub drifted: BTreeMap<String, String>,
    /// Ids of containers that nobody has.
    pub surplus: BTreeSet<String>,
}

/// Whether bodies of this service are a controller's to make.
fn movable(service: Option<&str>) -> bool {
    MOVABLE.iter().any(|movable| Some(movable.as_str()) == service)
}

impl WantedBodies {
    /// What a record wants of those bodies that controllers may make.
    pub(super) fn of(record: &LabRecord) -> Self {
        let bodies = record::world(record).bodies.into_iter();
        let wanted = bodies.filter(|body| movable(body.service.map(Service::as_str))).map(|body| {
            let image = body.foreign.or_else(|| record.images.get(&body.image).cloned());
            let recipe = body.labels.get(LABEL_RECIPE).cloned().unwrap_or_default();
            (body.container, BodyShape { image, recipe, host: body.host.to_string() })
        });
        Self(wanted.collect())
    }

    /// Whether somebody of the record has the container of this name.
    pub(super) fn names(&self, container: &str) -> bool {
        self.0.contains_key(container)
    }

    /// What of these containers, by name, is not as it should be. Nothing is compared with a record nobody read yet.
    pub(super) fn compare(&self, found: &BTreeMap<String, Container>) -> Drift {
        let mut drift = Drift::default();
        if self.0.is_empty() {
            return drift;
        }
        for (name, container) in found.iter().filter(|(_, found)| movable(found.service())) {
            match self.0.get(name).map(|shape| shape.differs(container)) {
                None => {
                    drift.surplus.insert(container.id.clone());
                }
                Some(Some(what)) => {
                    drift.drifted.insert(container.id.clone(), what);
                }
                Some(None) => {}
            }
        }
        drift
    }
}

impl BodyShape {
    fn differs(&self, found: &Container) -> Option<String> {
        let host = found.host().unwrap_or_default();
        if host != self.host {
            return Some(format!("it stands on {host}, the record says {}", self.host));
        }
        if let Some(image) = self.image.as_ref().filter(|_| !found.image.starts_with(ID))
            && *image != found.image
        {
            return Some(format!("its image is {}, the record says {image}", found.image));
        }
        let recipe = found.labels.get(LABEL_RECIPE).map_or("none", String::as_str);
        (recipe != self.recipe).then(|| format!("its recipe is {recipe}, the record's is {}", self.recipe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContainerStatus;
    use crate::model::body::{LABEL_HOST, LABEL_SERVICE};

    fn container(image: &str, service: &str, host: &str, recipe: &str) -> Container {
        let labels = [(LABEL_SERVICE, service), (LABEL_HOST, host), (LABEL_RECIPE, recipe)];
        Container {
            id: format!("id of {image} {host} {recipe}"),
            name: String::new(),
            image: image.to_owned(),
            status: ContainerStatus::Running,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            address: None,
        }
    }

    fn said(found: Container) -> String {
        let shape = BodyShape {
            image: Some("pgha/postgres:a".to_owned()),
            recipe: "1234".to_owned(),
            host: "h1".to_owned(),
        };
        let wanted = WantedBodies([("pgha-lab-postgres-1".to_owned(), shape)].into());
        let drift = wanted.compare(&[("pgha-lab-postgres-1".to_owned(), found)].into());
        assert_eq!(drift.surplus.len(), 0);
        drift.drifted.into_values().collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn image_host_and_recipe_are_compared_and_nothing_else() {
        let good = || container("pgha/postgres:a", "postgres", "h1", "1234");
        insta::assert_snapshot!(said(good()), @"");
        insta::assert_snapshot!(said(Container { status: ContainerStatus::Exited, ..good() }), @"");
        insta::assert_snapshot!(said(container("sha256:77", "postgres", "h1", "1234")), @"");
        insta::assert_snapshot!(said(container("pgha/postgres:b", "postgres", "h1", "1234")), @"its image is pgha/postgres:b, the record says pgha/postgres:a");
        insta::assert_snapshot!(said(container("pgha/postgres:a", "postgres", "h2", "1234")), @"it stands on h2, the record says h1");
        insta::assert_snapshot!(said(container("pgha/postgres:a", "postgres", "h1", "12")), @"its recipe is 12, the record's is 1234");
    }

    #[test]
    fn nobodys_containers_are_surplus_and_what_controllers_do_not_make_is_left_alone() {
        let wanted = WantedBodies([("pgha-lab-postgres-1".to_owned(), BodyShape::default())].into());
        let one = |service: &str| container("x", service, "h1", "1");
        let found = [("a", "postgres"), ("b", "host"), ("c", "helper"), ("d", "client"), ("e", "broker")];
        let found: BTreeMap<String, Container> =
            found.map(|(name, service)| (name.to_owned(), one(service))).into();
        assert_eq!(wanted.compare(&found).surplus.len(), 1, "{:?}", wanted.compare(&found));
        assert_eq!(WantedBodies::default().compare(&found), Drift::default(), "nobody read the record yet");
    }
}
