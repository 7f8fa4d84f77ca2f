//! Virtual time of the labs in memory: futures that are ready at an instant, and two processes of a controller that
//! are turned until the lab ends, and crash when it says so.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

/// How many names of a kind are made at once.
const MANY: usize = 32;

/// A lab with a clock of its own.
pub trait Timed {
    /// Milliseconds since it began.
    fn now(&self) -> u64;
}

/// Ready at an instant of the lab.
pub struct Until<L>(pub Arc<Mutex<L>>, pub u64);

impl<L: Timed> Future for Until<L> {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.lock().expect("the lab").now() >= self.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// What a turn of the lab comes to.
pub enum Turn<T> {
    /// It goes on.
    On,
    /// It goes on, and this replica crashes and begins anew.
    Crash(usize),
    /// It is over.
    End(T),
}

/// Turns the lab and the two replicas of a controller in it until it is over.
pub fn play<P: Future<Output = ()>, T>(
    born: impl Fn(usize) -> Pin<Box<P>>,
    mut turn: impl FnMut() -> Turn<T>,
) -> T {
    let mut processes = [born(0), born(1)];
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match turn() {
            Turn::On => {}
            Turn::Crash(replica) => processes[replica] = born(replica),
            Turn::End(outcome) => return outcome,
        }
        for process in &mut processes {
            let _pending = process.as_mut().poll(&mut context);
        }
    }
}

/// The `n`th name after `stem`, counted from 1: names are made once, because a look is full of them.
pub fn named<N: Clone + FromStr<Err: Debug>>(names: &'static OnceLock<Vec<N>>, stem: &str, n: usize) -> N {
    let made = |n: usize| format!("{stem}{}", n + 1).parse().expect("a name");
    names.get_or_init(|| (0..MANY).map(made).collect()).get(n).cloned().unwrap_or_else(|| made(n))
}

/// How many seeds are tried: a sample, or the long search where `PGHA_SEEDS=long` asks for it, or as many as it says.
#[allow(clippy::disallowed_methods, reason = "a longer search is asked for from outside")]
pub fn seeds(sample: u64, long: u64) -> u64 {
    match std::env::var("PGHA_SEEDS") {
        Ok(text) if text == "long" => long,
        Ok(text) => text.parse().expect("PGHA_SEEDS is a number, or `long`"),
        Err(_) => sample,
    }
}
