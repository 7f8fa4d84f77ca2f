//! Words to stdout and stderr. A reader that has gone is nobody's error: what would be said to it is dropped, and the
//! program goes on to its own end, so that `pgha run … | head` still heals, judges, and ends with its verdict.
//!
//! `println!`, `print!`, `eprintln!` and `eprint!` of this room are the ones below; the standard library's end the
//! program with a panic where the reader has gone.

use crate::engine::locked::Locked;
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the reader of stdout has gone.
static GONE: AtomicBool = AtomicBool::new(false);
/// Why stdout could not be written, when that was something else.
static FAILED: Locked<Option<String>> = Locked::new(None);

/// What was said on stderr while a view has the terminal.
static KEPT: Locked<Option<Vec<u8>>> = Locked::new(None);

/// Says something on stdout.
pub fn say(words: Arguments<'_>) {
    if GONE.load(Ordering::Relaxed) {
        return;
    }
    let mut out = io::stdout().lock();
    match out.write_fmt(words).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => GONE.store(true, Ordering::Relaxed),
        Err(error) => {
            FAILED.lock().get_or_insert(error.to_string());
        }
    }
}

/// Says something on stderr; where nobody reads it, it is not said. While a view has the terminal it is kept.
pub fn tell(words: Arguments<'_>) {
    // nothing may be said between a look at what is kept and the words themselves: a view would be drawn around them
    let mut kept = KEPT.lock();
    let _ = match kept.as_mut() {
        Some(kept) => kept.write_fmt(words),
        None => io::stderr().lock().write_fmt(words),
    };
}

/// Keeps what is said on stderr from now on.
pub fn hold() {
    KEPT.lock().get_or_insert_default();
}

/// Says what was kept, and keeps nothing any more.
pub fn release() {
    let mut kept = KEPT.lock();
    if let Some(words) = kept.take() {
        let _ = io::stderr().lock().write_all(&words);
    }
}

/// Stderr for those who write bytes: the program's own words and theirs stand in one order.
#[derive(Debug)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        tell(format_args!("{}", String::from_utf8_lossy(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether nobody reads stdout any more: who goes on until interrupted may end.
pub fn gone() -> bool {
    GONE.load(Ordering::Relaxed)
}

/// Why what was said on stdout did not arrive, other than that its reader went.
pub fn failed() -> Option<String> {
    FAILED.lock().clone()
}

macro_rules! print {
    ($($words:tt)*) => { $crate::cli::out::say(format_args!($($words)*)) };
}

macro_rules! println {
    () => { $crate::cli::out::say(format_args!("\n")) };
    ($($words:tt)*) => { $crate::cli::out::say(format_args!("{}\n", format_args!($($words)*))) };
}

macro_rules! eprint {
    ($($words:tt)*) => { $crate::cli::out::tell(format_args!($($words)*)) };
}

macro_rules! eprintln {
    ($($words:tt)*) => { $crate::cli::out::tell(format_args!("{}\n", format_args!($($words)*))) };
}
