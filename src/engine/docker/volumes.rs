//! A lab's disks while they are in use: growing one live, and whether a cgroup's writes can be throttled.
//!
//! XFS grows while mounted and cannot shrink (`xfs_growfs(8)`).

use super::connection::{Docker, EngineResult};
use super::helper::Helper;
use crate::engine::engine_error::EngineError;
use crate::model::Bytes;

/// Grows image, loop device and filesystem; prints what the filesystem holds then.
const GROW: &str = r#"set -eu
file=/store/$1.img; size=$2
[ "$size" -ge "$(stat -c %s "$file")" ] || { echo "the disk is larger already, and XFS cannot shrink" >&2; exit 2; }
truncate -s "$size" "$file"
device=$(losetup --noheadings --output NAME --associated "$file" | head -n 1)
[ -n "$device" ] || { echo "no loop device carries $file" >&2; exit 3; }
losetup --set-capacity "$device"
xfs_growfs /disk >/dev/null
stat -f -c '%S %b' /disk
"#;

/// Writes the throttle of its own cgroup and reads it back.
const TRY_THROTTLE: &str = r#"set -u
if [ -d /cgroup/blkio ]; then root=/cgroup/blkio; else root=/cgroup; fi
dir=$(find "$root" -maxdepth 8 -type d -name "*$(hostname)*" 2>/dev/null | head -n 1)
[ -n "$dir" ] || { echo "the cgroup of a container is not in /sys/fs/cgroup"; exit 1; }
for one in /sys/dev/block/7:*; do device=${one##*/}; break; done
[ "$device" != '7:*' ] || { echo "there is no loop device"; exit 1; }
if [ "$root" = /cgroup ]; then file=io.max; line="$device wbps=1048576"; else
  file=blkio.throttle.write_bps_device; line="$device 1048576"; fi
[ -e "$dir/$file" ] || { echo "the cgroup has no $file"; exit 1; }
echo "$line" > "$dir/$file" || { echo "$file cannot be written"; exit 1; }
grep -q "^$device " "$dir/$file" || { echo "$file does not keep what was written"; exit 1; }
"#;

fn shell(script: &str, words: &[String]) -> Vec<String> {
    let mut command = ["sh", "-c", script, "disk"].map(str::to_owned).to_vec();
    command.extend_from_slice(words);
    command
}

fn last_line(output: &str) -> String {
    output.trim().lines().last().unwrap_or("the helper printed nothing").to_owned()
}

impl Docker {
    /// The image that a lab's storage helpers run from: that of its hosts.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when no image of role host is known.
    pub async fn helper_image(&self, lab: &str) -> EngineResult<String> {
        let seen = self.observe(Some(lab)).await?;
        let of_a_host = seen.containers.into_values().find(|container| container.service() == Some("host"));
        of_a_host.map(|container| container.image).ok_or_else(|| {
            EngineError::NotFound(format!("a host of lab `{lab}`, whose image the helper would run from"))
        })
    }

    /// Grows a member's disk to `size` while it is in use; the bytes its filesystem has then (XFS keeps
    /// its log from them).
    ///
    /// # Errors
    /// When the member has no disk of its own, when it is larger already, or when the engine refuses.
    pub async fn grow_disk(&self, lab: &str, member: &str, size: Bytes) -> EngineResult<Bytes> {
        let volume = format!("pgha-{lab}-{member}-data");
        let helper = Helper {
            lab: lab.to_owned(),
            image: self.helper_image(lab).await?,
            command: shell(GROW, &[volume.clone(), size.0.to_string()]),
            capabilities: vec!["SYS_ADMIN", "DAC_OVERRIDE", "MKNOD"],
            binds: vec![
                "/dev:/dev".to_owned(),
                format!("pgha-{lab}-disks:/store"),
                format!("{volume}:/disk"),
            ],
            devices: vec!["b 7:* rmw".to_owned(), "c 10:237 rmw".to_owned()],
            ..Helper::default()
        };
        let (code, output) = self.help(&helper).await?;
        let size = (code == 0).then(|| grown(&output)).flatten();
        size.ok_or_else(|| {
            EngineError::Refused(format!("growing {volume} ended with {code}: {}", last_line(&output)))
        })
    }

    /// Whether a cgroup's disk writes can be throttled; `Some(reason)` when not.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn try_throttle(&self, helper_image: &str) -> EngineResult<Option<String>> {
        let helper = Helper {
            lab: "doctor".to_owned(),
            image: helper_image.to_owned(),
            command: shell(TRY_THROTTLE, &[]),
            capabilities: vec!["DAC_OVERRIDE"],
            binds: vec!["/sys/fs/cgroup:/cgroup".to_owned()],
            ..Helper::default()
        };
        match self.help(&helper).await {
            Ok((0, _)) => Ok(None),
            Ok((_, output)) => Ok(Some(last_line(&output))),
            Err(EngineError::Refused(reason)) => Ok(Some(reason)),
            Err(other) => Err(other),
        }
    }
}

/// Block size and count, as `stat -f` prints them.
fn grown(output: &str) -> Option<Bytes> {
    let (block, count) = output.trim().lines().last()?.split_once(' ')?;
    Some(Bytes(block.parse::<u64>().ok()?.checked_mul(count.parse().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_what_the_filesystem_says() {
        assert_eq!(grown("meta\n4096 1000\n"), Some(Bytes(4_096_000)));
        assert_eq!(grown(""), None);
        assert_eq!(grown("4096 many"), None);
    }
}
