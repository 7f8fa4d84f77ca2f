//! What scaling is told once.

use crate::model::LabSpec;
use crate::model::scaling::ScalingPolicy;

/// What scaling is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingWorld {
    /// The lab as declared: hosts and limits.
    pub spec: LabSpec,
    /// What the lab's owner allows.
    pub policy: ScalingPolicy,
}
