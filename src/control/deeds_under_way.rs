//! Deeds that go on behind the step that asked for them: a step waits for the answer for a moment, and what comes of it
//! is what the next look sees. One that is not done after all says so.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;

use super::driver::Failed;
use crate::engine::clock;

/// Has a deed done that may take long. An answer within `moment` is the answer; without one it goes on, and was asked
/// for. One that is not done then is told to `late`.
///
/// # Errors
/// What a deed says that fails within the moment.
pub(super) async fn asked(
    moment: Duration,
    deed: impl Future<Output = Result<(), Failed>> + Send + 'static,
    late: impl FnOnce(Failed) + Send + 'static,
) -> Result<(), Failed> {
    let (answers, mut answer) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Err(error)) = answers.send(deed.await) {
            late(error);
        }
    });
    match clock::timeout(moment, &mut answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Failed::Trouble("the deed ended without an answer".to_owned())),
        Err(_) => {
            // from here on an answer is late; one that came in this instant is not
            answer.close();
            answer.try_recv().unwrap_or(Ok(()))
        }
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
        let (long, late) = (Duration::from_hours(1), |_: Failed| panic!("it came in time"));
        assert_eq!(asked(long, ready(Ok(())), late).await, Ok(()));
        let refused = Failed::Guard("another size by now".to_owned());
        assert_eq!(asked(long, ready(Err(refused.clone())), late).await, Err(refused));
    }

    #[tokio::test]
    async fn one_that_takes_long_was_asked_for_and_is_told_of_when_it_is_not_done() {
        let (go, was_done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (told, mark) = (Arc::clone(&go), Arc::clone(&was_done));
        let refused = Failed::Trouble("the order's deadline has passed".to_owned());
        let answer = refused.clone();
        let deed = async move {
            told.notified().await;
            mark.store(true, Ordering::SeqCst);
            Err(answer)
        };
        let (tells, hears) = oneshot::channel();
        let late = |error| tells.send(error).expect("it is listened to");
        assert_eq!(asked(Duration::ZERO, deed, late).await, Ok(()));
        assert!(!was_done.load(Ordering::SeqCst), "nobody waited for it");
        go.notify_one();
        assert_eq!(hears.await, Ok(refused));
        assert!(was_done.load(Ordering::SeqCst), "it went on");
        assert_eq!(asked(Duration::ZERO, pending(), drop).await, Ok(()));
    }
}
