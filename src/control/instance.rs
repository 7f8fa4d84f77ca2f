//! One PostgreSQL member as a controller sees it from outside: it is knocked at every second (a frozen postmaster answers
//! nobody new), Patroni's word beside it, and one connection held open, because its end is the first sign of a death and
//! it tells soonest who takes writes.
//!
//! Theory: a login costs thousands of rounds of a hash, and a knock proves as much: a new process of the server answered.
//! While the connection that is held answers at once, a knock and a question over it say what a login would. In any doubt
//! the instance is logged in to. A replica that waits for its turn asks less often, and at once when it has it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, Weak};
use std::time::Duration;

use futures_util::future::join;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_postgres::SimpleQueryMessage;

use super::leadership::{self, Leading};
use crate::decide::repair::{ConnectionReply, DiskSeen, HeldConnection, InstanceSeen, RestReply, SqlReply};
use crate::engine::clock;
use crate::engine::http::HttpError;
use crate::engine::locked::Locked;
use crate::engine::patroni::PatroniClient;
use crate::engine::postgres::{Broken, Session};
use crate::engine::wire::Wire;
use crate::model::Mono;
use crate::model::plan::{Credentials, PostgresPorts};

/// What `pg_stat_activity` shows of a controller.
const APPLICATION: &str = "pgha-controller";
/// What PostgreSQL counted (PostgreSQL, "The Cumulative Statistics System": `pg_stat_database`).
const FAILURES: &str = "select coalesce(sum(checksum_failures), 0) from pg_stat_database";
/// Slots for which WAL was kept that is gone (PostgreSQL: `pg_replication_slots`): who reads through one cannot go on.
const LOST: &str =
    "select coalesce(string_agg(slot_name, ' '), '') from pg_replication_slots where wal_status = 'lost'";
/// Bytes of base backups that it sends (PostgreSQL: `pg_stat_progress_basebackup`); -1: it sends none.
const SENT: &str = "select coalesce(sum(backup_streamed), -1) from pg_stat_progress_basebackup";
/// Longest wait for an answer over a new connection. A machine in trouble is slow, and slow is not dead.
const NEW_CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait over the connection that is held.
const HELD: Duration = Duration::from_millis(150);
/// Longest wait for a replica that was made the leader to take writes.
const PROMOTION: Duration = Duration::from_secs(2);
/// Pause between two questions to it.
const HURRIED_QUESTION_PAUSE: Duration = Duration::from_millis(3);
/// Longest wait for a checkpoint before a handover.
const CHECKPOINT: Duration = Duration::from_secs(3);
/// Longest wait for the kernel of the other side, which tells a silent host from a silent process.
const KERNEL: Duration = Duration::from_millis(500);
/// Pause between two knocks, or two logins.
const CONNECTION_PAUSE: Duration = Duration::from_secs(1);
/// How long a refusal waits for what Patroni says of it.
const BESIDE: Duration = Duration::from_millis(50);
/// How many times as long as the last answer took the pause is: questions are part of what a starved instance has to do.
const PAUSE_FACTOR: u32 = 10;
/// The longest such pause.
const LONGEST_QUESTION_PAUSE: Duration = Duration::from_secs(5);
/// The same while somebody is about to take writes and there is no connection to ask over. A new one costs both sides
/// a core for milliseconds.
const HURRIED_CONNECTION_PAUSE: Duration = Duration::from_millis(100);
/// An answer over the connection that is held which comes so soon is one of a healthy instance.
const QUICK: Duration = Duration::from_millis(50);
/// Longest wait for one that says anything at all.
const FIRST_WORD_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between two questions for what changes seldom, which are asked over a new connection.
const SELDOM: Duration = Duration::from_secs(10);
/// For so long it is believed that Patroni's loop runs: Patroni itself says otherwise when it has not for `ttl`.
const LOOP_BELIEVED: Duration = Duration::from_secs(3);
/// A replica that waits for its turn pauses so many times as long between two questions as the active one.
const STANDBY_FACTOR: u32 = 3;
/// Pause between two questions over the connection that is held.
const HELD_QUESTION_PAUSE: Duration = Duration::from_millis(250);

/// A PostgreSQL with its Patroni, asked side by side and for ever.
#[derive(Debug)]
pub struct Instance {
    doors: PostgresPorts,
    who: Credentials,
    patroni: PatroniClient,
    quick: PatroniClient,
    latest: Locked<InstanceSeen>,
    held: Locked<Option<Arc<Session>>>,
    hurry: AtomicBool,
    again: Notify,
    seldom: Locked<Seldom>,
    /// When Patroni said last that its loop runs.
    loop_ran: Locked<Option<Mono>>,
    leading: Leading,
}

/// What changes seldom, by its own word.
#[derive(Debug, Default)]
struct Seldom {
    /// When it was asked.
    at: Option<Mono>,
    /// Checksum failures.
    failures: u64,
    /// Slots it calls lost.
    lost: BTreeSet<String>,
    /// Bytes of base backups that it sends.
    sent: Option<u64>,
}

impl Instance {
    /// The instance behind these doors, for a replica that leads or does not.
    #[must_use]
    pub fn new(doors: PostgresPorts, who: Credentials, leading: Leading) -> Self {
        let patroni = PatroniClient::new(doors.rest, NEW_CONNECTION_TIMEOUT);
        let quick = PatroniClient::new(doors.rest, HELD);
        Self {
            doors,
            who,
            patroni,
            quick,
            latest: Locked::default(),
            held: Locked::default(),
            hurry: AtomicBool::new(false),
            again: Notify::new(),
            seldom: Locked::default(),
            loop_ran: Locked::default(),
            leading,
        }
    }

    /// Where it listens.
    #[must_use]
    pub const fn doors(&self) -> &PostgresPorts {
        &self.doors
    }

    /// Knocks and logins, and the pause after each. Not in step with Patroni, which answers nobody while it looks for a
    /// PostgreSQL that is gone, or starts it: that takes writes again before.
    pub(super) async fn connects(self: &Arc<Self>, wake: &Arc<Notify>) {
        loop {
            let began = clock::now();
            let sql = self.ask_sql(wake).await;
            // what Patroni said before the first refusal says nothing of a PostgreSQL that is gone
            let beside = if matches!(sql, ConnectionReply::Refuses(_)) && self.answered() {
                let rest = clock::timeout(BESIDE, self.ask_rest(&self.patroni)).await;
                Some(rest.unwrap_or(ConnectionReply::Unasked))
            } else {
                None
            };
            self.tell(Some(sql.clone()), beside, wake);
            let answered = matches!(sql, ConnectionReply::Answers(_) | ConnectionReply::Denies(_));
            if let ConnectionReply::Silent(why) = sql
                && matches!(self.ask_rest(&self.patroni).await, ConnectionReply::Answers(_))
            {
                // a process that no connection reaches any more, on a host that answers, hangs
                self.tell(Some(ConnectionReply::Hangs(why)), None, wake);
            }
            let hurry = self.hurry.load(Ordering::Relaxed) && self.open().is_none();
            let pause = if hurry { HURRIED_CONNECTION_PAUSE } else { self.pause(began, answered) };
            tokio::select! {
                () = self.until_next(began, pause) => {}
                () = self.again.notified() => {}
            }
        }
    }

    /// Waits until a question that began then is followed by the next: so long in the active replica. In one that waits
    /// for its turn several times as long, or until it has it.
    pub(super) async fn until_next(&self, began: Mono, pause: Duration) {
        if self.is_active() {
            return clock::sleep_until(began.plus(pause)).await;
        }
        tokio::select! {
            () = clock::sleep_until(began.plus(pause.saturating_mul(STANDBY_FACTOR))) => {}
            () = leadership::is_active(&self.leading) => {}
        }
    }

    /// Whether this replica is the active one, as far as it knows.
    fn is_active(&self) -> bool {
        self.leading.borrow().is_some()
    }

    /// Questions to Patroni, and the pause after each.
    pub(super) async fn asks_patroni(&self, wake: &Arc<Notify>) {
        loop {
            let began = clock::now();
            let rest = self.ask_rest(&self.patroni).await;
            let answered = matches!(rest, ConnectionReply::Answers(_));
            self.tell(None, Some(rest), wake);
            self.until_next(began, self.pause(began, answered)).await;
        }
    }

    /// From the beginning of a question to that of the next.
    fn pause(&self, began: Mono, answered: bool) -> Duration {
        pause(clock::now().since(began), answered, self.latest().held)
    }

    /// Keeps an answer; one of another kind wakes.
    fn tell(
        &self,
        sql: Option<ConnectionReply<SqlReply>>,
        rest: Option<ConnectionReply<RestReply>>,
        wake: &Arc<Notify>,
    ) {
        if self.publish(sql, rest) {
            wake.notify_one();
        }
    }

    /// Asks the connection that is held now and then: an instance that answers it no more as ever is worth a
    /// look, whatever that look then shows.
    pub(super) async fn beats(&self, wake: &Arc<Notify>) {
        loop {
            self.until_next(clock::now(), HELD_QUESTION_PAUSE).await;
            let held = self.beat(wake).await;
            self.found(held, wake);
        }
    }

    async fn beat(&self, wake: &Arc<Notify>) -> HeldConnection {
        let Some(session) = self.open() else { return HeldConnection::None };
        let mut answer = pin!(in_recovery(&session, FIRST_WORD_TIMEOUT));
        let (answer, good) = if let Ok(answer) = clock::timeout(QUICK, &mut answer).await {
            (answer, HeldConnection::Quick)
        } else {
            // late already; how late it is decides about nothing yet
            self.found(HeldConnection::Slow, wake);
            (answer.await, HeldConnection::Slow)
        };
        match answer {
            Ok(_) => good,
            Err(_) if session.is_closed() => HeldConnection::None,
            Err(_) => HeldConnection::Silent,
        }
    }

    /// A session has ended. Where it is the one that is held, its server ended it: what became of that is asked at once.
    fn ended(&self, its: &Weak<Session>, wake: &Arc<Notify>) {
        if !self.held().as_ref().is_some_and(|held| std::ptr::eq(Arc::as_ptr(held), its.as_ptr())) {
            return;
        }
        self.found(HeldConnection::None, wake);
        self.again.notify_one();
        wake.notify_one();
    }

    /// Keeps how the connection that is held answers; the first that is not as ever wakes.
    fn found(&self, held: HeldConnection, wake: &Arc<Notify>) {
        let mut latest = self.latest();
        if std::mem::replace(&mut latest.held, held) == HeldConnection::Quick && held != HeldConnection::Quick
        {
            wake.notify_one();
            if !self.is_active() {
                // its next question is far away
                self.again.notify_one();
            }
        }
    }

    /// What is known; with `hurry` asked again over the connection that is held.
    pub async fn seen(&self, hurry: bool) -> InstanceSeen {
        let began = hurry && !self.hurry.swap(hurry, Ordering::Relaxed);
        self.hurry.store(hurry, Ordering::Relaxed);
        match self.open().filter(|_| hurry) {
            Some(session) => {
                // no answer in so short a time says nothing; the next new connection will
                let sql = in_recovery(&session, HELD).await.ok();
                self.publish(sql.map(|in_recovery| ConnectionReply::Answers(SqlReply { in_recovery })), None);
            }
            None if began => self.again.notify_one(),
            None => {}
        }
        self.latest().clone()
    }

    /// The same with what Patroni says at this moment, where it said anything lately.
    pub async fn position(&self, seen: InstanceSeen) -> InstanceSeen {
        if !matches!(seen.rest, ConnectionReply::Answers(_)) {
            return seen;
        }
        match join(self.quick.itself(), self.quick.alive()).await {
            (Ok(patroni), Ok(loop_runs)) => {
                let rest = ConnectionReply::Answers(RestReply { patroni, loop_runs });
                InstanceSeen { rest, ..seen }
            }
            // who does not answer in time is no candidate
            (Err(error), _) | (_, Err(error)) => {
                InstanceSeen { rest: ConnectionReply::Silent(error.to_string()), ..seen }
            }
        }
    }

    /// Waits until it takes writes by its own word, over the connection that is held: at most as long as a promotion
    /// may take, and no longer than it answers.
    pub async fn writes(&self) -> bool {
        let deadline = clock::now().plus(PROMOTION);
        loop {
            let Some(session) = self.open() else { return false };
            match in_recovery(&session, HELD).await {
                Ok(false) => return true,
                Ok(true) if clock::now() < deadline => clock::sleep(HURRIED_QUESTION_PAUSE).await,
                _ => return false,
            }
        }
    }

    /// Writes what is in memory to its disk (`CHECKPOINT`).
    ///
    /// # Errors
    /// Why that was not done in time.
    pub async fn checkpoint(&self) -> Result<(), String> {
        let Some(session) = self.open() else {
            return Err("there is no connection to it".to_owned());
        };
        match clock::timeout(CHECKPOINT, session.client().batch_execute("checkpoint")).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(session.explain(&error).to_string()),
            Err(late) => Err(late.to_string()),
        }
    }

    /// How often it found data that fails its checksums, as it said last; a crash makes it forget.
    #[must_use]
    pub fn checksum_failures(&self) -> u64 {
        self.seldom().failures
    }

    /// Slots for which it has no WAL any more, as it said last.
    #[must_use]
    pub fn lost_slots(&self) -> BTreeSet<String> {
        self.seldom().lost.clone()
    }

    /// Bytes of base backups that it sends, as it said last; `None`: it sends none.
    #[must_use]
    pub fn sent(&self) -> Option<u64> {
        self.seldom().sent
    }

    /// Whether what changes seldom is to be asked for: now and then, and not while somebody is about to take writes.
    fn seldom_is_due(&self, now: Mono) -> bool {
        let due = self.seldom().at.is_none_or(|last| now.since(last) >= SELDOM);
        due && !self.hurry.load(Ordering::Relaxed)
    }

    /// Asks for what changes seldom, if that is due.
    async fn ask_seldom(&self, session: &Session) {
        let now = clock::now();
        if !self.seldom_is_due(now) {
            return;
        }
        let (Ok(Some(times)), Ok(Some(lost)), Ok(sent)) = (
            word(session, FAILURES, NEW_CONNECTION_TIMEOUT).await,
            word(session, LOST, NEW_CONNECTION_TIMEOUT).await,
            word(session, SENT, NEW_CONNECTION_TIMEOUT).await,
        ) else {
            return;
        };
        let sent = sent.and_then(|sent| sent.parse().ok());
        if let Ok(failures) = times.parse() {
            let lost = lost.split_whitespace().map(str::to_owned).collect();
            *self.seldom() = Seldom { at: Some(now), failures, lost, sent };
        }
    }

    /// Whether its PostgreSQL is gone because Patroni stopped it: nobody listens, by its kernel's word, and Patroni
    /// says that it stops it. While Patroni restarts one in place it says *restarting*.
    pub async fn has_stopped(&self) -> bool {
        let gone = clock::timeout(HELD, TcpStream::connect(self.doors.sql)).await;
        let refused = matches!(gone, Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused);
        refused && self.quick.itself().await.is_ok_and(|patroni| patroni.stops())
    }

    /// The connection that is held, unless it has ended.
    fn open(&self) -> Option<Arc<Session>> {
        self.held().clone().filter(|session| !session.is_closed())
    }

    /// The connection that is held, of one that takes writes by its own last word.
    pub(super) fn primary(&self) -> Option<Arc<Session>> {
        let latest = self.latest().sql.clone();
        let writes = matches!(latest, ConnectionReply::Answers(SqlReply { in_recovery: false }));
        self.held().clone().filter(|session| writes && !session.is_closed())
    }

    /// Whether its PostgreSQL answered when it was asked last.
    fn answered(&self) -> bool {
        matches!(self.latest().sql, ConnectionReply::Answers(_))
    }

    /// A connection for one question.
    pub(super) async fn another_session(&self) -> Option<Session> {
        self.log_in().await.ok()
    }

    /// What is known of its disk.
    pub(super) fn publish_disk(&self, disk: DiskSeen) {
        self.latest().disk = disk;
    }

    fn latest(&self) -> MutexGuard<'_, InstanceSeen> {
        self.latest.lock()
    }

    fn seldom(&self) -> MutexGuard<'_, Seldom> {
        self.seldom.lock()
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.held.lock()
    }

    /// Whether anything changed in kind.
    fn publish(
        &self,
        sql: Option<ConnectionReply<SqlReply>>,
        rest: Option<ConnectionReply<RestReply>>,
    ) -> bool {
        let mut latest = self.latest();
        let before = (kind(&latest.sql), kind(&latest.rest));
        let recovery = latest.sql.clone();
        if let Some(sql) = sql {
            latest.sql = sql;
        }
        if let Some(rest) = rest {
            latest.rest = rest;
        }
        before != (kind(&latest.sql), kind(&latest.rest)) || recovery != latest.sql
    }

    async fn ask_sql(self: &Arc<Self>, wake: &Arc<Notify>) -> ConnectionReply<SqlReply> {
        let address = self.doors.sql;
        let asked = async {
            if let Some(held) = self.suffices() {
                Wire::knock(address, &self.who, APPLICATION, NEW_CONNECTION_TIMEOUT).await?;
                // one that answers no more is replaced
                if let Ok(in_recovery) = in_recovery(&held, HELD).await {
                    return Ok(in_recovery);
                }
            }
            self.renew(wake).await
        };
        match asked.await {
            Ok(in_recovery) => ConnectionReply::Answers(SqlReply { in_recovery }),
            // the connection that is held stays: how it answers tells a frozen instance from a slow one
            Err(broken) => match read(broken, address).await {
                // no new connection is to be had, and the one that is there can answer as well
                ConnectionReply::Denies(why) => {
                    self.over_the_held().await.unwrap_or(ConnectionReply::Denies(why))
                }
                reply => reply,
            },
        }
    }

    /// The connection that is held, where a knock beside it says all that a login would: it answers at once, and nothing
    /// is due that is asked over a new one.
    fn suffices(&self) -> Option<Arc<Session>> {
        let quick = self.latest().held == HeldConnection::Quick;
        self.open().filter(|_| quick && !self.seldom_is_due(clock::now()))
    }

    /// Logs in, and holds that connection from now on.
    async fn renew(self: &Arc<Self>, wake: &Arc<Notify>) -> Result<bool, Broken> {
        let session = self.log_in().await?;
        let in_recovery = in_recovery(&session, NEW_CONNECTION_TIMEOUT).await?;
        self.ask_seldom(&session).await;
        let (over, wake) = (session.over(), Arc::clone(wake));
        let session = Arc::new(session);
        let (this, its) = (Arc::downgrade(self), Arc::downgrade(&session));
        *self.held() = Some(session);
        // ends with the session, which the next login replaces
        tokio::spawn(async move {
            over.await;
            if let Some(this) = this.upgrade() {
                this.ended(&its, &wake);
            }
        });
        Ok(in_recovery)
    }

    async fn log_in(&self) -> Result<Session, Broken> {
        Session::connect(self.doors.sql, &self.who, APPLICATION, NEW_CONNECTION_TIMEOUT).await
    }

    /// What it says over the connection that is held, if it answers there.
    async fn over_the_held(&self) -> Option<ConnectionReply<SqlReply>> {
        let session = self.open()?;
        let in_recovery = in_recovery(&session, HELD).await.ok()?;
        Some(ConnectionReply::Answers(SqlReply { in_recovery }))
    }

    /// Whether Patroni's loop runs: by its own word of a moment ago, if that was yes.
    async fn loop_runs(&self, patroni: &PatroniClient) -> Result<bool, HttpError> {
        let now = clock::now();
        if self.loop_ran.lock().is_some_and(|at| now.since(at) < LOOP_BELIEVED) {
            return Ok(true);
        }
        let runs = patroni.alive().await;
        *self.loop_ran.lock() = matches!(runs, Ok(true)).then_some(now);
        runs
    }

    async fn ask_rest(&self, patroni: &PatroniClient) -> ConnectionReply<RestReply> {
        let (seen, alive) = join(patroni.itself(), self.loop_runs(patroni)).await;
        match (seen, alive) {
            (Ok(patroni), Ok(loop_runs)) => ConnectionReply::Answers(RestReply { patroni, loop_runs }),
            (Err(error), _) | (_, Err(error)) => match &error {
                HttpError::NoAnswer { cause, .. } if cause.contains("refused") => {
                    ConnectionReply::Refuses(error.to_string())
                }
                HttpError::NoAnswer { .. } => silent_or_hanging(error.to_string(), self.doors.rest).await,
                _ => ConnectionReply::Refuses(error.to_string()),
            },
        }
    }
}

/// From the beginning of one question to that of the next, when it took so long. What hangs beside a connection that
/// answers as ever is asked as often as before, because that may be a freeze; where everything is slow, questions are
/// part of what makes it so.
fn pause(took: Duration, answered: bool, held: HeldConnection) -> Duration {
    match (answered, held) {
        (true, _) => took.saturating_mul(PAUSE_FACTOR).clamp(CONNECTION_PAUSE, LONGEST_QUESTION_PAUSE),
        (false, HeldConnection::Slow | HeldConnection::Silent) => took.saturating_add(CONNECTION_PAUSE),
        (false, _) => CONNECTION_PAUSE,
    }
}

const fn kind<T>(reply: &ConnectionReply<T>) -> u8 {
    match reply {
        ConnectionReply::Answers(_) => 0,
        ConnectionReply::Refuses(_) => 1,
        ConnectionReply::Hangs(_) => 2,
        ConnectionReply::Silent(_) => 3,
        ConnectionReply::Unasked => 4,
        ConnectionReply::Denies(_) => 5,
    }
}

/// The first word of an answer, in one round trip.
async fn word(session: &Session, sql: &str, limit: Duration) -> Result<Option<String>, Broken> {
    let asked = session.client().simple_query(sql);
    let answer = clock::timeout(limit, asked).await.map_err(|_| Broken::Timeout(limit))?;
    let answer = answer.map_err(|error| session.explain(&error))?;
    let word = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(word.map(str::to_owned))
}

async fn in_recovery(session: &Session, limit: Duration) -> Result<bool, Broken> {
    match word(session, "select pg_is_in_recovery()", limit).await?.as_deref() {
        Some("t") => Ok(true),
        Some("f") => Ok(false),
        _ => Err(Broken::Other("the answer is no boolean".to_owned())),
    }
}

/// What a broken question means.
async fn read(broken: Broken, address: SocketAddr) -> ConnectionReply<SqlReply> {
    match &broken {
        // starting up, shutting down, in recovery without hot standby: it sends everybody away
        Broken::Refused => ConnectionReply::Refuses(broken.to_string()),
        Broken::Sql { state, .. } if state.starts_with("57P") => ConnectionReply::Refuses(broken.to_string()),
        Broken::Timeout(_) => silent_or_hanging(broken.to_string(), address).await,
        // any other word is one of a living server
        Broken::Sql { .. } => ConnectionReply::Denies(broken.to_string()),
        _ => ConnectionReply::Silent(broken.to_string()),
    }
}

/// A kernel that takes a connection belongs to a living host.
async fn silent_or_hanging<T>(why: String, address: SocketAddr) -> ConnectionReply<T> {
    match clock::timeout(KERNEL, TcpStream::connect(address)).await {
        Ok(Ok(_)) => ConnectionReply::Hangs(why),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            ConnectionReply::Refuses(why)
        }
        _ => ConnectionReply::Silent(why),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::watch::{self as channel, Sender};

    use super::*;
    use crate::control::instance_watch::watch;
    use crate::model::control::Token;

    /// The leadership of a replica, and whoever gives it.
    fn leadership(active: bool) -> (Sender<Option<Token>>, Leading) {
        channel::channel(active.then(token))
    }

    fn token() -> Token {
        Token { key: "repair".to_owned(), revision: 7 }
    }

    /// An instance whose SQL and REST are served there, for a replica that leads or does not.
    fn instance(sql: &TcpListener, rest: &TcpListener, leading: Leading) -> Arc<Instance> {
        let door = |listener: &TcpListener| listener.local_addr().expect("an address");
        let doors = PostgresPorts { sql: door(sql), rest: door(rest) };
        let login = || "postgres".to_owned();
        let who = Credentials { user: login(), password: String::new(), database: login() };
        Arc::new(Instance::new(doors, who, leading))
    }

    #[test]
    fn a_starved_instance_is_asked_less_often_and_one_that_may_be_frozen_is_not() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(8), true, HeldConnection::Quick), CONNECTION_PAUSE, "a healthy one");
        assert_eq!(pause(ms(250), true, HeldConnection::Slow), ms(2500), "ten times as long as it took");
        assert_eq!(
            pause(ms(1900), true, HeldConnection::Slow),
            LONGEST_QUESTION_PAUSE,
            "but never unseen for long"
        );
        assert_eq!(
            pause(NEW_CONNECTION_TIMEOUT, false, HeldConnection::Quick),
            CONNECTION_PAUSE,
            "it hangs beside a connection that answers"
        );
        assert_eq!(pause(ms(3), false, HeldConnection::None), CONNECTION_PAUSE, "nobody listens");
        assert_eq!(
            pause(NEW_CONNECTION_TIMEOUT, false, HeldConnection::Slow),
            NEW_CONNECTION_TIMEOUT + CONNECTION_PAUSE,
            "it has time of its own between two questions"
        );
    }

    /// A PostgreSQL that sends everybody away with this word, and counts them.
    async fn says(listener: TcpListener, state: &str, knocks: Arc<AtomicUsize>) {
        let body = format!("SFATAL\0C{state}\0Mnot now\0\0").into_bytes();
        let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
        let word = [b"E".as_slice(), &length, &body].concat();
        while let Ok((mut socket, _)) = listener.accept().await {
            knocks.fetch_add(1, Ordering::Relaxed);
            let word = word.clone();
            tokio::spawn(async move {
                let mut asked = [0; 512];
                let _ = socket.read(&mut asked).await;
                let _ = socket.write_all(&word).await;
            });
        }
    }

    #[tokio::test]
    async fn any_answer_of_a_server_proves_that_it_lives() {
        let patroni = async |listener: TcpListener| {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut asked = [0; 512];
                let _ = socket.read(&mut asked).await;
                let body = r#"{"state":"running","role":"primary"}"#;
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = socket.write_all(format!("{head}{body}").as_bytes()).await;
            }
        };
        // too many connections, a wrong password, no such database
        for state in ["53300", "28P01", "3D000"] {
            let (sql, rest) = (listener().await, listener().await);
            let (_gives, leading) = leadership(true);
            let instance = instance(&sql, &rest, leading);
            let server = tokio::spawn(says(sql, state, Arc::default()));
            let beside = tokio::spawn(patroni(rest));
            let watch = tokio::spawn({
                let instance = Arc::clone(&instance);
                async move { watch(&instance, &Arc::new(Notify::new())).await }
            });
            let seen = loop {
                let seen = instance.seen(false).await;
                if seen.sql != ConnectionReply::Unasked && matches!(seen.rest, ConnectionReply::Answers(_)) {
                    break seen;
                }
                clock::sleep(HURRIED_QUESTION_PAUSE).await;
            };
            assert!(matches!(seen.sql, ConnectionReply::Denies(_)), "{state}: {seen:?}");
            for task in [server, watch] {
                task.abort();
            }
            beside.abort();
        }
    }

    #[tokio::test]
    async fn who_waits_for_patroni_does_not_wait_for_postgresql() {
        let (sql, rest) = (listener().await, listener().await);
        let (_gives, leading) = leadership(true);
        let instance = instance(&sql, &rest, leading);
        let knocks = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn(says(sql, "57P03", Arc::clone(&knocks)));
        // `rest` takes connections, by its kernel, and never answers: a Patroni that starts its PostgreSQL
        let watch = tokio::spawn({
            let instance = Arc::clone(&instance);
            async move { watch(&instance, &Arc::new(Notify::new())).await }
        });
        let seen = loop {
            let seen = instance.seen(true).await;
            if knocks.load(Ordering::Relaxed) > 3 || seen.rest != ConnectionReply::Unasked {
                break seen;
            }
            clock::sleep(HURRIED_QUESTION_PAUSE).await;
        };
        assert_eq!(
            seen.rest,
            ConnectionReply::Unasked,
            "Patroni's silence ended before PostgreSQL was asked again"
        );
        assert!(matches!(seen.sql, ConnectionReply::Refuses(_)), "{seen:?}");
        watch.abort();
        server.abort();
    }

    /// A message of the protocol.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
        [&[kind], length.as_slice(), body].concat()
    }

    /// A primary that takes everybody without a proof; it counts who came, and how many of them asked something.
    async fn serves(listener: TcpListener, came: Arc<AtomicUsize>, asked: Arc<AtomicUsize>) {
        let welcome = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
        // one column: its name, table, number, type, size, modifier and format
        let column = [b"\0\x01x\0".as_slice(), &[0; 4 + 2], &[0, 0, 0, 16], &[0, 1], &[0; 4 + 2]].concat();
        let no = message(b'D', b"\0\x01\0\0\0\x01f");
        let answer = [message(b'T', &column), no, message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
        while let Ok((mut socket, _)) = listener.accept().await {
            came.fetch_add(1, Ordering::SeqCst);
            let (welcome, answer, asked) = (welcome.clone(), answer.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let (mut said, mut first) = ([0; 512], true);
                let _ = socket.read(&mut said).await;
                let _ = socket.write_all(&welcome).await;
                while socket.read(&mut said).await.is_ok_and(|length| length > 0) && said[0] == b'Q' {
                    asked.fetch_add(usize::from(std::mem::take(&mut first)), Ordering::SeqCst);
                    let _ = socket.write_all(&answer).await;
                }
            });
        }
    }

    #[tokio::test]
    async fn an_instance_that_answers_at_once_is_knocked_at_and_in_any_doubt_logged_in_to() {
        let (sql, rest) = (listener().await, listener().await);
        let (_gives, leading) = leadership(true);
        let instance = instance(&sql, &rest, leading);
        let (came, asked, wake) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::default());
        let server = tokio::spawn(serves(sql, Arc::clone(&came), Arc::clone(&asked)));
        let counts = || (came.load(Ordering::SeqCst), asked.load(Ordering::SeqCst));
        let primary = ConnectionReply::Answers(SqlReply { in_recovery: false });
        instance.seldom().at = Some(clock::now());
        // nobody knows yet how the connection answers that is held
        for logins in [1, 2] {
            assert_eq!(instance.ask_sql(&wake).await, primary);
            assert_eq!(counts(), (logins, logins));
        }
        let held = instance.beat(&wake).await;
        assert_eq!(held, HeldConnection::Quick);
        instance.found(held, &wake);
        for knocks in [1, 2] {
            assert_eq!(instance.ask_sql(&wake).await, primary);
            assert_eq!(counts(), (2 + knocks, 2), "it was logged in to");
        }
        instance.found(HeldConnection::Slow, &wake);
        assert_eq!(instance.ask_sql(&wake).await, primary);
        assert_eq!(counts(), (5, 3));
        // what changes seldom is asked over a new connection
        instance.found(HeldConnection::Quick, &wake);
        instance.seldom().at = None;
        assert_eq!(instance.ask_sql(&wake).await, primary);
        assert_eq!(counts(), (6, 4));
        // nobody takes connections any more, and those that are there answer
        server.abort();
        let _ = server.await;
        let refused = instance.ask_sql(&wake).await;
        assert!(matches!(refused, ConnectionReply::Refuses(_)), "{refused:?}");
        assert_eq!(instance.beat(&wake).await, HeldConnection::Quick);
    }

    #[tokio::test]
    async fn a_postmaster_that_is_frozen_hangs_beside_a_backend_that_answers() {
        let (sql, rest) = (listener().await, listener().await);
        let (_gives, leading) = leadership(true);
        // whoever comes to this one is taken by its kernel and by nobody else
        let frozen = instance(&rest, &rest, leading.clone());
        let well = instance(&sql, &rest, leading);
        let (came, asked, wake) = (Arc::default(), Arc::default(), Arc::default());
        let server = tokio::spawn(serves(sql, came, asked));
        well.renew(&wake).await.expect("it serves");
        *frozen.held() = well.held().take();
        frozen.found(frozen.beat(&wake).await, &wake);
        frozen.seldom().at = Some(clock::now());
        let seen = frozen.ask_sql(&wake).await;
        assert!(matches!(seen, ConnectionReply::Hangs(_)), "{seen:?}");
        assert_eq!(frozen.latest().held, HeldConnection::Quick);
        server.abort();
    }

    #[tokio::test]
    async fn who_waits_for_its_turn_asks_less_often_and_at_once_when_it_has_it() {
        let (sql, rest) = (listener().await, listener().await);
        let (gives, leading) = leadership(false);
        let instance = instance(&sql, &rest, leading);
        let (hour, began) = (Duration::from_hours(1), clock::now());
        let mut waits = pin!(instance.until_next(began, hour));
        assert!(futures_util::FutureExt::now_or_never(waits.as_mut()).is_none());
        gives.send_replace(Some(token()));
        waits.await;
        let past = Mono(clock::now().0 - 2_000_000_000);
        let second = Duration::from_secs(1);
        // two seconds after a question it is due in the active replica, and not in one that waits
        let due = || futures_util::FutureExt::now_or_never(instance.until_next(past, second)).is_some();
        assert!(due());
        gives.send_replace(None);
        assert!(!due());
        // a connection that answers late is worth a question at once
        instance.latest().held = HeldConnection::Quick;
        instance.found(HeldConnection::Slow, &Arc::default());
        assert!(futures_util::FutureExt::now_or_never(instance.again.notified()).is_some());
    }

    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.expect("a port")
    }
}
