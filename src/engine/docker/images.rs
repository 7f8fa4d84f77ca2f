//! Images: is it there, pull it, build it from a context, import a root file system, remove it.

use std::collections::{BTreeMap, HashMap};

use bollard::models::ImageSummary;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
};
use bollard::{body_full, body_try_stream};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::connection::{Docker, EngineResult};
use crate::engine::engine_error::EngineError;
use crate::model::body::LABEL_IMAGE;

/// What older engines list as the reference of an image that has none.
const NAMELESS: &str = "<none>:<none>";
/// What references of ours begin with.
const FAMILY: &str = "pgha/";
/// What Podman puts before a reference that names no registry.
const REGISTRIES: [&str; 2] = ["docker.io/", "localhost/"];

/// What an image is made from.
#[derive(Clone, Debug)]
pub struct BuildContext {
    /// A tar archive with a `Dockerfile` at its root.
    pub archive: Vec<u8>,
    /// Build arguments.
    pub arguments: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
}

/// An image of ours on the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSeen {
    /// The engine's id.
    pub id: String,
    /// Its references; none once another image has taken the last of them.
    pub tags: Vec<String>,
    /// Its role, from its label.
    pub role: String,
    /// Size in bytes.
    pub size: u64,
}

impl From<ImageSummary> for ImageSeen {
    fn from(image: ImageSummary) -> Self {
        Self {
            role: image.labels.get(LABEL_IMAGE).cloned().unwrap_or_default(),
            id: image.id,
            tags: image.repo_tags.into_iter().filter(|tag| tag != NAMELESS).collect(),
            size: u64::try_from(image.size).unwrap_or(0),
        }
    }
}

/// A reference as it was given.
fn short(tag: &str) -> &str {
    REGISTRIES.iter().find_map(|registry| tag.strip_prefix(registry)).unwrap_or(tag)
}

impl ImageSeen {
    /// By what it is removed: every reference of ours, or its id when it has none.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let ours = self.tags.iter().filter(|tag| short(tag).starts_with(FAMILY));
        ours.chain(self.tags.is_empty().then_some(&self.id)).map(String::as_str)
    }

    /// Whether it is ours to remove: labels are handed down to what others build on an image of ours.
    fn ours(&self) -> bool {
        self.references().next().is_some()
    }
}

impl Docker {
    /// The id of an image by reference, if it is there.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn image_id(&self, reference: &str) -> EngineResult<Option<String>> {
        match self.api.inspect_image(reference).await.map_err(EngineError::from) {
            Ok(image) => Ok(image.id),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Pulls an image from the registry the engine can reach.
    ///
    /// # Errors
    /// When no registry answers or it has no such image.
    pub async fn pull(&self, reference: &str) -> EngineResult<()> {
        let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        let mut stream = self.api.create_image(Some(options), None, None);
        while let Some(step) = stream.next().await {
            let step = step?;
            if let Some(error) = step.error_detail {
                return Err(EngineError::Refused(error.message.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Builds an image with the engine's classic builder and hands each line it prints to `progress`.
    ///
    /// # Errors
    /// When a step fails; the message carries the last lines the builder printed.
    pub async fn build(
        &self,
        reference: &str,
        context: BuildContext,
        mut progress: impl FnMut(&str),
    ) -> EngineResult<()> {
        let arguments: HashMap<String, String> = context.arguments.into_iter().collect();
        let labels: HashMap<String, String> = context.labels.into_iter().collect();
        let options = BuildImageOptionsBuilder::default()
            .dockerfile("Dockerfile")
            .t(reference)
            .buildargs(&arguments)
            .labels(&labels)
            .rm(true)
            .forcerm(true)
            .build();
        let mut stream = self.api.build_image(options, None, Some(body_full(Bytes::from(context.archive))));
        let mut last: Vec<String> = Vec::new();
        while let Some(step) = stream.next().await {
            let step = match step {
                Ok(step) => step,
                Err(bollard::errors::Error::DockerStreamError { error }) => {
                    return Err(EngineError::Refused(format!("{error}\n{}", last.join("\n"))));
                }
                Err(error) => return Err(error.into()),
            };
            if let Some(error) = step.error_detail {
                let message = error.message.unwrap_or_default();
                return Err(EngineError::Refused(format!("{message}\n{}", last.join("\n"))));
            }
            for line in
                step.stream.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty())
            {
                progress(line);
                last.push(line.to_owned());
                if last.len() > 12 {
                    last.remove(0);
                }
            }
        }
        Ok(())
    }

    /// Makes an image out of a root file system that arrives as a tar stream.
    ///
    /// # Errors
    /// When the stream breaks or the engine refuses it.
    pub async fn import(
        &self,
        reference: &str,
        root: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    ) -> EngineResult<()> {
        let (name, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(name).tag(tag).build();
        let mut stream = self.api.create_image(Some(options), Some(body_try_stream(root)), None);
        while let Some(step) = stream.next().await {
            let step = step?;
            if let Some(error) = step.error_detail {
                return Err(EngineError::Refused(error.message.unwrap_or_default()));
            }
        }
        Ok(())
    }

    /// Images that carry our role label.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn our_images(&self) -> EngineResult<Vec<ImageSeen>> {
        let filters = HashMap::from([("label".to_owned(), vec![LABEL_IMAGE.to_owned()])]);
        let options = ListImagesOptionsBuilder::default().filters(&filters).build();
        let images = self.api.list_images(Some(options)).await?;
        Ok(images.into_iter().map(ImageSeen::from).filter(ImageSeen::ours).collect())
    }

    /// Removes an image by reference or id; one that is gone already is fine.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] while a container uses it.
    pub async fn remove_image(&self, reference: &str) -> EngineResult<()> {
        let options = RemoveImageOptionsBuilder::default().build();
        match self.api.remove_image(reference, Some(options), None).await.map_err(EngineError::from) {
            Ok(_) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_name_goes_by_its_id() {
        let seen = |tags: &[&str]| {
            let repo_tags = tags.iter().map(|&tag| tag.to_owned()).collect();
            ImageSeen::from(ImageSummary { id: "sha256:1".to_owned(), repo_tags, ..ImageSummary::default() })
        };
        for (tags, references) in [
            (&["pgha/a:1", "pgha/b:1"][..], &["pgha/a:1", "pgha/b:1"][..]),
            // somebody gave it another name, or built another one on it
            (&["pgha/a:1", "mine:1"][..], &["pgha/a:1"][..]),
            (&["mine:1"][..], &[][..]),
            (&[], &["sha256:1"]),
            // so says Podman
            (&["docker.io/pgha/a:1"], &["docker.io/pgha/a:1"]),
            (&["localhost/pgha/a:1"], &["localhost/pgha/a:1"]),
            (&["docker.io/library/mine:1"], &[]),
            // so says an engine of version 20
            (&["<none>:<none>"], &["sha256:1"]),
        ] {
            assert!(seen(tags).references().eq(references.iter().copied()), "{tags:?}");
        }
    }
}
