//! This program inside the lab: the client host's body, which waits for work.

use super::context::RecipeContext;
use super::parts::{command, conf_mount, service_body};
use crate::model::{Body, ImageRole, Member};

/// The user the image of this program knows; it owns the lab's record.
pub const CLIENT_UID: u32 = 996;

pub(super) fn body(ctx: &RecipeContext, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Pgha, CLIENT_UID);
    body.mounts = vec![conf_mount(ctx, member, CLIENT_UID)];
    body.command = command(&["/usr/local/bin/pgha", "client", "idle"]);
    body
}
