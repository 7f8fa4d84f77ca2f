//! This program inside the lab: the client host's body, which waits for work, and controllers.

use super::{Context, command, conf_mount, service_body};
use crate::model::{Body, ImageRole, Member, Service};

/// The user the image of this program knows; it owns the lab's record.
pub const UID: u32 = 996;

pub(super) fn body(ctx: &Context, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Pgha, UID);
    body.mounts = vec![conf_mount(ctx, member, UID)];
    body.command = match member.service {
        Service::Controller => {
            // members are called after their controller: `repair-1` is one of `repair`
            let id = member.id.as_str();
            let name = id.rsplit_once('-').map_or(id, |(name, _)| name);
            command(&["/usr/local/bin/pgha", "controller", name])
        }
        _ => command(&["/usr/local/bin/pgha", "client", "idle"]),
    };
    body
}
