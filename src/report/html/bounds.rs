//! What keeps a page small, however long the run was: bands and points are put together, always in the same way.

use super::page::Band;

/// Buckets of a chart at most.
pub const BUCKETS: usize = 1_000;
/// Bands of one row at most.
pub const BANDS: usize = 240;
/// Rows of one lane at most.
pub const ROWS: usize = 40;
/// Letters of what a pointer shows.
pub const SAYS: usize = 240;
/// Rows of a table at most.
pub const LINES: usize = 100;

/// Bands of a row inside of a part of the run, at most [`BANDS`]: where there are more, those that begin in the same
/// stretch of time become one that looks like the worst of them.
#[must_use]
pub fn bands(all: Vec<Band>, from: f64, to: f64) -> Vec<Band> {
    let inside = |band: &Band| band.to_ms >= from && band.from_ms <= to;
    let clip = |band: Band| Band { from_ms: band.from_ms.max(from), to_ms: band.to_ms.min(to), ..band };
    let kept: Vec<Band> = all.into_iter().filter(inside).map(clip).collect();
    if kept.len() <= BANDS {
        return kept;
    }
    let mut joined: Vec<(usize, u32, Band)> = Vec::new();
    for band in kept {
        let stretch = bucket(band.from_ms, from, to, BANDS);
        match joined.last_mut() {
            Some((last, number, known)) if *last == stretch => {
                *number += 1;
                known.to_ms = known.to_ms.max(band.to_ms);
                known.label.clear();
                if band.tone > known.tone {
                    (known.tone, known.says) = (band.tone, band.says);
                }
            }
            _ => joined.push((stretch, 1, band)),
        }
    }
    let told = |(_, number, band): (usize, u32, Band)| match number {
        1 => band,
        _ => Band { says: format!("{number} states here, for example: {}", band.says), ..band },
    };
    joined.into_iter().map(told).collect()
}

/// Points of a line inside of a part of the run, at most [`BUCKETS`] and one on each side: of those in one stretch of time the
/// largest. A point without a number breaks the line.
#[must_use]
pub fn points(all: &[(f64, Option<f64>)], from: f64, to: f64) -> Vec<(f64, Option<f64>)> {
    let first = all.partition_point(|(at, _)| *at < from).saturating_sub(1);
    // what follows says how long the last one holds
    let last = (all.partition_point(|(at, _)| *at <= to) + 1).min(all.len());
    let inside = all.get(first..last).unwrap_or_default();
    let crowded = inside.len() > BUCKETS;
    let mut kept: Vec<(usize, f64, Option<f64>)> = Vec::new();
    for (at, number) in inside.iter().copied() {
        let stretch = bucket(at, from, to, BUCKETS);
        match kept.last_mut() {
            Some((last, _, known)) if *last == stretch && crowded => {
                let before = *known;
                *known = before.into_iter().chain(number).reduce(f64::max);
            }
            _ => kept.push((stretch, at.clamp(from, to.max(from)), number)),
        }
    }
    kept.into_iter().map(|(_, at, number)| (at, number)).collect()
}

/// Which of so many equal stretches between two instants an instant is in.
#[must_use]
pub fn bucket(at: f64, from: f64, to: f64, stretches: usize) -> usize {
    let share = if to > from { ((at - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
    let stretch = (share * stretches as f64) as usize;
    stretch.min(stretches.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::page::Tone;

    fn band(from: u32, to: u32, tone: Tone) -> Band {
        let label = from.to_string();
        Band { from_ms: from.into(), to_ms: to.into(), says: label.clone(), label, tone }
    }

    #[test]
    fn few_bands_stay_as_they_are_but_for_their_ends() {
        let all = vec![band(0, 5, Tone::Good), band(5, 20, Tone::Bad), band(30, 40, Tone::Good)];
        let seen = bands(all, 2.0, 10.0);
        let ends: Vec<(f64, f64)> = seen.iter().map(|band| (band.from_ms, band.to_ms)).collect();
        assert_eq!(ends, [(2.0, 5.0), (5.0, 10.0)]);
    }

    #[test]
    fn many_bands_become_few_and_the_worst_of_them_shows() {
        let tone = |at: u32| if at == 777 { Tone::Bad } else { Tone::Good };
        let all: Vec<Band> = (0..100_000).map(|at| band(at, at + 1, tone(at))).collect();
        let seen = bands(all.clone(), 0.0, 100_000.0);
        assert!(seen.len() <= BANDS, "{}", seen.len());
        let bad: Vec<&Band> = seen.iter().filter(|band| band.tone == Tone::Bad).collect();
        let [bad] = bad.as_slice() else { panic!("{bad:?}") };
        assert!(bad.from_ms <= 777.0 && bad.to_ms >= 778.0 && bad.says.ends_with(": 777"), "{bad:?}");
        assert_eq!(seen, bands(all, 0.0, 100_000.0), "always in the same way");
    }

    #[test]
    fn the_largest_of_many_points_is_kept() {
        let number = |at: u32| Some(if at == 4_242 { 9.0 } else { 1.0 });
        let all: Vec<(f64, Option<f64>)> = (0..100_000).map(|at| (f64::from(at), number(at))).collect();
        let seen = points(&all, 0.0, 99_999.0);
        assert!(seen.len() <= BUCKETS + 2, "{}", seen.len());
        assert_eq!(seen.iter().filter(|(_, number)| *number == Some(9.0)).count(), 1);
        // what was so before the beginning still holds there, and the last one holds to the end
        let few = [(1.0, Some(5.0)), (8.0, Some(6.0)), (9.0, None)];
        assert_eq!(points(&few, 3.0, 7.0), [(3.0, Some(5.0)), (7.0, Some(6.0))]);
        assert_eq!(points(&few, 3.0, 20.0), [(3.0, Some(5.0)), (8.0, Some(6.0)), (9.0, None)]);
        assert_eq!(points(&[], 3.0, 7.0), []);
    }
}
