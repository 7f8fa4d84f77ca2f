//! A lab's record: what it was founded as, and its passwords. It stands in the client's
//! configuration volume, a 0600 file; whoever reaches the engine can read it, nobody else.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};

use super::images::References;
use super::{LabError, names};
use crate::decide::body::Secrets;
use crate::engine::docker::{Docker, EngineError};
use crate::model::lab::Desired;
use crate::model::{BodyFile, LabSpec, Member, MemberId, Name, Service};

/// Path of the record in the client.
pub const PATH: &str = "/etc/pgha/lab.json";

/// What a lab was founded as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Preset in force; `None` when the lab file stands alone.
    pub preset: Option<Name>,
    /// The lab as resolved.
    pub spec: LabSpec,
    /// Network address of its /24.
    pub subnet: Ipv4Addr,
    /// How many of each there should be.
    pub desired: Desired,
    /// Who stands where.
    pub members: Vec<Member>,
    /// Passwords.
    pub secrets: Secrets,
    /// Name of the etcd cluster, unique per founding.
    pub token: String,
    /// The images its bodies are made from, by role.
    #[serde(default)]
    pub images: References,
}

/// Text of letters and digits that nobody can guess. A password must not follow from a seed, so
/// this is the one place where chance is no argument.
#[expect(clippy::disallowed_methods, reason = "a password must not follow from a scenario's seed")]
fn unguessable(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// Fresh passwords, from the operating system's randomness.
#[must_use]
pub fn new_secrets() -> Secrets {
    let password = || unguessable(24);
    Secrets {
        superuser: password(),
        replicator: password(),
        rewind: password(),
        application: password(),
        rest: password(),
        broker: password(),
    }
}

/// A fresh cluster token.
#[must_use]
pub fn new_token(lab: &str) -> String {
    format!("{lab}-{}", unguessable(8))
}

impl Record {
    /// The record as a file of the client's body.
    #[must_use]
    pub fn file(&self, owner: u32) -> BodyFile {
        BodyFile {
            path: PATH.to_owned(),
            mode: 0o600,
            uid: owner,
            gid: owner,
            // plain data: serialising it cannot fail
            contents: serde_json::to_string(self).unwrap_or_default(),
        }
    }

    /// Address of the host that carries a member.
    #[must_use]
    pub fn address(&self, member: &Member) -> Option<Ipv4Addr> {
        self.spec.host_index(&member.host).map(|index| names::host_address(self.subnet, index))
    }

    /// Who stands in the lab and shall not for much longer.
    #[must_use]
    pub fn leaving(&self) -> BTreeSet<MemberId> {
        let names = self.members.iter().map(|member| &member.id);
        names.filter(|id| self.desired.without.contains(*id)).cloned().collect()
    }

    /// Whether a member has left the lab.
    #[must_use]
    pub fn left(&self, id: &MemberId) -> bool {
        self.desired.without.contains(id) && self.members.iter().all(|member| member.id != *id)
    }

    /// Members of one service with their addresses.
    pub fn of(&self, service: Service) -> impl Iterator<Item = (&Member, Ipv4Addr)> {
        self.members
            .iter()
            .filter(move |member| member.service == service)
            .filter_map(|member| self.address(member).map(|address| (member, address)))
    }
}

/// Writes a record into the lab's client, which must be there.
///
/// # Errors
/// When the engine does not answer, or there is no client.
pub async fn write(docker: &Docker, record: &Record) -> Result<(), EngineError> {
    for body in super::up::world(record).bodies {
        if body.service == Some(Service::Client) {
            docker.write_files(&body).await?;
        }
    }
    Ok(())
}

/// Writes a record in the place of the one that was read, if nobody has written another meanwhile: controllers write it,
/// too.
///
/// # Errors
/// When the engine does not answer, or the record is another by now: whoever wants something decides anew.
pub async fn replace(docker: &Docker, read_before: &Record, record: &Record) -> Result<(), LabError> {
    let lab = record.spec.name.as_str();
    let now = read(docker, lab).await?;
    still(read_before, now.as_ref()).map_err(LabError::Client)?;
    Ok(write(docker, record).await?)
}

/// Whether a record is the one that was read.
fn still(before: &Record, now: Option<&Record>) -> Result<(), String> {
    if now == Some(before) {
        return Ok(());
    }
    let version = |record: &Record| record.desired.generation;
    let is = now.map_or_else(|| "it is gone".to_owned(), |now| format!("it is at version {}", version(now)));
    Err(format!(
        "the record of lab `{}` was at version {} and {is} by now: run the command once more",
        before.spec.name,
        version(before)
    ))
}

/// Reads the record of a lab; `None` when the lab has none.
///
/// # Errors
/// When the engine does not answer or the record cannot be read.
pub async fn read(docker: &Docker, lab: &str) -> Result<Option<Record>, LabError> {
    match docker.read_file(&names::container(lab, "client"), PATH).await {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| LabError::Client(format!("the record of lab `{lab}` cannot be read: {error}"))),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Reads the record of a lab that must be there.
///
/// # Errors
/// [`LabError::NoLab`] when nothing of it is on the engine, [`LabError::NoRecord`] when only pieces are.
pub async fn require(docker: &Docker, lab: &str) -> Result<Record, LabError> {
    if let Some(record) = read(docker, lab).await? {
        return Ok(record);
    }
    let seen = docker.observe(Some(lab)).await?;
    if seen.containers.is_empty() && seen.volumes.is_empty() {
        Err(LabError::NoLab(lab.to_owned()))
    } else {
        Err(LabError::NoRecord(lab.to_owned()))
    }
}
