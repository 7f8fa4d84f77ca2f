//! Who is at the other end of a connection.

use crate::model::MemberId;

/// Who is at the other end of a connection. Constant for its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Which instance answers, where its address is known.
    pub member: Option<MemberId>,
    /// The system identifier of its data directory.
    pub system: Option<String>,
}
