//! How many measurements make a window. Counted once a look: every member is asked for several windows.

use crate::model::Span;
use crate::model::scaling::{Resource, ScalingPolicy};

/// The windows of a policy, in measurements.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    cpu: UpAndDown,
    memory: UpAndDown,
    disk: UpAndDown,
    /// For one instance, or one balancer, more.
    pub out: usize,
    /// For one less.
    pub fewer: usize,
}

/// The windows of one resource.
#[derive(Clone, Copy, Debug)]
struct UpAndDown {
    up: usize,
    down: usize,
}

impl UpAndDown {
    const fn longest(self) -> usize {
        if self.up > self.down { self.up } else { self.down }
    }
}

impl Windows {
    /// Those of a policy.
    #[must_use]
    pub fn of(policy: &ScalingPolicy) -> Self {
        let count = |window| measurements(policy, window);
        let both = |up, down| UpAndDown { up: count(up), down: count(down) };
        Self {
            cpu: both(policy.cpu.up_window, policy.cpu.down_window),
            memory: both(policy.memory.up_window, policy.memory.down_window),
            disk: both(policy.disk.up_window, policy.disk.down_window),
            out: count(policy.instances.out_window),
            fewer: count(policy.instances.in_window),
        }
    }

    const fn both(&self, resource: Resource) -> UpAndDown {
        match resource {
            Resource::Cpu => self.cpu,
            Resource::Memory => self.memory,
            Resource::Disk => self.disk,
        }
    }

    /// That of a resource for more, or for less.
    #[must_use]
    pub const fn of_resource(&self, resource: Resource, up: bool) -> usize {
        let both = self.both(resource);
        if up { both.up } else { both.down }
    }

    /// The longer one of a resource.
    #[must_use]
    pub const fn whole(&self, resource: Resource) -> usize {
        self.both(resource).longest()
    }

    /// The longest of all.
    #[must_use]
    pub fn longest(&self) -> usize {
        let sizes = Resource::ALL.map(|resource| self.whole(resource));
        sizes.into_iter().chain([self.out, self.fewer]).max().unwrap_or(1)
    }
}

/// How many measurements lie in so long.
pub(super) fn measurements(policy: &ScalingPolicy, window: Span) -> usize {
    let every = policy.every.0.as_nanos().max(1);
    usize::try_from(window.0.as_nanos().div_ceil(every)).unwrap_or(usize::MAX).max(1)
}
