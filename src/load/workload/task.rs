//! What one operation is to do, and what the journal says of it.

use super::tpcb;
use crate::history::event::{Asked, Mop, RegisterOp};

/// What one operation is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpTask {
    /// `set`: its row.
    Insert,
    /// `append`: these steps in one transaction.
    Steps(Vec<Mop>),
    /// `bank`: a transfer.
    Transfer {
        /// From this account.
        from: u32,
        /// The account that gains.
        to: u32,
        /// So much.
        amount: i64,
    },
    /// `bank`: every balance.
    Balances,
    /// `register`: one key.
    Register(RegisterOp),
    /// `tpcb`: one transaction.
    Tpcb(tpcb::Draw),
    /// `select`: the balance of this account.
    Select(i64),
    /// `freshness`: its number becomes the heartbeat.
    Beat,
    /// `freshness`: the newest heartbeat.
    Heartbeat,
    /// `sql`: the file.
    Text,
}

impl OpTask {
    /// What the journal says of it, where the operation's number does not say it.
    #[must_use]
    pub fn asked(&self) -> Option<Box<Asked>> {
        Some(Box::new(match self {
            Self::Insert | Self::Tpcb(_) | Self::Beat | Self::Text => return None,
            Self::Steps(steps) => Asked::Txn(steps.clone()),
            Self::Transfer { from, to, amount } => Asked::Transfer { from: *from, to: *to, amount: *amount },
            Self::Register(op) => Asked::Register(*op),
            Self::Balances | Self::Heartbeat | Self::Select(_) => Asked::Read,
        }))
    }
}
