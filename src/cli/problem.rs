//! What goes wrong, as a person sees it: what happened, what helps, and the exit code.

use std::process::ExitCode;

use crate::engine::docker::EngineError;
use crate::lab::LabError;
use crate::run::RunError;
use crate::spec::problem::Problems;

/// Exit codes; documented in `pgha --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or the run passed.
    Done,
    /// A check failed.
    Failed,
    /// The run proves nothing.
    Unknown,
    /// The lab could not be made ready.
    NotReady,
    /// Bad arguments or a bad file.
    Usage,
    /// No engine, or not for this user.
    NoEngine,
    /// A fault of this program.
    Software,
    /// Interrupted, after healing.
    Interrupted,
    /// The exit code of somebody else's program (`pgha exec`).
    Other(u8),
}

impl Exit {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Unknown => 2,
            Self::NotReady => 3,
            Self::Usage => 64,
            Self::NoEngine => 69,
            Self::Software => 70,
            Self::Interrupted => 130,
            Self::Other(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Anything that ends a verb.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Something about a lab could not be done.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A run could not begin or go on.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Problems in a lab or scenario file, with their places.
    #[error("the file has problems")]
    Spec(#[from] Problems),
    /// A file that cannot be read, a name nobody has.
    #[error("{message}")]
    Usage {
        /// What happened.
        message: String,
        /// What helps.
        hint: String,
    },
    /// Interrupted; nothing was running that had to be healed.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        Self::Lab(LabError::Engine(error))
    }
}

impl CliError {
    /// A usage error with its hint.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Lab(error) | Self::Run(RunError::Lab(error) | RunError::NotReady { error, .. }) => {
                lab_exit(error)
            }
            Self::Run(RunError::Interrupted) | Self::Interrupted(_) => Exit::Interrupted,
            Self::Run(RunError::Unreadable { .. } | RunError::Refused(_) | RunError::Busy(_))
            | Self::Spec(_)
            | Self::Usage { .. } => Exit::Usage,
            // the run was begun and could not be ended: it proves nothing
            Self::Run(_) => Exit::Unknown,
        }
    }

    /// The whole message, hint included.
    #[must_use]
    pub fn render(&self) -> String {
        let hint = match self {
            Self::Lab(error) | Self::Run(RunError::Lab(error)) => error.hint(),
            Self::Run(RunError::NotReady { logs, .. }) => {
                Some(format!("what every body wrote is in {}; `--wait` waits longer", logs.display()))
            }
            Self::Run(RunError::Refused(_)) => Some("`pgha doctor` shows what this machine has".to_owned()),
            Self::Run(RunError::Busy(_)) => {
                Some("wait for it, or give this one a lab of its own: `--lab NAME`".to_owned())
            }
            Self::Usage { hint, .. } => (!hint.is_empty()).then(|| hint.clone()),
            Self::Spec(problems) => return problems.render(),
            Self::Run(RunError::Unreadable { .. }) => Some(
                "a run directory holds scenario.json, resolved.json, history.jsonl and sightings.jsonl; \
                 `runs/latest` is the newest"
                    .to_owned(),
            ),
            _ => None,
        };
        match hint {
            Some(hint) if !hint.is_empty() => format!("error: {self}\nhint: {hint}"),
            _ => format!("error: {self}"),
        }
    }
}

const fn lab_exit(error: &LabError) -> Exit {
    match error {
        LabError::Engine(EngineError::NoEngine(_) | EngineError::NoPermission(_)) => Exit::NoEngine,
        LabError::Stuck(stuck) => match stuck.error {
            EngineError::NoEngine(_) | EngineError::NoPermission(_) => Exit::NoEngine,
            _ => Exit::NotReady,
        },
        LabError::NoLab(_) | LabError::Unplaceable(_) | LabError::Differs { .. } => Exit::Usage,
        _ => Exit::NotReady,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_lab_did_not_get_ready_names_its_logs_and_no_lab_that_is_gone() {
        let error = LabError::NotReady {
            after: "3m".to_owned(),
            who: "  balancer-1: ended with exit code 1; its last words:\n      no".to_owned(),
        };
        let run = CliError::Run(RunError::NotReady { error: error.clone(), logs: "runs/x/logs".into() });
        assert_eq!(run.exit(), Exit::NotReady);
        let said = run.render();
        assert!(
            said.contains("balancer-1: ended with exit code 1") && said.contains("runs/x/logs"),
            "{said}"
        );
        assert!(!said.contains("pgha logs"), "{said}");
        // `up` leaves it standing
        assert!(CliError::Lab(error).render().contains("`pgha logs MEMBER`"));
    }
}
