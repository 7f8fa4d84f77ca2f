//! Lines of JSON out of many tasks through one channel to one writer.
//!
//! Writing is buffered for a moment, because every write crosses the engine's attach stream, and
//! short enough that a killed client loses little of what it knew.

use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::clock;

/// How long lines may wait for company.
pub const FLUSH_WITHIN: Duration = Duration::from_millis(20);

/// Lines written without letting others go first: an answer that waits for the journal would look slow.
const LINES_AT_ONCE: u32 = 16;

/// Where tasks put what they have to say.
#[derive(Debug)]
pub struct Journal<T>(UnboundedSender<T>);

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The writer's end.
#[derive(Debug)]
pub struct JournalReceiver<T>(UnboundedReceiver<T>);

/// Both ends.
#[must_use]
pub fn channel<T>() -> (Journal<T>, JournalReceiver<T>) {
    let (sender, receiver) = unbounded_channel();
    (Journal(sender), JournalReceiver(receiver))
}

impl<T> Journal<T> {
    /// Queues one line. When the writer is gone the whole process is about to end, and nobody
    /// would read the line.
    pub fn say(&self, line: T) {
        let _gone = self.0.send(line);
    }
}

/// Writes lines until every [`Journal`] is dropped; everything is flushed then.
///
/// # Errors
/// Whatever `output` says, typically that nobody reads any more.
pub async fn write_out<T: Serialize, W: AsyncWrite + Unpin>(
    lines: JournalReceiver<T>,
    output: W,
) -> std::io::Result<()> {
    write(lines, output, Some(FLUSH_WITHIN)).await
}

/// The same without waiting for more lines: a process that may be killed at any moment has said why before it acts.
///
/// # Errors
/// Whatever `output` says, typically that nobody reads any more.
pub async fn write_at_once<T: Serialize, W: AsyncWrite + Unpin>(
    lines: JournalReceiver<T>,
    output: W,
) -> std::io::Result<()> {
    write(lines, output, None).await
}

async fn write<T: Serialize, W: AsyncWrite + Unpin>(
    mut lines: JournalReceiver<T>,
    mut output: W,
    within: Option<Duration>,
) -> std::io::Result<()> {
    let mut text = Vec::new();
    while let Some(first) = lines.0.recv().await {
        serialize(&first, &mut text)?;
        if let Some(within) = within {
            clock::sleep(within).await;
        }
        let mut in_a_row = 0;
        while let Ok(more) = lines.0.try_recv() {
            serialize(&more, &mut text)?;
            in_a_row += 1;
            if in_a_row % LINES_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        output.write_all(&text).await?;
        output.flush().await?;
        text.clear();
    }
    output.flush().await
}

fn serialize<T: Serialize>(line: &T, text: &mut Vec<u8>) -> std::io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_line_is_there_in_the_end() {
        let (journal, lines) = channel::<u32>();
        let other = journal.clone();
        let mut text = Vec::new();
        let say = async move {
            for n in 0..1000 {
                journal.say(n);
                other.say(n + 1000);
            }
        };
        let (written, ()) = futures_util::future::join(write_out(lines, &mut text), say).await;
        written.expect("memory takes everything");
        let text = String::from_utf8(text).expect("text");
        assert_eq!(text.lines().count(), 2000);
        assert!(text.ends_with('\n'));
    }
}
