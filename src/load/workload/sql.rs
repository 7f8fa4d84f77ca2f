//! Workload `sql`: a text of statements, sent as it stands. PostgreSQL runs several statements of
//! one text in one transaction unless the text opens its own
//! (<https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT>), so any
//! of it may have committed as soon as it was sent.

use super::turn::{OpEnded, OpTurn, failed};
use crate::engine::postgres::Broken;
use crate::load::classify::OpStage;

/// Runs the text.
///
/// # Errors
/// As [`OpTurn::decide`]; also when the text leaves a transaction open.
pub async fn run(turn: &mut OpTurn<'_>, text: &str) -> Result<OpEnded, OpEnded> {
    let decided = turn.decide_by_text(text).await?;
    if turn.in_transaction() {
        let left = Broken::Other("the file leaves its transaction open: end it with COMMIT".to_owned());
        return Err(failed(OpStage::AfterWrite, &left, false));
    }
    Ok(turn.done(&decided, None, None))
}
