//! What scaling could do next: the form that all its proposals have.

use super::memory::ScalingNote;
use super::step::ScalingStep;
use super::wait::ScalingWait;
use crate::decide::frame;

/// One thing that scaling could do, or the reason why it does nothing.
pub type ScalingProposal = frame::Proposal<ScalingStep, ScalingNote, ScalingWait>;
