//! What the engine said, in words of this room.

use bollard::errors::Error;

use crate::engine::engine_error::EngineError;

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let taken = message.contains("port is already allocated")
                    || message.contains("address already in use")
                    || message.contains("cannot assign requested address");
                match status_code {
                    _ if taken => Self::PortTaken(message),
                    404 => Self::NotFound(message),
                    304 | 409 => Self::Conflict(message),
                    _ => Self::Refused(message),
                }
            }
            Error::RequestTimeoutError => Self::Timeout("the engine did not answer the request".to_owned()),
            Error::SocketNotFoundError(path) => Self::NoEngine(format!("no socket at {path}")),
            other => {
                let text = chain(&other);
                let lower = text.to_lowercase();
                if lower.contains("permission denied") {
                    Self::NoPermission(text)
                } else if lower.contains("no such file") || lower.contains("connection refused") {
                    Self::NoEngine(text)
                } else {
                    Self::Refused(text)
                }
            }
        }
    }
}

/// An error and everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
