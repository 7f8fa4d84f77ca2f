//! What PostgreSQL of a major version knows of its settings: `lab/data/postgres-N.json`, which `lab/data/collect` prints
//! in the lab's own image. A test of the images says when the data is no longer what the image knows.

use std::sync::LazyLock;

use serde::Deserialize;

/// All settings and libraries of one major version, as Debian packages it.
#[derive(Debug, Deserialize)]
pub(crate) struct Catalogue {
    /// The major version.
    pub(crate) major: u32,
    /// Names of the libraries that are installed.
    pub(crate) libraries: Vec<String>,
    /// Time zones with a region, for example `Europe/Berlin`.
    pub(crate) timezones: Vec<String>,
    /// `pg_settings`, in the order of names; those of libraries too.
    pub(crate) settings: Vec<Setting>,
}

/// One row of `pg_settings`.
#[derive(Debug, Deserialize)]
pub(crate) struct Setting {
    /// As `pg_settings` writes it.
    pub(crate) name: String,
    /// What its values are.
    pub(crate) kind: SettingKind,
    /// The unit a bare number is taken in: `kB`, `8kB`, `ms`, …
    #[serde(default)]
    pub(crate) unit: Option<String>,
    /// When it may change (`pg_settings.context`).
    pub(crate) context: SettingContext,
    /// The least number, in its unit.
    #[serde(default)]
    pub(crate) min: Option<String>,
    /// The greatest number, in its unit.
    #[serde(default)]
    pub(crate) max: Option<String>,
    /// The words that are values; empty for other kinds.
    #[serde(default)]
    pub(crate) words: Vec<String>,
    /// The value that is in force when nobody sets it.
    #[serde(default)]
    pub(crate) boot: Option<String>,
}

/// `pg_settings.vartype`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SettingKind {
    /// On or off.
    Bool,
    /// One of some words.
    Enum,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// Text.
    String,
}

/// `pg_settings.context`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SettingContext {
    /// It cannot be set at all.
    Internal,
    /// At the start of the server.
    Postmaster,
    /// At a reload.
    Sighup,
    /// At the start of a session, by a superuser.
    SuperuserBackend,
    /// At the start of a session.
    Backend,
    /// In a session, by a superuser.
    Superuser,
    /// In a session.
    User,
}

static CATALOGUES: LazyLock<Vec<Catalogue>> = LazyLock::new(|| {
    let texts = [
        include_str!("../../../lab/data/postgres-17.json"),
        include_str!("../../../lab/data/postgres-18.json"),
    ];
    // a file that cannot be read is found by the test below, and never ships
    texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
});

/// Those of every version there is data of.
pub(crate) fn all() -> &'static [Catalogue] {
    &CATALOGUES
}

/// That of a major version, if there is data of it.
pub(crate) fn of(major: u32) -> Option<&'static Catalogue> {
    all().iter().find(|catalogue| catalogue.major == major)
}

impl Catalogue {
    /// The setting of this name; PostgreSQL does not look at the case of letters.
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
    }

    /// Whether a library of this name is installed.
    pub(crate) fn has_library(&self, name: &str) -> bool {
        self.libraries.iter().any(|library| library == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_a_suite_has_its_data() {
        for major in [17, 18] {
            let catalogue = of(major).expect("data of this version");
            assert!(catalogue.settings.len() > 380, "{major}: {}", catalogue.settings.len());
            assert!(catalogue.has_library("pg_stat_statements"));
            assert!(!catalogue.has_library("timescaledb"));
            let buffers = catalogue.setting("shared_buffers").expect("a setting");
            assert_eq!((buffers.kind, buffers.unit.as_deref()), (SettingKind::Integer, Some("8kB")));
            assert!(catalogue.setting("pg_stat_statements.max").is_some(), "settings of libraries are there");
        }
        assert!(of(17).expect("17").setting("io_method").is_none());
        assert!(of(18).expect("18").setting("io_method").is_some());
    }
}
