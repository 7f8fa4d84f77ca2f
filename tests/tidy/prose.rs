//! Prose of the papers: how long sentences and cells of tables may be, and how long two of the papers.
//!
//! A sentence ends with `.`, `!` or `?`, and with its paragraph, item or heading. A code span is one word, and so is
//! whatever stands between blanks and has a letter or a digit. Fenced blocks and headings are not read.

use std::path::Path;

/// The most words of a sentence.
const SENTENCE: usize = 25;
/// The most words of a cell.
const CELL: usize = 15;
/// Pages that a test makes from the program: they say what the program says.
const MADE: [&str; 2] = ["docs/src/commands.md", "docs/src/grammar.md"];
/// The most words of a sentence or a cell there.
const MADE_MOST: usize = 32;
/// The most lines of papers that must be read in one go.
const SHORT: [(&str, usize); 2] = [("README.md", 250), ("ARCHITECTURE.md", 150)];

/// Text that belongs together, and the line where it begins.
enum Piece {
    /// A paragraph or an item of a list.
    Text(usize, String),
    /// A cell of a table.
    Cell(usize, String),
}

/// The paragraph that is being read.
#[derive(Default)]
struct Open {
    line: usize,
    text: String,
}

impl Open {
    /// Adds a line of the paper.
    fn add(&mut self, line: usize, text: &str) {
        if self.text.is_empty() {
            self.line = line;
        } else {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }

    /// Ends the paragraph.
    fn end(&mut self, pieces: &mut Vec<Piece>) {
        if !self.text.is_empty() {
            pieces.push(Piece::Text(self.line, std::mem::take(&mut self.text)));
        }
    }
}

/// A line of a list without its mark.
fn item(line: &str) -> Option<&str> {
    let number = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let numbered = number.strip_prefix(". ").filter(|_| number.len() < line.len());
    numbered.or_else(|| line.strip_prefix("- ")).or_else(|| line.strip_prefix("* "))
}

/// Code spans as one word, so that neither a bar nor a full stop in them counts.
fn without_code(text: &str) -> String {
    let mut plain = String::new();
    for (n, part) in text.split('`').enumerate() {
        plain.push_str(if n % 2 == 0 { part } else { "code" });
    }
    plain
}

/// Words of links without their targets.
fn without_targets(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain.push_str(rest);
    plain
}

/// Paragraphs, items and cells of a paper.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open = Open::default();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let fence = line.starts_with("```");
        fenced ^= fence;
        if fence || fenced || line.is_empty() || line.starts_with(['#', '<']) {
            open.end(&mut pieces);
        } else if let Some(row) = line.strip_prefix('|') {
            open.end(&mut pieces);
            let row = without_code(row.strip_suffix('|').unwrap_or(row)).replace("\\|", "");
            pieces.extend(row.split('|').map(|cell| Piece::Cell(n + 1, cell.trim().to_owned())));
        } else if let Some(first) = item(line) {
            open.end(&mut pieces);
            open.add(n + 1, first);
        } else {
            open.add(n + 1, line);
        }
    }
    open.end(&mut pieces);
    pieces
}

fn words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// The sentences of a paragraph.
fn sentences(text: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(sentence) = sentences.last_mut() {
            sentence.push_str(word);
            sentence.push(' ');
        }
        if word.trim_end_matches([')', '"', '*', '_', '”']).ends_with(['.', '!', '?']) {
            sentences.push(String::new());
        }
    }
    sentences
}

/// Sentences and cells of a paper that are too long, and papers that are.
pub fn lengths(paper: &Path, text: &str) -> Vec<String> {
    let path = paper.to_string_lossy();
    let made = MADE.contains(&path.as_ref());
    let (sentence, cell) = if made { (MADE_MOST, MADE_MOST) } else { (SENTENCE, CELL) };
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if let Some((_, most)) = SHORT.iter().find(|(short, most)| path == *short && lines > *most) {
        findings.push(format!(
            "{path} has {lines} lines, {most} are allowed: move what is no overview to docs/src."
        ));
    }
    for piece in pieces(text) {
        let (line, what, most, parts) = match &piece {
            Piece::Text(line, text) => (line, "sentence", sentence, sentences(&without_code(text))),
            Piece::Cell(line, text) => (line, "cell", cell, vec![text.clone()]),
        };
        for part in parts.iter().map(|part| without_targets(part)).filter(|part| words(part) > most) {
            let count = words(&part);
            let start: String = part.chars().take(60).collect();
            findings.push(format!(
                "{path}:{line}: this {what} has {count} words, {most} are allowed: `{}…`. Say one fact a {what}.",
                start.trim()
            ));
        }
    }
    findings
}

mod tests {
    use super::*;

    fn long(words: usize) -> String {
        vec!["word"; words].join(" ")
    }

    #[test]
    fn a_long_sentence_is_found_however_it_is_broken_into_lines() {
        let paper = format!("# {}\n\nShort. {}\nand on. Short.\n", long(40), long(24));
        let findings = lengths(Path::new("docs/src/x.md"), &paper);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(
            findings[0].starts_with("docs/src/x.md:3: this sentence has 26 words, 25 are allowed: `word")
        );
    }

    #[test]
    fn items_and_paragraphs_end_sentences_and_fences_hold_none() {
        let paper = format!("- {0}\n- {0}\n1. {0}\n\n{0}\n\n```text\n{1}\n```\n{0}\n", long(25), long(99));
        assert_eq!(lengths(Path::new("x.md"), &paper), [""; 0]);
        let paper = format!("- {}\n  and two more\n", long(23));
        assert_eq!(lengths(Path::new("x.md"), &paper).len(), 1);
    }

    #[test]
    fn a_long_cell_is_found_and_code_is_one_word() {
        let paper = format!(
            "| a | b |\n|---|---|\n| {} | `{} \\| x` [two words](a/b.md) |\n| {} | – |\n",
            long(15),
            long(40),
            long(16)
        );
        let findings = lengths(Path::new("x.md"), &paper);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("x.md:4: this cell has 16 words, 15 are allowed"), "{findings:?}");
    }

    #[test]
    fn dots_inside_words_end_nothing() {
        let text = "It took 0.33 s in a.rs (see below.) and v. much **more.** Next";
        assert_eq!(sentences(text).len(), 4, "{:?}", sentences(text));
    }

    #[test]
    fn papers_to_be_read_in_one_go_stay_short() {
        let findings = lengths(Path::new("ARCHITECTURE.md"), &"\n".repeat(151));
        assert_eq!(findings.len(), 1);
        assert_eq!(lengths(Path::new("docs/src/x.md"), &"\n".repeat(151)), [""; 0]);
    }
}
