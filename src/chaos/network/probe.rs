//! Does a packet come through? A connection attempt from one sandbox to another: an accepted or a
//! refused one is an answer, nothing within the limit is silence. Every host is such a port: where
//! nobody listens, its kernel refuses.

use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

/// A port where nobody listens: discard.
pub const CLOSED: u16 = 9;
/// Silence begins here: many times a round trip inside one machine.
pub const SILENCE_BEGINS: Duration = Duration::from_millis(300);
/// How long an answer is waited for where one must come: a machine that is busy answers late, and no
/// time is lost where it does not.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// What one attempt said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// To whom.
    pub to: Ipv4Addr,
    /// To which port.
    pub port: u16,
    /// Whether anything came back.
    pub answered: bool,
    /// How long that took.
    pub took: Duration,
}

/// A bash script that tries every one at the same time and prints a line for each.
#[must_use]
pub fn script(whom: &[(Ipv4Addr, u16)], limit: Duration) -> String {
    let mut text = String::from(
        r#"probe() {
  local began=$EPOCHREALTIME ended code said
  said=$(timeout "$3" bash -c "exec 3<>/dev/tcp/$1/$2" 2>&1); code=$?
  ended=$EPOCHREALTIME
  case "$code:$said" in 0:*|*refused*) said=answered;; *) said=silent;; esac
  echo "probe $1 $2 $said $(( ${ended/./} - ${began/./} ))"
}
"#,
    );
    for (to, port) in whom {
        // writing to a text cannot fail
        let _ = writeln!(text, "probe {to} {port} {:.3} &", limit.as_secs_f64());
    }
    text.push_str("wait\n");
    text
}

/// What the script printed; lines of others are left out.
#[must_use]
pub fn read(printed: &str) -> Vec<ProbeAnswer> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["probe", to, port, said, took] = words.as_slice() else { return None };
        Some(ProbeAnswer {
            to: to.parse().ok()?,
            port: port.parse().ok()?,
            answered: *said == "answered",
            took: Duration::from_micros(took.parse().ok()?),
        })
    };
    printed.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_is_read_and_nothing_else() {
        let printed = "PGHA-1\nprobe 198.18.0.11 9 answered 1500\nprobe 198.18.0.12 9 silent 300100\nprobe x 9 silent 1\n";
        let read = read(printed);
        assert_eq!(read.len(), 2);
        assert!(read[0].answered && !read[1].answered);
        assert_eq!(read[0].took, Duration::from_micros(1500));
        assert_eq!(read[1].to, Ipv4Addr::new(198, 18, 0, 12));
    }

    #[test]
    fn every_one_is_tried_at_once() {
        let script = script(&[(Ipv4Addr::LOCALHOST, CLOSED), (Ipv4Addr::LOCALHOST, 5432)], SILENCE_BEGINS);
        assert!(
            script.ends_with("probe 127.0.0.1 9 0.300 &\nprobe 127.0.0.1 5432 0.300 &\nwait\n"),
            "{script}"
        );
    }
}
