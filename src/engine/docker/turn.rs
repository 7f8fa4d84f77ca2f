//! Turns on the real engine: a container's name is given once, so whoever made the container of that name has the turn. It
//! never runs.

use std::time::Duration;

use bollard::query_parameters::CreateContainerOptionsBuilder;

use super::connection::{Docker, EngineResult};
use super::helper::Helper;
use crate::engine::clock;
use crate::engine::engine_error::EngineError;
use crate::engine::hands::Shelf;
use crate::model::{Body, Mono};

impl Shelf for Docker {
    async fn read_file(&self, container: &str, path: &str) -> EngineResult<Vec<u8>> {
        Self::read_file(self, container, path).await
    }

    async fn write_files(&self, body: &Body) -> EngineResult<()> {
        Self::write_files(self, body).await
    }

    async fn take_turn(&self, lab: &str, name: &str, image: Option<&str>) -> EngineResult<Option<String>> {
        let image = match image {
            Some(image) => image.to_owned(),
            None => self.helper_image(lab).await?,
        };
        let mark =
            Helper { lab: lab.to_owned(), image, command: vec!["true".to_owned()], ..Helper::default() };
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match self.api.create_container(Some(options), mark.request()).await.map_err(EngineError::from) {
            Ok(made) => Ok(Some(made.id)),
            Err(EngineError::Conflict(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn turn(&self, name: &str) -> EngineResult<Option<String>> {
        match self.inspect(name).await {
            Ok(found) => Ok(Some(found.id)),
            Err(EngineError::NotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn end_turn(&self, turn: &str) -> EngineResult<()> {
        self.remove_container(turn).await
    }

    async fn wait(&self, span: Duration) {
        clock::sleep(span).await;
    }

    fn now(&self) -> Mono {
        clock::now()
    }
}
