//! Which columns of the table of members fit into a width.

use super::scene::COLUMNS;

/// Space between two columns.
pub const SPACE: u16 = 2;
/// The column that takes what is left.
const LAST: usize = COLUMNS.len() - 1;
/// Fewer letters of the last column say nothing.
const LEAST: u16 = 12;
/// Columns that go where there is no room, the first one first: disk, timeline, memory, what it does, cores, lag.
const GO: [usize; 6] = [7, 3, 6, LAST, 5, 4];

/// Columns that are shown, each with its width; `widths` are those of their longest cells, 0 for an empty column.
pub fn columns(width: u16, widths: &[u16; COLUMNS.len()]) -> Vec<(usize, u16)> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).filter(|column| widths[*column] > 0).collect();
    let least = |column: usize| if column == LAST { widths[column].min(LEAST) } else { widths[column] };
    let mut go = GO.into_iter();
    loop {
        let spaces = SPACE * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
        let needed = shown.iter().map(|column| least(*column)).sum::<u16>() + spaces;
        if needed <= width {
            break;
        }
        let Some(column) = go.next() else { break };
        shown.retain(|known| *known != column);
    }
    let spaces = SPACE * u16::try_from(shown.len().saturating_sub(1)).unwrap_or(0);
    let others: u16 = shown.iter().filter(|column| **column != LAST).map(|column| widths[*column]).sum();
    let left = width.saturating_sub(others + spaces);
    shown.into_iter().map(|column| (column, if column == LAST { left } else { widths[column] })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: [u16; COLUMNS.len()] = [4, 11, 8, 2, 8, 9, 12, 12, 40];

    fn shown(width: u16) -> Vec<&'static str> {
        columns(width, &WIDTHS).into_iter().map(|(column, _)| COLUMNS[column]).collect()
    }

    #[test]
    fn columns_go_one_after_the_other_as_a_screen_gets_narrower() {
        assert_eq!(shown(140).len(), COLUMNS.len());
        assert_eq!(shown(90), ["HOST", "MEMBER", "ROLE", "TL", "LAG", "CORES", "MEMORY", "NOW"]);
        assert_eq!(shown(70), ["HOST", "MEMBER", "ROLE", "LAG", "CORES", "NOW"]);
        assert_eq!(shown(40), ["HOST", "MEMBER", "ROLE", "LAG"]);
        assert_eq!(shown(5), ["HOST", "MEMBER", "ROLE"], "what is too narrow is cut");
    }

    #[test]
    fn the_last_column_takes_what_is_left_and_empty_ones_are_not_there() {
        let mut widths = WIDTHS;
        widths[7] = 0;
        let wide = columns(120, &widths);
        assert!(wide.iter().all(|(column, _)| *column != 7));
        assert_eq!(wide.last(), Some(&(LAST, 120 - 54 - 14)));
    }
}
