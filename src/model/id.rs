//! Names. One grammar for everything a person may name: `^[a-z][a-z0-9-]{0,40}$`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The grammar every name follows; it is also the `pattern` of the JSON Schemas.
pub const NAME_PATTERN: &str = "^[a-z][a-z0-9-]{0,40}$";

/// A name that follows [`NAME_PATTERN`], so it can stand in a container name, a label and a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The name of a simulated host, for example `h1`.
pub type HostName = Name;

/// The name of one body of one service, for example `postgres-1`. A replacement gets a new one.
pub type MemberId = Name;

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: a small letter first, then small letters, digits or `-`, 41 at most")]
pub struct BadName(pub String);

impl Name {
    /// Checks `text` against [`NAME_PATTERN`].
    ///
    /// # Errors
    /// [`BadName`] when it does not match.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        let mut chars = text.chars();
        let first_ok = chars.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest_ok = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if first_ok && rest_ok && text.len() <= 41 { Ok(Self(text)) } else { Err(BadName(text)) }
    }

    /// The name of a word that follows [`NAME_PATTERN`] as it stands.
    pub(super) fn of_word(word: &'static str) -> Self {
        Self(word.to_owned())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME_PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_lower_case() {
        assert!(Name::new("postgres-1").is_ok());
        for bad in ["", "1h", "-h", "H1", "a_b", "a b", "../x", &"a".repeat(42)] {
            assert!(Name::new(bad).is_err(), "{bad} was taken for a name");
        }
    }
}
