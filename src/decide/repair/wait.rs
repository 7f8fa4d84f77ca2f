//! Why repair stands still. Each has a longest time; then a person must know, and an alarm says so.
//!
//! Source of the times: what a look is waited for ends within a grace by itself, or by a deed. What outlasts it does not
//! end by itself. A clone may take hours, so its own deadline ends it.

use serde::{Deserialize, Serialize};

use crate::decide::waits::{AT_ONCE, HOUR, Reason};
use crate::model::Span;
use crate::model::alarm::AlarmKind;
use crate::model::control::RepairPolicy;

/// Graces after which something that others must do first is not coming.
const GRACES_FOR_OTHERS: u32 = 10;
/// Graces of a member that fails, recovers and fails again.
const FLAPS: u32 = 5;

/// Why nothing is done about something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairWait {
    /// No member holds the leader key.
    Election,
    /// The former leader runs again and recovers.
    Recovery,
    /// The leader takes no writes yet.
    Writes,
    /// Patroni starts the leader's PostgreSQL where it is.
    InPlace,
    /// Something is to be begun, and no member takes writes.
    Leader,
    /// The death of the leader's body is not proved.
    Proof,
    /// The policy leaves the key of a dead leader to its lease.
    Lease,
    /// The release of the key is repeated.
    Release,
    /// A handover of Patroni is under way.
    Handover,
    /// A handover is wanted, and no member may follow.
    Candidate,
    /// A member fails, for less than its grace.
    Grace,
    /// Fewer members are good copies than must be.
    Copies,
    /// Fewer balancers route by the truth than must.
    Balancers,
    /// Another standby must be named before it goes.
    Standby,
    /// A newcomer is cloned; its own deadline ends that.
    Clone,
    /// A newcomer runs and does not do yet what it is for.
    Join,
    /// The cluster is being founded.
    Founding,
    /// An operator wants that controllers only watch.
    Maintenance,
    /// No host can carry another member.
    Host,
    /// The budget of replacements is spent.
    Budget,
    /// The cluster of etcd cannot spare a member.
    Quorum,
    /// Several containers carry one name.
    Bodies,
    /// The leader has no container, and its id is not known.
    Body,
    /// The engine does not say in which state a body is.
    State,
    /// The leader does not serve, and no other member may follow.
    Successor,
}

impl RepairWait {
    /// Every wait there is, for metrics that begin at zero.
    pub const ALL: [Self; 25] = [
        Self::Election,
        Self::Recovery,
        Self::Writes,
        Self::InPlace,
        Self::Leader,
        Self::Proof,
        Self::Lease,
        Self::Release,
        Self::Handover,
        Self::Candidate,
        Self::Grace,
        Self::Copies,
        Self::Balancers,
        Self::Standby,
        Self::Clone,
        Self::Join,
        Self::Founding,
        Self::Maintenance,
        Self::Host,
        Self::Budget,
        Self::Quorum,
        Self::Bodies,
        Self::Body,
        Self::State,
        Self::Successor,
    ];

    /// Where repair is in its work meanwhile.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Election | Self::Writes => "elect",
            Self::Recovery
            | Self::Leader
            | Self::Proof
            | Self::Lease
            | Self::Release
            | Self::Copies
            | Self::Balancers
            | Self::Standby
            | Self::Host
            | Self::Quorum => "wait",
            Self::InPlace => "wake",
            Self::Handover | Self::Founding => "hold",
            Self::Candidate | Self::Budget | Self::Bodies | Self::Body | Self::State | Self::Successor => {
                "refuse"
            }
            Self::Grace => "grace",
            Self::Clone => "clone",
            Self::Join => "join",
            Self::Maintenance => "maintenance",
        }
    }
}

impl Reason for RepairWait {
    type Policy = RepairPolicy;

    fn kind(self) -> AlarmKind {
        match self {
            Self::Election | Self::Recovery => AlarmKind::NoLeader,
            Self::Writes | Self::InPlace | Self::Leader => AlarmKind::NoWrites,
            Self::Proof | Self::Lease | Self::Release => AlarmKind::NoProof,
            Self::Handover | Self::Candidate => AlarmKind::HandoverStuck,
            Self::Grace => AlarmKind::Flaps,
            Self::Copies | Self::Balancers => AlarmKind::CopiesMissing,
            Self::Standby => AlarmKind::StandbyMissing,
            Self::Clone | Self::Join => AlarmKind::NewcomerLate,
            Self::Founding => AlarmKind::NotFounded,
            Self::Maintenance => AlarmKind::Maintenance,
            Self::Host => AlarmKind::WaitsForHost,
            Self::Budget => AlarmKind::ReplacementsSpent,
            Self::Quorum => AlarmKind::NoQuorum,
            Self::Bodies => AlarmKind::SeveralBodies,
            Self::Body => AlarmKind::NoBody,
            Self::State => AlarmKind::StateUnknown,
            Self::Successor => AlarmKind::NoSuccessor,
        }
    }

    fn patience(self, policy: &RepairPolicy) -> Span {
        match self {
            Self::Election
            | Self::Recovery
            | Self::Writes
            | Self::InPlace
            | Self::Leader
            | Self::Proof
            | Self::Lease
            | Self::Release
            | Self::Handover
            | Self::Candidate => policy.sick_grace,
            Self::Grace => flapping(policy),
            Self::Copies | Self::Balancers | Self::Standby | Self::Join | Self::Founding => long(policy),
            Self::Clone => policy.newcomer_grace,
            Self::Maintenance => HOUR,
            Self::Host
            | Self::Budget
            | Self::Quorum
            | Self::Bodies
            | Self::Body
            | Self::State
            | Self::Successor => AT_ONCE,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Election => "no member takes the leader key: the logs of Patroni say why",
            Self::Recovery => "it led last and does not come out of its recovery: its log says why",
            Self::Writes => "it leads and takes no writes: its log says why",
            Self::InPlace => "its Patroni does not get its PostgreSQL to run: its log says why",
            Self::Leader => "it must wait, because no member takes writes",
            Self::Proof => "its death is not proved: look at its container, and at its host",
            Self::Lease => "it is dead and its lease does not end: look at etcd",
            Self::Release => "it is dead and its key cannot be released: look at etcd",
            Self::Handover => "Patroni's handover does not end: its log says why",
            Self::Candidate => {
                "a handover is wanted and no member may follow: withdraw it, or mend a replica"
            }
            Self::Grace => "it fails and recovers again and again: its log says why",
            Self::Copies => "the next change waits until enough others are good copies: look at those",
            Self::Balancers => {
                "the next change waits until enough other balancers route by the truth: look at those"
            }
            Self::Standby => {
                "it cannot go before Patroni names another synchronous standby: look at the other replicas"
            }
            Self::Clone => "it is no good copy yet: its log says why",
            Self::Join => "it does not do yet what it was made for: its log says why",
            Self::Founding => "the cluster is not founded yet: the logs of Patroni say why",
            Self::Maintenance => "maintenance is on and nothing is repaired: `pgha maintenance off` ends it",
            Self::Host => "no host can carry another member: add one",
            Self::Budget => "the budget of replacements is spent: find out why members go bad",
            Self::Quorum => "the cluster of etcd cannot spare it: mend the others",
            Self::Bodies => "several containers carry its name: remove the wrong one",
            Self::Body => "it leads and has no container",
            Self::State => "the engine does not say in which state it is: look at the engine",
            Self::Successor => "it leads and does not serve, and no other member may follow",
        }
    }
}

/// What others must do first.
fn long(policy: &RepairPolicy) -> Span {
    Span(policy.sick_grace.0.saturating_mul(GRACES_FOR_OTHERS))
}

/// The longest grace, several times.
fn flapping(policy: &RepairPolicy) -> Span {
    let graces = [policy.sick_grace, policy.freeze_grace, policy.disk_grace, policy.host_grace];
    Span(graces.map(|grace| grace.0).into_iter().max().unwrap_or_default().saturating_mul(FLAPS))
}
