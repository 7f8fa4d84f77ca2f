//! What operators ask of the repair controller, and what it writes down of a replacement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::id::{HostName, MemberId};
use crate::model::lab::Service;
use crate::model::units::Mono;

/// Why a member is replaced, and by whom: repair's word in the store, written before anything is done and
/// removed when all of it is, so that whoever comes after goes on with it. One key for the lab: one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replacing {
    /// The service of both members.
    #[serde(default = "databases")]
    pub service: Service,
    /// Name of the member that goes.
    pub member: MemberId,
    /// The name of the new member; that of who goes when nobody takes its place, because there are too many.
    pub by: MemberId,
    /// The host of the new member.
    pub host: HostName,
    /// Why the old one goes.
    pub why: String,
    /// When that was decided, on the machine's monotonic clock: a newcomer has so long (`newcomer-grace` of the policy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Mono>,
}

/// What was replaced before anything else could be.
const fn databases() -> Service {
    Service::Postgres
}

/// A planned handover that an operator asks of the controllers. Whoever takes it removes it in the transaction that
/// asks Patroni; while it stands, nobody has, and whoever wrote it may take it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SwitchoverWish {
    /// Who shall lead; `None`: the best copy.
    pub candidate: Option<MemberId>,
}
