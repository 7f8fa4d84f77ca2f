//! Opens the connections of one load, each kind of client in its own way.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::libpq;
use crate::engine::postgres::{Broken, within};
use crate::engine::wire::Wire;
use crate::load::workload::{self, Identity, Script};
use crate::model::Load;
use crate::model::plan::LoadPlan;
use crate::model::scenario::Client;

/// A connection ready for operations.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub wire: Wire,
    /// Who is at the other end.
    pub who: Identity,
}

/// Opens the connections of one load.
#[derive(Clone, Debug)]
pub struct Opener {
    /// What the client host was told.
    pub plan: Arc<LoadPlan>,
    /// Whose connections these are.
    pub load: Load,
    /// What its operations are.
    pub script: Script,
    /// The hosts of its connection string, in order; told anew when balancers move.
    pub doors: watch::Receiver<Vec<SocketAddr>>,
}

impl Opener {
    /// Opens one connection and prepares it. Client `wire` goes to the door in turn, the others try
    /// every door from the first one on.
    ///
    /// # Errors
    /// [`Broken`]; nothing that could commit was sent.
    pub async fn open(&self, turn: usize) -> Result<Connected, Broken> {
        // boxed: what logging in needs is large, and whoever waits for an operation would carry it along
        match self.load.client {
            Client::Wire => Box::pin(self.at_one_door(turn)).await,
            Client::Libpq | Client::Pool => Box::pin(self.in_order()).await,
        }
    }

    /// The limit covers everything up to the first operation.
    async fn at_one_door(&self, turn: usize) -> Result<Connected, Broken> {
        let limit = self.load.connect_timeout.unwrap_or(self.plan.connect_timeout).0;
        let limit = self.load.answer_limit().map_or(limit, |answer| limit.min(answer));
        let door = {
            let doors = self.doors.borrow();
            doors[turn % doors.len()]
        };
        within(Some(limit), async {
            let wire = Wire::connect(door, &self.plan.credentials, &self.application(), limit).await?;
            self.prepared(wire).await
        })
        .await
    }

    /// libpq's limit ends with the connection; what follows are questions like any other.
    async fn in_order(&self) -> Result<Connected, Broken> {
        let hosts = self.doors.borrow().clone();
        let limit = self.load.connect_timeout.map(|limit| limit.0);
        let wanted = self.load.session_attrs();
        let application = self.application();
        let wire = libpq::connect(&hosts, &self.plan.credentials, &application, wanted, limit).await?;
        within(self.load.answer_limit(), self.prepared(wire)).await
    }

    pub(super) async fn prepared(&self, mut wire: Wire) -> Result<Connected, Broken> {
        let who = workload::identify(&mut wire, &self.plan.members_by_address).await?;
        self.script.prepare(&mut wire).await?;
        Ok(Connected { wire, who })
    }

    fn application(&self) -> String {
        format!("pgha-{}", self.load.name)
    }
}
