//! One operation on one connection: questions, the statement that decides, and how it ended.
//!
//! The point that decides is the write of `COMMIT`, or of a statement that commits by itself.
//! Whatever breaks before it is a failure. With it goes, in one write, the question where the WAL
//! stands then; its answer costs no round trip and does not lengthen the operation.

use std::time::Duration;

use super::Identity;
use crate::engine::clock;
use crate::engine::postgres::{Broken, PRIMARY_TIMELINE, within};
use crate::engine::wire::{Wire, WireReply, WireRow};
use crate::history::classes;
use crate::history::event::{Ack, Answer, Error, Outcome};
use crate::load::classify::{OpStage, classify, reusable};
use crate::model::scenario::{Isolation, Workload};
use crate::model::{Load, Lsn, Mono};

/// How one operation ended, and when its answer came.
#[derive(Clone, Debug, PartialEq)]
pub struct OpEnded {
    /// When the answer that decides arrived, or when it was clear that none would.
    pub at: Mono,
    /// How.
    pub outcome: Outcome,
    /// Whether the connection can serve the next operation.
    pub reusable: bool,
    /// Whether the instance said that it takes no writes.
    pub read_only: bool,
}

/// What a writing statement returns first: a lower bound of the commit's position, and the timeline.
#[must_use]
pub fn position() -> String {
    format!("pg_current_wal_insert_lsn()::text, {PRIMARY_TIMELINE}")
}

/// The timeline of an instance that writes; null on a replica, which cannot tell its own for certain.
#[must_use]
pub fn timeline() -> String {
    format!("case when pg_is_in_recovery() then null else {PRIMARY_TIMELINE} end")
}

/// An upper bound of the position of a commit that was just acknowledged. A session that does not
/// wait for its WAL is acknowledged ahead of the flush position, so there only the end of the WAL bounds it.
const UPPER: &str =
    "when current_setting('synchronous_commit') = 'off' then pg_current_wal_insert_lsn()::text
  else pg_current_wal_flush_lsn()::text";

/// Statements that several workloads share, by name.
#[must_use]
pub fn statements(load: &Load) -> Vec<(&'static str, String)> {
    // pgbench's transaction names no level, and no more do we
    let level = match (load.isolation, load.workload) {
        (None, Workload::Tpcb | Workload::Sql) => "",
        (Some(Isolation::ReadCommitted), _) => " isolation level read committed",
        (Some(Isolation::RepeatableRead) | None, _) => " isolation level repeatable read",
        (Some(Isolation::Serializable), _) => " isolation level serializable",
    };
    let mode = if load.of.is_some() { " read only" } else { "" };
    vec![
        ("begin", format!("begin{level}{mode}")),
        ("commit", "commit".to_owned()),
        ("rollback", "rollback".to_owned()),
        ("behind", format!("select case when pg_is_in_recovery() then null {UPPER} end, {}", timeline())),
    ]
}

/// The answer that decided.
#[derive(Debug)]
pub struct Decided {
    /// When it was there.
    pub at: Mono,
    /// What it said.
    pub reply: WireReply,
    local: bool,
    behind: Option<WireReply>,
}

/// One operation under way.
#[derive(Debug)]
pub struct OpTurn<'a> {
    wire: &'a mut Wire,
    who: &'a Identity,
    limit: Option<Duration>,
    judged: bool,
}

impl<'a> OpTurn<'a> {
    /// `limit` is for each answer, without one it is waited for for ever; `judged` asks for everything a
    /// judge wants to know.
    pub const fn new(wire: &'a mut Wire, who: &'a Identity, limit: Option<Duration>, judged: bool) -> Self {
        Self { wire, who, limit, judged }
    }

    /// Whether operations are recorded one by one.
    #[must_use]
    pub const fn judged(&self) -> bool {
        self.judged
    }

    /// One statement before the point that decides, or one that changes nothing.
    ///
    /// # Errors
    /// The operation has ended, as a failure.
    pub async fn ask(&mut self, statement: &str, parameters: &[i64]) -> Result<WireReply, OpEnded> {
        match self.exchange(statement, parameters).await {
            Ok(reply) => Ok(reply),
            Err(broken) => Err(self.gave_up(&broken).await),
        }
    }

    /// The statement that decides.
    ///
    /// # Errors
    /// The operation has ended: as a failure where that is certain, else openly.
    pub async fn decide(&mut self, statement: &str, parameters: &[i64]) -> Result<Decided, OpEnded> {
        self.decide_by(|wire| {
            wire.queue(statement, parameters)?;
            wire.queue_sync();
            Ok(())
        })
        .await
    }

    /// Commits the open transaction.
    ///
    /// # Errors
    /// As [`OpTurn::decide`]; also when the answer is `ROLLBACK`.
    pub async fn commit(&mut self) -> Result<Decided, OpEnded> {
        let decided = self.decide("commit", &[]).await?;
        if decided.reply.tag != "ROLLBACK" {
            return Ok(decided);
        }
        let error =
            Error { c: classes::ROLLED_BACK.to_owned(), m: "COMMIT was answered ROLLBACK".to_owned() };
        Err(OpEnded { at: decided.at, outcome: Outcome::Fail(error), reusable: true, read_only: false })
    }

    /// A text of statements that may commit.
    ///
    /// # Errors
    /// As [`OpTurn::decide`].
    pub async fn decide_by_text(&mut self, text: &str) -> Result<Decided, OpEnded> {
        self.decide_by(|wire| wire.queue_text(text)).await
    }

    /// Whether a transaction is open.
    #[must_use]
    pub const fn in_transaction(&self) -> bool {
        self.wire.in_transaction()
    }

    /// Acknowledged: `written` is a row that begins with [`position`], `v` what was answered.
    #[must_use]
    pub fn done(&self, decided: &Decided, written: Option<&WireRow>, v: Option<Answer>) -> OpEnded {
        let behind = decided.behind.as_ref().and_then(WireReply::first);
        let lsn = |row: Option<&WireRow>| row.and_then(|row| row.number::<Lsn>(0));
        let timeline = |row: Option<&WireRow>| row.and_then(|row| row.number(1));
        let ack = if self.judged {
            Ack {
                n: self.who.member.clone(),
                // an instance that writes stays on its timeline: the one inside the transaction will do
                tl: timeline(behind).or_else(|| timeline(written)),
                sys: self.who.system.clone(),
                lo: lsn(written),
                hi: lsn(behind),
                v: v.map(Box::new),
            }
        } else {
            Ack::default()
        };
        let outcome = if decided.local { Outcome::OkLocal(ack) } else { Outcome::Ok(ack) };
        // where the question behind got no answer the line is out of step
        let reusable = !self.judged || behind.is_some();
        OpEnded { at: decided.at, outcome, reusable, read_only: false }
    }

    /// A read was answered; `tl` is the timeline of the instance, where it writes.
    #[must_use]
    pub fn read(&self, tl: Option<u32>, v: Option<Answer>) -> OpEnded {
        let ack = if self.judged {
            let (n, sys) = (self.who.member.clone(), self.who.system.clone());
            Ack { n, tl, sys, lo: None, hi: None, v: v.map(Box::new) }
        } else {
            Ack::default()
        };
        OpEnded { at: clock::now(), outcome: Outcome::Ok(ack), reusable: true, read_only: false }
    }

    async fn exchange(&mut self, statement: &str, parameters: &[i64]) -> Result<WireReply, Broken> {
        self.wire.queue(statement, parameters)?;
        self.wire.queue_sync();
        let asking = async {
            self.wire.send().await?;
            self.wire.answer().await
        };
        within(self.limit, asking).await
    }

    async fn decide_by(
        &mut self,
        queue: impl FnOnce(&mut Wire) -> Result<(), Broken>,
    ) -> Result<Decided, OpEnded> {
        let queued = queue(self.wire).and_then(|()| {
            if self.judged {
                self.wire.queue("behind", &[])?;
                self.wire.queue_sync();
            }
            Ok(())
        });
        if let Err(broken) = queued {
            return Err(failed(OpStage::BeforeWrite, &broken, false));
        }
        let before = self.wire.local_commits();
        let deciding = async {
            self.wire.send().await?;
            self.wire.answer().await
        };
        let answered = within(self.limit, deciding).await;
        // taken here: the question behind must not lengthen the operation
        let (at, local) = (clock::now(), self.wire.local_commits() > before);
        let in_step = matches!(answered, Ok(_) | Err(Broken::Sql { .. }));
        let behind =
            if self.judged && in_step { within(self.limit, self.wire.answer()).await.ok() } else { None };
        match answered {
            Ok(reply) => Ok(Decided { at, reply, local, behind }),
            Err(broken) => {
                let usable = reusable(&broken) && (!self.judged || behind.is_some());
                Err(OpEnded { at, ..failed(OpStage::AfterWrite, &broken, usable) })
            }
        }
    }

    /// An error before the point that decides; a transaction that is still open is rolled back when
    /// the connection is worth keeping.
    async fn gave_up(&mut self, broken: &Broken) -> OpEnded {
        let ended = failed(OpStage::BeforeWrite, broken, reusable(broken));
        let rolled_back =
            !ended.reusable || !self.wire.in_transaction() || self.exchange("rollback", &[]).await.is_ok();
        OpEnded { reusable: ended.reusable && rolled_back, ..ended }
    }
}

/// An operation that broke.
#[must_use]
pub fn failed(stage: OpStage, broken: &Broken, usable: bool) -> OpEnded {
    OpEnded {
        at: clock::now(),
        outcome: classify(stage, broken),
        reusable: usable,
        read_only: broken.state() == Some("25006"),
    }
}
