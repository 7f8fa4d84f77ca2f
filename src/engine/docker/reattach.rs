//! Disks after the machine was started anew: loop devices are gone then, and a volume names its device for ever. Each
//! image goes back to the device that its volume names, before anything is mounted from it: another lab's image
//! may have that device by now.

use std::collections::BTreeMap;

use bollard::query_parameters::ListVolumesOptionsBuilder;

use super::connection::{Docker, EngineResult};
use super::helper::Helper;
use super::observe::filter;
use crate::engine::engine_error::EngineError;

/// For each disk and its device: attaches the image there, unless it is. Prints `back NAME` or `taken NAME DEVICE`.
const REATTACH: &str = r#"set -eu
while [ $# -gt 0 ]; do
  name=$1; device=$2; shift 2; file=/disks/$name.img
  [ -e "$file" ] || continue
  on=$(losetup --noheadings --output NAME --associated "$file" | head -n 1)
  [ "$on" != "$device" ] || continue
  [ -b "$device" ] || mknod "$device" b 7 "${device#/dev/loop}" 2>/dev/null || true
  if losetup "$device" "$file" 2>/dev/null; then echo "back $name"; else echo "taken $name $device"; fi
done
"#;

/// What became of the disks of a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reattached {
    /// Disks that have their device again.
    pub back: Vec<String>,
    /// Disks whose device is somebody else's, and that device.
    pub taken: Vec<(String, String)>,
}

/// What the script printed.
fn parse(output: &str) -> Reattached {
    let mut found = Reattached::default();
    for line in output.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["back", name] => found.back.push(name.to_owned()),
            ["taken", name, device] => found.taken.push((name.to_owned(), device.to_owned())),
            _ => {}
        }
    }
    found
}

impl Docker {
    /// The loop device that each volume of a lab names.
    async fn devices(&self, lab: &str) -> EngineResult<BTreeMap<String, String>> {
        let options = ListVolumesOptionsBuilder::default().filters(&filter(Some(lab))).build();
        let volumes = self.api.list_volumes(Some(options)).await?.volumes.unwrap_or_default();
        let device = |options: BTreeMap<String, String>| options.get("device").cloned();
        let devices = volumes
            .into_iter()
            .filter_map(|volume| Some((volume.name, device(volume.options.into_iter().collect())?)));
        Ok(devices.filter(|(_, device)| device.starts_with("/dev/loop")).collect())
    }

    /// Attaches every disk in `store` to the device that its volume names; one that is attached there stays.
    ///
    /// # Errors
    /// When the engine does not answer, or the helper fails.
    pub async fn reattach_disks(&self, lab: &str, image: &str, store: &str) -> EngineResult<Reattached> {
        let devices = self.devices(lab).await?;
        if devices.is_empty() {
            return Ok(Reattached::default());
        }
        let mut command = ["sh", "-c", REATTACH, "disks"].map(str::to_owned).to_vec();
        command.extend(devices.into_iter().flat_map(|(name, device)| [name, device]));
        let helper = Helper {
            lab: lab.to_owned(),
            image: image.to_owned(),
            command,
            capabilities: vec!["SYS_ADMIN", "DAC_OVERRIDE", "MKNOD"],
            binds: vec!["/dev:/dev".to_owned(), format!("{store}:/disks")],
            devices: vec!["b 7:* rmw".to_owned(), "c 10:237 rmw".to_owned()],
            ..Helper::default()
        };
        match self.help(&helper).await? {
            (0, output) => Ok(parse(&output)),
            (code, output) => {
                Err(EngineError::Refused(format!("attaching disks ended with {code}: {}", output.trim())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// Runs the script over images in `dir`, with a `losetup` that keeps a file `device image` a line, and no `mknod`.
    fn reattach(dir: &Path, wanted: &[&str]) -> Reattached {
        let body = format!(
            "#!/bin/sh\nnow={0}/now\ncase $1 in\n--noheadings) sed -n \"s#^\\(.*\\) $5\\$#\\1#p\" $now ;;\n\
             *) grep -q \"^$1 \" $now && exit 1; echo \"$1 $2\" >> $now ;;\nesac\n",
            dir.display()
        );
        for (tool, body) in [("losetup", body.as_str()), ("mknod", "#!/bin/sh\nexit 1\n")] {
            fs::write(dir.join(tool), body).expect("a tool");
            fs::set_permissions(dir.join(tool), fs::Permissions::from_mode(0o755)).expect("a tool that runs");
        }
        let script = REATTACH.replace("/disks", dir.to_str().expect("a path that is text"));
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, "disks"]).args(wanted);
        command.env("PATH", format!("{}:/usr/bin:/bin", dir.display()));
        let said = command.output().expect("a shell");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        parse(&String::from_utf8_lossy(&said.stdout))
    }

    #[test]
    fn a_disk_goes_back_to_the_device_of_its_volume_and_to_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["kept", "lost", "late"] {
            fs::write(path(&format!("{name}.img")), "").expect("an image");
        }
        // another lab was founded meanwhile, and took the device of `late`
        let now = format!("/dev/loop900 {}\n/dev/loop902 /elsewhere.img\n", path("kept.img"));
        fs::write(path("now"), &now).expect("written");
        let wanted =
            ["kept", "/dev/loop900", "lost", "/dev/loop901", "late", "/dev/loop902", "gone", "/dev/loop903"];
        let found = reattach(dir.path(), &wanted);
        assert_eq!(found.back, ["lost"]);
        assert_eq!(found.taken, [("late".to_owned(), "/dev/loop902".to_owned())]);
        // asked again, nothing is left to do but what cannot be done
        let again = reattach(dir.path(), &wanted);
        assert_eq!((again.back, again.taken.len()), (vec![], 1));
    }
}
