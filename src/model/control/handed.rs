//! What controllers and the broker are handed when they are made.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::id::{HostName, MemberId, Name};
use crate::model::lab::{LabSpec, Member};
use crate::model::plan::{Credentials, PostgresPorts};

/// Where a controller finds its [`ControllerPlan`], a 0600 file of its own volume.
pub const CONTROLLER_PLAN: &str = "/etc/pgha/controller.json";

/// Where the broker finds its [`BrokerPlan`].
pub const BROKER_PLAN: &str = "/etc/pgha-broker/plan.json";

/// Where the fault `engine` writes how the engine shall behave towards controllers, a
/// [`EngineMode`](crate::model::scenario::EngineMode); without the file it answers. The engine itself is left alone.
pub const ENGINE_MODE: &str = "/etc/pgha-broker/engine.json";

/// What every controller is handed, whoever wrote it.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerPlan {
    /// Version of this format; 1.
    pub schema: u32,
    /// The controller's name in the spec, for example `repair`.
    pub controller: Name,
    /// Which of its replicas this is.
    pub replica: MemberId,
    /// Where it must serve `/healthz`, `/status` and `/metrics`.
    pub listen: SocketAddr,
    /// The lab as declared; its name is Patroni's scope.
    pub spec: LabSpec,
    /// Who stands where when this was written; who stands where now is in `placed` of the bodies that the broker shows.
    pub members: Vec<Member>,
    /// Address of every host: whoever comes to stand there is reached at it.
    pub hosts: BTreeMap<HostName, IpAddr>,
    /// Client ports of etcd when this was written; it asks for no login.
    pub etcd: Vec<SocketAddr>,
    /// The only way to the engine.
    pub broker: BrokerAccess,
    /// Instances.
    pub postgres: BTreeMap<MemberId, PostgresPorts>,
    /// Where each balancer is asked and told.
    pub balancers: BTreeMap<MemberId, BalancerPorts>,
    /// A superuser of PostgreSQL.
    #[schemars(with = "Login")]
    pub superuser: Credentials,
    /// Who may change something through Patroni's REST.
    #[schemars(with = "Login")]
    pub rest: Credentials,
    /// What the spec tells this controller.
    pub policy: BTreeMap<String, Value>,
}

/// The shape of [`Credentials`] in schemas.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a shape, never a value")]
struct Login {
    user: String,
    password: String,
    database: String,
}

impl fmt::Debug for ControllerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControllerPlan({} of {})", self.replica, self.controller)
    }
}

/// Where one balancer is told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BalancerPorts {
    /// Statistics over HTTP (`/;csv`).
    pub stats: SocketAddr,
    /// HAProxy's runtime API, level admin.
    pub admin: SocketAddr,
}

/// The broker: the only way to the engine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrokerAccess {
    /// Where it listens.
    pub address: SocketAddr,
    /// Sent as `Authorization: Bearer …` with every request.
    pub secret: String,
}

impl fmt::Debug for BrokerAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerDoor({})", self.address)
    }
}

/// What the broker is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrokerPlan {
    /// The lab it serves, and no other.
    pub lab: Name,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What every request must bring.
    pub secret: String,
    /// Client ports of etcd, to compare tokens.
    pub etcd: Vec<SocketAddr>,
    /// Controllers that may give orders.
    pub controllers: Vec<Name>,
}

impl fmt::Debug for BrokerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerPlan({}, {})", self.lab, self.listen)
    }
}
