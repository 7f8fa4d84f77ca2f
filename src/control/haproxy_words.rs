//! What balancers are told about the servers of a host, in the words of HAProxy's runtime API.
//!
//! Theory: a session that HAProxy ends while it waits for its server connection never ends on HAProxy 3.0.10 and
//! 3.0.11: its client waits for ever. Therefore a server is drained first, nothing new waits for it then, and only
//! sessions that have their connection are ended, one by one. `on-marked-down shutdown-sessions` and `shutdown sessions
//! server` end both kinds, so presets with a repair controller use neither. Reduced in `scenarios/found`.

use crate::model::HostName;

/// Both ports.
const BACKEND_NAMES: [&str; 2] = ["rw", "ro"];

/// How the servers of a host are left once nobody waits for them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServersLeft {
    /// Down; the checks of a dead body agree.
    Down,
    /// In maintenance, out of reach of the checks, which a frozen body may still answer.
    Parked,
}

/// No new session of either port; those there are go on.
pub(super) fn drained_both(host: &HostName) -> Vec<String> {
    BACKEND_NAMES.iter().flat_map(|backend| drained(host, backend)).collect()
}

/// No new session of one port; those it has go on.
pub(super) fn drained(host: &HostName, backend: &str) -> Vec<String> {
    vec![format!("set server {backend}/{host} state drain")]
}

/// Drained servers are left so. A server that left its drain before it is down would be led to for a moment.
pub(super) fn left(host: &HostName, left: ServersLeft) -> Vec<String> {
    let words = |backend: &str| match left {
        ServersLeft::Down => vec![
            format!("set server {backend}/{host} health down"),
            format!("set server {backend}/{host} state ready"),
        ],
        ServersLeft::Parked => vec![format!("set server {backend}/{host} state maint")],
    };
    BACKEND_NAMES.into_iter().flat_map(words).collect()
}

/// Back to the checks, beginning down: HAProxy takes a server that leaves maintenance for up.
pub(super) fn left_to_checks(host: &HostName) -> Vec<String> {
    let words = BACKEND_NAMES.map(|backend| {
        [
            format!("set server {backend}/{host} state ready"),
            format!("set server {backend}/{host} health down"),
        ]
    });
    words.concat()
}

/// 5432 leads there; 5433 is left to the checks, which it passed before.
pub(super) fn open(host: &HostName) -> Vec<String> {
    vec![format!("set server rw/{host} state ready"), format!("set server rw/{host} health up")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balancers_are_told_in_their_own_words() {
        let host = HostName::new("h4").expect("a name");
        insta::assert_snapshot!(drained_both(&host).join("; "), @"set server rw/h4 state drain; set server ro/h4 state drain");
        insta::assert_snapshot!(left(&host, ServersLeft::Down).join("; "), @"set server rw/h4 health down; set server rw/h4 state ready; set server ro/h4 health down; set server ro/h4 state ready");
        insta::assert_snapshot!(left(&host, ServersLeft::Parked).join("; "), @"set server rw/h4 state maint; set server ro/h4 state maint");
        insta::assert_snapshot!(left_to_checks(&host).join("; "), @"set server rw/h4 state ready; set server rw/h4 health down; set server ro/h4 state ready; set server ro/h4 health down");
        insta::assert_snapshot!(drained(&host, "rw").join("; "), @"set server rw/h4 state drain");
        insta::assert_snapshot!(open(&host).join("; "), @"set server rw/h4 state ready; set server rw/h4 health up");
    }
}
