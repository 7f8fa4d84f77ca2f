//! How an operation that was not acknowledged ended: the table, as a pure function.
//!
//! The point that decides: had the bytes that could commit been written to the socket? Before it,
//! every error is a failure. After it, only what PostgreSQL itself says counts, and only where the
//! statement is certain; everything else is open. A code the table does not know keeps the safe
//! class of its stage and makes the run unknown through [`classes::mapped`].

use crate::engine::postgres::Broken;
use crate::history::classes;
use crate::history::event::{Error, Outcome};

/// How far an operation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpStage {
    /// There was no connection yet.
    Connecting,
    /// Connected; nothing that could commit had been sent.
    BeforeWrite,
    /// What could commit had been sent, or may have been.
    AfterWrite,
}

/// The class of an operation that broke with `broken` at `stage`.
#[must_use]
pub fn classify(stage: OpStage, broken: &Broken) -> Outcome {
    let error = Error { c: code(stage, broken), m: broken.to_string() };
    let failed = match stage {
        OpStage::Connecting | OpStage::BeforeWrite => true,
        OpStage::AfterWrite => broken.state().is_some_and(classes::certain),
    };
    if failed { Outcome::Fail(error) } else { Outcome::Info(error) }
}

/// Whether a connection can be used for the next operation: only after errors that are the
/// statement's own. A read-only answer means the wrong instance, so that connection is given up.
#[must_use]
pub fn reusable(broken: &Broken) -> bool {
    broken.state().is_some_and(|s| s.starts_with("23") || s == "40001" || s == "40P01")
}

fn code(stage: OpStage, broken: &Broken) -> String {
    let connecting = stage == OpStage::Connecting;
    match broken {
        Broken::Sql { state, .. } => return state.clone(),
        Broken::Refused => "refused",
        Broken::Unreachable(_) => "unreachable",
        Broken::Timeout(_) if connecting => "connect-timeout",
        Broken::Timeout(_) => "timeout",
        Broken::Eof if connecting => "connect-eof",
        Broken::Eof => "eof",
        Broken::Reset(_) => "reset",
        Broken::WrongServer(_) => classes::WRONG_SERVER,
        Broken::Other(_) => classes::UNMAPPED,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const STAGES: [OpStage; 3] = [OpStage::Connecting, OpStage::BeforeWrite, OpStage::AfterWrite];

    fn sql(state: &str) -> Broken {
        Broken::Sql { state: state.to_owned(), message: "m".to_owned() }
    }

    fn plain() -> Vec<Broken> {
        vec![
            Broken::Refused,
            Broken::Unreachable("u".into()),
            Broken::Timeout(Duration::from_secs(1)),
            Broken::Eof,
            Broken::Reset("r".into()),
            Broken::WrongServer("w".into()),
            Broken::Other("o".into()),
        ]
    }

    fn told(stage: OpStage, broken: &Broken) -> (bool, String) {
        match classify(stage, broken) {
            Outcome::Fail(error) => (true, error.c),
            Outcome::Info(error) => (false, error.c),
            other => panic!("{other:?} is an acknowledgement"),
        }
    }

    #[test]
    fn before_the_write_everything_is_a_failure() {
        let states = [
            "25006", "40001", "57P01", "57P03", "53300", "28P01", "08006", "XX000", "42P01", "53100", "58030",
        ];
        for stage in [OpStage::Connecting, OpStage::BeforeWrite] {
            for state in states {
                assert_eq!(told(stage, &sql(state)), (true, state.to_owned()));
            }
            for broken in plain() {
                assert!(told(stage, &broken).0, "{stage:?} {broken:?}");
            }
        }
    }

    #[test]
    fn after_the_write_only_certain_answers_are_failures() {
        for state in [
            "25006", "40001", "40P01", "23505", "23502", "53300", "57P03", "28000", "28P01", "25P02",
            "55P03", "57P05", "22012",
        ] {
            assert_eq!(told(OpStage::AfterWrite, &sql(state)), (true, state.to_owned()));
        }
        for state in [
            "57P01", "57P02", "57014", "08000", "08006", "40003", "XX000", "XX001", "XX002", "53100",
            "53200", "58030",
        ] {
            assert_eq!(told(OpStage::AfterWrite, &sql(state)), (false, state.to_owned()));
        }
        for broken in plain() {
            assert!(!told(OpStage::AfterWrite, &broken).0, "{broken:?}");
        }
    }

    #[test]
    fn an_unknown_state_is_open_after_the_write_and_known_to_be_unknown() {
        for state in ["42P01", "0A000", "54000", "55000"] {
            let (failed, code) = told(OpStage::AfterWrite, &sql(state));
            assert!(!failed && code == state && !classes::mapped(&code));
        }
    }

    #[test]
    fn codes_say_where_it_broke() {
        for stage in STAGES {
            for broken in plain() {
                let (_, code) = told(stage, &broken);
                assert_eq!(classes::mapped(&code), !matches!(broken, Broken::Other(_)), "{code}");
            }
        }
        assert_eq!(told(OpStage::Connecting, &Broken::Eof).1, "connect-eof");
        assert_eq!(told(OpStage::AfterWrite, &Broken::Eof).1, "eof");
        assert_eq!(told(OpStage::Connecting, &Broken::Timeout(Duration::ZERO)).1, "connect-timeout");
        assert_eq!(told(OpStage::AfterWrite, &Broken::Timeout(Duration::ZERO)).1, "timeout");
        assert_eq!(told(OpStage::Connecting, &Broken::Refused).1, "refused");
    }

    #[test]
    fn a_connection_to_the_wrong_instance_is_given_up() {
        assert!(reusable(&sql("23505")) && reusable(&sql("40001")));
        for broken in [sql("25006"), sql("40003"), sql("57P01"), Broken::Eof, Broken::Other("o".into())] {
            assert!(!reusable(&broken), "{broken:?}");
        }
    }
}
