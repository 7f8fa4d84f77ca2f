//! `disk-fill`: a file of allocated blocks takes what is free, and is topped up every second, because
//! a checkpoint gives WAL back. The file lies in the root of the volume, beside the data directory. With `once` that
//! ends when the disk grows: what it gains stays free.

use std::fmt::Write as _;

use serde_json::json;

use super::hand::{Hand, in_body};
use crate::chaos::family::{Scene, Victim, VictimSeen};
use crate::model::{Bytes, FaultRecord};

/// `fallocate` of unwritten extents takes the blocks for good: `statvfs` shows it. The largest step that still
/// fits is looked for by halving, because XFS needs some blocks for its own trees.
const FILL: &str = r#"set -u
file=$1; leave=$2; once=$3
blocks=$(stat -f -c %b /disk)
top_up() {
  step=1073741824
  while [ "$step" -ge 4096 ]; do
    size=$(stat -c %s "$file" 2>/dev/null) || return 0
    set -- $(stat -f -c '%S %a %b' /disk)
    [ "$once" = no ] || [ "$3" = "$blocks" ] || return 1
    room=$(( ($1 * $2 - leave) / 4096 * 4096 ))
    [ "$room" -ge 4096 ] || return 0
    [ "$room" -ge "$step" ] || step=$room
    fallocate -o "$size" -l "$step" "$file" 2>/dev/null || step=$(( step / 2 ))
  done
}
: >> "$file"
top_up
( while sleep 1 && [ -e "$file" ]; do top_up || exit 0; done ) </dev/null >/dev/null 2>&1 &
echo $! > /dev/shm/top-up
"#;
/// Twice, because the one that tops up may just have opened it.
const EMPTY_FILL_SCRIPT: &str = r#"[ ! -e /dev/shm/top-up ] || kill "$(cat /dev/shm/top-up)" 2>/dev/null
rm -f "$1"; sleep 0.05; rm -f "$1"
"#;
/// Block size, blocks free to anybody, blocks; and bytes of the file, if it is there.
const FREE_SPACE_SCRIPT: &str =
    r#"stat -f -c '%S %a %b' "$1"; if [ -e "$1/$2" ]; then stat -c %s "$1/$2"; else echo gone; fi"#;
/// Under this key the notes keep what was free, and of how much, before.
const SPACE_NOTE: &str = "space";
/// XFS keeps some blocks back that no file gets.
const KEPT_BACK: u64 = 1 << 20;
/// What the victim itself may have written between two looks: a segment of WAL.
const WRITTEN: u64 = 16 << 20;
const FILL_SOURCE: &str = "statvfs in the body";

/// What `statvfs` says, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    free: u64,
    size: u64,
    /// Bytes of the file that fills it; `None` when it is gone.
    file: Option<u64>,
}

fn parse(text: &str) -> Option<Space> {
    let mut lines = text.lines();
    let mut numbers = lines.next()?.split_whitespace().map(|word| word.parse::<u64>().ok());
    let (block, free, blocks) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let file = lines.next()?.trim();
    let file = if file == "gone" { None } else { Some(file.parse().ok()?) };
    Some(Space { free: block.checked_mul(free)?, size: block.checked_mul(blocks)?, file })
}

/// Full now; or, when it has grown since, filled by a file as large as what was free before.
fn bite(space: Space, before: Option<(u64, u64)>, leave: Bytes) -> bool {
    let Some(file) = space.file else { return false };
    let left = leave.0.saturating_add(KEPT_BACK);
    let filled =
        before.is_some_and(|(free, size)| space.size > size && file.saturating_add(left + WRITTEN) >= free);
    space.free <= left || filled
}

/// What was free of the victim's disk, and its size, before.
fn before(fault: &FaultRecord, victim: &Victim) -> Option<(u64, u64)> {
    let note = fault.notes.get(SPACE_NOTE)?.get(victim.hit.as_str())?;
    Some((note.get("free")?.as_u64()?, note.get("size")?.as_u64()?))
}

fn file(fault: &FaultRecord) -> String {
    format!(".pgha-fill-{}", fault.id)
}

/// In the body where it runs; a body that the full disk has ended is looked at from the helper.
async fn look(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<Space, String> {
    let file = file(fault);
    let text = match in_body(scene, &victim.container.id, FREE_SPACE_SCRIPT, &["/data", &file]).await {
        Ok(text) => text,
        Err(_) => {
            Hand::of(scene, fault.id.as_str(), &victim.hit).run(FREE_SPACE_SCRIPT, &["/disk", &file]).await?
        }
    };
    parse(&text).ok_or_else(|| format!("statvfs answered `{text}`"))
}

pub async fn prepare(
    scene: &Scene<'_>,
    fault: &mut FaultRecord,
    victim: &Victim,
    leave: Bytes,
) -> Result<(), String> {
    let space = look(scene, fault, victim).await?;
    if space.free <= leave.0.saturating_add(KEPT_BACK) {
        return Err(format!("{} has only {} bytes free: there is nothing to fill", victim.hit, space.free));
    }
    let note = fault.notes.entry(SPACE_NOTE.to_owned()).or_insert_with(|| json!({}));
    note[victim.hit.as_str()] = json!({ "free": space.free, "size": space.size });
    Ok(())
}

pub async fn deed(hand: Hand<'_>, fault: &FaultRecord, leave: Bytes, once: bool) -> Result<(), String> {
    let path = format!("/disk/{}", file(fault));
    let once = if once { "yes" } else { "no" };
    hand.run(FILL, &[&path, &leave.0.to_string(), once]).await.map(|_| ())
}

pub async fn undo(hand: Hand<'_>, fault: &FaultRecord) -> Result<(), String> {
    hand.run(EMPTY_FILL_SCRIPT, &[&format!("/disk/{}", file(fault))]).await.map(|_| ())
}

pub async fn seen(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    leave: Bytes,
    healed: bool,
) -> VictimSeen {
    match look(scene, fault, victim).await {
        Err(why) => VictimSeen::new(false, FILL_SOURCE, why),
        Ok(space) => {
            let before = before(fault, victim);
            let proved = if healed {
                space.file.is_none() && space.free > leave.0
            } else {
                bite(space, before, leave)
            };
            let file = if space.file.is_some() { "there" } else { "gone" };
            let mut text = format!("{} of {} bytes free, filling file {file}", space.free, space.size);
            if let (Some(bytes), Some((free, size))) = (space.file, before)
                && space.size > size
            {
                // writing to a String cannot fail
                let _ = write!(text, ", {bytes} bytes where {free} of {size} were free");
            }
            VictimSeen::new(proved, FILL_SOURCE, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statvfs_is_read_in_bytes() {
        let space = Space { free: 40_960, size: 4_096_000, file: Some(77) };
        assert_eq!(parse("4096 10 1000\n77\n"), Some(space));
        assert_eq!(parse("4096 10 1000\ngone\n"), Some(Space { file: None, ..space }));
        assert_eq!(parse("4096 10\n77"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_disk_with_room_was_not_filled() {
        let space = |free, file| Space { free, size: 1 << 31, file };
        assert!(bite(space(8192, Some(1)), None, Bytes(0)));
        assert!(!bite(space(1 << 30, Some(1)), None, Bytes(0)));
        assert!(!bite(space(0, None), None, Bytes(0)), "somebody else filled it");
        assert!(bite(space(64 << 20, Some(1)), None, Bytes(64 << 20)));
        // it has grown before anybody looked: the file is as large as what was free
        let before = Some((300 << 20, 1 << 30));
        assert!(bite(space(1 << 30, Some(299 << 20)), before, Bytes(0)));
        assert!(!bite(space(1 << 30, Some(200 << 20)), before, Bytes(0)));
        assert!(!bite(Space { size: 1 << 30, ..space(1 << 29, Some(299 << 20)) }, before, Bytes(0)));
    }
}
