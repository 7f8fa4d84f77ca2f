//! What one operation does, workload by workload. Each file brings its tables, its statements, what
//! operation number n asks for, and how it is done on one connection; how operations end is the
//! same for all ([`turn`]), and so is the choice by number ([`dice`]).
//!
//! Invariant: what an operation asks for follows from the seed, its load and its number; only a
//! load that reads what another writes also looks at how far that one is.

pub mod append;
pub mod bank;
pub mod dice;
pub mod freshness;
mod identity;
pub mod pgbench;
pub mod register;
pub mod set;
pub mod sql;
mod tables;
mod task;
pub mod tpcb;
pub mod turn;

use std::collections::BTreeMap;
use std::net::IpAddr;

use dice::Dice;
pub use identity::Identity;
pub use tables::Tables;
pub use task::OpTask;
use turn::{OpEnded, OpTurn};

use crate::engine::postgres::{Broken, Session};
use crate::engine::wire::Wire;
use crate::model::plan::LoadPlan;
use crate::model::scenario::{Endpoint, Isolation, Recording, Workload};
use crate::model::{Load, MemberId, Name};

/// One load as its workers need it.
#[derive(Clone, Debug)]
pub struct Script {
    load: Load,
    dice: Dice,
    text: String,
}

impl Script {
    /// The script of the plan's load at `index`.
    ///
    /// # Errors
    /// A sentence about a load that cannot be run as it is declared.
    pub fn new(plan: &LoadPlan, index: usize) -> Result<Self, String> {
        let load = plan.loads.get(index).ok_or_else(|| format!("the plan has no load {index}"))?;
        if let Some(of) = &load.of {
            reads_of(plan, load, of)?;
        }
        if load.isolation == Some(Isolation::Serializable) && load.endpoint == Some(Endpoint::Ro) {
            return Err(format!(
                "load `{}`: a replica knows no serializable transactions; isolation = \"repeatable-read\"",
                load.name
            ));
        }
        let text = match load.workload {
            Workload::Sql => plan.sql.get(&load.name).cloned().ok_or_else(|| {
                format!("load `{}`: the text of its file did not come with the plan", load.name)
            })?,
            _ => String::new(),
        };
        let stream = u64::try_from(index).unwrap_or(u64::MAX);
        Ok(Self { load: load.clone(), dice: Dice::new(plan.seed, stream), text })
    }

    /// What operation `op` asks for; `near` is the newest operation of the load whose tables are
    /// used, which is `op` itself unless another load writes them.
    #[must_use]
    pub fn task(&self, op: u64, near: u64) -> OpTask {
        let reads = self.load.of.is_some();
        match self.load.workload {
            Workload::Set => OpTask::Insert,
            Workload::Append => OpTask::Steps(append::draw(&self.dice, op, near, reads)),
            Workload::Bank if reads => OpTask::Balances,
            Workload::Bank => bank::draw(&self.dice, op),
            Workload::Register => OpTask::Register(register::draw(&self.dice, op, near, reads)),
            Workload::Tpcb => OpTask::Tpcb(tpcb::draw(&self.dice, op, tpcb::scale(&self.load))),
            Workload::Select => OpTask::Select(tpcb::draw(&self.dice, op, tpcb::scale(&self.load)).account),
            Workload::Freshness if reads => OpTask::Heartbeat,
            Workload::Freshness => OpTask::Beat,
            // a load of pgbench has no workers that would ask
            Workload::Sql | Workload::Pgbench => OpTask::Text,
        }
    }

    /// Prepares everything this load will send, in one round trip.
    ///
    /// # Errors
    /// [`Broken`]; nothing that could commit has been sent.
    pub async fn prepare(&self, wire: &mut Wire) -> Result<(), Broken> {
        let of = owner(&self.load);
        let mut statements = turn::statements(&self.load);
        statements.extend(match self.load.workload {
            Workload::Set => set::statements(of),
            Workload::Append => append::statements(of),
            Workload::Bank => bank::statements(of),
            Workload::Register => register::statements(of),
            Workload::Tpcb => tpcb::statements(of, self.judged()),
            Workload::Select => tpcb::select(of),
            Workload::Freshness => freshness::statements(of),
            Workload::Sql | Workload::Pgbench => Vec::new(),
        });
        for (name, text) in &statements {
            // a load that only reads may stand before its writer's tables, never before its own
            wire.queue_prepare(name, text)?;
        }
        wire.queue_sync();
        wire.send().await?;
        wire.answer().await.map(drop)
    }

    /// Does operation `op`, waiting at most the load's limit for each answer.
    pub async fn run(&self, wire: &mut Wire, who: &Identity, op: u64, task: &OpTask) -> OpEnded {
        let mut turn = OpTurn::new(wire, who, self.load.answer_limit(), self.judged());
        let ended = match task {
            OpTask::Insert => set::run(&mut turn, op).await,
            OpTask::Steps(steps) => append::run(&mut turn, steps).await,
            OpTask::Transfer { from, to, amount } => bank::transfer(&mut turn, op, *from, *to, *amount).await,
            OpTask::Balances => bank::read(&mut turn).await,
            OpTask::Register(asked) => register::run(&mut turn, *asked).await,
            OpTask::Tpcb(draw) => tpcb::run(&mut turn, op, draw).await,
            OpTask::Select(account) => tpcb::run_select(&mut turn, *account).await,
            OpTask::Beat => freshness::beat(&mut turn, op).await,
            OpTask::Heartbeat => freshness::read(&mut turn).await,
            OpTask::Text => sql::run(&mut turn, &self.text).await,
        };
        ended.unwrap_or_else(|ended| ended)
    }

    fn judged(&self) -> bool {
        self.load.record == Recording::Operations
    }
}

/// A load that reads what another writes needs one of the same workload that writes.
fn reads_of(plan: &LoadPlan, load: &Load, of: &Name) -> Result<(), String> {
    let name = &load.name;
    if !matches!(load.workload, Workload::Append | Workload::Bank | Workload::Register | Workload::Freshness)
    {
        return Err(format!(
            "load `{name}`: `of` goes with append, bank, register and freshness; its workload writes nothing another could read"
        ));
    }
    match plan.loads.iter().find(|other| other.name == *of) {
        None => Err(format!("load `{name}` reads what load `{of}` writes, and there is none of that name")),
        Some(other) if other.of.is_some() || other.workload != load.workload => Err(format!(
            "load `{name}` reads what load `{of}` writes: that must be a writing load of its workload"
        )),
        Some(_) => Ok(()),
    }
}

/// The load whose tables `load` uses.
#[must_use]
pub fn owner(load: &Load) -> &Name {
    load.of.as_ref().unwrap_or(&load.name)
}

/// Makes the tables of `load` anew and returns the marks found in them; `None` for a load that has
/// no tables of its own.
///
/// # Errors
/// [`Broken`].
pub async fn make_tables(load: &Load, session: &Session) -> Result<Option<u64>, Broken> {
    let Some(tables) = tables(load) else { return Ok(None) };
    let client = session.client();
    for text in [&tables.make, &tables.tidy].into_iter().filter(|text| !text.is_empty()) {
        client.batch_execute(text).await.map_err(|e| session.explain(&e))?;
    }
    let row = client.query_one(&tables.count, &[]).await.map_err(|e| session.explain(&e))?;
    let rows: i64 = row.try_get(0).map_err(|e| Broken::Other(e.to_string()))?;
    Ok(Some(u64::try_from(rows).unwrap_or(0)))
}

/// The tables of a load; `None` when it has none of its own.
#[must_use]
pub fn tables(load: &Load) -> Option<Tables> {
    if load.of.is_some() {
        return None;
    }
    let name = &load.name;
    Some(match load.workload {
        Workload::Set => set::tables(name),
        Workload::Append => append::tables(name),
        Workload::Bank => bank::tables(name),
        Workload::Register => register::tables(name),
        Workload::Tpcb => tpcb::tables(name, tpcb::scale(load)),
        Workload::Select => tpcb::tables_of_select(name, tpcb::scale(load)),
        Workload::Freshness => freshness::tables(name),
        Workload::Pgbench => pgbench::tables(name, tpcb::scale(load)),
        Workload::Sql => return None,
    })
}

/// A query for the marks of a load, in order, one in each row; `lock` for rows only a primary can
/// lock. `None` for a load that leaves none that are judged.
#[must_use]
pub fn marks(load: &Load, lock: bool) -> Option<String> {
    if load.of.is_some() || load.record != Recording::Operations {
        return None;
    }
    let lock = if lock { " for update" } else { "" };
    let (name, plain) = (&load.name, |select: String| format!("{select}{lock}"));
    let select = match load.workload {
        Workload::Set => plain(set::marks(name)),
        Workload::Append => append::marks(name, lock),
        Workload::Bank => plain(bank::marks(name)),
        Workload::Tpcb => plain(tpcb::marks(name)),
        Workload::Register | Workload::Select | Workload::Freshness | Workload::Sql | Workload::Pgbench => {
            return None;
        }
    };
    Some(format!("select id from (select {select}) marks order by id"))
}

/// Asks who is at the other end; an instance that does not know its own name is told by its address.
///
/// # Errors
/// [`Broken`].
pub async fn identify(wire: &mut Wire, by_address: &BTreeMap<IpAddr, MemberId>) -> Result<Identity, Broken> {
    const WHO: &str = "select current_setting('pgha.member', true), host(inet_server_addr()),
        (select system_identifier::text from pg_control_system())";
    wire.queue_text(WHO)?;
    wire.send().await?;
    let reply = wire.answer().await?;
    let text = |at: usize| reply.first().and_then(|row| row.text(at));
    let named = text(0).and_then(|name| MemberId::new(name).ok());
    let address = text(1).and_then(|address| address.parse::<IpAddr>().ok());
    let member = named.or_else(|| by_address.get(&address?).cloned());
    Ok(Identity { member, system: text(2).map(str::to_owned) })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
