//! What controllers deal in, as plain data: what they are handed, what they ask the broker for, proof of
//! leadership, proof of death, the bodies of a lab as the engine shows them, and what the repair
//! controller is told.

mod bodies;
mod contract;
mod handed;
mod orders;
mod policy;
mod wishes;

pub use super::alarm::{Alarm, AlarmKind, Became, Raised};
pub use super::controller_status::{ControllerStatus, FailedDeed};
pub use super::store_keys::{asked_key, asked_keys, keys, leadership_key, switchover_key};
pub use bodies::Bodies;
pub use contract::Contract;
pub use handed::{
    BROKER_PLAN, BalancerPorts, BrokerAccess, BrokerPlan, CONTROLLER_PLAN, ControllerPlan, ENGINE_MODE,
};
pub use orders::{
    BrokerAnswer, BrokerDeed, BrokerLine, BrokerOrder, BrokerRefusal, Brokered, KeptLine, LeaderIs, Proof,
    ProofLevel, Token,
};
pub use policy::{Budget, RepairPolicy};
pub use wishes::{Replacing, SwitchoverWish};
