//! Settings whose values are texts with a meaning: libraries, files, programs, locales, time zones.

use super::settings::{Settings, WrongSetting};
use crate::model::LabSpec;
use crate::spec::shape::did_you_mean;

/// Settings that name libraries which are loaded.
const LIBRARIES: [&str; 4] =
    ["shared_preload_libraries", "session_preload_libraries", "archive_library", "jit_provider"];
/// Settings that name files or folders.
const FILES: [&str; 9] = [
    "basic_archive.archive_directory",
    "krb_server_keyfile",
    "log_directory",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_crl_dir",
    "ssl_crl_file",
    "ssl_dh_params_file",
    "ssl_key_file",
];
/// Where a body can be written; its root is read-only.
const WRITABLE: [&str; 3] = ["/data", "/tmp", "/run/postgresql"];
/// Settings that name a locale. The image is founded with those below and no other.
const LOCALES: [&str; 4] = ["lc_messages", "lc_monetary", "lc_numeric", "lc_time"];
/// Locales of the image.
const LOCALES_THERE: [&str; 5] = ["", "C", "POSIX", "C.UTF-8", "C.utf8"];
/// Settings that are commands of a shell.
const COMMANDS: [&str; 4] =
    ["archive_command", "restore_command", "archive_cleanup_command", "recovery_end_command"];
/// Programs people archive with that are not in the image.
const PROGRAMS: [&str; 12] = [
    "aws",
    "barman-cloud-wal-archive",
    "barman-cloud-wal-restore",
    "barman-wal-archive",
    "barman-wal-restore",
    "envdir",
    "pg_probackup",
    "pgbackrest",
    "rclone",
    "rsync",
    "wal-e",
    "wal-g",
];

/// What is wrong with them.
pub(super) fn wrong(settings: &Settings, spec: &LabSpec) -> Vec<WrongSetting> {
    let mut wrong = Vec::new();
    for name in LIBRARIES {
        let text = settings.text(name).unwrap_or_default();
        wrong.extend(text.split(',').filter_map(|one| library(settings, spec, name, one)));
    }
    if let Some(text) = settings.text("local_preload_libraries").filter(|text| !text.is_empty()) {
        let message = format!(
            "`local_preload_libraries`: no library lies in `plugins`, `{text}` neither: no session would begin"
        );
        wrong.push(WrongSetting::value("local_preload_libraries", message, "session_preload_libraries"));
    }
    if settings.text("archive_library").is_some_and(|library| !library.is_empty())
        && settings.text("archive_command").is_some_and(|command| !command.is_empty())
    {
        let message =
            "`archive_library` and `archive_command` are both set: PostgreSQL archives with neither";
        wrong.push(WrongSetting::value("archive_library", message, "take one out"));
    }
    wrong.extend(FILES.iter().filter_map(|name| file(name, settings.text(name)?)));
    wrong.extend(LOCALES.iter().filter_map(|name| locale(name, settings.text(name)?)));
    wrong.extend(COMMANDS.iter().filter_map(|name| command(name, settings.text(name)?)));
    wrong.extend(["timezone", "log_timezone"].iter().filter_map(|name| zone(settings, name)));
    wrong
}

fn library(settings: &Settings, spec: &LabSpec, name: &str, one: &str) -> Option<WrongSetting> {
    let one = one.trim().trim_matches(['"', '\'']);
    let stem = one.rsplit('/').next().unwrap_or(one);
    let stem = stem.strip_suffix(".so").unwrap_or(stem);
    let catalogue = settings.catalogue?;
    // the JIT is another package, and queries do without it
    let may_lack = name == "jit_provider" && stem == "llvmjit";
    if stem.is_empty() || may_lack || catalogue.has_library(stem) {
        return None;
    }
    let end = match name {
        "shared_preload_libraries" => "PostgreSQL would not start",
        "session_preload_libraries" => "no session would begin",
        "archive_library" => "nothing would be archived",
        _ => "nothing would be compiled",
    };
    let (major, suite) = (catalogue.major, &spec.images.suite);
    let message =
        format!("`{name}`: library `{stem}` is not in the image (PostgreSQL {major} of {suite}): {end}");
    let near = did_you_mean("", stem, catalogue.libraries.iter().map(String::as_str));
    let hint =
        if near.starts_with("did") { near } else { "those of PostgreSQL's own contrib are there".to_owned() };
    Some(WrongSetting::value(name, message, hint))
}

fn file(name: &str, path: &str) -> Option<WrongSetting> {
    let inside =
        |root: &&str| path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let climbs = path.split('/').any(|part| part == "..");
    if path.is_empty() || (!climbs && (!path.starts_with('/') || WRITABLE.iter().any(inside))) {
        return None;
    }
    let message = format!("`{name}` = {path} is outside of what a body has");
    Some(WrongSetting::value(name, message, format!("a path below {}", WRITABLE.join(", "))))
}

fn locale(name: &str, locale: &str) -> Option<WrongSetting> {
    if LOCALES_THERE.contains(&locale) {
        return None;
    }
    let message = format!("`{name}` = {locale}: the image has no such locale, PostgreSQL would not start");
    Some(WrongSetting::value(name, message, "\"C\" or \"C.UTF-8\""))
}

/// Only programs that are known to be missing: a shell can do more than can be read here.
fn command(name: &str, command: &str) -> Option<WrongSetting> {
    let mut words = command
        .split([' ', '\t', ';', '&', '|', '(', ')'])
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    let missing = words.find(|word| PROGRAMS.contains(word))?;
    let message = format!("`{name}`: `{missing}` is not in the image, the command would fail for ever");
    Some(WrongSetting::value(name, message, "/bin/true archives nothing; cp and test are there"))
}

fn zone(settings: &Settings, name: &str) -> Option<WrongSetting> {
    let (catalogue, zone) = (settings.catalogue?, settings.text(name)?);
    let known = |zone: &str| catalogue.timezones.iter().any(|known| known.eq_ignore_ascii_case(zone));
    // without a region it may be a rule of POSIX, which has a grammar of its own
    if !zone.contains('/') || known(zone) {
        return None;
    }
    let near = did_you_mean("", zone, catalogue.timezones.iter().map(String::as_str));
    let hint =
        if near.starts_with("did") { near } else { "for example \"UTC\" or \"Europe/Berlin\"".to_owned() };
    let message = format!("`{name}` = {zone}: the image has no such time zone, PostgreSQL would not start");
    Some(WrongSetting::value(name, message, hint))
}
