//! A body: one container as it must be created. The recipe is pure data, so that one function
//! writes it (`decide::body`) and one `ensure` carries it out, for `up` and for repair alike.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::id::{HostName, MemberId};
pub use super::image::ImageRole;
use super::lab::{RestartRule, Service, Size};
use super::units::Bytes;

/// Where a body keeps its data.
pub const DATA_PATH: &str = "/data";
/// Label: the lab a container, network or volume belongs to. `down` removes exactly those.
pub const LABEL_LAB: &str = "pgha.lab";
/// Label: the member a container or volume belongs to.
pub const LABEL_MEMBER: &str = "pgha.member";
/// Label: the service of the member; `host` on sandboxes, `helper` on one-shot helpers.
pub const LABEL_SERVICE: &str = "pgha.service";
/// Label: the host that carries it.
pub const LABEL_HOST: &str = "pgha.host";
/// Label: a digest of the recipe, so drift can be told.
pub const LABEL_RECIPE: &str = "pgha.recipe";
/// Label on images: the role; images are shared by labs and carry no lab label.
pub const LABEL_IMAGE: &str = "pgha.image";

/// One container to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The member it embodies; for a sandbox, the host's own name.
    pub member: MemberId,
    /// What it does; `None` for a sandbox.
    pub service: Option<Service>,
    /// The host it stands on.
    pub host: HostName,
    /// Name of the container.
    pub container: String,
    /// Which image.
    pub image: ImageRole,
    /// Somebody else's image, which takes the place of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<String>,
    /// Whether it holds the engine's socket and sees the processes of the engine's machine; the broker alone does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub engine: bool,
    /// Whose network namespace.
    pub namespace: Namespace,
    /// Program and arguments.
    pub command: Vec<String>,
    /// `uid:gid` it runs as.
    pub user: String,
    /// Capabilities it keeps; all others are dropped.
    pub capabilities: Vec<Capability>,
    /// Volumes.
    pub mounts: Vec<Mount>,
    /// Files written into its volumes before it starts.
    pub files: Vec<BodyFile>,
    /// Paths that are memory only.
    pub tmpfs: Vec<String>,
    /// What it gets of its host; `None`: no limit (sandboxes do no work).
    pub size: Option<Size>,
    /// Restart policy.
    pub restart: RestartRule,
    /// Signal that asks it to stop.
    pub stop_signal: String,
    /// What the engine and this program know it by.
    pub labels: BTreeMap<String, String>,
}

impl Body {
    /// The volumes it needs.
    pub fn volumes(&self) -> impl Iterator<Item = VolumeWanted> {
        self.mounts.iter().map(|mount| VolumeWanted {
            name: mount.volume.clone(),
            member: self.member.to_string(),
            size: mount.sized,
        })
    }
}

/// Whose network namespace a body lives in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Its own, on the lab's network: a sandbox.
    Own {
        /// Where the host is reached in the lab's network.
        address: Ipv4Addr,
        /// Loopback address on which 5432 and 5433 are published.
        publish: Option<Ipv4Addr>,
    },
    /// The one of this sandbox container.
    Of(String),
}

/// A Linux capability a body may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Capability {
    /// Routes and packet filters of the body's own namespace.
    NetAdmin,
}

/// A volume and where it is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Name of the volume.
    pub volume: String,
    /// Path in the body.
    pub path: String,
    /// When set, the volume is an XFS image of this size where the engine can do that.
    pub sized: Option<Bytes>,
    /// `uid:gid` that owns the root of the volume.
    pub owner: (u32, u32),
}

/// A file a body starts with. Its contents may be secret: it goes by archive upload into a volume,
/// never through argv, environment or labels.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyFile {
    /// Absolute path, inside one of the body's mounts.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// What it says.
    pub contents: String,
}

impl std::fmt::Debug for BodyFile {
    // contents may hold passwords: a recipe can be logged
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "BodyFile({} {:o} {}:{}, {} bytes)",
            self.path,
            self.mode,
            self.uid,
            self.gid,
            self.contents.len()
        )
    }
}

/// A volume that should exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeWanted {
    /// What the engine calls it.
    pub name: String,
    /// Member it belongs to.
    pub member: String,
    /// Real size, for data; `None` for configuration.
    pub size: Option<Bytes>,
}
