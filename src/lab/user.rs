//! What a user who is not root lacks. The engine does what needs root: containers, networks, loop devices. This program itself
//! needs only the engine's socket, and user namespaces where no registry gives the base image.
//!
//! Source of the rules: mmdebstrap(1), "unshare" mode: `newuidmap`, a range in `/etc/subuid` and `/etc/subgid`, and a kernel
//! that lets users make namespaces.

use std::fs;
use std::path::Path;

use rustix::process::geteuid;

/// What was seen of the user who runs this program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSeen {
    /// Number.
    pub uid: u32,
    /// Name, where `/etc/passwd` has one.
    pub name: Option<String>,
    /// Whether `/etc/subuid` and `/etc/subgid` both have a range for this user.
    pub ranges: bool,
    /// Whether `newuidmap` is there (package `uidmap`).
    pub mapper: bool,
    /// The setting of the kernel that keeps users from making namespaces, where there is one.
    pub forbidden: Option<&'static str>,
}

/// Settings that keep users from making namespaces, each with the value that does.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone = 0"),
    ("user/max_user_namespaces", "0", "user.max_user_namespaces = 0"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "kernel.apparmor_restrict_unprivileged_userns = 1, unless AppArmor has a profile for mmdebstrap",
    ),
];

/// The name of a user in the text of `/etc/passwd`.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Whether the text of `/etc/subuid` or `/etc/subgid` has a range for a user, by name or number.
fn has_range(text: &str, uid: u32, name: Option<&str>) -> bool {
    let number = uid.to_string();
    let owners = text.lines().filter_map(|line| line.split_once(':')).map(|(owner, _)| owner.trim());
    owners.into_iter().any(|owner| owner == number || Some(owner) == name)
}

/// Looks at the user who runs this program.
#[must_use]
pub fn look() -> UserSeen {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let uid = geteuid().as_raw();
    let name = name_of(&read("/etc/passwd"), uid);
    let ranges =
        ["/etc/subuid", "/etc/subgid"].iter().all(|path| has_range(&read(path), uid, name.as_deref()));
    let mapper =
        ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|dir| Path::new(dir).join("newuidmap").exists());
    let set = |path: &str, value: &str| read(&format!("/proc/sys/{path}")).trim() == value;
    let forbidden = SETTINGS.into_iter().find(|(path, value, _)| set(path, value)).map(|(_, _, words)| words);
    UserSeen { uid, name, ranges, mapper, forbidden }
}

/// Why this user cannot bootstrap a base image, and what helps; `None` when nothing is in the way.
#[must_use]
pub fn cannot_bootstrap(user: &UserSeen) -> Option<(String, String)> {
    if user.uid == 0 {
        return None;
    }
    let name = user.name.clone().unwrap_or_else(|| user.uid.to_string());
    if !user.mapper {
        let why = "mmdebstrap needs `newuidmap` for a user who is not root".to_owned();
        return Some((why, "as root: `apt install uidmap`".to_owned()));
    }
    if !user.ranges {
        let why = format!("user {name} has no range in /etc/subuid and /etc/subgid, which mmdebstrap needs");
        let how =
            format!("as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`");
        return Some((why, how));
    }
    let setting = user.forbidden?;
    let why = format!("the kernel keeps users from making namespaces, which mmdebstrap needs: {setting}");
    Some((why, "as root: change that setting, or load the base image by hand (`docker load`)".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000:Ann,,,:/home/ann:/bin/bash\nbad\n";

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        assert_eq!(name_of(PASSWD, 1000).as_deref(), Some("ann"));
        assert_eq!(name_of(PASSWD, 1001), None);
        assert!(has_range("bob:1:9\nann:100000:65536\n", 1000, Some("ann")));
        assert!(has_range("1000:100000:65536", 1000, None));
        assert!(!has_range("", 1000, Some("ann")));
        assert!(!has_range("anna:100000:65536", 1000, Some("ann")), "another user's range");
    }

    #[test]
    fn root_lacks_nothing_and_another_is_told_what_to_do() {
        let root = UserSeen::default();
        assert_eq!(cannot_bootstrap(&root), None);
        let ready =
            UserSeen { uid: 1000, name: Some("ann".to_owned()), ranges: true, mapper: true, forbidden: None };
        assert_eq!(cannot_bootstrap(&ready), None);
        for (lacks, why, how) in [
            (UserSeen { mapper: false, ..ready.clone() }, "newuidmap", "apt install uidmap"),
            (UserSeen { ranges: false, ..ready.clone() }, "/etc/subuid", "usermod --add-subuids"),
            (UserSeen { forbidden: Some(SETTINGS[0].2), ..ready.clone() }, "userns_clone", "docker load"),
        ] {
            let said = cannot_bootstrap(&lacks).expect("words");
            assert!(said.0.contains(why) && said.1.contains(how), "{said:?}");
        }
    }
}
