//! `disk-fill`: a file of allocated blocks takes what is free, and is topped up every second, because
//! a checkpoint gives WAL back. The file lies in the root of the volume, beside the data directory.

use super::hand::{Hand, in_body};
use crate::chaos::family::{Scene, Seen, Victim};
use crate::model::{Bytes, FaultRecord};

/// `fallocate` of unwritten extents takes the blocks for good: `statvfs` shows it. The largest step that still
/// fits is looked for by halving, because XFS needs some blocks for its own trees.
const FILL: &str = r#"set -u
file=$1; leave=$2
top_up() {
  step=1073741824
  while [ "$step" -ge 4096 ]; do
    size=$(stat -c %s "$file" 2>/dev/null) || return 0
    set -- $(stat -f -c '%S %a' /disk)
    room=$(( ($1 * $2 - leave) / 4096 * 4096 ))
    [ "$room" -ge 4096 ] || return 0
    [ "$room" -ge "$step" ] || step=$room
    fallocate -o "$size" -l "$step" "$file" 2>/dev/null || step=$(( step / 2 ))
  done
}
: >> "$file"
top_up
( while sleep 1 && [ -e "$file" ]; do top_up; done ) </dev/null >/dev/null 2>&1 &
echo $! > /dev/shm/top-up
"#;
/// Twice, because the one that tops up may just have opened it.
const EMPTY: &str = r#"[ ! -e /dev/shm/top-up ] || kill "$(cat /dev/shm/top-up)" 2>/dev/null
rm -f "$1"; sleep 0.05; rm -f "$1"
"#;
/// Block size, blocks free to anybody, blocks; and whether the file is there.
const LOOK: &str = r#"stat -f -c '%S %a %b' "$1"; if [ -e "$1/$2" ]; then echo there; else echo gone; fi"#;
/// XFS keeps some blocks back that no file gets.
const KEPT_BACK: u64 = 1 << 20;
const SOURCE: &str = "statvfs in the body";

/// What `statvfs` says, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    free: u64,
    size: u64,
    there: bool,
}

fn parse(text: &str) -> Option<Space> {
    let mut lines = text.lines();
    let mut numbers = lines.next()?.split_whitespace().map(|word| word.parse::<u64>().ok());
    let (block, free, blocks) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let there = lines.next()?.trim() == "there";
    Some(Space { free: block.checked_mul(free)?, size: block.checked_mul(blocks)?, there })
}

fn bite(space: Space, leave: Bytes) -> bool {
    space.there && space.free <= leave.0.saturating_add(KEPT_BACK)
}

fn file(fault: &FaultRecord) -> String {
    format!(".pgha-fill-{}", fault.id)
}

/// In the body where it runs; a body that the full disk has ended is looked at from the helper.
async fn look(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<Space, String> {
    let file = file(fault);
    let text = match in_body(scene, &victim.container.id, LOOK, &["/data", &file]).await {
        Ok(text) => text,
        Err(_) => Hand::of(scene, fault.id.as_str(), &victim.name).run(LOOK, &["/disk", &file]).await?,
    };
    parse(&text).ok_or_else(|| format!("statvfs answered `{text}`"))
}

pub async fn prepare(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    leave: Bytes,
) -> Result<(), String> {
    let space = look(scene, fault, victim).await?;
    if space.free <= leave.0.saturating_add(KEPT_BACK) {
        return Err(format!("{} has only {} bytes free: there is nothing to fill", victim.name, space.free));
    }
    Ok(())
}

pub async fn deed(hand: Hand<'_>, fault: &FaultRecord, leave: Bytes) -> Result<(), String> {
    let path = format!("/disk/{}", file(fault));
    hand.run(FILL, &[&path, &leave.0.to_string()]).await.map(|_| ())
}

pub async fn undo(hand: Hand<'_>, fault: &FaultRecord) -> Result<(), String> {
    hand.run(EMPTY, &[&format!("/disk/{}", file(fault))]).await.map(|_| ())
}

pub async fn seen(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    leave: Bytes,
    healed: bool,
) -> Seen {
    match look(scene, fault, victim).await {
        Err(why) => Seen::new(false, SOURCE, why),
        Ok(space) => {
            let proved = if healed { !space.there && space.free > leave.0 } else { bite(space, leave) };
            let file = if space.there { "there" } else { "gone" };
            let text = format!("{} of {} bytes free, filling file {file}", space.free, space.size);
            Seen::new(proved, SOURCE, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statvfs_is_read_in_bytes() {
        let space = Space { free: 40_960, size: 4_096_000, there: true };
        assert_eq!(parse("4096 10 1000\nthere\n"), Some(space));
        assert_eq!(parse("4096 10\nthere"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_disk_with_room_was_not_filled() {
        let space = |free, there| Space { free, size: 1 << 31, there };
        assert!(bite(space(8192, true), Bytes(0)));
        assert!(!bite(space(1 << 30, true), Bytes(0)));
        assert!(!bite(space(0, false), Bytes(0)), "somebody else filled it");
        assert!(bite(space(64 << 20, true), Bytes(64 << 20)));
    }
}
