//! Which error codes the table of classes knows. A code that is not in it makes a run unknown
//! until somebody decides what it says about a write.

/// Ends of an operation that are no SQLSTATE.
pub const PLAIN: [&str; 7] =
    ["refused", "unreachable", "connect-timeout", "connect-eof", "eof", "reset", "timeout"];

/// The code of an error that has neither a SQLSTATE nor one of the [`PLAIN`] names.
pub const UNMAPPED: &str = "unmapped";

/// SQLSTATEs that say: it certainly did not happen, even after an autocommit write was sent.
///
/// 25006 read-only, 40001 serialization failure, 40P01 deadlock, 53300 too many connections,
/// 57P03 cannot connect now.
pub const CERTAIN: [&str; 5] = ["25006", "40001", "40P01", "53300", "57P03"];

/// Classes (the first two characters) that say the same: integrity (23), authorization (28).
pub const CERTAIN_CLASSES: [&str; 2] = ["23", "28"];

/// SQLSTATEs after which nobody knows, once a write was sent.
///
/// 57P01 administrator's shutdown, 57P02 crash of another backend, 57014 cancelled, 40003
/// completion unknown, XX000 internal error.
pub const OPEN: [&str; 5] = ["57P01", "57P02", "57014", "40003", "XX000"];

/// Classes that say the same: connection exceptions (08).
pub const OPEN_CLASSES: [&str; 1] = ["08"];

/// Whether an error with this SQLSTATE means that a write certainly did not happen.
#[must_use]
pub fn certain(state: &str) -> bool {
    CERTAIN.contains(&state) || state.get(..2).is_some_and(|class| CERTAIN_CLASSES.contains(&class))
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
        for known in
            ["25006", "40001", "40P01", "23505", "23503", "53300", "57P03", "28P01", "28000", "57P01"]
        {
            assert!(mapped(known), "{known}");
        }
        for known in ["57P02", "57014", "08006", "08P01", "40003", "XX000"] {
            assert!(mapped(known) && !certain(known), "{known}");
        }
        for plain in PLAIN {
            assert!(mapped(plain), "{plain}");
        }
        for unknown in ["42P01", "53100", "XX001", "55000", UNMAPPED, "", "23", "08", "2350", "reset "] {
            assert!(!mapped(unknown), "{unknown}");
        }
    }
}
