//! The table of rooms as ARCHITECTURE.md tells it to people, held against the one for the build in `rooms.rs`.

use crate::rooms::{ROOMS, Room};

/// Rooms whose row is a sentence.
const IN_WORDS: [&str; 2] = ["run", "cli"];

/// A row of the table for people: name, whether it is pure, and what it may import.
fn row(line: &str) -> Option<(String, bool, Vec<String>)> {
    let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
    let (pure, may) = rest.split_once('|')?;
    let mut entries = Vec::new();
    let mut inside = None;
    for word in may.split([' ', ',', '|', '—']).filter(|word| !word.is_empty()) {
        let (parent, word) = match word.split_once("::{") {
            Some((parent, word)) => (Some(parent), word),
            None => (inside, word),
        };
        inside = parent.filter(|_| !word.ends_with('}'));
        let word = word.trim_end_matches('}');
        entries.push(parent.map_or(word.to_owned(), |parent| format!("{parent}::{word}")));
    }
    Some((name.to_owned(), pure.contains('◦'), entries))
}

/// Where the table of ARCHITECTURE.md differs from the one for the build.
pub fn differences(paper: &str) -> Vec<String> {
    let table = paper.lines().skip_while(|line| *line != "| room | may import |").skip(2);
    let rows: Vec<_> = table.map_while(row).collect();
    let names: Vec<&str> = rows.iter().map(|(name, ..)| name.as_str()).collect();
    let rooms: Vec<&str> = ROOMS.iter().map(|room| room.name).collect();
    if names != rooms {
        return vec![format!(
            "ARCHITECTURE.md lists the rooms {names:?}, tests/tidy/rooms.rs {rooms:?}: make them one."
        )];
    }
    let differs = |room: &Room, pure: bool, entries: &[String]| {
        let mut told: Vec<&str> = entries.iter().map(String::as_str).collect();
        let mut may = room.may.to_vec();
        told.sort_unstable();
        may.sort_unstable();
        room.pure != pure || (told != may && !IN_WORDS.contains(&room.name))
    };
    let wrong = ROOMS.iter().zip(&rows).filter(|(room, (_, pure, entries))| differs(room, *pure, entries));
    wrong
        .map(|(room, row)| {
            format!("ARCHITECTURE.md says {row:?} of `{}`, and may say {:?}.", room.name, room.may)
        })
        .collect()
}

mod tests {
    use super::*;

    #[test]
    fn a_table_for_people_that_differs_is_found() {
        let line = "| `drive` ◦ | model decide::{body, placement} history |";
        let entries = ["model", "decide::body", "decide::placement", "history"].map(str::to_owned).to_vec();
        assert_eq!(row(line), Some(("drive".to_owned(), true, entries)));
        assert_eq!(row("| `model` | — |"), Some(("model".to_owned(), false, Vec::new())));
        let table: Vec<String> = ROOMS.iter().map(|room| format!("| `{}` | |", room.name)).collect();
        let findings = differences(&format!("| room | may import |\n|---|---|\n{}\n", table.join("\n")));
        // `model` and `stats` are pure, `engine` may import; `run` and `cli` are told in words
        assert_eq!(findings.len(), ROOMS.len() - IN_WORDS.len(), "{findings:?}");
        assert_eq!(differences("").len(), 1);
    }
}
