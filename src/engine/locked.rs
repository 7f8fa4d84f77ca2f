//! A value behind a lock that nobody's panic takes away.
//!
//! Theory: a panic of one task ends that task, and what it left behind is whole, because no function of this house
//! changes a locked value in several steps that belong together. So a lock that was poisoned is taken like any other.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that one task at a time may change.
#[derive(Debug, Default)]
pub struct Locked<T>(Mutex<T>);

impl<T> Locked<T> {
    /// Puts a value behind a lock.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits for the value. Never held over an await.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
