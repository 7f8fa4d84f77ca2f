//! What is wrong with a file, as data: where, what, and what would have been right.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

/// A text and the name it goes by in messages.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    pub(crate) name: String,
    pub(crate) text: Arc<str>,
    /// Which of several layers it is; the last one wins.
    pub(crate) layer: usize,
}

impl SourceText {
    pub(crate) fn new(name: &str, text: &str) -> Arc<Self> {
        Self::layer(name, text, 0)
    }

    pub(crate) fn layer(name: &str, text: &str, layer: usize) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), text: text.into(), layer })
    }
}

/// What sort of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The text is wrong.
    Wrong,
    /// The text is right, and this version cannot do it.
    Unbuilt,
}

/// One problem of one file.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Wrong, or only not built.
    pub kind: ProblemKind,
    /// What was expected and what was seen, in one sentence.
    pub message: String,
    /// What would have been right.
    pub hint: Option<String>,
    /// Bytes of the text it is about; `None` when it is about something that is not there.
    pub span: Option<Range<usize>>,
    source: NamedSource<Arc<str>>,
}

impl Problem {
    pub(crate) fn new(source: &SourceText, span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        let named = NamedSource::new(&source.name, Arc::clone(&source.text)).with_language("TOML");
        Self { kind: ProblemKind::Wrong, message: message.into(), hint: None, span, source: named }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn unbuilt(mut self) -> Self {
        self.kind = ProblemKind::Unbuilt;
        self
    }

    /// Name of the file or other source it was found in.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.name()
    }

    fn same(&self, other: &Self) -> bool {
        self.message == other.message && self.span == other.span && self.source_name() == other.source_name()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.span.as_ref().map(|_| &self.source as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

/// Every problem found; never empty when it is returned as an error.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// What was being read, for the first line of the message.
    pub subject: String,
    /// The problems, in the order in which they stand in the files.
    pub list: Vec<Problem>,
}

impl Problems {
    /// A collection about `subject`: sorts the problems and drops what was said twice.
    #[must_use]
    pub fn new(subject: impl Into<String>, mut list: Vec<Problem>) -> Self {
        let mut sources: Vec<String> = Vec::new();
        for problem in &list {
            if !sources.iter().any(|name| name == problem.source_name()) {
                sources.push(problem.source_name().to_owned());
            }
        }
        list.sort_by_key(|problem| {
            let source = sources.iter().position(|name| name == problem.source_name());
            (source, problem.span.as_ref().map_or(usize::MAX, |span| span.start))
        });
        let mut once: Vec<Problem> = Vec::with_capacity(list.len());
        for problem in list {
            if !once.iter().any(|said| said.same(&problem)) {
                once.push(problem);
            }
        }
        Self { subject: subject.into(), list: once }
    }

    /// `Ok(value)` when there is no problem.
    ///
    /// # Errors
    /// Itself, when there is one.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.list.is_empty() { Ok(value) } else { Err(self) }
    }

    /// All of them as plain text without colour, 100 columns wide, each with line, caret and hint.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        let theme = miette::GraphicalTheme::unicode_nocolor();
        let printer = miette::GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false);
        // writing into a String cannot fail; a failing Display would only cut the text short
        let _ = printer.render_report(&mut out, self);
        out.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.list.len() == 1 { "" } else { "s" };
        write!(f, "{}: {} problem{s}", self.subject, self.list.len())
    }
}

impl std::error::Error for Problems {}

impl Diagnostic for Problems {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

/// A problem of a text as a whole.
#[must_use]
pub fn about_all(name: &str, text: &str, message: &str, hint: &str) -> Problem {
    let first = text.find('\n').unwrap_or(text.len());
    Problem::new(&SourceText::new(name, text), Some(0..first), message).hint(hint)
}

/// Which of `known` was probably meant by `seen`.
pub(crate) fn nearest<'a>(seen: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let distance = distance(seen, candidate);
        if distance <= candidate.len().max(3) / 3 && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Letters to insert, drop or change to get from `a` to `b` (Levenshtein), `_` and `-` being one letter.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.to_lowercase().replace('_', "-").chars().collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_word_and_another_word_does_not() {
        let known = ["retry-timeout", "loop-wait", "ttl"];
        assert_eq!(nearest("retry_timeout", known), Some("retry-timeout"));
        assert_eq!(nearest("loop-wit", known), Some("loop-wait"));
        assert_eq!(nearest("tll", known), Some("ttl"));
        assert_eq!(nearest("tl", known), Some("ttl"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("lease", known), None);
    }

    #[test]
    fn problems_come_in_the_order_of_the_text_and_once() {
        let source = SourceText::new("a.toml", "abc");
        let at = |start| Problem::new(&source, Some(start..start + 1), "bad");
        let problems = Problems::new("a.toml", vec![at(2), at(0), at(2)]);
        let starts: Vec<_> = problems.list.iter().filter_map(|p| p.span.clone()).map(|s| s.start).collect();
        assert_eq!(starts, [0, 2]);
        assert_eq!(problems.to_string(), "a.toml: 2 problems");
        assert!(Problems::default().or(()).is_ok());
    }
}
