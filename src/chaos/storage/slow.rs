//! `disk-slow`: the throttle of the body's own cgroup for its own disk, because the engine's update ignores it.
//! cgroup v1: `blkio.throttle.*_device`, 0 lifts it (kernel, blkio-controller.rst); v2: `io.max`, `max`
//! lifts it (cgroup-v2.rst). Direct and synced writes obey; what the kernel writes back later does not.

use super::hand::{Hand, in_body};
use crate::chaos::family::{Scene, Victim, VictimSeen};

/// Version, device of the volume, cgroup of the container whose id is given (none: it does not run).
const FIND: &str = r#"set -u
device=
while read -r _ _ number _ point _; do [ "$point" != /disk ] || device=$number; done < /proc/self/mountinfo
if [ -d /cgroup/blkio ]; then version=1; root=/cgroup/blkio; else version=2; root=/cgroup; fi
echo "$version $device $(find "$root" -maxdepth 8 -type d -name "*$1*" 2>/dev/null | head -n 1)"
"#;
const TIMED_WRITE_SCRIPT: &str = r#"set -eu
dir=$1; shift
while [ $# -gt 0 ]; do echo "$2" > "$dir/$1"; shift 2; done
"#;
/// What the cgroup says of the device.
const DEVICE_SCRIPT: &str = r#"cd "$1" || exit 1
for file in blkio.throttle.*_device io.max; do [ ! -e "$file" ] || sed -n "s/^$2 /$file /p" "$file"; done
"#;
/// Direct writes in the body; nanoseconds. An earlier file is removed first: what is overwritten needs no allocation.
const TIMED: &str = r#"file=/data/$1
begin=$(date +%s%N)
dd if=/dev/zero of="$file" bs="$2" count="$3" oflag=direct 2>/dev/null; code=$?
end=$(date +%s%N)
rm -f "$file"
echo "$code $(( end - begin ))"
"#;
const SLOW_SOURCE: &str = "cgroup file, timed direct writes in the body";
/// No probe writes more than this.
const LARGEST: u64 = 16 << 20;
/// Below this a write is too quick to tell a throttle from a busy machine.
const TELLING: u64 = 200;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bytes a second.
    pub bytes: u64,
    /// Operations a second.
    pub iops: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DiskPlace {
    v2: bool,
    device: String,
    dir: Option<String>,
}

fn place(text: &str) -> Option<DiskPlace> {
    let mut words = text.split_whitespace();
    let (version, device) = (words.next()?, words.next()?);
    device.split_once(':')?;
    Some(DiskPlace { v2: version == "2", device: device.to_owned(), dir: words.next().map(str::to_owned) })
}

/// Files and lines that set a limit, or lift it.
fn writes(v2: bool, device: &str, limit: Option<Limit>) -> Vec<(String, String)> {
    let number = |of: Option<u64>, none: &str| of.map_or_else(|| none.to_owned(), |of| of.to_string());
    let bytes = limit.map(|limit| limit.bytes);
    let iops = limit.and_then(|limit| limit.iops).map(u64::from);
    if v2 {
        let (bytes, iops) = (number(bytes, "max"), number(iops, "max"));
        let line = format!("{device} rbps={bytes} wbps={bytes} riops={iops} wiops={iops}");
        return vec![("io.max".to_owned(), line)];
    }
    let mut all = Vec::new();
    for way in ["read", "write"] {
        for (what, value) in [("bps", bytes), ("iops", iops)] {
            let file = format!("blkio.throttle.{way}_{what}_device");
            all.push((file, format!("{device} {}", number(value, "0"))));
        }
    }
    all
}

/// Block, count, and the least milliseconds that so many may take under the limit.
fn probe(limit: Limit) -> (u64, u64, u64) {
    const BLOCK: u64 = 4096;
    let count = limit.iops.map_or(4, |iops| (u64::from(iops) / 2).clamp(2, 64));
    let block = ((limit.bytes / 2).min(LARGEST) / count / BLOCK * BLOCK).max(BLOCK);
    let by_bytes = block * count * 1000 / limit.bytes.max(1);
    let by_count = limit.iops.map_or(0, |iops| count * 1000 / u64::from(iops.max(1)));
    (block, count, by_bytes.max(by_count))
}

/// The file must say it; and where the probe is long enough to tell, the write must have taken its time.
fn bite(file: &str, limit: Limit, expected: u64, took: Option<u64>) -> bool {
    let said = file.contains(&limit.bytes.to_string());
    said && (expected < TELLING || took.is_some_and(|took| took >= expected / 2))
}

async fn find(hand: Hand<'_>, victim: &Victim) -> Result<DiskPlace, String> {
    let text = hand.run(FIND, &[&victim.container.id]).await?;
    place(&text).ok_or_else(|| format!("its disk's device was not found: `{text}`"))
}

async fn write(hand: Hand<'_>, at: &DiskPlace, limit: Option<Limit>) -> Result<(), String> {
    let Some(dir) = &at.dir else { return Ok(()) };
    let all = writes(at.v2, &at.device, limit);
    let mut words = vec![dir.as_str()];
    words.extend(all.iter().flat_map(|(file, line)| [file.as_str(), line.as_str()]));
    hand.run(TIMED_WRITE_SCRIPT, &words).await.map(|_| ())
}

pub async fn prepare(hand: Hand<'_>, victim: &Victim, limit: Limit) -> Result<(), String> {
    if limit.bytes == 0 || limit.iops == Some(0) {
        return Err("0 would lift the throttle; `disk-freeze` stops a disk".to_owned());
    }
    if limit.bytes < 4096 {
        return Err("a disk writes blocks of 4096 bytes: less a second cannot be shown".to_owned());
    }
    let at = find(hand, victim).await?;
    at.dir.map(|_| ()).ok_or_else(|| format!("{} has no cgroup in /sys/fs/cgroup: does it run?", victim.hit))
}

pub async fn deed(hand: Hand<'_>, victim: &Victim, limit: Limit) -> Result<(), String> {
    let at = find(hand, victim).await?;
    write(hand, &at, Some(limit)).await
}

pub async fn undo(hand: Hand<'_>, victim: &Victim) -> Result<(), String> {
    let at = find(hand, victim).await?;
    write(hand, &at, None).await
}

/// What the cgroup says, and how long a write took (milliseconds); no cgroup, no text.
async fn look(
    scene: &Scene<'_>,
    hand: Hand<'_>,
    victim: &Victim,
    limit: Limit,
    fault: &str,
) -> Result<(Option<String>, Option<u64>), String> {
    let at = find(hand, victim).await?;
    let Some(dir) = &at.dir else { return Ok((None, None)) };
    let text = hand.run(DEVICE_SCRIPT, &[dir, &at.device]).await?.replace('\n', ", ");
    let (block, count, _) = probe(limit);
    let words = [format!(".pgha-probe-{fault}"), block.to_string(), count.to_string()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let timed = in_body(scene, &victim.container.id, TIMED, &words).await?;
    Ok((Some(text), took(&timed)))
}

fn took(text: &str) -> Option<u64> {
    let (code, nanos) = text.split_once(' ')?;
    (code == "0").then_some(())?;
    nanos.parse::<u64>().ok().map(|nanos| nanos / 1_000_000)
}

pub async fn seen(
    scene: &Scene<'_>,
    hand: Hand<'_>,
    victim: &Victim,
    limit: Limit,
    fault: &str,
    healed: bool,
) -> VictimSeen {
    let (block, count, expected) = probe(limit);
    match look(scene, hand, victim, limit, fault).await {
        Err(why) => VictimSeen::new(false, SLOW_SOURCE, why),
        Ok((None, _)) => {
            VictimSeen::new(healed, SLOW_SOURCE, "it does not run: there is no cgroup to throttle")
        }
        Ok((Some(file), took)) => {
            let proved = if healed {
                let quick = expected < TELLING || took.is_some_and(|took| took < expected / 2);
                file.is_empty() && quick
            } else {
                bite(&file, limit, expected, took)
            };
            let file = if file.is_empty() { "no throttle".to_owned() } else { file };
            let took = took.map_or_else(|| "failed".to_owned(), |took| format!("took {took} ms"));
            let text = format!(
                "{file}; {count} direct writes of {block} bytes {took}, {expected} ms when throttled"
            );
            VictimSeen::new(proved, SLOW_SOURCE, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Limit = Limit { bytes: 1 << 20, iops: Some(50) };

    #[test]
    fn both_versions_are_written_and_lifted() {
        let line = "7:3 rbps=1048576 wbps=1048576 riops=50 wiops=50".to_owned();
        assert_eq!(writes(true, "7:3", Some(SLOW)), [("io.max".to_owned(), line)]);
        let lifted = writes(true, "7:3", None);
        assert_eq!(lifted[0].1, "7:3 rbps=max wbps=max riops=max wiops=max");
        let first = writes(false, "7:3", Some(SLOW));
        assert_eq!(first[0], ("blkio.throttle.read_bps_device".to_owned(), "7:3 1048576".to_owned()));
        assert_eq!(first[3], ("blkio.throttle.write_iops_device".to_owned(), "7:3 50".to_owned()));
        assert!(writes(false, "7:3", None).iter().all(|(_, line)| line == "7:3 0"));
    }

    #[test]
    fn a_place_is_read_with_and_without_a_cgroup() {
        let found = place("1 7:18 /cgroup/blkio/docker/ab").expect("a place");
        assert_eq!((found.v2, found.dir.as_deref()), (false, Some("/cgroup/blkio/docker/ab")));
        assert_eq!(place("2 7:18 ").expect("a place").dir, None);
        assert_eq!(place("2  "), None);
    }

    #[test]
    fn a_quick_write_or_another_limit_is_no_throttle() {
        let (_, _, expected) = probe(SLOW);
        assert!(expected >= 400, "{expected}");
        assert!(bite("blkio.throttle.write_bps_device 1048576", SLOW, expected, Some(expected)));
        assert!(!bite("blkio.throttle.write_bps_device 1048576", SLOW, expected, Some(3)));
        assert!(!bite("blkio.throttle.write_bps_device 1048576", SLOW, expected, None));
        assert!(!bite("", SLOW, expected, Some(expected)));
    }

    #[test]
    fn a_probe_is_never_large_and_never_empty() {
        for bytes in [1, 4096, 1 << 20, 1 << 40] {
            let (block, count, _) = probe(Limit { bytes, iops: None });
            assert!(block >= 4096 && block * count <= LARGEST, "{bytes}");
        }
    }
}
