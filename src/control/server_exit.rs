//! Sessions leave a server: it is drained, sessions that have their connection are ended, those that wait for one run
//! into the end of their wait, and then the server is left down or parked. Why in this order: `haproxy_words`.

use std::sync::Arc;
use std::time::Duration;

use super::balancer::Balancer;
use super::haproxy_words::{self, ServersLeft};
use crate::engine::clock;
use crate::engine::haproxy::{AdminError, ServerSide, SessionSeen};
use crate::model::{HostName, Mono};

/// Pause before the second look at the sessions; each further one is twice as long …
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// A balancer that was not rid of its sessions by then is given up. A controller that was frozen meanwhile says nothing
/// more after it: another one may lead.
const GIVEN_UP: Duration = Duration::from_secs(10);

/// What is to be done about the sessions of a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NextExit {
    /// These are ended: they have their connection.
    pub(super) end: Vec<String>,
    /// So many wait for theirs, and must not be ended.
    pub(super) waiting: usize,
}

/// Sorts the sessions of a host.
pub(super) fn next(sessions: &[SessionSeen], host: &HostName) -> NextExit {
    let mut next = NextExit::default();
    for session in sessions.iter().filter(|session| session.host == *host) {
        match session.state {
            ServerSide::Established => next.end.push(session.id.clone()),
            ServerSide::Waits => next.waiting += 1,
            ServerSide::Closed => {}
        }
    }
    next
}

/// The exit of all sessions from the servers of a host, on one balancer.
pub(super) struct SessionExit {
    /// The balancer whose sessions leave.
    pub(super) balancer: Arc<Balancer>,
    /// Host of the servers.
    pub(super) host: HostName,
    /// The word this follows from.
    pub(super) turn: u64,
    /// How the servers are left.
    pub(super) left: ServersLeft,
    /// Whether the balancer has heard that it drains them.
    pub(super) drained: bool,
    /// Longest time in which a session waits for its connection.
    pub(super) patience: Duration,
}

impl SessionExit {
    /// Goes on until nothing is left, a newer word was begun, or it takes too long.
    pub(super) async fn see_out(mut self) {
        let began = clock::now();
        let (mut pause, mut done) = (FIRST_PAUSE, false);
        loop {
            match self.look(began, &mut done).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(balancer = %self.balancer.member, %error, "sessions were not ended");
                }
            }
            if clock::now().since(began) > GIVEN_UP {
                tracing::warn!(balancer = %self.balancer.member, host = %self.host, "sessions stay on a server that was left");
                return;
            }
            clock::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// One look and what follows from it; whether it was the last.
    async fn look(&mut self, began: Mono, done: &mut bool) -> Result<bool, AdminError> {
        let balancer = Arc::clone(&self.balancer);
        let _talking = balancer.turns.talk().await;
        if !balancer.turns.holds(&self.host, self.turn) || clock::now().since(began) > GIVEN_UP {
            return Ok(true);
        }
        if !self.drained {
            balancer.admin.say(&haproxy_words::drained_both(&self.host)).await?;
            self.drained = true;
        }
        let next = next(&balancer.admin.sessions().await?, &self.host);
        balancer.admin.end_sessions(&next.end).await?;
        let waited = clock::now().since(began) > self.patience;
        if !*done && (next.waiting == 0 || waited) {
            balancer.admin.say(&haproxy_words::left(&self.host, self.left)).await?;
            *done = true;
        }
        Ok(*done && next == NextExit::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::balancer::Turns;

    #[test]
    fn who_waits_for_a_connection_is_not_ended() {
        let host = HostName::new("h1").expect("a name");
        let session = |id: &str, host: &str, state| SessionSeen {
            id: id.to_owned(),
            backend: "rw".to_owned(),
            host: HostName::new(host).expect("a name"),
            state,
            expires: true,
        };
        let sessions = [
            session("0x1", "h1", ServerSide::Established),
            session("0x2", "h1", ServerSide::Waits),
            session("0x3", "h2", ServerSide::Established),
            session("0x4", "h1", ServerSide::Closed),
        ];
        assert_eq!(next(&sessions, &host), NextExit { end: vec!["0x1".to_owned()], waiting: 1 });
    }

    #[test]
    fn a_newer_word_makes_older_ones_void() {
        let (turns, one, other) = (Turns::default(), HostName::new("h1"), HostName::new("h2"));
        let (one, other) = (one.expect("a name"), other.expect("a name"));
        let first = turns.begin(&one);
        assert!(turns.holds(&one, first));
        turns.begin(&other);
        assert!(turns.holds(&one, first), "another host is another matter");
        turns.begin(&one);
        assert!(!turns.holds(&one, first));
    }
}
