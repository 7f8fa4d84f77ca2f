//! Which error codes the table of classes knows. A code that is not in it makes a run unknown
//! until somebody decides what it says about a write.

/// Ends of an operation that are no SQLSTATE.
pub const PLAIN: [&str; 11] = [
    "refused",
    "unreachable",
    "connect-timeout",
    "connect-eof",
    "eof",
    "reset",
    "timeout",
    ROLLED_BACK,
    WRONG_SERVER,
    ABORTED,
    UNCONNECTED,
];

/// The code of a client that reached no server of the kind its connection string wants.
pub const WRONG_SERVER: &str = "wrong-server";

/// The code of a transaction under way when pgbench gave its client up.
pub const ABORTED: &str = "client-aborted";

/// The code of a pgbench that had no connection, so that no transaction was begun.
pub const UNCONNECTED: &str = "client-unconnected";

/// The code of a transaction whose `COMMIT` was answered `ROLLBACK`: it certainly did not happen.
pub const ROLLED_BACK: &str = "rollback";

/// The code of an error that has neither a SQLSTATE nor one of the [`PLAIN`] names.
pub const UNMAPPED: &str = "unmapped";

/// SQLSTATEs that say: it certainly did not happen, even after an autocommit write was sent.
///
/// 25006 read-only, 40001 serialization failure, 40P01 deadlock, 53300 too many connections,
/// 57P03 cannot connect now. These four are said of a transaction that is aborted by saying so,
/// while statements run or in the checks that stand before the commit record:
/// 25P02 in a failed transaction (the statement was not even looked at), 55P03 lock not available
/// (a lock is asked for by statements, and nothing in a commit waits for one of `lock_timeout`),
/// 25P03 idle in transaction too long and 57P05 idle session too long (said to a session in which
/// no statement runs, so whatever had been sent by then was not read, and never will be).
pub const CERTAIN_SQLSTATES: [&str; 9] =
    ["25006", "25P02", "25P03", "40001", "40P01", "53300", "55P03", "57P03", "57P05"];

/// Classes (the first two characters) that say the same: data (22) and integrity (23), which are
/// found out by statements and by deferred constraints, all ahead of the commit record;
/// authorization (28), said before a session begins.
pub const CERTAIN_CLASSES: [&str; 3] = ["22", "23", "28"];

/// SQLSTATEs after which nobody knows, once a write was sent.
///
/// 57P01 administrator's shutdown, 57P02 crash of another backend, 57014 cancelled, 40003
/// completion unknown.
pub const OPEN: [&str; 4] = ["57P01", "57P02", "57014", "40003"];

/// Classes that say the same: connection exceptions (08); resources (53: disk full, out of memory)
/// and the system around (58: input or output failed), which a statement meets long before its
/// commit as a rule, but work that stands behind the commit record meets them as well; internal
/// errors (XX: also corrupted data and indexes), which promise nothing at all.
pub const OPEN_CLASSES: [&str; 4] = ["08", "53", "58", "XX"];

/// Whether an error with this SQLSTATE means that a write certainly did not happen.
#[must_use]
pub fn certain(state: &str) -> bool {
    CERTAIN_SQLSTATES.contains(&state) || state.get(..2).is_some_and(|class| CERTAIN_CLASSES.contains(&class))
}

/// Whether the table of classes knows this code, be it a SQLSTATE or a [`PLAIN`] name.
#[must_use]
pub fn mapped(code: &str) -> bool {
    let is_state = code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    if !is_state {
        return PLAIN.contains(&code);
    }
    certain(code) || OPEN.contains(&code) || code.get(..2).is_some_and(|class| OPEN_CLASSES.contains(&class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_known_and_nothing_else() {
        for known in [
            "25006", "40001", "40P01", "23505", "23503", "53300", "57P03", "28P01", "28000", "57P01",
            "25P02", "55P03", "22003", "57P05",
        ] {
            assert!(mapped(known), "{known}");
        }
        for known in [
            "57P02", "57014", "08006", "08P01", "40003", "XX000", "XX001", "XX002", "53100", "53200", "58030",
        ] {
            assert!(mapped(known) && !certain(known), "{known}");
        }
        for plain in PLAIN {
            assert!(mapped(plain), "{plain}");
        }
        for unknown in ["42P01", "0A000", "54000", "55000", UNMAPPED, "", "23", "08", "2350", "reset "] {
            assert!(!mapped(unknown), "{unknown}");
        }
    }
}
