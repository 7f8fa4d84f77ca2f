//! Values of settings, read as PostgreSQL and Patroni read them: words, numbers with a unit, bounds.

use serde_json::Value;

use super::catalogue::{Setting, SettingKind};
use crate::spec::shape::did_you_mean;

/// A value as it was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReadValue {
    /// A number in the setting's own unit.
    Number(f64),
    /// On or off.
    Truth(bool),
    /// A word of an enumeration in small letters, or a text.
    Text(String),
}

/// What is wrong, and what would be right.
pub(crate) type WrongValue = (String, String);

/// Units of memory, in bytes (PostgreSQL: `memory_unit_conversion_table`).
const MEMORY: [(&str, f64); 5] =
    [("B", 1.0), ("kB", 1024.0), ("MB", 1_048_576.0), ("GB", 1_073_741_824.0), ("TB", 1_099_511_627_776.0)];
/// Units of time, in microseconds (PostgreSQL: `time_unit_conversion_table`).
const TIME: [(&str, f64); 6] =
    [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("min", 6e7), ("h", 3.6e9), ("d", 8.64e10)];

/// Reads the value of a setting.
pub(crate) fn read(setting: &Setting, value: &Value) -> Result<ReadValue, WrongValue> {
    let name = &setting.name;
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Bool(truth) => if *truth { "on" } else { "off" }.to_owned(),
        Value::Number(number) => number.to_string(),
        _ => {
            let hint = format!("\"{name}\" = one value; a name with a dot is written in quotes");
            return Err((
                format!("PostgreSQL's `{name}` takes one value: text, a number, true or false"),
                hint,
            ));
        }
    };
    match setting.kind {
        SettingKind::Bool => truth(&text).map(ReadValue::Truth).ok_or_else(|| {
            (
                format!("`{name}` is on or off, and `{text}` is neither"),
                "true or false; \"on\" or \"off\"".to_owned(),
            )
        }),
        SettingKind::Enum => word(setting, &text).map(ReadValue::Text),
        SettingKind::String => Ok(ReadValue::Text(text)),
        SettingKind::Integer | SettingKind::Real => {
            let number = number(setting, &text)?;
            let number = if setting.kind == SettingKind::Integer { number.round() } else { number };
            bounds(setting, &text, number).map(|()| ReadValue::Number(number))
        }
    }
}

/// The words Patroni takes for a truth; others it takes out of the configuration without an error.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn word(setting: &Setting, text: &str) -> Result<String, WrongValue> {
    let small = text.to_ascii_lowercase();
    let known = |word: &str| setting.words.iter().any(|known| known.eq_ignore_ascii_case(word));
    // words PostgreSQL takes and does not list: truths beside `on` and `off`, and names of before
    let hidden = (truth(&small).is_some() && (known("on") || known("off")))
        || (small == "debug" && known("debug2"))
        || (matches!(small.as_str(), "hot_standby" | "archive") && known("logical") && known("replica"));
    if known(&small) || hidden {
        return Ok(small);
    }
    let hint = did_you_mean("values", text, setting.words.iter().map(String::as_str));
    Err((format!("`{text}` is no value of `{}`", setting.name), hint))
}

/// A number in the unit of its setting.
fn number(setting: &Setting, text: &str) -> Result<f64, WrongValue> {
    let end = number_end(text);
    let (digits, unit) = (text.get(..end).unwrap_or_default(), text.get(end..).unwrap_or_default().trim());
    // as in C: 0x1F8 is hexadecimal, and of whole numbers 0640 is octal, as modes of files are written
    let octal = setting.kind == SettingKind::Integer
        && digits.len() > 1
        && digits.bytes().all(|c| c.is_ascii_digit());
    let of_radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(|number| number as f64);
    let parsed = match (digits.strip_prefix("0x"), digits.strip_prefix('0').filter(|_| octal)) {
        (Some(hex), _) => of_radix(hex, 16),
        (None, Some(octal)) => of_radix(octal, 8),
        (None, None) => digits.parse().ok(),
    };
    let Some(number) = parsed.filter(|number: &f64| number.is_finite()) else {
        let message = format!("`{}` is a number, and `{text}` is none", setting.name);
        return Err((message, example(setting)));
    };
    if unit.is_empty() {
        return Ok(number);
    }
    let Some(base) = setting.unit.as_deref() else {
        let message = format!("`{}` is a number without a unit, found `{text}`", setting.name);
        return Err((message, format!("for example {digits}")));
    };
    match (factor(unit, base), factor(base, base)) {
        (Some(unit), Some(base)) => Ok(number * unit / base),
        _ => Err((format!("`{unit}` is no unit of `{}`", setting.name), units(base, unit, digits))),
    }
}

/// Where the number at the head of a text ends.
fn number_end(text: &str) -> usize {
    if let Some(hex) = text.strip_prefix("0x") {
        return 2 + hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
    }
    let mut before = ' ';
    for (at, letter) in text.char_indices() {
        let after = || {
            text.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        };
        let part = letter.is_ascii_digit()
            || letter == '.'
            || (matches!(letter, '-' | '+') && matches!(before, ' ' | 'e' | 'E'))
            || (matches!(letter, 'e' | 'E') && before.is_ascii_digit() && after());
        if !part {
            return at;
        }
        before = letter;
    }
    text.len()
}

/// How much a unit is in the smallest one of the family of `base`; `8kB` is a block.
fn factor(unit: &str, base: &str) -> Option<f64> {
    let of = |table: &[(&str, f64)]| table.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    if is_memory(base) {
        let blocks = unit.strip_suffix("kB").and_then(|blocks| blocks.parse::<f64>().ok());
        return blocks.map(|blocks| blocks * 1024.0).or_else(|| of(&MEMORY));
    }
    of(&TIME)
}

fn is_memory(base: &str) -> bool {
    base.ends_with('B')
}

/// What a unit could have been.
fn units(base: &str, seen: &str, digits: &str) -> String {
    let table: &[(&str, f64)] = if is_memory(base) { &MEMORY } else { &TIME };
    let near = table.iter().map(|(name, _)| *name).find(|name| {
        // sizes of a lab are written MiB, which PostgreSQL calls MB
        name.eq_ignore_ascii_case(seen)
            || name.eq_ignore_ascii_case(&seen.replace(['i', 'I'], ""))
            || (seen.len() == 1
                && seen != "B"
                && name.to_ascii_lowercase().starts_with(&seen.to_ascii_lowercase()))
    });
    let all = table.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    near.map_or_else(
        || format!("units: {all}"),
        |near| format!("PostgreSQL writes it \"{digits}{near}\"; units: {all}"),
    )
}

fn example(setting: &Setting) -> String {
    match setting.unit.as_deref() {
        Some(base) if is_memory(base) => "for example \"64MB\"".to_owned(),
        Some(_) => "for example \"30s\"".to_owned(),
        None => format!("for example {}", setting.boot.as_deref().unwrap_or("10")),
    }
}

fn bounds(setting: &Setting, text: &str, number: f64) -> Result<(), WrongValue> {
    let bound = |bound: &Option<String>| bound.as_deref().and_then(|bound| bound.parse::<f64>().ok());
    let (least, most) = (bound(&setting.min), bound(&setting.max));
    if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
        return Ok(());
    }
    let unit = setting.unit.as_deref().map_or_else(String::new, |unit| format!(" (in {unit})"));
    let shown = |bound: &Option<String>| bound.clone().unwrap_or_else(|| "…".to_owned());
    let bare = text.parse::<f64>().is_ok() && setting.unit.is_some();
    let bare = if bare { "; a number alone is taken in that unit" } else { "" };
    let message = format!("`{}` = {text} is out of its range", setting.name);
    Err((message, format!("{} to {}{unit}{bare}", shown(&setting.min), shown(&setting.max))))
}

/// A number of a setting of memory, in bytes; nothing where it is none or negative.
pub(crate) fn bytes(setting: &Setting, number: f64) -> Option<u64> {
    let base = setting.unit.as_deref().filter(|base| is_memory(base))?;
    let bytes = number * factor(base, base)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be no negative number; a size in bytes is far below 2^64"
    )]
    (bytes >= 0.0).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::parameters::catalogue;

    fn told(name: &str, value: &Value) -> Result<ReadValue, WrongValue> {
        read(catalogue::of(17).expect("17").setting(name).expect(name), value)
    }

    #[test]
    fn values_are_read_as_postgresql_reads_them() {
        for (name, value, wanted) in [
            ("shared_buffers", json!("128MB"), ReadValue::Number(16384.0)),
            ("shared_buffers", json!(16384), ReadValue::Number(16384.0)),
            ("shared_buffers", json!("1.5 GB"), ReadValue::Number(196_608.0)),
            ("work_mem", json!("4096kB"), ReadValue::Number(4096.0)),
            ("max_slot_wal_keep_size", json!(-1), ReadValue::Number(-1.0)),
            ("max_wal_size", json!("1GB"), ReadValue::Number(1024.0)),
            ("checkpoint_timeout", json!("15min"), ReadValue::Number(900.0)),
            ("checkpoint_completion_target", json!(0.9), ReadValue::Number(0.9)),
            ("autovacuum_vacuum_cost_delay", json!("2ms"), ReadValue::Number(2.0)),
            ("autovacuum_vacuum_scale_factor", json!("1e-2"), ReadValue::Number(0.01)),
            ("random_page_cost", json!("1.1"), ReadValue::Number(1.1)),
            ("max_connections", json!("0x64"), ReadValue::Number(100.0)),
            ("log_file_mode", json!("0640"), ReadValue::Number(416.0)),
            ("log_rotation_age", json!("0"), ReadValue::Number(0.0)),
            ("fsync", json!("off"), ReadValue::Truth(false)),
            ("fsync", json!(true), ReadValue::Truth(true)),
            ("wal_level", json!("Logical"), ReadValue::Text("logical".to_owned())),
            ("wal_level", json!("hot_standby"), ReadValue::Text("hot_standby".to_owned())),
            ("synchronous_commit", json!(false), ReadValue::Text("off".to_owned())),
            ("log_min_messages", json!("debug"), ReadValue::Text("debug".to_owned())),
            ("log_line_prefix", json!("%m [%p] "), ReadValue::Text("%m [%p]".to_owned())),
            ("TimeZone", json!("UTC"), ReadValue::Text("UTC".to_owned())),
        ] {
            assert_eq!(told(name, &value), Ok(wanted), "{name} = {value}");
        }
    }

    #[test]
    fn what_postgresql_would_not_take_is_refused_with_what_it_would() {
        for (name, value, message, hint) in [
            ("shared_buffers", json!("512MiB"), "`MiB` is no unit", "\"512MB\""),
            ("shared_buffers", json!("512Mb"), "`Mb` is no unit", "\"512MB\""),
            ("work_mem", json!("64M"), "`M` is no unit", "\"64MB\""),
            ("work_mem", json!("lots"), "`lots` is none", "\"64MB\""),
            ("statement_timeout", json!("5m"), "`m` is no unit", "units: us, ms, s, min"),
            ("statement_timeout", json!("30 seconds"), "`seconds` is no unit", "units:"),
            ("max_connections", json!("100MB"), "a number without a unit", "for example 100"),
            ("max_connections", json!(0), "out of its range", "1 to 262143"),
            ("checkpoint_timeout", json!("10s"), "out of its range", "30 to 86400 (in s)"),
            ("checkpoint_completion_target", json!(1.5), "out of its range", "0 to 1"),
            ("fsync", json!("maybe"), "`maybe` is neither", "\"on\" or \"off\""),
            ("fsync", json!("t"), "`t` is neither", "\"on\" or \"off\""),
            ("wal_level", json!("replicas"), "no value of `wal_level`", "did you mean `replica`?"),
            ("max_connections", json!([1]), "takes one value", "quotes"),
        ] {
            let (said, help) = told(name, &value).expect_err(name);
            assert!(said.contains(message), "{name} = {value}: {said}");
            assert!(help.contains(hint), "{name} = {value}: {help}");
        }
    }
}
