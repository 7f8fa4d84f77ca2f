//! What repair is told once.

use crate::model::control::RepairPolicy;
use crate::model::{Bytes, LabSpec, Member};

/// What repair is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct RepairWorld {
    /// The lab as declared: hosts, and who may stand where.
    pub spec: LabSpec,
    /// Who stood where when this was written.
    pub members: Vec<Member>,
    /// Bytes a replica may lack and still follow (Patroni: `maximum_lag_on_failover`).
    pub lag: Bytes,
    /// What the lab's owner allows.
    pub policy: RepairPolicy,
}
