//! The load generator's test of itself: operations against a server that stalls for a known time. `cargo bench --bench
//! generator -- --out FILE` writes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `generator.json`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SelfTest {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Version of this program, and how it was built.
    pub pgha: String,
    /// Each stall.
    pub stalls: Vec<Stall>,
    /// How fast it goes when the server answers at once.
    #[serde(default)]
    pub rates: Vec<Rate>,
}

/// One stall, and what the generator made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Stall {
    /// How long it was.
    pub stall_ms: f64,
    /// Operations meant to begin in it.
    pub meant: usize,
    /// Of these, those that were counted.
    pub counted: usize,
    /// By how much their latency was off, mean.
    pub error_mean_ms: f64,
    /// The worst.
    pub error_max_ms: f64,
    /// How late operations before the stall were begun, median.
    pub lag_p50_ms: f64,
    /// 99th percentile of the same.
    pub lag_p99_ms: f64,
}

/// A closed loop against a server that answers at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Rate {
    /// Clients.
    pub clients: usize,
    /// What was recorded of each operation: `operations` or `histogram`.
    pub record: String,
    /// Operations a second.
    pub per_second: u64,
}

impl SelfTest {
    /// The largest error of any stall, a share of that stall; one that missed operations is off by all of it.
    #[must_use]
    pub fn worst_error(&self) -> Option<f64> {
        let off = |stall: &Stall| {
            if stall.counted < stall.meant { 1.0 } else { stall.error_mean_ms.abs() / stall.stall_ms }
        };
        self.stalls.iter().map(off).max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stall_counts_and_one_that_missed_operations_is_off_by_all() {
        let stall =
            Stall { stall_ms: 500.0, meant: 500, counted: 500, error_mean_ms: 9.0, ..Stall::default() };
        let better = Stall { error_mean_ms: 4.0, ..stall };
        let test = |stalls: &[Stall]| SelfTest { stalls: stalls.to_vec(), ..SelfTest::default() };
        assert_eq!(test(&[]).worst_error(), None);
        assert_eq!(test(&[better, stall]).worst_error(), Some(0.018));
        assert_eq!(test(&[better, Stall { counted: 499, ..better }]).worst_error(), Some(1.0));
    }
}
