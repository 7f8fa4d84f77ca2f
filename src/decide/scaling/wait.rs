//! Why scaling stands still. Each has a longest time; then a person must know, and an alarm says so.

use crate::decide::waits::{AT_ONCE, HOUR, Reason};
use crate::model::Span;
use crate::model::alarm::AlarmKind;
use crate::model::scaling::ScalingPolicy;
use serde::{Deserialize, Serialize};

/// What usually comes back within moments.
const WAIT_FOR_MOMENTS: Span = Span::secs(60);
/// What others must do first.
const WAIT_FOR_OTHERS: Span = Span::secs(600);

/// Why nothing is done about something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalingWait {
    /// The lab's record cannot be read.
    Record,
    /// The engine cannot be seen.
    Engine,
    /// What bodies use cannot be read.
    Usage,
    /// The store cannot be seen.
    Store,
    /// An operator wants that controllers only watch.
    Maintenance,
    /// A number that an operator wants waits for something else.
    Wish,
    /// A restart that a setting needs waits for something else.
    Restart,
    /// What is idle is not taken away, because of something else.
    Idle,
    /// There are too many, and none of them may leave.
    Number,
    /// A member is short of cores or memory and may not have more.
    Limit,
    /// A disk is short of space and may not grow.
    Disk,
    /// A size that an operator wants waits for one that is being given.
    Size,
    /// A member is to leave, and has not left.
    Leaves,
    /// Fewer members are there than are wanted.
    Missing,
}

impl ScalingWait {
    /// Every one of them.
    pub const ALL: [Self; 14] = [
        Self::Record,
        Self::Engine,
        Self::Usage,
        Self::Store,
        Self::Maintenance,
        Self::Wish,
        Self::Restart,
        Self::Idle,
        Self::Number,
        Self::Limit,
        Self::Disk,
        Self::Size,
        Self::Leaves,
        Self::Missing,
    ];

    /// Where scaling is in its work meanwhile.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Record | Self::Engine | Self::Usage | Self::Store => "blind",
            Self::Maintenance => "maintenance",
            Self::Wish
            | Self::Restart
            | Self::Idle
            | Self::Number
            | Self::Limit
            | Self::Disk
            | Self::Size
            | Self::Leaves
            | Self::Missing => "hold",
        }
    }
}

impl Reason for ScalingWait {
    type Policy = ScalingPolicy;

    fn kind(self) -> AlarmKind {
        match self {
            Self::Record | Self::Engine | Self::Usage => AlarmKind::EngineBlind,
            Self::Store => AlarmKind::StoreBlind,
            Self::Maintenance => AlarmKind::Maintenance,
            Self::Wish | Self::Size | Self::Restart | Self::Idle | Self::Leaves | Self::Missing => {
                AlarmKind::ScalingHeld
            }
            Self::Number => AlarmKind::TooMany,
            Self::Limit => AlarmKind::SizeLimit,
            Self::Disk => AlarmKind::DiskFull,
        }
    }

    fn patience(self, _: &ScalingPolicy) -> Span {
        match self {
            Self::Record | Self::Engine | Self::Usage | Self::Store | Self::Size => WAIT_FOR_MOMENTS,
            Self::Maintenance | Self::Idle => HOUR,
            Self::Wish | Self::Restart | Self::Number | Self::Limit | Self::Leaves | Self::Missing => {
                WAIT_FOR_OTHERS
            }
            Self::Disk => AT_ONCE,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Record => "the lab's record cannot be read: look at the engine and at the broker's log",
            Self::Engine => "the engine cannot be seen: look at it and at the broker's log",
            Self::Usage => "what bodies use cannot be read: look at the engine and at the broker's log",
            Self::Store => "the store cannot be seen: look at etcd",
            Self::Maintenance => "maintenance is on and nothing is scaled: `pgha maintenance off` ends it",
            Self::Wish => {
                "another number is wanted, and the lab is not well enough: see what the repair controller says"
            }
            Self::Restart => "a restart waits: see what the repair controller says of the others",
            Self::Idle => "idle resources are kept: see what the repair controller says",
            Self::Number => "there are too many and none may leave: look at the leader and the standbys",
            Self::Limit => {
                "it is short of cores or memory and may not have more: raise its limit or add a host"
            }
            Self::Size => "a size is wanted and another is being given: look at the broker's log",
            Self::Leaves => "it is to leave and has not left: see what the repair controller says",
            Self::Missing => {
                "fewer members are there than are wanted: see what the repair controller says, and the hosts"
            }
            Self::Disk => "its disk is short of space and may not grow: raise its limit or add a host",
        }
    }
}
