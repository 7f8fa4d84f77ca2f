//! `disk-corrupt`: bits are flipped in a file of the data directory, and stay flipped.
//!
//! They are written through the mounted filesystem, so whoever reads the file reads them; then the file is synced
//! and dropped from the page cache, so that the evidence is read from the disk. What hides them is
//! PostgreSQL's own buffers: a page that is in there is not read again, and one that is written back heals itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hand::{Hand, in_body};
use crate::chaos::family::{Scene, Victim, VictimSeen};
use crate::chaos::sql;
use crate::engine::clock;
use crate::lab::names;
use crate::model::scenario::Corrupt;
use crate::model::{FaultRecord, Service};

/// User relations' first segments (`size path pd_special`, name ≥ 16384) and WAL segments (`size path
/// xlp_pageaddr`).
const LIST: &str = r#"cd /disk/postgres || exit 1
case $1 in
heap) find base -type f -regex 'base/[0-9]+/[0-9][0-9][0-9][0-9][0-9]+' -size +7k -printf '%s %p\n' |
  while read -r size path; do
    [ "${path##*/}" -ge 16384 ] || continue
    echo "$size $path $(od -An -tu2 -j 16 -N 2 "$path" | tr -d ' ')"
  done ;;
wal) find pg_wal -maxdepth 1 -type f -regex 'pg_wal/[0-9A-F]+' -printf '%s %p\n' |
  while read -r size path; do echo "$size $path $(od -An -tu8 -j 8 -N 8 "$path" | tr -d ' ')"; done ;;
esac
"#;
/// Hash of the span as it is, and as it will be with every bit flipped.
const HASHES: &str = r#"span() { dd if="/disk/postgres/$1" bs=65536 iflag=skip_bytes,count_bytes skip="$2" count="$3" 2>/dev/null; }
echo "$(span "$@" | sha256sum | cut -c 1-64) $(span "$@" | perl -0777 -pe '$_ = ~$_' | sha256sum | cut -c 1-64)"
"#;
const FLIP: &str = r#"set -eu
file=/disk/postgres/$1
span() { dd if="$file" bs=65536 iflag=skip_bytes,count_bytes skip="$1" count="$2" 2>/dev/null; }
[ "$(span "$2" "$3" | sha256sum | cut -c 1-64)" = "$4" ] || { echo "the bytes have changed meanwhile" >&2; exit 1; }
span "$2" "$3" | perl -0777 -pe '$_ = ~$_' > /dev/shm/flipped
dd if=/dev/shm/flipped of="$file" bs=65536 oflag=seek_bytes seek="$2" conv=notrunc,fsync 2>/dev/null
dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
"#;
/// From the body, whose data directory it is.
const READ_BACK_SCRIPT: &str = r#"dd if="$1/$2" bs=65536 iflag=skip_bytes,count_bytes skip="$3" count="$4" 2>/dev/null | sha256sum | cut -c 1-64"#;
const CORRUPT_SOURCE: &str = "the file, read back by another process";
/// A record that was just written has been replayed by then.
const REPLAYED: Duration = Duration::from_millis(300);
/// PostgreSQL's page and its header (`bufpage.h`); an index keeps a special space at the end, a table does not.
const PAGE: u64 = 8192;
const PAGE_HEADER: u64 = 24;

/// Where it is done, and what stands there before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Spot {
    /// Below the data directory.
    file: String,
    offset: u64,
    old: String,
    new: String,
}

/// The file and offset, from what `LIST` printed. Heap: the end of the first page (its oldest row) of the largest
/// table. WAL: the middle of the newest finished segment, the one before the last that was written to.
fn choose(what: Corrupt, bytes: u32, listed: &str) -> Result<(String, u64), String> {
    let bytes = u64::from(bytes);
    let rows = listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let size: u64 = words.next()?.parse().ok()?;
        Some((size, words.next()?, words.next()?))
    });
    match what {
        Corrupt::Heap => {
            let room = PAGE - PAGE_HEADER;
            if bytes == 0 || bytes > room {
                return Err(format!("a page has 1 to {room} bytes to flip"));
            }
            let tables = rows.filter(|(size, _, special)| *size >= PAGE && *special == "8192");
            let largest = tables.max_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
            let (_, file, _) = largest.ok_or("it holds no user table with a page on disk")?;
            Ok((file.to_owned(), PAGE - bytes))
        }
        Corrupt::Wal => {
            // a segment that waits to be used again carries the address of its former life
            let mut written: Vec<_> = rows
                .filter(|(size, path, address)| {
                    first_address(path, *size).is_some_and(|is| *address == is.to_string())
                })
                .collect();
            written.sort_by_key(|(_, path, _)| *path);
            written.pop();
            let newest = written.last();
            let &(size, file, _) = newest.ok_or("it holds no finished WAL segment")?;
            if bytes == 0 || bytes > size / 2 {
                return Err(format!("half a segment has 1 to {} bytes to flip", size / 2));
            }
            Ok((file.to_owned(), size / 2))
        }
    }
}

/// Address of a segment's first byte, from its name: timeline, then the high and low half in hex
/// (`xlog_internal.h`).
fn first_address(path: &str, size: u64) -> Option<u64> {
    let name = path.strip_prefix("pg_wal/").filter(|name| name.len() == 24)?;
    let part = |range| u64::from_str_radix(name.get(range)?, 16).ok();
    part(16..24)?.checked_mul(size)?.checked_add(part(8..16)? << 32)
}

pub async fn prepare(
    scene: &Scene<'_>,
    hand: Hand<'_>,
    victim: &Victim,
    what: Corrupt,
    bytes: u32,
) -> Result<serde_json::Value, String> {
    let mut chosen = spot(hand, victim, what, bytes).await;
    if chosen.is_err() && what == Corrupt::Heap {
        write_out(scene, victim).await;
        chosen = spot(hand, victim, what, bytes).await;
    }
    let (file, offset) = chosen.map_err(|why| format!("{}: {why}", victim.hit))?;
    let hashes = hand.run(HASHES, &[&file, &offset.to_string(), &bytes.to_string()]).await?;
    let (old, new) = hashes.split_once(' ').ok_or("the bytes could not be read")?;
    if old == new {
        return Err("the bytes would not differ".to_owned());
    }
    let spot = Spot { file, offset, old: old.to_owned(), new: new.to_owned() };
    serde_json::to_value(spot).map_err(|error| error.to_string())
}

async fn spot(hand: Hand<'_>, victim: &Victim, what: Corrupt, bytes: u32) -> Result<(String, u64), String> {
    let word = if what == Corrupt::Heap { "heap" } else { "wal" };
    let listed =
        hand.run(LIST, &[word]).await.map_err(|_| format!("{} has no data directory", victim.hit))?;
    choose(what, bytes, &listed)
}

/// Has pages of a young table written to disk. A replica writes out what a checkpoint it received covers, so
/// the others go first; whoever does not answer writes nothing, and the next look says so.
async fn write_out(scene: &Scene<'_>, victim: &Victim) {
    let lab = scene.record.spec.name.as_str();
    for (member, _) in
        scene.record.of(Service::Postgres).filter(|(member, _)| Some(&member.id) != victim.hit.member())
    {
        let _ = sql::ask(scene.docker, &names::container(lab, member.id.as_str()), "checkpoint").await;
    }
    clock::sleep(REPLAYED).await;
    let _ = sql::ask(scene.docker, &victim.container.id, "checkpoint").await;
}

fn noted(fault: &FaultRecord, victim: &Victim) -> Result<Spot, String> {
    let note = fault.notes.get(victim.hit.as_str()).ok_or("the fault has no note where")?;
    serde_json::from_value(note.clone()).map_err(|error| format!("the note where is garbled: {error}"))
}

pub async fn deed(hand: Hand<'_>, fault: &FaultRecord, victim: &Victim, bytes: u32) -> Result<(), String> {
    let spot = noted(fault, victim)?;
    let done = hand.run(FLIP, &[&spot.file, &spot.offset.to_string(), &bytes.to_string(), &spot.old]).await;
    // nothing is left to undo, so nobody comes back for the helper
    let gone = hand.remove().await;
    done?;
    gone
}

fn flipped(spot: &Spot, now: &str) -> bool {
    now == spot.new && now != spot.old
}

pub async fn bit(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim, bytes: u32) -> VictimSeen {
    let spot = match noted(fault, victim) {
        Ok(spot) => spot,
        Err(why) => return VictimSeen::new(false, CORRUPT_SOURCE, why),
    };
    let (offset, bytes) = (spot.offset.to_string(), bytes.to_string());
    let read = |root| [root, spot.file.as_str(), offset.as_str(), bytes.as_str()];
    let mut now = in_body(scene, &victim.container.id, READ_BACK_SCRIPT, &read("/data/postgres")).await;
    if now.is_err() {
        // a body that does not run cannot read: a helper of its own can
        let hand = Hand::of(scene, fault.id.as_str(), &victim.hit);
        now = hand.run(READ_BACK_SCRIPT, &read("/disk/postgres")).await;
        now = hand.remove().await.and(now);
    }
    match now {
        Err(why) => VictimSeen::new(false, CORRUPT_SOURCE, why),
        Ok(now) => VictimSeen::new(
            flipped(&spot, &now),
            CORRUPT_SOURCE,
            format!("{} at {offset}: sha256 {:.12}, was {:.12}", spot.file, now, spot.old),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &str = "81920 base/5/16400 8176\n40960 base/5/16390 8192\n40960 base/5/16385 8192\nx";
    const WAL: &str = "16777216 pg_wal/000000010000000000000003 50331648\n\
        16777216 pg_wal/000000010000000000000002 33554432\n16777216 pg_wal/000000010000000000000004 16777216\n";

    #[test]
    fn the_largest_table_is_chosen_and_no_index() {
        let chosen = choose(Corrupt::Heap, 16, TABLES);
        assert_eq!(chosen, Ok(("base/5/16385".to_owned(), 8176)));
        assert!(choose(Corrupt::Heap, 16, "8192 base/5/16400 8176").is_err());
        assert!(choose(Corrupt::Heap, 8192, TABLES).is_err(), "the header of the page is spared");
        assert!(choose(Corrupt::Heap, 0, TABLES).is_err());
    }

    #[test]
    fn a_segment_that_is_written_or_waits_to_be_is_not_finished() {
        let chosen = choose(Corrupt::Wal, 16, WAL);
        assert_eq!(chosen, Ok(("pg_wal/000000010000000000000002".to_owned(), 8_388_608)));
        assert!(choose(Corrupt::Wal, 16, "16777216 pg_wal/000000010000000000000003 50331648").is_err());
    }

    #[test]
    fn bytes_that_are_as_they_were_are_not_corrupt() {
        let spot = Spot { file: String::new(), offset: 0, old: "a".to_owned(), new: "b".to_owned() };
        assert!(flipped(&spot, "b"));
        assert!(!flipped(&spot, "a"));
        assert!(!flipped(&spot, "c"), "somebody else wrote there");
        let same = Spot { new: "a".to_owned(), ..spot };
        assert!(!flipped(&same, "a"));
    }
}
