//! Settings that were understood, and what is wrong with one.

use std::collections::BTreeMap;

use super::catalogue::Catalogue;
use super::value::{ReadValue, bytes as bytes_of};

/// Where a problem is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProblemPlace {
    /// At the name of a setting.
    Name(String),
    /// At the value of a setting.
    Value(String),
    /// At a key of the lab.
    Path(&'static str),
}

/// One problem; of several places it is shown at the one that was written last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongSetting {
    /// Where it may be shown.
    pub(crate) places: Vec<ProblemPlace>,
    /// What is wrong.
    pub(crate) message: String,
    /// What would be right.
    pub(crate) hint: String,
}

impl WrongSetting {
    pub(super) fn new(
        places: Vec<ProblemPlace>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { places, message: message.into(), hint: hint.into() }
    }

    pub(super) fn value(name: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(vec![ProblemPlace::Value(name.to_owned())], message, hint)
    }
}

/// Settings that were understood.
pub(crate) struct Settings {
    pub(super) catalogue: Option<&'static Catalogue>,
    pub(super) read: BTreeMap<String, ReadValue>,
}

impl Settings {
    /// A number, in the unit of its setting.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        if let Some(ReadValue::Number(number)) = self.read.get(name) { Some(*number) } else { None }
    }

    /// A number that is set, or the one in force when nobody sets it.
    pub(super) fn number_or_boot(&self, name: &str) -> f64 {
        let boot = || self.catalogue?.setting(name)?.boot.as_deref()?.parse().ok();
        self.number(name).or_else(boot).unwrap_or_default()
    }

    /// A size that is set, in bytes.
    pub(super) fn bytes(&self, name: &str) -> Option<u64> {
        bytes_of(self.catalogue?.setting(name)?, self.number(name)?)
    }

    /// A text or a word that is set.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        if let Some(ReadValue::Text(text)) = self.read.get(name) { Some(text) } else { None }
    }
}
