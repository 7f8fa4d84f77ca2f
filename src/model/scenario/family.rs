//! Verbs by the family that does them. Each family has a type of its own, so it matches its verbs totally: a verb that
//! no family does is an error of the compiler.

use super::verb::{Cache, Corrupt, Direction, EngineMode, KillBy, Process, Verb};
use crate::model::id::Name;
use crate::model::scaling::SizeWish;
use crate::model::target::Target;
use crate::model::units::{Bytes, Span};

/// A verb as its family knows it; whom it hits is told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FamilyVerb<'a> {
    /// By the engine, on bodies.
    Body(BodyVerb<'a>),
    /// On one process of a body.
    Process(ProcessVerb<'a>),
    /// Power off, and what becomes of unsynced pages.
    Power(Cache),
    /// On the network of hosts.
    Network(NetworkVerb<'a>),
    /// On the disk of a body.
    Disk(DiskVerb),
    /// A body's data is gone.
    Wipe,
    /// On what a body may use.
    Resource(ResourceVerb),
    /// Many connections, opened and held.
    Connections {
        /// How many connections are held.
        count: u32,
    },
    /// The clock of a member, set wrong.
    Clock {
        /// By how much, with a sign.
        offset: &'a str,
    },
    /// The engine as controllers meet it.
    Engine(EngineMode),
    /// What operators ask for.
    Operator(OperatorVerb<'a>),
}

/// What the engine does to a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BodyVerb<'a> {
    /// A signal to the first process.
    Kill {
        /// Name of the signal, without SIG.
        signal: &'a str,
    },
    /// The stop signal, then SIGKILL.
    Stop {
        /// Time between the stop signal and SIGKILL.
        timeout: Span,
    },
    /// Every process is frozen (cgroup freezer).
    Pause,
    /// Stop and start in place.
    Restart,
}

/// What is done to one process of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProcessVerb<'a> {
    /// A signal from the machine to the first process.
    Kill {
        /// Name of the signal, without SIG.
        signal: &'a str,
    },
    /// SIGSTOP of this process.
    Freeze(Process),
    /// SIGKILL of this process.
    Crash(Process),
}

/// Verbs about the network of a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NetworkVerb<'a> {
    /// No packet comes in, none goes out.
    Isolate,
    /// Packets between two sides are dropped.
    Partition {
        /// The direction in which packets are dropped.
        direction: Direction,
        /// Only these ports of the `to` side; all when empty.
        ports: &'a [u16],
    },
    /// A share of the packets is lost.
    Loss {
        /// Packets that are lost, of a hundred.
        percent: f64,
    },
    /// Packets arrive late.
    Delay {
        /// How late a packet is on average.
        delay: Span,
        /// How much earlier or later than that a packet may be.
        jitter: Span,
    },
    /// Only so many bytes pass in a second.
    Bandwidth {
        /// Bytes that pass in a second, at most.
        rate: Bytes,
    },
    /// The network comes and goes.
    Flap {
        /// How long the host is reachable each time.
        on: Span,
        /// How long it is silent each time.
        off: Span,
    },
}

/// What is done to the disk of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskVerb {
    /// Its free space is written full.
    Fill {
        /// Bytes that are left free.
        leave: Bytes,
        /// Only what is free at first is filled.
        once: bool,
    },
    /// It answers nothing.
    Freeze,
    /// It takes only so much at a time.
    Slow {
        /// How much it takes in a second, at most.
        bytes_per_second: Bytes,
        /// Operations that it takes in a second, at most.
        iops: Option<u32>,
    },
    /// Bytes on it are flipped.
    Corrupt {
        /// The kind of file that is hit.
        what: Corrupt,
        /// How many bytes are flipped.
        bytes: u32,
    },
}

/// Verbs about what a body may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResourceVerb {
    /// The body may use fewer cores.
    Cpu {
        /// Cores that are left.
        cores: f64,
    },
    /// The body may use less memory.
    Memory {
        /// Bytes that are left.
        limit: Bytes,
    },
    /// A process beside the body eats its memory.
    MemoryHog {
        /// Bytes that the process takes.
        size: Bytes,
    },
}

/// What an operator asks Patroni or a controller for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OperatorVerb<'a> {
    /// Patroni hands the primary over as planned.
    Switchover,
    /// Patroni makes a member primary without asking the old one.
    Failover,
    /// A service gets another number of bodies.
    Scale {
        /// Name of the service.
        service: &'a Name,
        /// How many bodies it shall have.
        count: u32,
    },
    /// A member gets another size.
    Resize(SizeWish),
    /// Controllers and Patroni only watch.
    Maintenance {
        /// Whether maintenance begins or ends.
        on: bool,
    },
    /// A new member takes the place of one.
    Replace,
    /// Every instance is restarted in turn.
    RollingRestart,
}

/// What a verb acts on. A target that names bodies stands for their hosts where hosts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// The containers of members.
    Bodies,
    /// Simulated hosts, through their sandboxes.
    Hosts,
    /// The cluster as a whole.
    Cluster,
}

impl Verb {
    /// The verb as files and the command line write it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The verb as its family knows it. Of compositions it is what each of their faults does: the repeated verb, the
    /// isolation of one host.
    #[must_use]
    pub fn family(&self) -> FamilyVerb<'_> {
        match self {
            Self::Kill { signal, by: KillBy::Engine, .. } => FamilyVerb::Body(BodyVerb::Kill { signal }),
            Self::Stop { timeout, .. } => FamilyVerb::Body(BodyVerb::Stop { timeout: *timeout }),
            Self::Pause { .. } => FamilyVerb::Body(BodyVerb::Pause),
            Self::Restart { .. } => FamilyVerb::Body(BodyVerb::Restart),
            Self::Kill { signal, by: KillBy::Process, .. } => {
                FamilyVerb::Process(ProcessVerb::Kill { signal })
            }
            Self::Freeze { process, .. } => FamilyVerb::Process(ProcessVerb::Freeze(*process)),
            Self::Crash { process, .. } => FamilyVerb::Process(ProcessVerb::Crash(*process)),
            Self::PowerOff { cache, .. } => FamilyVerb::Power(*cache),
            Self::Isolate { .. } | Self::Swizzle { .. } => FamilyVerb::Network(NetworkVerb::Isolate),
            Self::Partition { direction, ports, .. } => {
                FamilyVerb::Network(NetworkVerb::Partition { direction: *direction, ports })
            }
            Self::Loss { percent, .. } => FamilyVerb::Network(NetworkVerb::Loss { percent: *percent }),
            Self::Delay { delay, jitter, .. } => {
                FamilyVerb::Network(NetworkVerb::Delay { delay: *delay, jitter: *jitter })
            }
            Self::Bandwidth { rate, .. } => FamilyVerb::Network(NetworkVerb::Bandwidth { rate: *rate }),
            Self::Flap { on, off, .. } => FamilyVerb::Network(NetworkVerb::Flap { on: *on, off: *off }),
            Self::DiskFill { leave, once, .. } => {
                FamilyVerb::Disk(DiskVerb::Fill { leave: *leave, once: *once })
            }
            Self::DiskFreeze { .. } => FamilyVerb::Disk(DiskVerb::Freeze),
            Self::DiskSlow { bytes_per_second, iops, .. } => {
                FamilyVerb::Disk(DiskVerb::Slow { bytes_per_second: *bytes_per_second, iops: *iops })
            }
            Self::DiskCorrupt { what, bytes, .. } => {
                FamilyVerb::Disk(DiskVerb::Corrupt { what: *what, bytes: *bytes })
            }
            Self::Wipe { .. } => FamilyVerb::Wipe,
            Self::Cpu { cores, .. } => FamilyVerb::Resource(ResourceVerb::Cpu { cores: *cores }),
            Self::Memory { limit, .. } => FamilyVerb::Resource(ResourceVerb::Memory { limit: *limit }),
            Self::MemoryHog { size, .. } => FamilyVerb::Resource(ResourceVerb::MemoryHog { size: *size }),
            Self::Connections { count, .. } => FamilyVerb::Connections { count: *count },
            Self::Clock { offset, .. } => FamilyVerb::Clock { offset },
            Self::Engine { mode } => FamilyVerb::Engine(*mode),
            Self::Switchover { .. } => FamilyVerb::Operator(OperatorVerb::Switchover),
            Self::Failover { .. } => FamilyVerb::Operator(OperatorVerb::Failover),
            Self::Scale { service, count } => {
                FamilyVerb::Operator(OperatorVerb::Scale { service, count: *count })
            }
            Self::Resize { cpu, memory, disk, .. } => FamilyVerb::Operator(OperatorVerb::Resize(SizeWish {
                cpu: *cpu,
                memory: *memory,
                disk: *disk,
            })),
            Self::Maintenance { on } => FamilyVerb::Operator(OperatorVerb::Maintenance { on: *on }),
            Self::Replace { .. } => FamilyVerb::Operator(OperatorVerb::Replace),
            Self::RollingRestart { .. } => FamilyVerb::Operator(OperatorVerb::RollingRestart),
            Self::Repeat { verb, .. } => verb.family(),
        }
    }

    /// Whether it leaves nothing to undo: what was done stays done.
    #[must_use]
    pub fn lasting(&self) -> bool {
        match self.family() {
            FamilyVerb::Wipe => true,
            FamilyVerb::Body(verb) => matches!(verb, BodyVerb::Restart),
            FamilyVerb::Disk(verb) => matches!(verb, DiskVerb::Corrupt { .. }),
            FamilyVerb::Operator(verb) => !matches!(verb, OperatorVerb::Maintenance { .. }),
            FamilyVerb::Process(_)
            | FamilyVerb::Power(_)
            | FamilyVerb::Network(_)
            | FamilyVerb::Resource(_)
            | FamilyVerb::Connections { .. }
            | FamilyVerb::Clock { .. }
            | FamilyVerb::Engine(_) => false,
        }
    }

    /// Whether it acts on bodies, on hosts, or on the cluster.
    #[must_use]
    pub fn acts_on(&self) -> ActsOn {
        match self.family() {
            FamilyVerb::Power(_) | FamilyVerb::Network(_) => ActsOn::Hosts,
            FamilyVerb::Engine(_)
            | FamilyVerb::Operator(
                OperatorVerb::Scale { .. } | OperatorVerb::Maintenance { .. } | OperatorVerb::Switchover,
            ) => ActsOn::Cluster,
            FamilyVerb::Operator(
                OperatorVerb::Failover
                | OperatorVerb::Resize(_)
                | OperatorVerb::Replace
                | OperatorVerb::RollingRestart,
            )
            | FamilyVerb::Body(_)
            | FamilyVerb::Process(_)
            | FamilyVerb::Disk(_)
            | FamilyVerb::Wipe
            | FamilyVerb::Resource(_)
            | FamilyVerb::Connections { .. }
            | FamilyVerb::Clock { .. } => ActsOn::Bodies,
        }
    }

    /// Whom it hits, when that is one target.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Kill { target, .. }
            | Self::Stop { target, .. }
            | Self::Pause { target }
            | Self::Freeze { target, .. }
            | Self::Crash { target, .. }
            | Self::Restart { target }
            | Self::Wipe { target }
            | Self::PowerOff { target, .. }
            | Self::Isolate { target }
            | Self::Loss { target, .. }
            | Self::Delay { target, .. }
            | Self::Bandwidth { target, .. }
            | Self::Flap { target, .. }
            | Self::DiskFill { target, .. }
            | Self::DiskFreeze { target }
            | Self::DiskSlow { target, .. }
            | Self::DiskCorrupt { target, .. }
            | Self::Cpu { target, .. }
            | Self::Memory { target, .. }
            | Self::MemoryHog { target, .. }
            | Self::Connections { target, .. }
            | Self::Clock { target, .. }
            | Self::Failover { to: target }
            | Self::Resize { target, .. }
            | Self::Replace { target }
            | Self::RollingRestart { target } => Some(target),
            Self::Partition { .. }
            | Self::Engine { .. }
            | Self::Switchover { .. }
            | Self::Scale { .. }
            | Self::Maintenance { .. }
            | Self::Repeat { .. }
            | Self::Swizzle { .. } => None,
        }
    }
}
