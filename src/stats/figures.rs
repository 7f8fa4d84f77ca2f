//! Numbers as people read them: `0.33 s`, `12.2 s`, `4,720`, `1.4 MiB`. Reports for programs keep milliseconds,
//! nanoseconds and bytes; every text for people writes its numbers with these functions.

/// A length of time given in milliseconds, in seconds: two digits that count below one second, then two decimals, from ten
/// seconds on one, from a hundred on none.
///
/// ```
/// use pgha::stats::figures::seconds;
/// assert_eq!(["330", "12214", "1284000"].map(|ms| seconds(ms.parse().unwrap())), ["0.33 s", "12.2 s", "1,284 s"]);
/// ```
#[must_use]
pub fn seconds(ms: f64) -> String {
    let length = ms.abs() / 1e3;
    let sign = if ms < 0.0 { "−" } else { "" };
    if !length.is_finite() {
        return "–".to_owned();
    }
    if length == 0.0 {
        return "0 s".to_owned();
    }
    if length < LEAST {
        return format!("under {sign}{LEAST} s");
    }
    // what is rounded up to 0.1 or to 10 is written as that
    let rounded: f64 = format!("{length:.*}", decimals(length)).parse().unwrap_or(length);
    let text = format!("{rounded:.*}", decimals(rounded));
    let (whole, rest) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{rest} s", grouped(whole))
}

/// Shorter times are not told apart, seconds.
const LEAST: f64 = 0.0001;

/// How many decimals a number of seconds is written with.
fn decimals(length: f64) -> usize {
    match length {
        length if length >= 100.0 => 0,
        length if length >= 10.0 => 1,
        length if length >= 0.1 => 2,
        length if length >= 0.01 => 3,
        length if length >= 0.001 => 4,
        _ => 5,
    }
}

/// The same where nobody may have measured: a dash then.
#[must_use]
pub fn seconds_or_dash(ms: Option<f64>) -> String {
    ms.map_or_else(dash, seconds)
}

/// What stands where nobody measured.
#[must_use]
pub fn dash() -> String {
    "–".to_owned()
}

/// A number of things, with a comma before every three digits.
#[must_use]
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Things in a second: one decimal below ten, none from there on.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() {
        return dash();
    }
    let decimals = usize::from(per_second.abs() < 9.95);
    let text = format!("{per_second:.decimals$}");
    match text.split_once('.') {
        Some((whole, "0")) => whole.to_owned(),
        Some(_) => text,
        None => grouped(&text),
    }
}

/// A number of bytes, in the largest unit of which there is one.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // what would be written as 1,024 of a unit is one of the next
        if size < 1023.5 {
            break;
        }
        (size, unit) = (size / 1024.0, *next);
    }
    if size < 9.95 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

/// Words before a number that is a name and counts nothing.
const NAMES: [&str; 12] = [
    "operation",
    "line",
    "seed",
    "client",
    "row",
    "element",
    "key",
    "worker",
    "timeline",
    "transactions",
    "by",
    "see",
];
/// Ports of the service are names.
const PORTS: [&str; 2] = ["5432", "5433"];

/// A sentence of a checker with its numbers as people read them: `910 ms` becomes `0.91 s`, `2248576 bytes` `2.1 MiB`, and
/// large counts get commas. Names that are numbers stay.
#[must_use]
pub fn sentence(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut told: Vec<String> = Vec::with_capacity(words.len());
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let (open, number, close) = bare(word);
        let unit = words.get(at + 1).map(|unit| bare(unit)).filter(|_| close.is_empty());
        let with_unit = unit.and_then(|(_, unit, end)| Some((measure(number, unit)?, end)));
        if let Some((measure, end)) = with_unit {
            told.push(format!("{open}{measure}{end}"));
            at += 2;
            continue;
        }
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let name = before.is_some_and(|word| NAMES.contains(&bare(word).1));
        let counts = number.len() > 3 && !name && !PORTS.contains(&number);
        match number.parse::<u64>().ok().filter(|_| counts && number.starts_with(|first: char| first != '0'))
        {
            Some(number) => told.push(format!("{open}{}{close}", count(number))),
            None => told.push((*word).to_owned()),
        }
        at += 1;
    }
    told.join(" ")
}

/// A word without the marks around it.
fn bare(word: &str) -> (&str, &str, &str) {
    let inner = word.trim_start_matches('(');
    let open = word.get(..word.len() - inner.len()).unwrap_or_default();
    let number = inner.trim_end_matches([',', ';', ':', ')', '.']);
    (open, number, inner.get(number.len()..).unwrap_or_default())
}

/// A number with its unit as people read it; `None` for units that stay.
fn measure(number: &str, unit: &str) -> Option<String> {
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match unit {
        "ms" => number.parse().ok().map(seconds),
        "bytes" => number.parse().ok().map(bytes),
        _ => None,
    }
}

/// Digits with a comma before every three.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_seconds_with_the_digits_that_count() {
        for (ms, wanted) in [
            (0.0, "0 s"),
            (0.04, "under 0.0001 s"),
            (0.12, "0.00012 s"),
            (1.3, "0.0013 s"),
            (9.96, "0.010 s"),
            (42.0, "0.042 s"),
            (99.96, "0.10 s"),
            (330.4, "0.33 s"),
            (999.0, "1.00 s"),
            (9_996.0, "10.0 s"),
            (12_214.0, "12.2 s"),
            (99_960.0, "100 s"),
            (1_284_000.0, "1,284 s"),
            (-1_500.0, "−1.50 s"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(seconds(ms), wanted, "{ms} ms");
        }
        assert_eq!(seconds_or_dash(None), "–");
    }

    #[test]
    fn counts_have_commas() {
        assert_eq!([0, 999, 4_720, 1_000_000].map(count), ["0", "999", "4,720", "1,000,000"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(
            [0.0, 0.25, 3.0, 9.97, 199.6, 12_345.6].map(rate),
            ["0", "0.2", "3", "10", "200", "12,346"]
        );
    }

    #[test]
    fn a_sentence_of_a_checker_is_told_in_seconds_with_its_names_left_alone() {
        for (told, wanted) in [
            (
                "the last of 3 hurt clients of `rw` was back after 910 ms, the first after 310.5 ms (load `writer`)",
                "the last of 3 hurt clients of `rw` was back after 0.91 s, the first after 0.31 s (load `writer`)",
            ),
            ("16773816 bytes are gone, the bound is 2248576", "16 MiB are gone, the bound is 2,248,576"),
            ("none of 4720 acknowledged writes is gone", "none of 4,720 acknowledged writes is gone"),
            (
                "a read is wrong (operation 12345; 1000 reads)",
                "a read is wrong (operation 12345; 1,000 reads)",
            ),
            ("5432 does not serve, line 12345", "5432 does not serve, line 12345"),
            (
                "a circle of transactions: 1000 was read by 1001 did not see 1000",
                "a circle of transactions: 1000 was read by 1001 did not see 1000",
            ),
            ("at 0/3001F40, 00012345, v1.2.3,  x", "at 0/3001F40, 00012345, v1.2.3,  x"),
            ("ms ms bytes 5", "ms ms bytes 5"),
            ("", ""),
        ] {
            assert_eq!(sentence(told), wanted);
        }
    }

    #[test]
    fn bytes_are_written_in_the_largest_unit_there_is_one_of() {
        let seen = [0, 1_023, 1_024, 1_500_000, 1_048_575, 16_777_216, 3_000_000_000_000].map(bytes);
        assert_eq!(seen, ["0 B", "1023 B", "1.0 KiB", "1.4 MiB", "1.0 MiB", "16 MiB", "2.7 TiB"]);
    }
}
