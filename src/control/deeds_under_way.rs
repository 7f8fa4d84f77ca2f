//! Deeds that go on behind the step that asked for them: a step waits for the answer for a moment, and what comes of it
//! is what the next look sees.

use std::future::Future;
use std::time::Duration;

use super::driver::Failed;
use crate::engine::clock;

/// Has a deed done that may take long. An answer within `moment` is the answer; without one it goes on, and was asked
/// for.
///
/// # Errors
/// What a deed says that fails within the moment.
pub(super) async fn asked(
    moment: Duration,
    deed: impl Future<Output = Result<(), Failed>> + Send + 'static,
) -> Result<(), Failed> {
    let told = async move {
        let answer = deed.await;
        if let Err(error) = &answer {
            // nobody may hear it any more
            tracing::debug!(%error, "what was asked for was not done");
        }
        answer
    };
    match clock::timeout(moment, tokio::spawn(told)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Err(Failed::Trouble(error.to_string())),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_at_once_is_the_answer() {
        let long = Duration::from_hours(1);
        assert_eq!(asked(long, ready(Ok(()))).await, Ok(()));
        let refused = Failed::Guard("another size by now".to_owned());
        assert_eq!(asked(long, ready(Err(refused.clone()))).await, Err(refused));
    }

    #[tokio::test]
    async fn one_that_takes_long_was_asked_for_and_goes_on() {
        let (go, done, was_done) =
            (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (told, ends, mark) = (Arc::clone(&go), Arc::clone(&done), Arc::clone(&was_done));
        let deed = async move {
            told.notified().await;
            mark.store(true, Ordering::SeqCst);
            ends.notify_one();
            Err(Failed::Trouble("too late for anybody".to_owned()))
        };
        assert_eq!(asked(Duration::ZERO, deed).await, Ok(()));
        assert!(!was_done.load(Ordering::SeqCst), "nobody waited for it");
        go.notify_one();
        done.notified().await;
        assert!(was_done.load(Ordering::SeqCst), "it went on");
        assert_eq!(asked(Duration::ZERO, pending()).await, Ok(()));
    }
}
