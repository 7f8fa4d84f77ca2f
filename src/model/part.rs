//! What an image or a body is at while a lab is made, for people who wait for it.

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartStage {
    /// It is at something.
    At,
    /// It is still at it: worth showing only where lines move.
    Still,
    /// Nothing more is waited for.
    Done,
}

/// What one part is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabPart {
    /// An image or a body, by its name.
    pub name: String,
    /// What it is at, in words.
    pub state: String,
    /// How far it is.
    pub stage: PartStage,
}

impl LabPart {
    /// A part that is at something.
    #[must_use]
    pub fn at(name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { name: name.into(), state: state.into(), stage: PartStage::At }
    }

    /// The same, of which more can be heard soon.
    #[must_use]
    pub fn still(name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { name: name.into(), state: state.into(), stage: PartStage::Still }
    }

    /// A part that nothing more is waited for.
    #[must_use]
    pub fn done(name: impl Into<String>, state: impl Into<String>) -> Self {
        Self { name: name.into(), state: state.into(), stage: PartStage::Done }
    }
}
