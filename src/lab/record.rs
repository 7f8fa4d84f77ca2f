//! A lab's record: what it was founded as, and its passwords. It stands in the client's
//! configuration volume, a 0600 file; whoever reaches the engine can read it, nobody else.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::images::References;
use super::{LabError, names};
use crate::decide::body::Secrets;
use crate::decide::body::{CLIENT_UID, RecipeContext, broker, recipe, sandbox};
use crate::decide::found::FoundingWorld;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::hands::Shelf;
use crate::model::lab::Desired;
use crate::model::{BodyFile, ImageRole, LabSpec, Member, MemberId, Mono, Name, Service};

/// Path of the record in the client.
pub const PATH: &str = "/etc/pgha/lab.json";

/// Version of the format of a record. Within a version keys are only added, each with a value for records without it.
pub const SCHEMA: u32 = 1;

/// What a lab was founded as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LabRecord {
    /// Version of this format, [`SCHEMA`].
    pub schema_version: u32,
    /// Version of the program that founded the lab. Absent in labs of 0.2.0 and before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgha: Option<String>,
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

impl LabRecord {
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

/// How long a writer may keep its turn: whoever took longer writes nothing.
const KEEPS: Duration = Duration::from_secs(10);
/// A turn that one writer has had for so long was left behind when it was killed. Longer than a writer keeps it and the
/// engine takes for a write.
const TURN_LEFT_BEHIND: Duration = Duration::from_secs(40);
/// Pause between two looks at a turn.
const TURN_LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait of [`replace`], a turn that was left behind included.
pub const REPLACES: Duration = Duration::from_mins(1);

/// Writes a record in the place of the one that was read, if it is still that one: compare and swap. One writes at a time,
/// whoever it is: `up` and the broker, in processes of their own.
///
/// # Errors
/// When the engine does not answer; [`LabError::Moved`] when the record is another by now: whoever wants something decides
/// anew.
pub async fn replace(
    shelf: &impl Shelf,
    read_before: &LabRecord,
    record: &LabRecord,
) -> Result<(), LabError> {
    let turn = take_turn(shelf, record).await?;
    let taken = shelf.now();
    let outcome = in_turn(shelf, read_before, record, taken).await;
    if let Err(error) = shelf.end_turn(&turn).await {
        // it is found to be left behind
        tracing::warn!(%error, "the turn at the lab's record cannot be ended");
    }
    outcome
}

/// Waits for the turn at a lab's record; one that was left behind is ended.
async fn take_turn(shelf: &impl Shelf, record: &LabRecord) -> Result<String, LabError> {
    let lab = record.spec.name.as_str();
    let (name, image) = (names::container(lab, "record-turn"), record.images.get(&ImageRole::Host));
    let mut other: Option<(String, Mono)> = None;
    loop {
        if let Some(turn) = shelf.take_turn(lab, &name, image.map(String::as_str)).await? {
            return Ok(turn);
        }
        if let Some(has) = shelf.turn(&name).await? {
            let now = shelf.now();
            let since = other.filter(|(known, _)| *known == has).map_or(now, |(_, since)| since);
            if now.since(since) >= TURN_LEFT_BEHIND {
                shelf.end_turn(&has).await?;
            }
            other = Some((has, since));
        }
        shelf.wait(TURN_LOOK_PAUSE).await;
    }
}

async fn in_turn(
    shelf: &impl Shelf,
    before: &LabRecord,
    record: &LabRecord,
    taken: Mono,
) -> Result<(), LabError> {
    let now = read(shelf, record.spec.name.as_str()).await?;
    still(before, now.as_ref()).map_err(LabError::Moved)?;
    if shelf.now().since(taken) >= KEEPS {
        return Err(LabError::Moved("the engine is so slow that the turn at the record is over".to_owned()));
    }
    for body in world(record).bodies {
        if body.service == Some(Service::Client) {
            shelf.write_files(&body).await?;
        }
    }
    Ok(())
}

/// Whether a record is the one that was read.
fn still(before: &LabRecord, now: Option<&LabRecord>) -> Result<(), String> {
    if now == Some(before) {
        return Ok(());
    }
    let version = |record: &LabRecord| record.desired.generation;
    let is = now.map_or_else(|| "it is gone".to_owned(), |now| format!("it is at version {}", version(now)));
    Err(format!(
        "the record of lab `{}` was at version {} and {is} by now: run the command once more",
        before.spec.name,
        version(before)
    ))
}

/// Every recipe of the lab.
#[must_use]
pub fn world(record: &LabRecord) -> FoundingWorld {
    let context = RecipeContext {
        spec: &record.spec,
        members: &record.members,
        subnet: record.subnet,
        secrets: &record.secrets,
        token: &record.token,
    };
    let mut bodies: Vec<_> = record.spec.hosts.iter().map(|host| sandbox(&context, &host.name)).collect();
    bodies.extend(broker(&context));
    for member in &record.members {
        let mut body = recipe(&context, member);
        if member.service == Service::Client {
            body.files.push(record.file(CLIENT_UID));
        }
        bodies.push(body);
    }
    FoundingWorld { network: names::network(record.spec.name.as_str()), subnet: record.subnet, bodies }
}

/// The record of a lab, from its bytes: of this version of the program, or of an older one.
///
/// # Errors
/// [`LabError::OtherVersion`] when it says what this version does not understand.
pub fn parse(lab: &str, bytes: &[u8]) -> Result<LabRecord, LabError> {
    let value: Result<Value, _> = serde_json::from_slice(bytes);
    let said = |key: &str| value.as_ref().ok().and_then(|value| value.get(key));
    let version = said("schema-version").and_then(Value::as_u64);
    let why = match version {
        Some(version) if version != u64::from(SCHEMA) => {
            format!("its record is of version {version}, and this program reads version {SCHEMA}")
        }
        // from the bytes, so that the error names line and column
        _ => match serde_json::from_slice(bytes) {
            Ok(record) => return Ok(record),
            Err(error) => format!("its record cannot be read: {error}"),
        },
    };
    let by = said("pgha").and_then(Value::as_str).map(str::to_owned);
    Err(LabError::OtherVersion { lab: lab.to_owned(), by, why })
}

/// Reads the record of a lab; `None` when the lab has none.
///
/// # Errors
/// When the engine does not answer or the record cannot be read.
pub async fn read(shelf: &impl Shelf, lab: &str) -> Result<Option<LabRecord>, LabError> {
    match shelf.read_file(&names::container(lab, "client"), PATH).await {
        Ok(bytes) => parse(lab, &bytes).map(Some),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// Reads the record of a lab that must be there.
///
/// # Errors
/// [`LabError::NoLab`] when nothing of it is on the engine, [`LabError::NoRecord`] when only pieces are.
pub async fn require(docker: &Docker, lab: &str) -> Result<LabRecord, LabError> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A record as 0.1.0 wrote it: no images, no password of a broker.
    const OLD: &str = include_str!("../../tests/records/0.1.0.json");

    fn refused(record: &Value) -> (Option<String>, String) {
        match parse("demo", record.to_string().as_bytes()) {
            Err(LabError::OtherVersion { by, why, .. }) => (by, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lab_of_the_first_version_is_used() {
        let record = parse("demo", OLD.as_bytes()).expect("a record");
        assert_eq!((record.pgha, record.members.len(), record.secrets.broker.as_str()), (None, 9, ""));
        assert!(record.images.is_empty());
        // whatever is made of it is made
        let world = world(&parse("demo", OLD.as_bytes()).expect("a record"));
        assert_eq!(world.bodies.len(), 9 + 7, "members and hosts");
    }

    #[test]
    fn a_lab_of_another_version_is_refused_in_words() {
        let old = || serde_json::from_str::<Value>(OLD).expect("JSON");
        let mut newer = old();
        newer["schema-version"] = json!(2);
        newer["pgha"] = json!("9.0.0");
        let (by, why) = refused(&newer);
        assert_eq!(by.as_deref(), Some("9.0.0"));
        assert_eq!(why, "its record is of version 2, and this program reads version 1");

        let mut less = old();
        less["spec"].as_object_mut().expect("a lab").remove("postgres");
        assert!(refused(&less).1.contains("missing field `postgres`"), "{}", refused(&less).1);
        let mut more = old();
        more["spec"]["postgres"]["a-key-of-tomorrow"] = json!(1);
        assert!(refused(&more).1.contains("a-key-of-tomorrow"), "{}", refused(&more).1);

        let torn = parse("demo", &OLD.as_bytes()[..100]).expect_err("half a record");
        let said = torn.to_string();
        assert!(
            said.starts_with("lab `demo` was founded by another version of pgha: its record cannot"),
            "{said}"
        );
        assert!(torn.hint().is_some_and(|hint| hint.contains("pgha down")));
    }
}
