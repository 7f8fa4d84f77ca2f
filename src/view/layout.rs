//! Which part of a scene gets how many lines of a screen.
//!
//! Rule: who is where comes first, then loads, then what is on, then the past. What does not fit is left out from the end;
//! before that, gaps go, and members share the line of their host.

/// Lines that are wanted, with headings; 0 for a part that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Lines for members, one each.
    pub members: u16,
    /// Lines for hosts, one each.
    pub hosts: u16,
    /// Lines for loads.
    pub loads: u16,
    /// Lines for what is on now.
    pub now: u16,
    /// Lines for what happened.
    pub log: u16,
}

/// How many lines each part is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Members share the line of their host.
    pub by_host: bool,
    /// An empty line before every part.
    pub gaps: bool,
    /// Lines for members, or for hosts where those are too many.
    pub table: u16,
    /// Lines for loads.
    pub loads: u16,
    /// Lines for what is on now.
    pub now: u16,
    /// Lines for what happened.
    pub log: u16,
}

/// Lines of the past that a screen shows at least while everything else has its place: a heading and three.
const PAST: u16 = 4;

/// Shares the lines of a terminal among the parts of the view.
pub fn share(lines: u16, wants: &Wants) -> Given {
    let past = wants.log.min(PAST);
    let parts = [wants.members.max(wants.hosts), wants.loads, wants.now, wants.log];
    let gaps = parts.into_iter().filter(|part| *part > 0).count();
    let gaps = u16::try_from(gaps).unwrap_or(u16::MAX);
    for (by_host, with_gaps) in [(false, true), (false, false), (true, true), (true, false)] {
        let table = if by_host { wants.hosts } else { wants.members };
        let rest = wants.loads + wants.now + if with_gaps { gaps } else { 0 };
        if table + rest + past <= lines {
            let log = wants.log.min(lines - table - rest);
            return Given { by_host, gaps: with_gaps, table, loads: wants.loads, now: wants.now, log };
        }
    }
    let mut left = lines;
    let mut take = |wanted: u16| {
        let given = wanted.min(left);
        left -= given;
        given
    };
    let (table, loads, now) = (take(wants.hosts), take(wants.loads), take(wants.now));
    Given { by_host: true, gaps: false, table, loads, now, log: take(wants.log) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants = Wants { members: 16, hosts: 9, loads: 3, now: 4, log: 50 };

    #[test]
    fn a_large_screen_shows_all_and_the_rest_is_the_past() {
        let given = share(60, &WANTS);
        assert_eq!(
            (given.by_host, given.gaps, given.table, given.log),
            (false, true, 16, 60 - 16 - 3 - 4 - 4)
        );
    }

    #[test]
    fn gaps_go_first_and_then_members_share_a_line() {
        assert_eq!(
            share(30, &WANTS),
            Given { by_host: false, gaps: false, table: 16, loads: 3, now: 4, log: 7 }
        );
        let small = share(22, &WANTS);
        assert_eq!((small.by_host, small.table, small.now), (true, 9, 4));
    }

    #[test]
    fn no_screen_gets_more_lines_than_it_has() {
        for lines in 0..80 {
            let given = share(lines, &WANTS);
            let gaps = if given.gaps { 4 } else { 0 };
            assert!(given.table + given.loads + given.now + given.log + gaps <= lines, "{lines}: {given:?}");
        }
        assert_eq!(
            share(10, &WANTS),
            Given { by_host: true, gaps: false, table: 9, loads: 1, now: 0, log: 0 }
        );
    }
}
