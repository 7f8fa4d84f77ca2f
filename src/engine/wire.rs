//! PostgreSQL's protocol (<https://www.postgresql.org/docs/17/protocol-flow.html>) on one socket,
//! without a task beside it: for the load generator, which must cost less than what it measures.
//!
//! Three things are seen here that a client library hides: the instant at which the bytes of a
//! commit were handed to the kernel, the command tag (`ROLLBACK` in answer to `COMMIT`), and the
//! notices before an answer. Requests are queued, sent in one write, and answered in their order;
//! an exchange ends with `ReadyForQuery`, because an autocommit statement is complete before it is
//! committed. Parameters are integers, values come back as text.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{DataRowBody, ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::fallible_iterator::FallibleIterator;

use super::postgres::{Broken, is_local_commit, within};
use crate::model::plan::Credentials;

/// One connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    input: BytesMut,
    output: BytesMut,
    local_commits: u64,
    in_transaction: bool,
    told: ServerReport,
}

/// Whether a connection asks for SSL before it says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ssl {
    /// No question: the first packet is the startup message.
    Unasked,
    /// As libpq with `sslmode=prefer`, its default: one round trip more, and where the server offers
    /// none, the connection goes on in plain text.
    Preferred,
}

/// What a server reports of itself while a session begins, from PostgreSQL 14 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// `default_transaction_read_only`.
    pub read_only: Option<bool>,
    /// `in_hot_standby`.
    pub standby: Option<bool>,
}

/// What one exchange was answered.
#[derive(Debug, Default)]
pub struct WireReply {
    /// What came back, in order.
    pub rows: Vec<WireRow>,
    /// The last command's tag, `UPDATE 1`.
    pub tag: String,
}

/// Columns of one answer, as text.
pub struct WireRow(DataRowBody);

impl std::fmt::Debug for WireRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} bytes)", self.0.buffer().len())
    }
}

impl WireRow {
    /// Column `at` as text; `None` when it is null, is not there, or is no text.
    #[must_use]
    pub fn text(&self, at: usize) -> Option<&str> {
        let range = self.0.ranges().nth(at).ok()??;
        std::str::from_utf8(self.0.buffer().get(range?)?).ok()
    }

    /// Column `at` as an integer.
    #[must_use]
    pub fn number<N: std::str::FromStr>(&self, at: usize) -> Option<N> {
        self.text(at)?.parse().ok()
    }
}

impl WireReply {
    /// The first row.
    #[must_use]
    pub fn first(&self) -> Option<&WireRow> {
        self.rows.first()
    }
}

impl Wire {
    /// Connects, with Nagle's delay off; `limit` covers everything up to the first `ReadyForQuery`.
    /// `application` is what `pg_stat_activity` shows.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn connect(
        address: SocketAddr,
        who: &Credentials,
        application: &str,
        limit: Duration,
    ) -> Result<Self, Broken> {
        within(Some(limit), async {
            let mut wire = Self::reach(address).await?;
            wire.log_in(who, application, Ssl::Unasked).await?;
            Ok(wire)
        })
        .await
    }

    /// Whether the server at `address` takes a connection: who comes says its name, is asked for a proof of it, and leaves.
    /// A new process of the server must answer for that, and nobody computes the proof, which costs both sides thousands
    /// of rounds of a hash. `limit` covers all of it.
    ///
    /// # Errors
    /// [`Broken`]; [`Broken::Sql`] where it sends everybody away.
    pub async fn knock(
        address: SocketAddr,
        who: &Credentials,
        application: &str,
        limit: Duration,
    ) -> Result<(), Broken> {
        within(Some(limit), async {
            let mut wire = Self::reach(address).await?;
            wire.say_who(who, application).await?;
            loop {
                match wire.receive().await? {
                    Message::ErrorResponse(body) => return Err(told(body.fields())),
                    Message::NoticeResponse(_) => {}
                    // a proof of one kind or another, or none
                    _ => return Ok(()),
                }
            }
        })
        .await
    }

    /// A socket to `address` and nothing said on it yet, with Nagle's delay off.
    ///
    /// # Errors
    /// [`Broken`].
    pub async fn reach(address: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await.map_err(|e| Broken::from(&e))?;
        stream.set_nodelay(true).map_err(|e| Broken::from(&e))?;
        let (input, output) = (BytesMut::with_capacity(8192), BytesMut::with_capacity(1024));
        let told = ServerReport::default();
        Ok(Self { stream, input, output, local_commits: 0, in_transaction: false, told })
    }

    /// Begins the session, up to the first `ReadyForQuery`.
    ///
    /// # Errors
    /// [`Broken`]; also when the server takes up the offer of SSL, which is not spoken here.
    pub async fn log_in(&mut self, who: &Credentials, application: &str, ssl: Ssl) -> Result<(), Broken> {
        if ssl == Ssl::Preferred {
            self.ask_for_ssl().await?;
        }
        self.start_up(who, application).await
    }

    /// What the server reported of itself.
    #[must_use]
    pub const fn told(&self) -> ServerReport {
        self.told
    }

    /// The `SSLRequest` and its answer of one byte.
    async fn ask_for_ssl(&mut self) -> Result<(), Broken> {
        frontend::ssl_request(&mut self.output);
        self.send().await?;
        match self.stream.read_u8().await.map_err(|e| Broken::from(&e))? {
            b'N' => Ok(()),
            b'S' => Err(odd("it offers SSL, which a load does not speak")),
            // an error instead of an answer has the form of every other message
            b'E' => {
                self.input.put_u8(b'E');
                match self.receive().await? {
                    Message::ErrorResponse(body) => Err(told(body.fields())),
                    _ => Err(odd("neither yes nor no to SSL")),
                }
            }
            _ => Err(odd("neither yes nor no to SSL")),
        }
    }

    /// The startup message.
    async fn say_who(&mut self, who: &Credentials, application: &str) -> Result<(), Broken> {
        let parameters = [
            ("user", who.user.as_str()),
            ("database", who.database.as_str()),
            ("application_name", application),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(parameters, &mut self.output).map_err(|e| Broken::from(&e))?;
        self.send().await
    }

    async fn start_up(&mut self, who: &Credentials, application: &str) -> Result<(), Broken> {
        self.say_who(who, application).await?;
        let mut scram = ScramSha256::new(who.password.as_bytes(), ChannelBinding::unsupported());
        loop {
            match self.receive().await? {
                Message::AuthenticationSasl(_) => {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut self.output)
                        .map_err(|e| Broken::from(&e))?;
                    self.send().await?;
                }
                Message::AuthenticationSaslContinue(body) => {
                    scram.update(body.data()).map_err(|e| Broken::from(&e))?;
                    frontend::sasl_response(scram.message(), &mut self.output)
                        .map_err(|e| Broken::from(&e))?;
                    self.send().await?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.finish(body.data()).map_err(|e| Broken::from(&e))?;
                }
                Message::ParameterStatus(body) => {
                    let on = body.value().ok().map(|value| value == "on");
                    match body.name() {
                        Ok("default_transaction_read_only") => self.told.read_only = on,
                        Ok("in_hot_standby") => self.told.standby = on,
                        _ => {}
                    }
                }
                Message::AuthenticationOk | Message::BackendKeyData(_) | Message::NoticeResponse(_) => {}
                Message::ErrorResponse(body) => return Err(told(body.fields())),
                Message::ReadyForQuery(_) => return Ok(()),
                _ => return Err(odd("it asks for a way to log in that is not SCRAM")),
            }
        }
    }

    /// Queues the preparation of a statement under a name.
    ///
    /// # Errors
    /// When the text holds a zero byte.
    pub fn queue_prepare(&mut self, name: &str, text: &str) -> Result<(), Broken> {
        frontend::parse(name, text, [], &mut self.output).map_err(|e| Broken::from(&e))
    }

    /// Queues one execution of a prepared statement.
    ///
    /// # Errors
    /// When the name holds a zero byte.
    pub fn queue(&mut self, name: &str, parameters: &[i64]) -> Result<(), Broken> {
        let text = |parameter: &i64, out: &mut BytesMut| {
            let _never = write!(out, "{parameter}");
            Ok(IsNull::No)
        };
        frontend::bind("", name, [], parameters, text, [], &mut self.output)
            .map_err(|_| odd("a request that cannot be encoded"))?;
        frontend::execute("", 0, &mut self.output).map_err(|e| Broken::from(&e))
    }

    /// Queues the end of an exchange: what was queued since the last one is answered together, and
    /// committed unless a transaction is open.
    pub fn queue_sync(&mut self) {
        frontend::sync(&mut self.output);
    }

    /// Queues a text of one or several statements, in one transaction when it opens none itself; an
    /// exchange of its own.
    ///
    /// # Errors
    /// When the text holds a zero byte.
    pub fn queue_text(&mut self, text: &str) -> Result<(), Broken> {
        frontend::query(text, &mut self.output).map_err(|e| Broken::from(&e))
    }

    /// Sends what was queued.
    ///
    /// # Errors
    /// [`Broken`]; any part of it may have been sent.
    pub async fn send(&mut self) -> Result<(), Broken> {
        let sent = self.stream.write_all(&self.output).await;
        self.output.clear();
        sent.map_err(|e| Broken::from(&e))
    }

    /// Takes in one exchange to its `ReadyForQuery`.
    ///
    /// # Errors
    /// [`Broken`]; after one that is not [`Broken::Sql`] the connection is of no use, and after one
    /// that is, [`Wire::is_closed`] tells.
    pub async fn answer(&mut self) -> Result<WireReply, Broken> {
        let mut reply = WireReply::default();
        let mut failed = None;
        loop {
            let message = match (self.receive().await, failed.take()) {
                (Ok(message), earlier) => {
                    failed = earlier;
                    message
                }
                // what PostgreSQL said before it hung up says more than the end of the line
                (Err(_), Some(earlier)) => return Err(earlier),
                (Err(broken), None) => return Err(broken),
            };
            match message {
                Message::DataRow(row) => reply.rows.push(WireRow(row)),
                Message::CommandComplete(body) => {
                    let tag = body.tag().map_err(|e| Broken::from(&e))?;
                    tag.clone_into(&mut reply.tag);
                }
                Message::ErrorResponse(body) => failed = Some(told(body.fields())),
                Message::NoticeResponse(body) => {
                    if let Broken::Sql { state, message } = told(body.fields())
                        && is_local_commit(&state, &message)
                    {
                        self.local_commits += 1;
                    }
                }
                Message::ReadyForQuery(body) => {
                    self.in_transaction = body.status() != b'I';
                    return failed.map_or(Ok(reply), Err);
                }
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    return Err(odd("COPY in a load is not spoken here"));
                }
                _ => {}
            }
        }
    }

    /// How many commits on this connection were acknowledged by the primary alone, because a wait
    /// for synchronous replication was cancelled (WARNING 01000).
    #[must_use]
    pub const fn local_commits(&self) -> u64 {
        self.local_commits
    }

    /// Whether a transaction was open at the end of the last exchange.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Whether the other side is known to have ended the connection; asked between exchanges, when
    /// nothing but the end, or a word about it, can be waiting.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => true,
            Ok(_) => self.has_ended(),
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    /// Whether what waits between exchanges is an error: whatever it is, it ends the connection.
    fn has_ended(&mut self) -> bool {
        loop {
            match Message::parse(&mut self.input) {
                Ok(Some(Message::ErrorResponse(_))) | Err(_) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
            }
        }
    }

    async fn receive(&mut self) -> Result<Message, Broken> {
        loop {
            if let Some(message) = Message::parse(&mut self.input).map_err(|e| odd(&e.to_string()))? {
                return Ok(message);
            }
            if self.input.remaining_mut() == 0 || self.input.capacity() - self.input.len() < 1024 {
                self.input.reserve(8192);
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) => return Err(Broken::Eof),
                Ok(_) => {}
                Err(error) => return Err(Broken::from(&error)),
            }
        }
    }
}

fn odd(what: &str) -> Broken {
    Broken::Other(format!("the answer is not understood: {what}"))
}

/// What an error or a notice says.
fn told(mut fields: ErrorFields<'_>) -> Broken {
    let (mut state, mut message) = (String::new(), String::new());
    while let Ok(Some(field)) = fields.next() {
        let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => state = text(),
            b'M' => message = text(),
            _ => {}
        }
    }
    Broken::Sql { state, message }
}
