//! Whether what a primary writes reaches its disk. A file system that hangs lets reads, the postmaster and Patroni
//! go on for ever, and every write wait: only a write tells.
//!
//! Theory: a WAL that moves needs no question, because its flushes are writes that ended. One that stands still is
//! asked to take one record of a few bytes (`pg_logical_emit_message` with `flush`): it needs no transaction, no table
//! and no lock, waits for no replica, and ends when the disk has it. While that does not end, the position of the flush
//! and the writes that the kernel completed on this very disk tell one that is slow from one that hangs.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use super::instance::Instance;
use crate::decide::repair::DiskSeen;
use crate::engine::clock;
use crate::engine::postgres::Session;

/// Pause between two looks, and the longest that a flush takes before it is told of.
const FLUSH_PAUSE: Duration = Duration::from_secs(1);
/// How far the WAL is on the disk.
const FLUSHED: &str = "select pg_current_wal_flush_lsn()";
/// A record that must reach the disk. Not in a transaction, so no setting for commits counts.
const FLUSH: &str = "select pg_logical_emit_message(false, 'pgha', '', true)";
/// How far the WAL is, what the kernel says of all disks, and which one carries the data.
const PROGRESS: &str = "select pg_current_wal_flush_lsn(), pg_read_file('/proc/diskstats'), \
                        pg_read_file('/proc/self/mountinfo'), current_setting('data_directory')";

/// Looks for ever.
pub(super) async fn watch(instance: &Instance) {
    let (mut before, mut session) = (None, None);
    loop {
        instance.until_next(clock::now(), FLUSH_PAUSE).await;
        let Some(held) = instance.primary() else {
            (before, session) = (None, None);
            instance.publish_disk(DiskSeen::Unasked);
            continue;
        };
        let now = row(&held, FLUSHED).await.and_then(|row| row.into_iter().next());
        let moved = now.is_some() && before.is_some() && now != before;
        before = now;
        if moved {
            instance.publish_disk(DiskSeen::Takes);
        } else if before.is_some() {
            session = flush(instance, session.take()).await;
        } else {
            instance.publish_disk(DiskSeen::Unasked);
        }
    }
}

/// One write, over a connection of its own, because it may wait for as long as the disk hangs; the connection, where it
/// is good for another one.
async fn flush(instance: &Instance, session: Option<Session>) -> Option<Session> {
    let session = match session {
        Some(session) => session,
        // who takes no connection is judged by that
        None => instance.another_session().await?,
    };
    let mut asked = Box::pin(session.client().simple_query(FLUSH));
    let mut counted = false;
    loop {
        match clock::timeout(FLUSH_PAUSE, &mut asked).await {
            Ok(Ok(_)) => {
                instance.publish_disk(DiskSeen::Takes);
                break;
            }
            Ok(Err(_)) => {
                instance.publish_disk(DiskSeen::Unasked);
                return None;
            }
            Err(_) => {}
        }
        let Some(held) = instance.primary() else {
            instance.publish_disk(DiskSeen::Unasked);
            return None;
        };
        let at = clock::now();
        match row(&held, PROGRESS).await.and_then(|row| progress(&row)) {
            Some(so_far) => {
                counted = true;
                instance.publish_disk(DiskSeen::Waits { so_far, at });
            }
            None if !counted => instance.publish_disk(DiskSeen::Unasked),
            // counters that only grow lose nothing by an answer that is missing
            None => {}
        }
    }
    drop(asked);
    Some(session)
}

/// The only row of an answer that comes in time; a connection that is slow says nothing about a disk.
async fn row(held: &Session, ask: &str) -> Option<Vec<String>> {
    let answer = clock::timeout(FLUSH_PAUSE, held.client().simple_query(ask)).await.ok()?.ok()?;
    answer.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
        }
        _ => None,
    })
}

/// How far WAL and disk had come, from the answer to [`PROGRESS`]; `None` where the kernel does not count for a disk of
/// the data's own: then nobody knows whether it hangs.
fn progress(row: &[String]) -> Option<String> {
    let [flushed, disks, mounts, data] = row else { return None };
    let device = device(mounts, data)?;
    let done = completed(disks, &device)?;
    Some(format!("WAL at {flushed}, {done} writes done on device {device}"))
}

/// `major:minor` of the file system that carries `path`, from `/proc/self/mountinfo`: the longest mount point before it.
fn device(mounts: &str, path: &str) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let (device, point) = (*fields.get(2)?, *fields.get(4)?);
        let below = path.strip_prefix(point)?;
        (point == "/" || below.is_empty() || below.starts_with('/')).then_some((point.len(), device))
    });
    // the last of two at one place is the one that is seen
    mounts.max_by_key(|(length, _)| *length).map(|(_, device)| device.to_owned())
}

/// Writes, and flushes of its cache, that a device completed, from `/proc/diskstats`.
fn completed(disks: &str, device: &str) -> Option<u64> {
    disks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let its = format!("{}:{}", fields.first()?, fields.get(1)?) == device;
        // older kernels do not count flushes
        its.then(|| number(7).map(|writes| writes + number(18).unwrap_or(0))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
602 512 0:55 / / ro,relatime - overlay overlay rw,lowerdir=/x
611 602 7:3 / /data rw,relatime - xfs /dev/loop3 rw,attr2
612 602 254:0 /var/lib/conf /etc/pgha ro - ext4 /dev/vda rw
";
    const DISKS: &str = "\
   7       0 loop0 40 0 1000 5 0 0 0 0 0 4 5 0 0 0 0 0 0
   7       3 loop3 98 0 4000 9 1514 12 90000 800 1 300 900 0 0 0 0 77 12
";

    fn row(flushed: &str, disks: &str, data: &str) -> Vec<String> {
        [flushed, disks, MOUNTS, data].map(str::to_owned).to_vec()
    }

    #[test]
    fn every_progress_of_wal_or_disk_is_another_word() {
        let seen = |row: Vec<String>| progress(&row);
        let first = seen(row("0/5000060", DISKS, "/data/postgres"));
        assert_eq!(first.as_deref(), Some("WAL at 0/5000060, 1591 writes done on device 7:3"));
        assert_eq!(first, seen(row("0/5000060", DISKS, "/data/postgres")));
        assert_ne!(first, seen(row("0/5000068", DISKS, "/data/postgres")));
        let more = DISKS.replace(" 1514 ", " 1515 ");
        assert_ne!(first, seen(row("0/5000060", &more, "/data/postgres")));
    }

    #[test]
    fn a_disk_that_nobody_counts_for_is_not_guessed_at() {
        assert_eq!(progress(&row("0/5", DISKS, "/elsewhere")), None, "an overlay is no disk");
        assert_eq!(progress(&row("0/5", "", "/data/postgres")), None);
        assert_eq!(progress(&[]), None);
        assert_eq!(device(MOUNTS, "/database"), Some("0:55".to_owned()), "a name is no folder");
    }
}
