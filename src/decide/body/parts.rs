//! What the recipes of all services have in common.

use std::collections::BTreeMap;

use super::context::RecipeContext;
use super::ports::CONF_PATH;
use crate::model::body::DATA_PATH;
use crate::model::lab::RestartRule;
use crate::model::{Body, BodyFile, HostName, ImageRole, Member, Mount, Name, Namespace};

/// What all services have in common; each sets the rest.
pub(super) fn service_body(ctx: &RecipeContext, member: &Member, image: ImageRole, uid: u32) -> Body {
    let lab = &ctx.spec.name;
    Body {
        member: member.id.clone(),
        service: Some(member.service),
        host: member.host.clone(),
        container: format!("pgha-{lab}-{}", member.id),
        image,
        foreign: None,
        engine: false,
        namespace: Namespace::Of(sandbox_name(lab, &member.host)),
        command: Vec::new(),
        user: format!("{uid}:{uid}"),
        capabilities: Vec::new(),
        mounts: Vec::new(),
        files: Vec::new(),
        tmpfs: vec!["/tmp".to_owned()],
        size: Some(member.size),
        restart: RestartRule::No,
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
    }
}

/// Name of the sandbox container of a host.
pub(super) fn sandbox_name(lab: &Name, host: &HostName) -> String {
    format!("pgha-{lab}-host-{host}")
}

/// The small volume with configuration and secrets of a member.
pub(super) fn conf_mount(ctx: &RecipeContext, member: &Member, uid: u32) -> Mount {
    Mount {
        volume: format!("pgha-{}-{}-conf", ctx.spec.name, member.id),
        path: CONF_PATH.to_owned(),
        sized: None,
        owner: (uid, uid),
    }
}

/// The sized volume with the data of a member.
pub(super) fn data_mount(ctx: &RecipeContext, member: &Member, uid: u32) -> Mount {
    Mount {
        volume: format!("pgha-{}-{}-data", ctx.spec.name, member.id),
        path: DATA_PATH.to_owned(),
        sized: Some(member.size.disk),
        owner: (uid, uid),
    }
}

/// A file only the service itself can read.
pub(super) fn private_file(name: &str, uid: u32, contents: String) -> BodyFile {
    BodyFile { path: format!("{CONF_PATH}/{name}"), mode: 0o600, uid, gid: uid, contents }
}

/// Text as JSON, quotes and all.
pub(super) fn json(text: impl Into<String>) -> String {
    serde_json::Value::String(text.into()).to_string()
}

/// A program and its arguments.
pub(super) fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}
