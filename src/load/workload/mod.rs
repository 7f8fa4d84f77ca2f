//! What one operation does, workload by workload. A workload brings its tables, its statements on
//! one connection, and one operation; generator and classes are the same for all.

pub mod set;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::engine::clock;
use crate::engine::postgres::{Broken, Session};
use crate::history::event::Outcome;
use crate::model::scenario::Workload;
use crate::model::{Load, MemberId, Mono};

/// Who is at the other end of a connection. Constant for its life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The member.
    pub member: Option<MemberId>,
    /// The system identifier of its data directory.
    pub system: Option<String>,
}

/// How one operation ended, and when its answer came.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// When the answer that decides arrived, or when it was clear that none would.
    pub at: Mono,
    /// How.
    pub outcome: Outcome,
    /// Whether the connection can serve the next operation.
    pub reusable: bool,
    /// Whether the instance said that it takes no writes.
    pub read_only: bool,
}

/// The statements of one workload on one connection.
#[derive(Debug)]
pub enum Prepared {
    /// One unique row per operation.
    Set(set::Statements),
}

impl Prepared {
    /// Prepares the statements of `load` on `session`.
    ///
    /// # Errors
    /// [`Broken`]; nothing that could commit has been sent.
    pub async fn new(load: &Load, session: &Session) -> Result<Self, Broken> {
        match load.workload {
            Workload::Set => Ok(Self::Set(set::Statements::prepare(load, session).await?)),
            _ => Err(Broken::Other(not_built(load))),
        }
    }

    /// Does operation `op`, waiting at most `limit` for each answer.
    pub async fn run(&self, session: &Session, who: &Identity, op: u64, limit: Duration) -> Ended {
        match self {
            Self::Set(set) => set.run(session, who, op, limit).await,
        }
    }
}

/// Makes the tables of `load` anew and returns the rows found in them.
///
/// # Errors
/// [`Broken`].
pub async fn make_tables(load: &Load, session: &Session) -> Result<u64, Broken> {
    match load.workload {
        Workload::Set => set::make_table(load, session).await,
        _ => Err(Broken::Other(not_built(load))),
    }
}

/// Whether this version can run the workload of `load`.
#[must_use]
pub const fn built(load: &Load) -> bool {
    matches!(load.workload, Workload::Set)
}

/// The sentence for a workload this version cannot run.
#[must_use]
pub fn not_built(load: &Load) -> String {
    format!("load `{}`: workload {:?} is not built; `set` is", load.name, load.workload)
}

/// Asks who is at the other end; an instance that does not know its own name is told by its address.
///
/// # Errors
/// [`Broken`].
pub async fn identify(
    session: &Session,
    by_address: &BTreeMap<IpAddr, MemberId>,
    limit: Duration,
) -> Result<Identity, Broken> {
    const WHO: &str = "select current_setting('pgha.member', true), host(inet_server_addr()),
        (select system_identifier::text from pg_control_system())";
    let asked = clock::timeout(limit, session.client().query_one(WHO, &[])).await;
    let row = asked.map_err(|_| Broken::Timeout(limit))?.map_err(|e| session.explain(&e))?;
    let text = |at: usize| -> Result<Option<String>, Broken> {
        row.try_get(at).map_err(|e| Broken::Other(e.to_string()))
    };
    let named = text(0)?.and_then(|name| MemberId::new(name).ok());
    let address = text(1)?.and_then(|address| address.parse::<IpAddr>().ok());
    let member = named.or_else(|| by_address.get(&address?).cloned());
    Ok(Identity { member, system: text(2)? })
}
