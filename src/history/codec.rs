//! JSON lines in and out: one [`Event`] a line.
//!
//! A run that was killed leaves a torn last line; that is data (the journal is *cut*), everything
//! before it stands. A bad line anywhere else is an error with its number: guessing what it meant
//! would be judging a run nobody made.

use super::event::Event;

/// A journal as read.
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
    /// Line, from 1.
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
    // a line of an operation is rarely shorter than this, so the vector grows at most once
    let mut events = Vec::with_capacity(text.len() / 64);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let whole = line.ends_with('\n');
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(_) if !whole => return Ok(Decoded { events, cut: true }),
            Err(error) => return Err(CodecError { line: index + 1, problem: error.to_string() }),
        }
    }
    Ok(Decoded { events, cut: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error, Outcome};
    use crate::model::{Lsn, Mono, Name};

    fn events() -> Vec<Event> {
        let ack = Ack {
            n: Some(Name::new("postgres-1").expect("a name")),
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
    fn a_bad_line_in_the_middle_is_an_error_with_its_number() {
        let bad = text().replacen("\"w\":3", "\"w\":x", 1);
        assert_eq!(decode(&bad).expect_err("a bad line").line, 1);
        let ended = text() + "{\"done\":\n";
        assert_eq!(decode(&ended).expect_err("a bad line").line, 7);
    }
}
