//! What scaling knows at one instant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::control::{Bodies, Replacing};
use crate::model::scaling::{CountWish, SizeWish, Usages};
use crate::model::self_report::SelfReport;
use crate::model::sighting::PatroniSeen;
use crate::model::{MemberId, Mono, Service, Sight};

/// What scaling knows at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScalingSeen {
    /// When the look began.
    pub at: Mono,
    /// The engine's view, and who stands where with which size.
    pub bodies: Sight<Bodies>,
    /// What bodies use.
    pub usage: Sight<Usages>,
    /// What the store says.
    pub store: Sight<ScalingStoreSeen>,
    /// Instances, in the words of their Patroni.
    pub postgres: BTreeMap<MemberId, Sight<PatroniSeen>>,
    /// Instances and balancers, in their own words; who did not answer in time is left out.
    #[serde(default)]
    pub inside: BTreeMap<MemberId, SelfReport>,
}

/// What the store says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScalingStoreSeen {
    /// Who holds Patroni's leader key.
    pub leader: Option<MemberId>,
    /// Maintenance: Patroni and controllers only watch.
    pub maintenance: bool,
    /// What repair is replacing.
    pub replacing: Option<Replacing>,
    /// Sizes an operator wants.
    pub asked: BTreeMap<MemberId, OperatorWish<SizeWish>>,
    /// How many bodies of a service an operator wants.
    #[serde(default)]
    pub counts: BTreeMap<Service, OperatorWish<CountWish>>,
    /// Who may lead in a synchronous mode, leader included; `None` when writes are asynchronous.
    #[serde(default)]
    pub may_lead: Option<Vec<MemberId>>,
}

/// What an operator asks for, in the word that was seen: another may stand there by the time it is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OperatorWish<T> {
    /// What.
    pub wish: T,
    /// Revision that wrote it.
    pub revision: i64,
}
