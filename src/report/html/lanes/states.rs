//! Looks → bands of what something was.

use crate::report::html::bounds;
use crate::report::html::markup::cut;
use crate::report::html::page::{Band, Tone};

/// What something was at a look.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LaneState {
    /// How good it is.
    pub tone: Tone,
    /// What stands in the band.
    pub label: String,
    /// What is said under a pointer.
    pub says: String,
}

impl LaneState {
    /// What is said is cut to what a page bears.
    pub fn new(tone: Tone, label: impl Into<String>, says: impl Into<String>) -> Self {
        Self { tone, label: label.into(), says: cut(&says.into(), bounds::SAYS) }
    }
}

/// Looks → bands: a state holds until the next look, and looks that show the same are one band. `None` is a look that
/// shows nothing of it.
pub(super) fn bands(looks: impl IntoIterator<Item = (f64, Option<LaneState>)>) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut open = false;
    for (at, state) in looks {
        if let Some(last) = bands.last_mut().filter(|_| open) {
            last.to_ms = at;
        }
        let Some(LaneState { tone, label, says }) = state else {
            open = false;
            continue;
        };
        let same = bands.last().is_some_and(|last| open && last.tone == tone && last.label == label);
        if !same {
            bands.push(Band { from_ms: at, to_ms: at, label, says, tone });
        }
        open = true;
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_show_the_same_are_one_band_and_a_state_holds_until_the_next_look() {
        let good = || Some(LaneState::new(Tone::Good, "up", "it is up"));
        let bad = || Some(LaneState::new(Tone::Bad, "down", "it is down"));
        let seen =
            bands([(0.0, good()), (1.0, good()), (2.0, bad()), (3.0, None), (4.0, None), (5.0, good())]);
        let told: Vec<String> =
            seen.iter().map(|b| format!("{} {}–{}", b.label, b.from_ms, b.to_ms)).collect();
        assert_eq!(told, ["up 0–2", "down 2–3", "up 5–5"]);
    }
}
