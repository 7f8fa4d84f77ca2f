//! HAProxy's statistics over HTTP (`/;csv`): how one balancer sees its servers.
//!
//! Columns are found by the names in the header line, never by position: versions add columns.
//! Servers are named after the host that may carry a database, not after its member.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::clock;
use super::http::{self, HttpError};
use crate::model::HostName;
use crate::model::self_report::Work;
use crate::model::sighting::ServerSeen;

/// States of a port that takes no new sessions.
const SHUT: [&str; 2] = ["PAUSED", "STOP"];

/// Servers of one backend, by host.
pub type Servers = BTreeMap<HostName, ServerSeen>;

/// The statistics page of one balancer.
#[derive(Clone, Debug)]
pub struct Haproxy {
    url: String,
    http: reqwest::Client,
}

/// Both backends of one balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends {
    /// Behind 5432.
    pub rw: Servers,
    /// Behind 5433.
    pub ro: Servers,
    /// Sessions of both together.
    pub work: Work,
    /// Sessions that either takes at most; `None` when they differ.
    pub most: Option<u32>,
    /// Whether one of its ports takes no new sessions (HAProxy: `disable frontend`).
    pub shut: bool,
    /// Sessions of 5432 that no server has.
    pub unserved_rw: u32,
    /// The same of 5433.
    pub unserved_ro: u32,
}

impl Haproxy {
    /// The balancer whose statistics listen at `address`; each call ends after `limit`.
    #[must_use]
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { url: format!("http://{address}/;csv"), http: http::client(limit) }
    }

    /// Servers of the backends `rw` and `ro`.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn seen(&self) -> Result<Backends, HttpError> {
        let (status, body) = http::exchange(&self.url, self.http.get(&self.url)).await?;
        if status != 200 {
            return Err(http::unexpected(&self.url, status, &body));
        }
        parse(&body).map_err(|problem| HttpError::Shape { url: self.url.clone(), problem })
    }
}

/// The runtime API of one balancer (HAProxy: `stats socket … level admin`), over TCP.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    address: SocketAddr,
    limit: Duration,
}

/// Why a balancer did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No connection or no answer; what was sent may have been done.
    #[error("{0}: {1}")]
    NoAnswer(SocketAddr, String),
    /// It said so.
    #[error("HAProxy says: {0}")]
    Refused(String),
}

impl Admin {
    /// The balancer whose runtime API listens at `address`; each call ends after `limit`.
    #[must_use]
    pub const fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { address, limit }
    }

    /// Says several commands in one breath; the API answers a command that worked with an empty line.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn say(&self, commands: &[String]) -> Result<(), AdminError> {
        let answer = self.ask(&commands.join(";")).await?;
        let said: Vec<&str> = answer.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if said.is_empty() { Ok(()) } else { Err(AdminError::Refused(said.join("; "))) }
    }

    /// Every session of the backends `rw` and `ro` that has a server (HAProxy: `show sess`).
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn sessions(&self) -> Result<Vec<SessionSeen>, AdminError> {
        Ok(parse_sessions(&self.ask("show sess").await?))
    }

    /// Ends sessions by their ids (HAProxy: `shutdown session`). One that has ended meanwhile is no error.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn end_sessions(&self, ids: &[String]) -> Result<(), AdminError> {
        // a command line of HAProxy holds 16 KiB
        for ids in ids.chunks(200) {
            let commands: Vec<String> = ids.iter().map(|id| format!("shutdown session {id}")).collect();
            match self.say(&commands).await {
                Err(AdminError::Refused(said))
                    if said.split("; ").all(|one| one.contains("No such session")) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Sends one line and reads the whole answer.
    async fn ask(&self, line: &str) -> Result<String, AdminError> {
        let silent = |why: String| AdminError::NoAnswer(self.address, why);
        let talk = async {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            stream.write_all(format!("{line}\n").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = clock::timeout(self.limit, talk).await.map_err(|late| silent(late.to_string()))?;
        answer.map_err(|error| silent(error.to_string()))
    }
}

/// One session of a balancer with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeen {
    /// HAProxy's id of it, for `shutdown session`.
    pub id: String,
    /// `rw` or `ro`.
    pub backend: String,
    /// Host of the server.
    pub host: HostName,
    /// How far its server side is.
    pub state: ServerSide,
    /// HAProxy will wake up for it by itself (`exp=` has a time).
    pub expires: bool,
}

impl SessionSeen {
    /// The server side is closed and HAProxy never looks at it again: its client waits for ever. HAProxy 3.0.10 and
    /// 3.0.11 leave such sessions when they end one that waits for its server connection.
    #[must_use]
    pub fn frozen(&self) -> bool {
        self.state == ServerSide::Closed && !self.expires
    }
}

/// State of the server side of a session (HAProxy: `enum sc_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerSide {
    /// It waits for a connection: queued, connecting, or between two attempts.
    Waits,
    /// It has a connection.
    Established,
    /// It has none any more.
    Closed,
}

/// Reads the answer to `show sess`. Lines it does not know are left out: a busy balancer may cut one short.
#[must_use]
pub fn parse_sessions(answer: &str) -> Vec<SessionSeen> {
    answer.lines().filter_map(session).collect()
}

fn session(line: &str) -> Option<SessionSeen> {
    let (id, rest) = line.split_once(": ")?;
    let word = |key: &str| rest.split(' ').find_map(|word| word.strip_prefix(key));
    let backend = word("be=").filter(|backend| matches!(*backend, "rw" | "ro"))?;
    let state = word("scb=[")?.split(',').next()?.parse().ok()?;
    Some(SessionSeen {
        id: id.to_owned(),
        backend: backend.to_owned(),
        host: HostName::new(word("srv=")?).ok()?,
        // SC_ST_INI to SC_ST_CER, SC_ST_RDY and SC_ST_EST, SC_ST_DIS and SC_ST_CLO
        state: match state {
            0_u32..7 => ServerSide::Waits,
            7 | 8 => ServerSide::Established,
            _ => ServerSide::Closed,
        },
        expires: word("exp=").is_some_and(|expires| !expires.is_empty()),
    })
}

/// Reads the CSV of `show stat`.
///
/// # Errors
/// What does not fit, as a sentence.
pub fn parse(csv: &str) -> Result<Backends, String> {
    let mut lines = csv.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().ok_or("the statistics are empty")?;
    let names = fields(header.trim_start_matches('#').trim_start());
    let column = |wanted: &str| {
        names.iter().position(|name| name == wanted).ok_or_else(|| format!("there is no column `{wanted}`"))
    };
    let (proxy, server, status) = (column("pxname")?, column("svname")?, column("status")?);
    let (sessions, weight, queue) = (column("scur")?, column("weight")?, column("qcur")?);

    let limit = names.iter().position(|name| name == "slim");
    let mut limits = BTreeSet::new();

    let mut backends = Backends::default();
    let mut shut = false;
    // sessions of both ports, then of their servers
    let (mut all, mut served) = ([0_u32; 2], [0_u32; 2]);
    for line in lines {
        let row = fields(line);
        let cell = |at: usize| row.get(at).map_or("", String::as_str);
        let (port, servers, work) = match cell(proxy) {
            "rw" => (0, &mut backends.rw, &mut backends.work),
            "ro" => (1, &mut backends.ro, &mut backends.work),
            _ => continue,
        };
        let count = |at: usize| cell(at).parse().unwrap_or(0);
        match cell(server) {
            "FRONTEND" => {
                work.sessions += count(sessions);
                all[port] += count(sessions);
                shut |= SHUT.contains(&cell(status));
                limits.extend(limit.map(count));
                continue;
            }
            "BACKEND" => {
                work.waiting += count(queue);
                continue;
            }
            _ => {
                work.active += count(sessions);
                served[port] += count(sessions);
            }
        }
        let host = HostName::new(cell(server)).map_err(|e| e.to_string())?;
        let seen =
            ServerSeen { status: cell(status).to_owned(), sessions: count(sessions), weight: count(weight) };
        servers.insert(host, seen);
    }
    backends.shut = shut;
    [backends.unserved_rw, backends.unserved_ro] =
        [all[0].saturating_sub(served[0]), all[1].saturating_sub(served[1])];
    backends.most = limits.pop_first().filter(|_| limits.is_empty());
    Ok(backends)
}

/// One line of CSV; a field may be quoted, a quote inside it is doubled.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            _ => fields[last].push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Says one thing to one balancer that answers `answer`; what it was told, and what came of it.
    async fn told(answer: Option<&'static str>) -> (String, Result<(), AdminError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let admin = Admin::new(listener.local_addr().expect("an address"), Duration::from_millis(200));
        let balancer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody");
            let mut heard = vec![0; 200];
            let count = stream.read(&mut heard).await.expect("words");
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.expect("an answer"),
                None => std::future::pending().await,
            }
            String::from_utf8_lossy(&heard[..count]).into_owned()
        });
        let commands = ["set server rw/h1 health down", "shutdown sessions server rw/h1"].map(str::to_owned);
        let outcome = admin.say(&commands).await;
        if answer.is_none() {
            balancer.abort();
            return (String::new(), outcome);
        }
        (balancer.await.expect("no panic"), outcome)
    }

    #[tokio::test]
    async fn a_balancer_that_says_nothing_wrong_did_it() {
        let (heard, outcome) = told(Some("\n\n")).await;
        assert_eq!(heard, "set server rw/h1 health down;shutdown sessions server rw/h1\n");
        assert_eq!(outcome, Ok(()));
        let (_, outcome) = told(Some("No such server.\n\n")).await;
        assert_eq!(outcome, Err(AdminError::Refused("No such server.".to_owned())));
        let (_, outcome) = told(None).await;
        assert!(matches!(outcome, Err(AdminError::NoAnswer(..))), "{outcome:?}");
    }

    const CSV: &str = "# pxname,svname,qcur,qmax,scur,smax,slim,stot,status,weight,act,last_chk\n\
        rw,FRONTEND,,,3,9,2000,44,OPEN,,,\n\
        rw,h1,0,0,3,8,,40,UP,1,1,\"HTTP status, \"\"200\"\"\"\n\
        rw,h2,0,0,0,0,,0,DOWN,1,1,\n\
        rw,BACKEND,4,0,3,9,200,44,UP,1,1,\n\
        ro,h1,0,0,0,0,,0,MAINT,0,1,\n\
        ro,h2,0,0,2,2,,9,UP 1/2,5,1,\n\
        stats,FRONTEND,,,1,1,2000,7,OPEN,,,\n\n";

    #[test]
    fn servers_are_sorted_into_their_backends() {
        let seen = parse(CSV).expect("statistics");
        let host = |name: &str| HostName::new(name).expect("a name");
        assert_eq!(seen.rw.len(), 2);
        assert_eq!(seen.rw[&host("h1")], ServerSeen { status: "UP".into(), sessions: 3, weight: 1 });
        assert!(!seen.rw[&host("h2")].up());
        assert_eq!(
            (
                seen.most,
                parse(&CSV.replace("44,UP", "44,UP\nro,FRONTEND,,,0,0,500,0,OPEN,,,")).expect("it").most
            ),
            (Some(2000), None)
        );
        assert_eq!(seen.work, Work { sessions: 3, active: 5, waiting: 4 });
        assert_eq!((seen.unserved_rw, seen.unserved_ro), (0, 0));
        // a session of the port that no server has: held, or frozen
        let adrift = parse(&CSV.replace("rw,FRONTEND,,,3", "rw,FRONTEND,,,5")).expect("statistics");
        assert_eq!((adrift.unserved_rw, adrift.unserved_ro), (2, 0));
        assert_eq!(seen.ro[&host("h1")].status, "MAINT");
        assert_eq!(seen.ro[&host("h2")], ServerSeen { status: "UP 1/2".into(), sessions: 2, weight: 5 });
    }

    /// Answers of HAProxy 3.0.11 and 3.2.0, without the columns in which they are alike.
    const SESSIONS: &str = "\
        0x5555c177f1c0: proto=tcpv4 src=127.0.0.1:53474 fe=rw be=rw srv=h2 ts=00 age=39s rq[f=808000h,i=0,an=00h,ax=] scf=[8,14000h,fd=23,rex=,wex=] scb=[10,30005h,fd=-1,rex=,wex=] exp= rc=1 c_exp=\n\
        0x7feaa004af10: proto=tcpv4 src=127.0.0.1:52558 fe=rw be=rw srv=h1 ts=00 age=4s scf=[8,0h,fd=13,rex=30m,wex=] scb=[8,1h,fd=14,rex=,wex=] exp=29m59s rc=0 c_exp=\n\
        0x7feaa004b5c0: proto=tcpv4 src=127.0.0.1:52568 fe=ro be=ro srv=h1 ts=00 age=1s scf=[8,0h,fd=13,rex=,wex=] scb=[3,1h,fd=-1,rex=,wex=] exp=1s rc=1 c_exp=1s\n\
        0x7feaa004b5c1: proto=tcpv4 src=127.0.0.1:52569 fe=rw be=rw srv=<none> ts=00 age=1s scf=[8,0h,fd=13,rex=,wex=] scb=[0,1h,fd=-1,rex=,wex=] exp=1s rc=0 c_exp=\n\
        0x7feaa0108980: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 scf=[8,0h,fd=84,rex=10s,wex=] scb=[8,1h,fd=-1,rex=,wex=] exp=10s rc=0 c_exp=\n\n";

    #[test]
    fn sessions_say_where_they_go_and_how_far_they_are() {
        let seen = parse_sessions(SESSIONS);
        let short: Vec<_> = seen
            .iter()
            .map(|session| (session.backend.as_str(), session.host.as_str(), session.state, session.frozen()))
            .collect();
        assert_eq!(
            short,
            [
                ("rw", "h2", ServerSide::Closed, true),
                ("rw", "h1", ServerSide::Established, false),
                ("ro", "h1", ServerSide::Waits, false),
            ]
        );
        assert_eq!(seen[0].id, "0x5555c177f1c0");
        // a line that was cut short is no session
        assert!(parse_sessions(&SESSIONS[..100]).is_empty());
    }

    #[tokio::test]
    async fn a_session_that_has_ended_meanwhile_is_no_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let admin = Admin::new(listener.local_addr().expect("an address"), Duration::from_millis(200));
        let balancer = tokio::spawn(async move {
            for answer in ["No such session (use 'show sess').\n\n\n", "Permission denied\n\n"] {
                let (mut stream, _) = listener.accept().await.expect("somebody");
                let _ = stream.read(&mut [0; 200]).await.expect("words");
                stream.write_all(answer.as_bytes()).await.expect("an answer");
            }
        });
        let ids = ["0x1".to_owned(), "0x2".to_owned()];
        assert_eq!(admin.end_sessions(&ids).await, Ok(()));
        assert_eq!(admin.end_sessions(&ids).await, Err(AdminError::Refused("Permission denied".to_owned())));
        balancer.await.expect("no panic");
    }

    #[test]
    fn another_order_of_columns_reads_the_same() {
        let seen = parse("# weight,status,svname,qcur,scur,pxname\n7,DOWN,h9,,4,ro\n").expect("statistics");
        let server = seen.ro.values().next().expect("a server");
        assert_eq!((server.weight, server.sessions, server.status.as_str()), (7, 4, "DOWN"));
    }

    #[test]
    fn what_is_no_statistics_page_is_refused() {
        assert!(parse("").is_err());
        assert_eq!(parse("<html>\n").expect_err("no page"), "there is no column `pxname`");
    }

    #[test]
    fn quoted_fields_may_hold_commas_and_quotes() {
        assert_eq!(fields(r#"a,"b,""c""",d"#), ["a", "b,\"c\"", "d"]);
    }
}
