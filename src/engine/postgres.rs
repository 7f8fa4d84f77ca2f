//! One connection to PostgreSQL, driven by hand: no pool, nothing hidden.
//!
//! The driver of a connection is a task of ours because two things reach it and no query: notices
//! (a cancelled wait for synchronous replication is one) and the reason a connection ended. The
//! driver notes both before the query that caused them gets its answer, so whoever reads them after
//! the answer reads the right ones.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use super::clock;
use crate::engine::locked::Locked;
use crate::model::Lsn;
use crate::model::plan::Credentials;
use crate::model::sighting::SqlSeen;

/// How a connection or a query came to grief.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The host answered that nobody listens.
    #[error("connection refused")]
    Refused,
    /// No way to the host.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The other side ended the connection without a word.
    #[error("connection closed by the other side")]
    Eof,
    /// The connection was torn down.
    #[error("connection reset: {0}")]
    Reset(String),
    /// It is not the kind of server that was asked for.
    #[error("not the server that was asked for: {0}")]
    WrongServer(String),
    /// PostgreSQL said so.
    #[error("{message} (SQLSTATE {state})")]
    Sql {
        /// SQLSTATE, five characters.
        state: String,
        /// PostgreSQL's message.
        message: String,
    },
    /// Anything else, for example an answer that breaks the protocol.
    #[error("{0}")]
    Other(String),
}

impl Broken {
    /// The SQLSTATE, when PostgreSQL gave one.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        match self {
            Self::Sql { state, .. } => Some(state),
            _ => None,
        }
    }
}

impl From<&io::Error> for Broken {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable(error.to_string()),
            io::ErrorKind::UnexpectedEof => Self::Eof,
            // timed out: the kernel gave up on retransmissions
            io::ErrorKind::TimedOut
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::Reset(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl From<&tokio_postgres::Error> for Broken {
    fn from(error: &tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::Sql { state: db.code().code().to_owned(), message: db.message().to_owned() };
        }
        if error.is_closed() {
            return Self::Eof;
        }
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Self::from(io);
            }
            cause = inner.source();
        }
        Self::Other(error.to_string())
    }
}

/// Gives `work` at most `limit`; without one it may take for ever.
///
/// # Errors
/// [`Broken`], [`Broken::Timeout`] when the limit ran out first.
pub async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    match limit {
        Some(limit) => clock::timeout(limit, work).await.unwrap_or(Err(Broken::Timeout(limit))),
        None => work.await,
    }
}

/// What the driver of a connection noted.
#[derive(Debug, Default)]
struct Noted {
    local_commits: AtomicU64,
    ended: Locked<Option<Broken>>,
    over: Notify,
}

/// One connection and the task that drives it. Dropped, the socket is closed at once, whatever is
/// still on its way: a query that hangs must not keep a connection alive.
#[derive(Debug)]
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    noted: Arc<Noted>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
        // whoever waits for its end waits no longer
        self.noted.ended.lock().get_or_insert(Broken::Eof);
        self.noted.over.notify_waiters();
    }
}

impl Session {
    /// Connects to `address` with Nagle's delay off; `limit` covers everything up to the first
    /// `ReadyForQuery`. `application` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn connect(
        address: SocketAddr,
        who: &Credentials,
        application: &str,
        limit: Duration,
    ) -> Result<Self, Broken> {
        let connecting = async {
            let stream = TcpStream::connect(address).await.map_err(|e| Broken::from(&e))?;
            stream.set_nodelay(true).map_err(|e| Broken::from(&e))?;
            let mut config = Config::new();
            config
                .user(&who.user)
                .password(&who.password)
                .dbname(&who.database)
                .application_name(application);
            config.connect_raw(stream, NoTls).await.map_err(|e| Broken::from(&e))
        };
        let (client, mut connection) =
            clock::timeout(limit, connecting).await.map_err(|_| Broken::Timeout(limit))??;

        let noted = Arc::new(Noted::default());
        let driven = Arc::clone(&noted);
        let task = tokio::spawn(async move {
            let ended = loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        if is_local_commit(notice.code().code(), notice.message()) {
                            driven.local_commits.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break Broken::from(&error),
                    None => break Broken::Eof,
                }
            };
            // before the connection is dropped: only then do waiting queries learn of the end
            *driven.ended.lock() = Some(ended);
            drop(connection);
            driven.over.notify_waiters();
        });
        Ok(Self { client, driver: task, noted })
    }

    /// For queries.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the connection is known to have ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// What becomes ready when the connection ends; ask for it before the last look at whether it has.
    pub fn over(&self) -> impl Future<Output = ()> + Send + use<> {
        let noted = Arc::clone(&self.noted);
        async move {
            let over = noted.over.notified();
            if noted.ended.lock().is_none() {
                over.await;
            }
        }
    }

    /// How many commits on this connection were acknowledged by the primary alone, because a wait
    /// for synchronous replication was cancelled (WARNING 01000).
    #[must_use]
    pub fn local_commits(&self) -> u64 {
        self.noted.local_commits.load(Ordering::SeqCst)
    }

    /// Why a query failed; a bare "closed" is replaced by what the driver knows of the end.
    #[must_use]
    pub fn explain(&self, error: &tokio_postgres::Error) -> Broken {
        let broken = Broken::from(error);
        if broken != Broken::Eof {
            return broken;
        }
        let ended = self.noted.ended.lock();
        ended.clone().unwrap_or(Broken::Eof)
    }
}

/// Whether a notice says that a commit was not waited for by its synchronous standbys.
#[must_use]
pub fn is_local_commit(state: &str, message: &str) -> bool {
    state == "01000" && message.starts_with("canceling wait for synchronous replication")
}

/// SQL for the timeline a primary writes; an error on a replica.
pub const PRIMARY_TIMELINE: &str =
    "('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int";

const SEEN: &str = "select pg_is_in_recovery(),
  case when pg_is_in_recovery()
    then coalesce((select received_tli from pg_stat_wal_receiver), (select timeline_id from pg_control_checkpoint()))
    else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int end,
  (select system_identifier::text from pg_control_system()),
  case when pg_is_in_recovery() then coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    else pg_current_wal_lsn() end::text,
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn() end::text,
  coalesce((select array_agg(application_name::text order by application_name) from pg_stat_replication
    where state = 'streaming' and application_name <> 'pg_basebackup'), '{}'),
  coalesce((select array_agg(application_name::text order by application_name) from pg_stat_replication
    where state = 'streaming' and sync_state in ('sync', 'quorum')), '{}'),
  coalesce((select json_object_agg(application_name, backends)::text from (select application_name, count(*) backends
    from pg_stat_activity where backend_type = 'client backend' and application_name <> '' group by 1) activity), '{}')";

/// What an instance says of itself; needs a superuser for the view of the WAL receiver. `writable`
/// stays open: only a write can tell.
///
/// # Errors
/// [`Broken`]; also when the instance was promoted between two parts of the question.
pub async fn sql_seen(session: &Session, limit: Duration) -> Result<SqlSeen, Broken> {
    let asked = clock::timeout(limit, session.client().query_one(SEEN, &[])).await;
    let row = asked.map_err(|_| Broken::Timeout(limit))?.map_err(|e| session.explain(&e))?;
    let odd = |e: tokio_postgres::Error| Broken::Other(e.to_string());
    let lsn = |at: usize| -> Result<Option<Lsn>, Broken> {
        Ok(row.try_get::<_, Option<&str>>(at).map_err(odd)?.and_then(|text| text.parse().ok()))
    };
    Ok(SqlSeen {
        in_recovery: row.try_get(0).map_err(odd)?,
        writable: None,
        timeline: row.try_get::<_, Option<i32>>(1).map_err(odd)?.and_then(|tl| u32::try_from(tl).ok()),
        system_identifier: row.try_get(2).map_err(odd)?,
        lsn: lsn(3)?,
        replayed: lsn(4)?,
        streaming: row.try_get(5).map_err(odd)?,
        sync: row.try_get(6).map_err(odd)?,
        backends: serde_json::from_str(row.try_get(7).map_err(odd)?)
            .map_err(|e| Broken::Other(e.to_string()))?,
    })
}

/// A name as SQL wants it between double quotes.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL wants it between single quotes, for the few statements that take no parameters.
#[must_use]
pub fn quoted_text(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn who() -> Credentials {
        Credentials { user: "pgha".into(), password: "s3cret".into(), database: "pgha".into() }
    }

    #[test]
    fn a_password_never_shows() {
        assert!(!format!("{:?}", who()).contains("s3cret"));
    }

    #[test]
    fn io_errors_keep_what_decides_their_class() {
        for (kind, wanted) in [
            (io::ErrorKind::ConnectionRefused, "refused"),
            (io::ErrorKind::HostUnreachable, "unreachable"),
            (io::ErrorKind::ConnectionReset, "reset"),
            (io::ErrorKind::BrokenPipe, "reset"),
            (io::ErrorKind::UnexpectedEof, "closed by"),
        ] {
            let text = Broken::from(&io::Error::from(kind)).to_string();
            assert!(text.contains(wanted), "{kind:?}: {text}");
        }
    }

    #[test]
    fn only_the_cancelled_wait_makes_a_commit_local() {
        assert!(is_local_commit("01000", "canceling wait for synchronous replication due to user request"));
        assert!(!is_local_commit("01000", "something else"));
        assert!(!is_local_commit("57014", "canceling wait for synchronous replication due to user request"));
    }

    #[test]
    fn quoting_leaves_no_way_out() {
        assert_eq!(quoted_name("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_text("a'b\\"), "E'a''b\\\\'");
    }

    #[tokio::test]
    async fn nobody_listening_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let broken = Session::connect(address, &who(), "test", LIMIT).await.expect_err("nobody is there");
        assert_eq!(broken, Broken::Refused);
    }

    #[tokio::test]
    async fn a_balancer_without_servers_is_an_end_of_file() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let balancer = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut startup = [0_u8; 512];
            // the startup packet is read, or closing would be a reset
            let _read = socket.read(&mut startup).await;
        });
        let broken = Session::connect(address, &who(), "test", LIMIT).await.expect_err("it hangs up");
        balancer.await.expect("no panic");
        assert_eq!(broken, Broken::Eof);
    }

    #[tokio::test]
    async fn silence_is_a_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let limit = Duration::from_millis(20);
        let broken = Session::connect(address, &who(), "test", limit).await.expect_err("it says nothing");
        assert_eq!(broken, Broken::Timeout(limit));
    }
}
