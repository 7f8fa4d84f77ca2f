//! Templates with named holes, `{{hole}}`: everything a configuration says stands readable in
//! `lab/config`, everything a lab decides is filled in here.
//!
//! Invariants: a hole nobody fills and a value nobody asks for are both errors, so a template and
//! the code that fills it cannot drift apart; a value is never searched for holes.

/// Why a template could not be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// The template asks for something no value was given for.
    #[error("nothing fills the hole `{{{{{0}}}}}`")]
    Unfilled(String),
    /// A value was given that the template does not ask for.
    #[error("the template has no hole `{{{{{0}}}}}`")]
    Unused(String),
    /// A hole begins and never ends.
    #[error("a hole is not closed: `{0}`")]
    Open(String),
}

/// Fills the holes of `template`.
///
/// # Errors
/// [`BadTemplate`] when holes and values do not match one another.
pub fn fill(template: &str, values: &[(&str, String)]) -> Result<String, BadTemplate> {
    let mut filled = String::with_capacity(template.len() * 2);
    let mut used = vec![false; values.len()];
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (hole, tail) =
            after.split_once("}}").ok_or_else(|| BadTemplate::Open(after.chars().take(20).collect()))?;
        let at = values
            .iter()
            .position(|(name, _)| *name == hole)
            .ok_or_else(|| BadTemplate::Unfilled(hole.to_owned()))?;
        used[at] = true;
        filled.push_str(before);
        filled.push_str(&values[at].1);
        rest = tail;
    }
    if let Some(at) = used.iter().position(|used| !used) {
        return Err(BadTemplate::Unused(values[at].0.to_owned()));
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Fills one of the templates that are part of this program.
#[expect(
    clippy::expect_used,
    reason = "which holes and values there are depends on no input, and every recipe's test passes here"
)]
pub(super) fn fill_own(template: &str, values: &[(&str, String)]) -> String {
    // which holes a template has and which values are given depend on no input, and the tests of
    // every service's recipe pass through here: a mismatch cannot survive them
    fill(template, values).expect("the program's own templates match their values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_and_values_are_not_searched() {
        let values = [("a", "1".to_owned()), ("b-c", "{{a}}".to_owned())];
        assert_eq!(fill("x {{a}}{{b-c}} {{a}} }}", &values).as_deref(), Ok("x 1{{a}} 1 }}"));
    }

    #[test]
    fn template_and_values_must_match() {
        let values = [("a", String::new())];
        assert_eq!(fill("{{a}}{{b}}", &values), Err(BadTemplate::Unfilled("b".to_owned())));
        assert_eq!(fill("plain", &values), Err(BadTemplate::Unused("a".to_owned())));
        assert_eq!(fill("{{a", &values), Err(BadTemplate::Open("a".to_owned())));
        assert_eq!(BadTemplate::Unused("a".to_owned()).to_string(), "the template has no hole `{{a}}`");
    }
}
