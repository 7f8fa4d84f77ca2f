//! What replicas showed of registers. They promise no linearizable read, but none shows a value that nobody wrote, or
//! one that was sent only after the read had ended.

use std::collections::HashMap;

use crate::check::record::RunRecord;
use crate::history::{Class, OpQuestion, OpReply, RegisterOp};
use crate::model::Mono;
use crate::model::scenario::Workload;

/// Every read of another load's registers that cannot be, as a sentence.
pub(super) fn impossible(record: &RunRecord) -> Vec<String> {
    let mut found = Vec::new();
    for (number, load) in record.loads_of(Workload::Register).filter(|(_, load)| load.of.is_some()) {
        let sent = sent(record, record.tables_of(number, load));
        for op in record.history.ops.iter().filter(|op| op.load == number) {
            let (Some(OpQuestion::Register(RegisterOp::Read { k })), Some(OpReply::Value(Some(value)))) =
                (op.asked(), op.answer())
            else {
                continue;
            };
            let how = match (sent.get(&(k, value)), op.done) {
                (None, _) => "which no client wrote",
                (Some(sent), Some(done)) if *sent > done => "which was sent later",
                _ => continue,
            };
            found.push(format!(
                "operation {} of load `{}` read {value} from key {k}, {how}",
                op.op, load.name
            ));
        }
    }
    found
}

/// When each value of each key was first sent, of writes that may have happened.
fn sent(record: &RunRecord, load: u32) -> HashMap<(u64, i64), Mono> {
    let mut sent: HashMap<(u64, i64), Mono> = HashMap::new();
    for op in record.history.ops.iter().filter(|op| op.load == load && op.class() != Class::Fail) {
        let Some(OpQuestion::Register(RegisterOp::Write { k, v } | RegisterOp::Cas { k, to: v, .. })) =
            op.asked()
        else {
            continue;
        };
        let first = sent.entry((k, v)).or_insert(op.invoked);
        *first = op.invoked.min(*first);
    }
    sent
}
