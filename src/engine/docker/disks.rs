//! Disks of a real size: XFS images on loop devices, mounted by the engine's local volume driver.
//!
//! One helper container (named capabilities, never privileged) makes, attaches and detaches them;
//! the image files live in one plain volume of the lab. Where loop devices or XFS are missing the
//! answer is [`DiskState::Missing`] with the reason, and the lab uses plain volumes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions};
use futures_util::StreamExt;

use super::connection::{Docker, EngineResult};
use crate::engine::engine_error::EngineError;
use crate::model::Bytes;
use crate::model::body::{LABEL_LAB, LABEL_SERVICE};

/// A disk to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Name of its image file, without directory.
    pub name: String,
    /// How much the file holds at most.
    pub size: Bytes,
}

/// What became of the disks that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// Loop device of each disk, by name.
    Attached(BTreeMap<String, String>),
    /// This engine's machine cannot do it, and why.
    Missing(String),
}

/// Makes what is missing, attaches what is detached, prints `name device` for each.
const ATTACH: &str = r#"set -eu
while [ $# -gt 0 ]; do
  name=$1; size=$2; shift 2; file=/disks/$name.img
  if [ ! -e "$file" ]; then
    truncate -s "$size" "$file.new"
    mkfs.xfs -q -f "$file.new" >&2
    mv "$file.new" "$file"
  fi
  device=$(losetup --noheadings --output NAME --associated "$file" | head -n 1)
  [ -n "$device" ] || device=$(losetup --find --show "$file")
  echo "$name $device"
done
"#;

/// Detaches the named disks and removes their image files.
const DISCARD: &str = r#"set -eu
for name in "$@"; do
  file=/disks/$name.img
  [ -e "$file" ] || continue
  for device in $(losetup --noheadings --output NAME --associated "$file"); do losetup --detach "$device"; done
  rm "$file"
done
"#;

/// Detaches every disk of the lab.
const DETACH: &str = r#"set -u
for file in /disks/*.img; do
  [ -e "$file" ] || continue
  for device in $(losetup --noheadings --output NAME --associated "$file"); do losetup --detach "$device"; done
done
"#;

impl Docker {
    /// Makes and attaches disks in the plain volume `store`; safe to repeat.
    ///
    /// # Errors
    /// When the engine does not answer. A machine without loop devices or XFS is no error.
    pub async fn attach_disks(
        &self,
        lab: &str,
        helper_image: &str,
        store: &str,
        disks: &[Disk],
    ) -> EngineResult<DiskState> {
        let mut command = vec!["sh".to_owned(), "-c".to_owned(), ATTACH.to_owned(), "disks".to_owned()];
        for disk in disks {
            command.push(disk.name.clone());
            command.push(disk.size.0.to_string());
        }
        match self.storage_helper(lab, helper_image, store, command).await {
            Ok((0, output)) => Ok(DiskState::Attached(
                output
                    .lines()
                    .filter_map(|line| line.split_once(' '))
                    .filter(|(_, device)| device.starts_with("/dev/loop"))
                    .map(|(name, device)| (name.to_owned(), device.trim().to_owned()))
                    .collect(),
            )),
            Ok((code, output)) => {
                let last = output.lines().last().unwrap_or("it printed nothing").to_owned();
                Ok(DiskState::Missing(format!("the storage helper ended with {code}: {last}")))
            }
            // engines without loop devices refuse the device rules outright
            Err(EngineError::Refused(reason)) => Ok(DiskState::Missing(reason)),
            Err(other) => Err(other),
        }
    }

    /// Detaches these disks in `store` and removes what is on them; disks that are not there are fine.
    ///
    /// # Errors
    /// When the engine does not answer or a device is still in use.
    pub async fn discard_disks(
        &self,
        lab: &str,
        helper_image: &str,
        store: &str,
        names: &[String],
    ) -> EngineResult<()> {
        let mut command = vec!["sh".to_owned(), "-c".to_owned(), DISCARD.to_owned(), "disks".to_owned()];
        command.extend_from_slice(names);
        match self.storage_helper(lab, helper_image, store, command).await? {
            (0, _) => Ok(()),
            (code, output) => {
                Err(EngineError::Refused(format!("removing disks ended with {code}: {output}")))
            }
        }
    }

    /// Detaches every disk in `store`.
    ///
    /// # Errors
    /// When the engine does not answer or a device is still in use.
    pub async fn detach_disks(&self, lab: &str, helper_image: &str, store: &str) -> EngineResult<()> {
        let command = vec!["sh".to_owned(), "-c".to_owned(), DETACH.to_owned()];
        match self.storage_helper(lab, helper_image, store, command).await? {
            (0, _) => Ok(()),
            (code, output) => {
                Err(EngineError::Refused(format!("detaching disks ended with {code}: {output}")))
            }
        }
    }

    /// Runs one command in a storage helper and returns its exit code and output.
    async fn storage_helper(
        &self,
        lab: &str,
        image: &str,
        store: &str,
        command: Vec<String>,
    ) -> EngineResult<(i64, String)> {
        let request = ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(Vec::new()),
            cmd: Some(command),
            user: Some("0:0".to_owned()),
            labels: Some(
                [(LABEL_LAB.to_owned(), lab.to_owned()), (LABEL_SERVICE.to_owned(), "helper".to_owned())]
                    .into(),
            ),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(["SYS_ADMIN", "DAC_OVERRIDE", "MKNOD"].map(str::to_owned).to_vec()),
                // loop devices and /dev/loop-control, nothing else
                device_cgroup_rules: Some(vec!["b 7:* rmw".to_owned(), "c 10:237 rmw".to_owned()]),
                binds: Some(vec!["/dev:/dev".to_owned(), format!("{store}:/disks")]),
                readonly_rootfs: Some(true),
                security_opt: Some(vec!["no-new-privileges".to_owned(), "apparmor=unconfined".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        Box::pin(self.one_shot(request)).await
    }

    /// Runs a command in a throw-away container without network or capabilities, and returns its
    /// exit code and output.
    ///
    /// # Errors
    /// When the image is not there or the command cannot be started.
    pub async fn run_once(&self, image: &str, command: &[String]) -> EngineResult<(i64, String)> {
        self.one_shot(ContainerCreateBody {
            image: Some(image.to_owned()),
            entrypoint: Some(Vec::new()),
            cmd: Some(command.to_vec()),
            // whatever carries no lab's name would never be taken down
            labels: Some(
                [
                    (LABEL_LAB.to_owned(), "images".to_owned()),
                    (LABEL_SERVICE.to_owned(), "helper".to_owned()),
                ]
                .into(),
            ),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        })
        .await
    }

    pub(super) async fn one_shot(&self, request: ContainerCreateBody) -> EngineResult<(i64, String)> {
        let options = CreateContainerOptionsBuilder::default().build();
        let id = self.api.create_container(Some(options), request).await?.id;
        let outcome = self.run_to_end(&id).await;
        // the container goes in any case; its outcome is what the caller wants to know
        let removed = self.remove_container(&id).await;
        let outcome = outcome?;
        removed?;
        Ok(outcome)
    }

    async fn run_to_end(&self, id: &str) -> EngineResult<(i64, String)> {
        self.api.start_container(id, None::<StartContainerOptions>).await?;
        let mut wait = self.api.wait_container(id, None::<WaitContainerOptions>);
        let code = match wait.next().await {
            Some(Ok(end)) => end.status_code,
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(error.into()),
            None => return Err(EngineError::Timeout("the storage helper did not end".to_owned())),
        };
        let output = self.output(id, "all", false).await?;
        Ok((code, output))
    }
}

/// How often this process has tried a disk: each time in a volume of its own.
static DISKS_TRIED: AtomicU32 = AtomicU32::new(0);

/// Makes, attaches and detaches a disk, to see whether it works.
const TRY_DISK: &str = r#"set -eu
truncate -s 320M /disks/try.img
mkfs.xfs -q /disks/try.img
device=$(losetup --find --show /disks/try.img)
losetup --detach "$device"
grep -qw xfs /proc/filesystems || { echo "the kernel knows no XFS yet (it may load it when one is mounted)" >&2; }
"#;

impl Docker {
    /// Tries a disk on a throw-away volume; `Some(reason)` when this machine cannot do it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn try_disk(&self, helper_image: &str) -> EngineResult<Option<String>> {
        // several programs, or several parts of one, may try at the same time
        let turn = DISKS_TRIED.fetch_add(1, Ordering::Relaxed);
        let store = format!("pgha-doctor-disks-{}-{turn}", std::process::id());
        let labels = BTreeMap::from([(LABEL_LAB.to_owned(), "doctor".to_owned())]);
        self.create_volume(&store, BTreeMap::new(), &labels).await?;
        let command = vec!["sh".to_owned(), "-c".to_owned(), TRY_DISK.to_owned()];
        let outcome = self.storage_helper("doctor", helper_image, &store, command).await;
        self.remove_volume(&store).await?;
        match outcome {
            Ok((0, _)) => Ok(None),
            Ok((_, output)) => {
                Ok(Some(output.lines().last().unwrap_or("the helper printed nothing").to_owned()))
            }
            Err(EngineError::Refused(reason)) => Ok(Some(reason)),
            Err(other) => Err(other),
        }
    }

    /// Tries netem in a throw-away namespace; `Some(reason)` when the kernel has none.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn try_netem(&self, helper_image: &str) -> EngineResult<Option<String>> {
        let command = ["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"].map(str::to_owned);
        let request = ContainerCreateBody {
            image: Some(helper_image.to_owned()),
            entrypoint: Some(Vec::new()),
            cmd: Some(command.to_vec()),
            labels: Some(
                [
                    (LABEL_LAB.to_owned(), "doctor".to_owned()),
                    (LABEL_SERVICE.to_owned(), "helper".to_owned()),
                ]
                .into(),
            ),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(vec!["NET_ADMIN".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        match self.one_shot(request).await? {
            (0, _) => Ok(None),
            (_, output) => Ok(Some(output.lines().last().unwrap_or("tc printed nothing").to_owned())),
        }
    }
}
