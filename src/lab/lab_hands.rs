//! The driver's hands on the real engine: each action carried out idempotently.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::images::References;
use super::names;
use crate::engine::clock;
use crate::engine::docker::{Disk, DiskState, Docker, EngineError};
use crate::engine::hands::Hands;
use crate::model::body::{LABEL_LAB, LABEL_MEMBER};
use crate::model::{Action, Body, ImageRole, Observed, VolumeWanted};

/// Label on volumes: why a volume that should be a disk of its own is a plain one.
pub const LABEL_PLAIN: &str = "pgha.plain";

/// Hands on one lab.
#[derive(Debug)]
pub struct DockerHands {
    docker: Docker,
    lab: String,
    images: References,
    plain: Mutex<Option<String>>,
}

impl DockerHands {
    /// Hands for `lab`, creating bodies from `images`.
    #[must_use]
    pub const fn new(docker: Docker, lab: String, images: References) -> Self {
        Self { docker, lab, images, plain: Mutex::new(None) }
    }

    /// Why volumes have no size of their own, when they have none.
    #[must_use]
    pub fn plain_reason(&self) -> Option<String> {
        self.plain.lock().ok().and_then(|reason| reason.clone())
    }

    fn image(&self, role: ImageRole) -> Result<&str, EngineError> {
        self.images
            .get(&role)
            .map(String::as_str)
            .ok_or_else(|| EngineError::NotFound(format!("an image for role {}", role.as_str())))
    }

    fn labels(&self, member: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_LAB.to_owned(), self.lab.clone()),
            (LABEL_MEMBER.to_owned(), member.to_owned()),
        ])
    }

    async fn ensure_volumes(&self, volumes: &[VolumeWanted]) -> Result<(), EngineError> {
        let disks: Vec<Disk> = volumes
            .iter()
            .filter_map(|volume| volume.size.map(|size| Disk { name: volume.name.clone(), size }))
            .collect();
        let mut devices = BTreeMap::new();
        let mut plain = None;
        if !disks.is_empty() {
            let store = names::disks(&self.lab);
            self.docker.create_volume(&store, BTreeMap::new(), &self.labels("")).await?;
            let helper = self.image(ImageRole::Host)?;
            match self.docker.attach_disks(&self.lab, helper, &store, &disks).await? {
                DiskState::Attached(attached) => devices = attached,
                DiskState::Missing(reason) => {
                    if let Ok(mut known) = self.plain.lock() {
                        *known = Some(reason.clone());
                    }
                    plain = Some(reason);
                }
            }
        }
        for volume in volumes {
            let mut labels = self.labels(&volume.member);
            let options = match (volume.size, devices.get(&volume.name)) {
                (Some(_), Some(device)) => BTreeMap::from([
                    ("type".to_owned(), "xfs".to_owned()),
                    ("device".to_owned(), device.clone()),
                ]),
                (Some(_), None) => {
                    let reason = plain.clone().unwrap_or_else(|| "the helper named no device".to_owned());
                    labels.insert(LABEL_PLAIN.to_owned(), reason);
                    BTreeMap::new()
                }
                (None, _) => BTreeMap::new(),
            };
            self.docker.create_volume(&volume.name, options, &labels).await?;
        }
        Ok(())
    }

    async fn ensure_created(&self, body: &Body) -> Result<(), EngineError> {
        self.docker.create_body(body, self.image(body.image)?).await?;
        self.docker.write_files(body).await
    }
}

impl Hands for DockerHands {
    async fn observe(&self) -> Result<Observed, EngineError> {
        self.docker.observe(Some(&self.lab)).await
    }

    async fn act(&self, action: &Action) -> Result<(), EngineError> {
        match action {
            Action::EnsureNetwork { name, subnet } => {
                self.docker.create_network(name, *subnet, &self.labels("")).await.map(|_| ())
            }
            Action::EnsureVolumes { volumes } => self.ensure_volumes(volumes).await,
            Action::EnsureCreated { body } => {
                self.ensure_created(body).await?;
                self.docker.start(&body.container).await
            }
            Action::EnsureStarted { body } => {
                // a creation may have been cut short before its files were written
                self.docker.write_files(body).await?;
                self.docker.start(&body.container).await
            }
        }
    }

    async fn pause(&self, span: Duration) {
        clock::sleep(span).await;
    }
}
