//! What PostgreSQL and etcd say inside their own bodies, asked with the clients that stand there: a
//! second source that needs neither Patroni nor the network.

use crate::engine::docker::Docker;
use crate::lab::record::LabRecord;
use crate::lab::{names, reach};
use crate::model::store_keys::patroni_key;
use crate::model::{MemberId, Service};

/// The answer of an instance to its superuser, columns parted by `|`.
///
/// # Errors
/// Why there is none, as a sentence.
pub async fn ask(docker: &Docker, container: &str, statement: &str) -> Result<String, String> {
    said(docker, container, &reach::psql(statement)).await
}

/// The value of one of Patroni's keys in etcd, linearizably, from the first member that answers; empty
/// without the key.
///
/// # Errors
/// What the members said.
pub async fn key(docker: &Docker, record: &LabRecord, key: &str) -> Result<String, String> {
    any_key(docker, record, &patroni_key(record.spec.name.as_str(), key)).await
}

/// What a key of etcd says, by its whole name; empty without the key.
///
/// # Errors
/// What the members said.
pub async fn any_key(docker: &Docker, record: &LabRecord, key: &str) -> Result<String, String> {
    let lab = record.spec.name.as_str();
    let command = ["etcdctl", "--command-timeout=2s", "get", "--print-value-only", key].map(str::to_owned);
    let mut refusals = Vec::new();
    for (member, _) in record.of(Service::Etcd) {
        match said(docker, &names::container(lab, member.id.as_str()), &command).await {
            Ok(value) => return Ok(value),
            Err(why) => refusals.push(format!("{}: {why}", member.id)),
        }
    }
    Err(refusals.join("; "))
}

/// Whether the instance of a member replays somebody's WAL, by its own word.
///
/// # Errors
/// Why it does not say, as a sentence.
pub async fn in_recovery(docker: &Docker, record: &LabRecord, member: &MemberId) -> Result<bool, String> {
    let container = names::container(record.spec.name.as_str(), member.as_str());
    match ask(docker, &container, "select pg_is_in_recovery()").await?.as_str() {
        "t" => Ok(true),
        "f" => Ok(false),
        other => Err(format!("`{other}` is neither t nor f")),
    }
}

async fn said(docker: &Docker, container: &str, command: &[String]) -> Result<String, String> {
    match docker.exec(container, command).await {
        Ok(said) if said.code == 0 => Ok(said.stdout.trim().to_owned()),
        Ok(said) => Err(said.stderr.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
