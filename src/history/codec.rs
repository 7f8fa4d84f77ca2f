//! JSON lines in and out: one [`Event`] a line.
//!
//! A run that was killed leaves a torn last line; that is data (the journal is *cut*), everything
//! before it stands. A bad line anywhere else is an error with its number: guessing what it meant
//! would be judging a run nobody made.

use super::event::Event;
use super::gather::Pairing;
use super::line;
use super::paired::History;

/// Lines of a journal as they were read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Events in the order of the file.
    pub events: Vec<Event>,
    /// Whether the last line was torn.
    pub cut: bool,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal is no event: {problem}")]
pub struct CodecError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// One event as a line, without the newline.
///
/// # Panics
/// Never: serialising fails only for maps whose keys are no text, and no event has one.
#[must_use]
#[expect(clippy::expect_used, reason = "no event has a map whose keys are no text")]
pub fn encode(event: &Event) -> String {
    serde_json::to_string(event).expect("an event has no map with keys other than text")
}

/// All events of a journal. Empty lines are skipped; a last line without a newline that is no event is
/// taken for torn.
///
/// # Errors
/// [`CodecError`] for the first bad line that is not a torn last one.
pub fn decode(text: &str) -> Result<Decoded, CodecError> {
    let mut lines = LineSplitter::default();
    let mut events = Vec::new();
    for line in text.split_inclusive('\n') {
        events.extend(lines.event(line.as_bytes())?);
    }
    Ok(Decoded { events, cut: lines.cut })
}

/// A journal that is read line by line, so that neither its text nor its events are held.
#[derive(Debug, Default)]
pub struct Reading {
    lines: LineSplitter,
    pairing: Pairing,
}

impl Reading {
    /// Takes in the next line, with its newline if it has one.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn line(&mut self, line: &[u8]) -> Result<(), CodecError> {
        if let Some(event) = self.lines.event(line)? {
            self.pairing.add(event);
        }
        Ok(())
    }

    /// What was read, and whether the last line was torn.
    #[must_use]
    pub fn finish(self) -> (History, bool) {
        (self.pairing.finish(), self.lines.cut)
    }
}

#[derive(Debug, Default)]
struct LineSplitter {
    read: usize,
    cut: bool,
}

impl LineSplitter {
    /// The event of the next line; none of an empty one and of a torn last one.
    fn event(&mut self, line: &[u8]) -> Result<Option<Event>, CodecError> {
        self.read += 1;
        let whole = line.ends_with(b"\n");
        let event = std::str::from_utf8(line).map_err(|error| error.to_string()).and_then(|text| {
            let text = text.trim();
            if text.is_empty() {
                return Ok(None);
            }
            line::event(text)
                .map_or_else(|| serde_json::from_str(text).map_err(|error| error.to_string()), Ok)
                .map(Some)
        });
        match event {
            Ok(event) => Ok(event),
            Err(_) if !whole => {
                self.cut = true;
                Ok(None)
            }
            Err(problem) => Err(CodecError { line: self.read, problem }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error, Outcome};
    use crate::model::{Lsn, MemberId, Mono};

    fn events() -> Vec<Event> {
        let ack = Ack {
            n: Some(MemberId::new("postgres-1").expect("a name")),
            tl: Some(1),
            sys: Some("7".to_owned()),
            lo: Some(Lsn(10)),
            hi: Some(Lsn(20)),
            v: None,
        };
        let error = |c: &str| Error { c: c.to_owned(), m: String::new() };
        vec![
            Event::invoke(Mono(1), 0, 1, 3, Mono(0)),
            Event::done(Mono(2), 0, 1, Outcome::Ok(ack.clone())),
            Event::done(Mono(3), 0, 2, Outcome::OkLocal(ack)),
            Event::done(Mono(4), 0, 3, Outcome::Fail(error("refused"))),
            Event::done(Mono(5), 0, 4, Outcome::Info(error("eof"))),
            Event::Note { t: Mono(6), text: "a\nb".to_owned() },
        ]
    }

    fn text() -> String {
        events().iter().map(|event| encode(event) + "\n").collect()
    }

    #[test]
    fn what_was_written_reads_back() {
        let decoded = decode(&text()).expect("a journal");
        assert_eq!(decoded, Decoded { events: events(), cut: false });
    }

    #[test]
    fn the_shape_of_a_line_is_fixed() {
        let lines: Vec<String> = events().iter().take(4).map(encode).collect();
        assert_eq!(
            lines,
            [
                r#"{"invoke":{"t":1,"l":0,"o":1,"w":3,"i":0}}"#,
                r#"{"done":{"t":2,"l":0,"o":1,"r":{"ok":{"n":"postgres-1","tl":1,"sys":"7","lo":10,"hi":20}}}}"#,
                r#"{"done":{"t":3,"l":0,"o":2,"r":{"ok-local":{"n":"postgres-1","tl":1,"sys":"7","lo":10,"hi":20}}}}"#,
                r#"{"done":{"t":4,"l":0,"o":3,"r":{"fail":{"c":"refused"}}}}"#,
            ]
        );
    }

    #[test]
    fn a_journal_torn_anywhere_keeps_what_was_whole() {
        let text = text();
        for end in 0..text.len() {
            let decoded = decode(&text[..end]).expect("torn, not wrong");
            assert_eq!(decoded.events, events()[..decoded.events.len()]);
            // a line that only lost its newline is whole
            let whole = text[..end].ends_with('\n') || text[end..].starts_with('\n') || end == 0;
            assert_eq!(decoded.cut, !whole, "{:?}", &text[..end]);
        }
    }

    #[test]
    fn a_journal_read_line_by_line_is_the_same() {
        let text = text();
        for end in 0..text.len() {
            let mut reading = Reading::default();
            for line in text.as_bytes()[..end].split_inclusive(|byte| *byte == b'\n') {
                reading.line(line).expect("torn, not wrong");
            }
            let (history, cut) = reading.finish();
            let decoded = decode(&text[..end]).expect("torn, not wrong");
            let wanted = History::from_events(decoded.events);
            assert_eq!(cut, decoded.cut);
            assert_eq!((history.ops.len(), history.notes), (wanted.ops.len(), wanted.notes));
            assert_eq!(history.problems, wanted.problems);
        }
        let mut torn = Reading::default();
        torn.line("{\"note\":{\"t\":1,\"text\":\"ü".as_bytes().split_last().expect("bytes").1)
            .expect("torn, not wrong");
        assert!(torn.finish().1);
    }

    #[test]
    fn a_bad_line_in_the_middle_is_an_error_with_its_number() {
        let bad = text().replacen("\"w\":3", "\"w\":x", 1);
        assert_eq!(decode(&bad).expect_err("a bad line").line, 1);
        let ended = text() + "{\"done\":\n";
        assert_eq!(decode(&ended).expect_err("a bad line").line, 7);
    }
}
