//! The tables that a workload makes anew and finds empty.

/// SQL that makes a load's tables, and what is found in them then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Makes them anew.
    pub make: String,
    /// Runs after that, outside a transaction; nothing when empty.
    pub tidy: String,
    /// Counts the marks in them.
    pub count: String,
}
