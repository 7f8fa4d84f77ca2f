//! Names. One grammar for everything a person may name: `^[a-z][a-z0-9-]{0,40}$`. What a host is called and what a
//! member is called are types of their own, so neither stands where the other is meant.

use std::borrow::{Borrow, Cow};
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

/// A type whose values are names of one kind of thing. Files, journals and schemas show it as a [`Name`].
macro_rules! names_of {
    ($(#[$about:meta])* $Kind:ident) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Kind(Name);

        impl $Kind {
            /// Checks `text` against [`NAME_PATTERN`].
            ///
            /// # Errors
            /// [`BadName`] when it does not match.
            pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
                Name::new(text).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl AsRef<str> for $Kind {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        // a map of these is looked up by text: order, equality and hash are those of the text
        impl Borrow<str> for $Kind {
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl FromStr for $Kind {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl From<$Kind> for Name {
            fn from(name: $Kind) -> Self {
                name.0
            }
        }

        impl JsonSchema for $Kind {
            fn schema_name() -> Cow<'static, str> {
                Name::schema_name()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                Name::json_schema(generator)
            }
        }
    };
}

names_of! {
    /// The name of a simulated host, for example `h1`.
    HostName
}

names_of! {
    /// The name of one body of one service, for example `postgres-1`. A replacement gets a new one.
    MemberId
}

impl HostName {
    /// What stands for a host in the broker's body, which stands on none: the name of the broker itself.
    #[must_use]
    pub fn of_broker() -> Self {
        Self(Name::of_word("broker"))
    }
}

impl MemberId {
    /// The word of a service: its only body is called so, and it stands for a member where the whole service is meant.
    pub(super) fn of_word(word: &'static str) -> Self {
        Self(Name::of_word(word))
    }

    /// What stands for a member where a host is meant: in the body of its sandbox, which embodies none, and in what a
    /// controller says of it. It is the name of the host.
    #[must_use]
    pub fn of_host(host: &HostName) -> Self {
        Self(host.0.clone())
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

    #[test]
    fn hosts_and_members_are_written_as_names_are() {
        let host: HostName = "h1".parse().expect("a name");
        assert_eq!(serde_json::to_string(&host).expect("JSON"), "\"h1\"");
        assert!(serde_json::from_str::<MemberId>("\"H1\"").is_err());
        let hosts = std::collections::BTreeMap::from([(host, 1)]);
        assert_eq!(hosts.get("h1"), Some(&1));
    }
}
