//! HTML and SVG as text, built by hand. Names of tags, classes and attributes come from the program; whatever comes from a
//! record is escaped on its way in, and there is no other way in.

use std::fmt::{self, Display, Write};

/// A piece of a page.
#[derive(Debug, Default)]
pub struct Markup(String);

/// An attribute: its name, and what it says.
pub type Attribute<'a> = (&'static str, &'a dyn Display);

impl Markup {
    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }

    /// The text, out of a chain of calls.
    #[must_use]
    pub fn taken(&mut self) -> String {
        std::mem::take(&mut self.0)
    }

    /// Markup of the program itself.
    pub fn own(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody, escaped.
    pub fn text(&mut self, text: impl Display) -> &mut Self {
        // writing to a string cannot fail
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// A sentence of the program in which `names` stand between backticks, escaped; the names are set as code.
    pub fn prose(&mut self, text: &str) -> &mut Self {
        let parts: Vec<&str> = text.split('`').collect();
        // one without a partner is a letter like any other
        if parts.len().is_multiple_of(2) {
            return self.text(text);
        }
        for (number, part) in parts.into_iter().enumerate() {
            if number.is_multiple_of(2) {
                self.text(part);
            } else {
                self.leaf("code", &[], part);
            }
        }
        self
    }

    /// `<tag …>`
    pub fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) -> &mut Self {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
        self.0.push('>');
        self
    }

    /// `</tag>`
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
        self
    }

    /// An element with text in it.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: impl Display) -> &mut Self {
        self.open(tag, attributes).text(text).close(tag)
    }

    /// An element with other things in it.
    pub fn around(
        &mut self,
        tag: &'static str,
        attributes: &[Attribute<'_>],
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.open(tag, attributes);
        inside(self);
        self.close(tag)
    }

    /// A shape of SVG with what a pointer shows over it.
    pub fn shape(&mut self, tag: &'static str, attributes: &[Attribute<'_>], says: &str) -> &mut Self {
        self.open(tag, attributes);
        if !says.is_empty() {
            self.leaf("title", &[], says);
        }
        self.close(tag)
    }
}

/// Escapes what is written to it, for text and for attributes in double quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                // marks that turn the direction of a line can make a text look like another
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => self.0.push('\u{fffd}'),
                letter if letter.is_control() => self.0.push('\u{fffd}'),
                letter => self.0.push(letter),
            }
        }
        Ok(())
    }
}

/// A number of an SVG attribute, to a tenth.
#[derive(Clone, Copy, Debug)]
pub struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // neither −0 nor a number that is none
        let tenths = if tenths == 0.0 || !tenths.is_finite() { 0.0 } else { tenths };
        write!(f, "{tenths}")
    }
}

/// The beginning of a text, with a mark where something is left out.
#[must_use]
pub fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_told_becomes_markup() {
        let hostile = "</title><script>alert('x')</script>\"&\u{0}\u{202e}\n";
        let mut markup = Markup::default();
        markup.leaf("b", &[("title", &hostile)], hostile).shape("rect", &[("x", &Px(1.0))], hostile);
        let escaped =
            "&lt;/title&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}\u{fffd}\n";
        assert_eq!(
            markup.into_string(),
            format!("<b title=\"{escaped}\">{escaped}</b><rect x=\"1\"><title>{escaped}</title></rect>")
        );
    }

    #[test]
    fn names_in_a_sentence_are_code_and_escaped_all_the_same() {
        let written = |text: &str| {
            let mut markup = Markup::default();
            markup.prose(text);
            markup.into_string()
        };
        assert_eq!(written("a `<b>` of `c`"), "a <code>&lt;b&gt;</code> of <code>c</code>");
        assert_eq!(written("one ` alone, <b>"), "one ` alone, &lt;b&gt;");
    }

    #[test]
    fn numbers_are_short_and_always_numbers() {
        let seen = [1.0, 1.26, -0.01, f64::NAN, f64::INFINITY, 1200.04].map(|number| Px(number).to_string());
        assert_eq!(seen, ["1", "1.3", "0", "0", "0", "1200"]);
    }

    #[test]
    fn a_text_is_cut_between_letters() {
        assert_eq!([cut("añb", 2), cut("añ", 2), cut("", 0)], ["añ…", "añ", ""]);
    }
}
