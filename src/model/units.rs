//! Units: durations and sizes are text with a unit in files (`"1.5s"`, `"250MiB"`), newtypes in
//! code, and plain numbers with the unit in the key (`outage_max_ms`) in reports.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A length of time, written as in `"1.5s"`, `"250ms"`, `"2m 30s"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A number of bytes, written as in `"512MiB"`, `"2GiB"`, `"1048576B"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub u64);

/// An instant of the machine's CLOCK_MONOTONIC, in nanoseconds. One clock for every process on the
/// machine, containers included, so journals merge exactly.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Mono(pub u64);

/// A position in PostgreSQL's WAL, in bytes; shown as PostgreSQL shows it, `0/3000060`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Lsn(pub u64);

/// Why a text is no unit of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {wanted}: write for example {example}")]
pub struct BadUnit {
    /// What was found.
    pub text: String,
    /// What was wanted: "duration", "size" or "WAL position".
    pub wanted: &'static str,
    /// Something that would have been right.
    pub example: &'static str,
}

/// Milliseconds of a signed length of time such as `"-30s"` or `"+1h 5m"`: by how much a clock is wrong.
///
/// # Errors
/// [`BadUnit`] for everything else; also without a sign, because a clock is behind or ahead.
pub fn offset_ms(text: &str) -> Result<i64, BadUnit> {
    let bad = || BadUnit {
        text: text.to_owned(),
        wanted: "offset of a clock",
        example: "\"-30s\", behind, or \"+30s\", ahead",
    };
    let (sign, length) = match text.split_at_checked(1) {
        Some(("-", length)) => (-1, length),
        Some(("+", length)) => (1, length),
        _ => return Err(bad()),
    };
    let length: Span = length.parse().map_err(|_| bad())?;
    let length = i64::try_from(length.0.as_millis()).map_err(|_| bad())?;
    if length == 0 { Err(bad()) } else { Ok(sign * length) }
}

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn secs(n: u64) -> Self {
        Self(Duration::from_secs(n))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Self {
        Self(Duration::from_millis(n))
    }

    /// The span in milliseconds, with fractions.
    #[must_use]
    pub fn as_ms(self) -> f64 {
        self.0.as_secs_f64() * 1e3
    }
}

impl FromStr for Span {
    type Err = BadUnit;
    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || BadUnit {
            text: text.to_owned(),
            wanted: "duration",
            example: "\"1.5s\", \"250ms\" or \"4m\"",
        };
        // humantime knows no fractions; the scenario files do ("1.5s"), so one decimal number
        // followed by one unit is read here and everything else is left to humantime.
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        if number.contains('.') {
            let number: f64 = number.parse().map_err(|_| bad())?;
            let scale = match unit.trim() {
                "us" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(bad()),
            };
            return Duration::try_from_secs_f64(number * scale).map(Self).map_err(|_| bad());
        }
        humantime::parse_duration(text).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&humantime::format_duration(self.0).to_string())
    }
}

impl TryFrom<String> for Span {
    type Error = BadUnit;
    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a duration with its unit, for example \"1.5s\", \"250ms\", \"4m\"",
            "pattern": "^[0-9]+(\\.[0-9]+)?\\s*(ns|us|ms|s|m|h|d|sec|min)([ 0-9a-z]*)$"
        })
    }
}

impl Bytes {
    /// A number of mebibytes (2²⁰ bytes).
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// A number of gibibytes (2³⁰ bytes).
    #[must_use]
    pub const fn gib(n: u64) -> Self {
        Self(n * 1024 * 1024 * 1024)
    }

    /// Whole mebibytes, rounded down: the unit PostgreSQL settings are written in.
    #[must_use]
    pub const fn as_mib(self) -> u64 {
        self.0 / (1024 * 1024)
    }
}

impl FromStr for Bytes {
    type Err = BadUnit;
    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || BadUnit { text: text.to_owned(), wanted: "size", example: "\"512MiB\" or \"2GiB\"" };
        if !text.ends_with('B') {
            // a bare number would hide whether mebibytes or bytes were meant
            return Err(bad());
        }
        text.parse::<bytesize::ByteSize>().map(|b| Self(b.as_u64())).map_err(|_| bad())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (scale, unit) in UNITS {
            if self.0 >= scale && self.0.is_multiple_of(scale) {
                return f.pad(&format!("{}{unit}", self.0 / scale));
            }
        }
        f.pad(&format!("{}B", self.0))
    }
}

impl TryFrom<String> for Bytes {
    type Error = BadUnit;
    fn try_from(text: String) -> Result<Self, BadUnit> {
        text.parse()
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        bytes.to_string()
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a size with its unit, for example \"512MiB\" or \"2GiB\"",
            "pattern": "^[0-9]+(\\.[0-9]+)?\\s*[KMGT]?i?B$"
        })
    }
}

impl Mono {
    /// Time passed since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved by `by` into the future.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl FromStr for Lsn {
    type Err = BadUnit;
    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let bad = || BadUnit { text: text.to_owned(), wanted: "WAL position", example: "0/3000060" };
        let (high, low) = text.split_once('/').ok_or_else(bad)?;
        let high = u32::from_str_radix(high, 16).map_err(|_| bad())?;
        let low = u32::from_str_radix(low, 16).map_err(|_| bad())?;
        Ok(Self((u64::from(high) << 32) | u64::from(low)))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_may_have_fractions() {
        assert_eq!("1.5s".parse(), Ok(Span::millis(1500)));
        assert_eq!("250ms".parse(), Ok(Span::millis(250)));
        assert_eq!("4m".parse(), Ok(Span::secs(240)));
        for bad in ["", "5", "s", "1.5", "1.5 fortnights", "-1s", "1e9s"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!("512MiB".parse(), Ok(Bytes::mib(512)));
        assert_eq!("2GiB".parse(), Ok(Bytes::gib(2)));
        assert_eq!(Bytes::mib(512).to_string(), "512MiB");
        assert_eq!(Bytes(1_048_577).to_string(), "1048577B");
        for bad in ["", "512", "512M", "MiB", "-1MiB"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn units_survive_a_round_trip() {
        for text in ["1ms", "1s 500ms", "4m", "80s"] {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        for size in [Bytes(1), Bytes::mib(300), Bytes::gib(4), Bytes(1536)] {
            assert_eq!(size.to_string().parse(), Ok(size));
        }
    }

    #[test]
    fn wal_positions_read_as_postgresql_writes_them() {
        assert_eq!("0/3000060".parse(), Ok(Lsn(0x0300_0060)));
        assert_eq!("1/A".parse::<Lsn>().expect("an LSN").to_string(), "1/A");
        assert!("3000060".parse::<Lsn>().is_err());
    }

    #[test]
    fn a_clock_is_behind_or_ahead() {
        assert_eq!(offset_ms("-30s"), Ok(-30_000));
        assert_eq!(offset_ms("+1h 5m"), Ok(3_900_000));
        assert_eq!(offset_ms("-1.5s"), Ok(-1_500));
        for text in ["30s", "-", "", "-30", "+0s", "--3s", "- 3 x", "\u{2212}30s"] {
            assert!(offset_ms(text).is_err(), "{text}");
        }
    }
}
