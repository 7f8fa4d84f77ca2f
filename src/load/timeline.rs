//! PostgreSQL's timeline history files, read as data
//! (<https://www.postgresql.org/docs/17/continuous-archiving.html#BACKUP-TIMELINES>).

use crate::model::Lsn;

/// Name of the history file of a timeline; timeline 1 has none.
#[must_use]
pub fn file_name(timeline: u32) -> Option<String> {
    (timeline > 1).then(|| format!("{timeline:08X}.history"))
}

/// Reads a history file: each parent timeline and the position where it ended, oldest first.
///
/// # Errors
/// The first line that is no entry, as a sentence.
pub fn parse(text: &str) -> Result<Vec<(u32, Lsn)>, String> {
    let entries = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    entries
        .map(|line| {
            let mut words = line.split_whitespace();
            let timeline = words.next().and_then(|word| word.parse().ok());
            let position = words.next().and_then(|word| word.parse().ok());
            timeline.zip(position).ok_or_else(|| format!("`{line}` is no entry of a timeline history"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parent_ends_somewhere() {
        let text = "1\t0/3000060\tno recovery target specified\n\n2\t1/A0\tafter transaction 7\n# a remark\n";
        assert_eq!(parse(text), Ok(vec![(1, Lsn(0x300_0060)), (2, Lsn(0x1_0000_00A0))]));
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_entry_is_told() {
        for bad in ["x\t0/1\tr", "1", "1\tnowhere"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_named_in_hexadecimal() {
        assert_eq!(file_name(1), None);
        assert_eq!(file_name(26).as_deref(), Some("0000001A.history"));
    }
}
