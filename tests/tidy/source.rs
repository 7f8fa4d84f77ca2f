//! Rust, read just well enough: code without comments, strings and test modules, and the paths it names.

/// A source file as the rules see it.
pub struct Source {
    /// Path from the root of the repository.
    pub path: String,
    /// The text as it is.
    pub text: String,
    /// The code: comments and literals are blank, lines are where they were.
    pub code: String,
    /// The same without anything that is compiled for tests only.
    pub product: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let test_file = path.ends_with("/tests.rs") || path.contains("/tests/");
        let product = if test_file { String::new() } else { blank_tests(&code) };
        Self { path: path.to_owned(), text: text.to_owned(), code, product }
    }

    /// The room this file belongs to: `src/lab/up.rs` and `src/lab.rs` belong to `lab`; `lib.rs` and `main.rs` to none.
    pub fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        match rest.split_once('/') {
            Some((room, _)) => Some(room),
            None => rest.strip_suffix(".rs").filter(|name| !matches!(*name, "lib" | "main")),
        }
    }

    /// Whether `super` in this file (outside inner modules) is the crate's root.
    pub fn is_door_of_room(&self) -> bool {
        self.room().is_some_and(|room| {
            self.path == format!("src/{room}.rs") || self.path == format!("src/{room}/mod.rs")
        })
    }
}

/// A path somebody names, segment by segment, without its root.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
}

impl Named {
    pub fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Every path below `root` (such as `crate` or `std`) that `code` names, use trees spread out.
pub fn paths(code: &str, root: &str) -> Vec<Named> {
    // most files lack most words, and looking for one in a text is much faster than reading it letter by letter
    if !code.contains(root) {
        return Vec::new();
    }
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    for at in words(&chars, root) {
        let end = at + root.chars().count();
        if chars[..at].ends_with(&['$']) || is_inner_segment(&chars, at) {
            continue;
        }
        if let Some(next) = separator(&chars, end) {
            let mut trees = Vec::new();
            spread(&chars, next, &mut Vec::new(), &mut trees);
            let line = line_of(&chars, at);
            found.extend(trees.into_iter().map(|segments| Named { line, segments }));
        }
    }
    found
}

/// Lines on which `word` stands as a whole word.
pub fn lines_with(code: &str, word: &str) -> Vec<usize> {
    if !code.contains(word) {
        return Vec::new();
    }
    let chars: Vec<char> = code.chars().collect();
    words(&chars, word).into_iter().map(|at| line_of(&chars, at)).collect()
}

/// `other::std` is not ours; `::std` at the start of a path is as good as `std`.
fn is_inner_segment(chars: &[char], at: usize) -> bool {
    let before = &chars[..at];
    let owner = before.strip_suffix(&[':', ':']).and_then(|rest| rest.last());
    owner.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '>'))
}

fn words(chars: &[char], word: &str) -> Vec<usize> {
    let word: Vec<char> = word.chars().collect();
    let inner = |c: char| c.is_alphanumeric() || c == '_';
    (0..chars.len().saturating_sub(word.len() - 1))
        .filter(|&at| chars[at..at + word.len()] == word[..])
        .filter(|&at| at == 0 || !inner(chars[at - 1]) || !inner(word[0]))
        .filter(|&at| {
            chars.get(at + word.len()).is_none_or(|c| !inner(*c)) || !word.last().copied().is_some_and(inner)
        })
        .collect()
}

fn line_of(chars: &[char], at: usize) -> usize {
    chars[..at].iter().filter(|c| **c == '\n').count() + 1
}

fn skip_space(chars: &[char], mut at: usize) -> usize {
    while chars.get(at).is_some_and(|c| c.is_whitespace()) {
        at += 1;
    }
    at
}

/// Position behind a `::` that follows, if one does.
fn separator(chars: &[char], at: usize) -> Option<usize> {
    let at = skip_space(chars, at);
    (chars.get(at) == Some(&':') && chars.get(at + 1) == Some(&':')).then_some(at + 2)
}

/// Spreads one tree of a path, `a::{b, c::d}`; returns the position behind it.
fn spread(chars: &[char], at: usize, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let at = skip_space(chars, at);
    match chars.get(at) {
        Some('{') => {
            let mut at = at + 1;
            loop {
                at = skip_space(chars, at);
                match chars.get(at) {
                    None => return at,
                    Some('}') => return at + 1,
                    Some(c) if c.is_alphabetic() || matches!(c, '_' | '*' | '{') => {
                        let depth = prefix.len();
                        at = spread(chars, at, prefix, found);
                        prefix.truncate(depth);
                        // `as name`, then the comma
                        while chars.get(at).is_some_and(|c| !matches!(c, ',' | '}')) {
                            at += 1;
                        }
                    }
                    Some(_) => at += 1,
                }
            }
        }
        Some(c) if c.is_alphabetic() || *c == '_' => {
            let word: String = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
            let end = at + word.chars().count();
            if word != "self" {
                prefix.push(word);
            }
            if let Some(next) = separator(chars, end) {
                spread(chars, next, prefix, found)
            } else {
                found.push(prefix.clone());
                end
            }
        }
        Some('*') => {
            found.push(prefix.iter().cloned().chain(["*".to_owned()]).collect());
            at + 1
        }
        // a turbofish: the path ends before it
        _ => {
            found.push(prefix.clone());
            at
        }
    }
}

fn blank_comments_and_literals(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end > at {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// End of the comment, string or character that begins at `at`; `at` itself when none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let get = |i: usize| chars.get(i).copied().unwrap_or('\0');
    match (get(at), get(at + 1)) {
        ('/', '/') => (at..chars.len()).find(|i| chars[*i] == '\n').unwrap_or(chars.len()),
        ('/', '*') => {
            let (mut depth, mut i) = (1, at + 2);
            while i < chars.len() && depth > 0 {
                match (get(i), get(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
            }
            i
        }
        ('r', '"' | '#')
            if at == 0 || !(get(at - 1).is_alphanumeric() && get(at - 1) != 'b' || get(at - 1) == '_') =>
        {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if get(at + 1 + hashes) != '"' {
                return at; // a raw identifier
            }
            let mut i = at + 2 + hashes;
            while i < chars.len() {
                if get(i) == '"' && (0..hashes).all(|n| get(i + 1 + n) == '#') {
                    return i + 1 + hashes;
                }
                i += 1;
            }
            i
        }
        ('"', _) => {
            let mut i = at + 1;
            while i < chars.len() && get(i) != '"' {
                i += if get(i) == '\\' { 2 } else { 1 };
            }
            (i + 1).min(chars.len())
        }
        ('\'', '\\') => (at + 3..chars.len()).find(|i| chars[*i] == '\'').map_or(chars.len(), |i| i + 1),
        // a character, not a lifetime
        ('\'', _) if get(at + 2) == '\'' => at + 3,
        _ => at,
    }
}

/// Blanks every item under `#[cfg(test)]`.
fn blank_tests(code: &str) -> String {
    let mut chars: Vec<char> = code.chars().collect();
    let mark: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while at + mark.len() <= chars.len() {
        if chars[at..at + mark.len()] != mark[..] {
            at += 1;
            continue;
        }
        let (mut depth, mut end) = (0_usize, at + mark.len());
        while end < chars.len() {
            match chars[end] {
                '{' => depth += 1,
                '}' if depth <= 1 => break,
                '}' => depth -= 1,
                ';' if depth == 0 => break,
                _ => {}
            }
            end += 1;
        }
        let end = (end + 1).min(chars.len());
        for c in &mut chars[at..end] {
            if *c != '\n' {
                *c = ' ';
            }
        }
        at = end;
    }
    chars.into_iter().collect()
}

mod tests {
    use super::*;

    fn spread_out(code: &str, root: &str) -> Vec<String> {
        paths(code, root).iter().map(Named::text).collect()
    }

    #[test]
    fn use_trees_are_spread_out() {
        let code = "use crate::{model::{self, id::Name as N}, decide::{body, found::*}};\nlet x = crate::lab::up::<u8>();";
        assert_eq!(
            spread_out(code, "crate"),
            ["model", "model::id::Name", "decide::body", "decide::found::*", "lab::up"]
        );
        assert_eq!(paths(code, "crate").last().map(|n| n.line), Some(2));
    }

    #[test]
    fn only_whole_roots_count() {
        assert_eq!(
            spread_out("my_crate::x; $crate::y; other::std::z; pub(crate) fn f() {}", "crate"),
            [""; 0]
        );
        assert_eq!(
            spread_out("other::std::z; ::std::fs::read; std :: env :: var", "std"),
            ["fs::read", "env::var"]
        );
    }

    #[test]
    fn words_in_comments_and_literals_are_no_code() {
        let text = "// std::fs\n/* std::fs /* std::fs */ std::fs */ let a = \"std::fs \\\" std::fs\"; let b = r#\"std::fs\"#;\nlet c = '\"'; let d: &'static str = std::env::X;";
        let source = Source::new("src/lab/x.rs", text);
        assert_eq!(spread_out(&source.code, "std"), ["env::X"]);
        assert_eq!(paths(&source.code, "std")[0].line, 3);
    }

    #[test]
    fn tests_are_no_product() {
        let text = "use std::env::A;\n#[cfg(test)]\nmod tests { use std::fs::B; fn f() { std::fs::C } }\nuse std::env::D;\n#[cfg(test)]\nmod more;\nuse std::env::E;";
        let source = Source::new("src/lab/x.rs", text);
        assert_eq!(spread_out(&source.product, "std"), ["env::A", "env::D", "env::E"]);
        assert_eq!(Source::new("src/lab/tests.rs", text).product, "");
    }

    #[test]
    fn files_know_their_room() {
        let room = |path| Source::new(path, "").room().map(str::to_owned);
        assert_eq!(room("src/lab/deep/up.rs").as_deref(), Some("lab"));
        assert_eq!(room("src/stats.rs").as_deref(), Some("stats"));
        assert_eq!(room("src/lib.rs"), None);
        assert!(Source::new("src/lab/mod.rs", "").is_door_of_room());
        assert!(!Source::new("src/lab/up/mod.rs", "").is_door_of_room());
    }
}
