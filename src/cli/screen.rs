//! The terminal while something is watched on it. One thread owns it: it hears keys, takes in what changed, and draws. A terminal
//! that does not take what is drawn holds nobody up.
//!
//! Invariant: the terminal is as it was before, whatever ends the view: a key, the end of a run, an error, a panic anywhere. What
//! is said on stderr meanwhile is kept, and stands there afterwards.

use std::io::{self, IsTerminal, Stdout};
use std::panic;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::out;
use crate::view::{Story, ViewLook, draw};

/// Longest time between something new and its picture.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the terminal may take to become what it was.
const PATIENCE: Duration = Duration::from_secs(2);
/// The thread that owns the terminal.
const THREAD: &str = "screen";

/// Whether a view has the terminal; whoever draws on it or gives it back holds this.
static TAKEN: Mutex<bool> = Mutex::new(false);
static HOOK: Once = Once::new();

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// No view any more (`q`).
    Quit,
    /// No more of what is watched (Ctrl-C).
    Interrupt,
}

/// What becomes of the view then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Stays,
    /// It is over.
    Ends,
}

type Change = Box<dyn FnOnce(&mut Story) + Send>;

/// A view on the terminal.
pub struct Screen {
    changes: Sender<Change>,
    over: Mutex<Receiver<()>>,
}

impl Screen {
    /// Takes the terminal; `None` where it cannot be had.
    pub fn open(
        story: Story,
        look: ViewLook,
        on_key: impl FnMut(Key, &mut Story) -> After + Send + 'static,
    ) -> Option<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        let terminal = take().inspect_err(|error| tracing::debug!(%error, "no view")).ok()?;
        let (changes, heard) = channel();
        let (ended, over) = channel();
        let shown = move || {
            // what cannot be drawn is no reason to end anything but the view
            let _ = watch(terminal, story, look, &heard, on_key);
            give_back();
            let _ = ended.send(());
        };
        if thread::Builder::new().name(THREAD.to_owned()).spawn(shown).is_err() {
            give_back();
            return None;
        }
        Some(Self { changes, over: Mutex::new(over) })
    }

    /// Changes what is shown; nothing where the view is over.
    pub fn change(&self, change: impl FnOnce(&mut Story) + Send + 'static) {
        let _ = self.changes.send(Box::new(change));
    }

    /// Ends the view and waits until the terminal is what it was.
    pub fn close(self) {
        let Self { changes, over } = self;
        drop(changes);
        let over = over.into_inner().unwrap_or_else(PoisonError::into_inner);
        let _ = over.recv_timeout(PATIENCE);
    }
}

/// Shows a story until it is over.
fn watch(
    mut terminal: Terminal<CrosstermBackend<Stdout>>,
    mut story: Story,
    look: ViewLook,
    heard: &Receiver<Change>,
    mut on_key: impl FnMut(Key, &mut Story) -> After,
) -> io::Result<()> {
    let mut news = true;
    loop {
        loop {
            match heard.try_recv() {
                Ok(change) => change(&mut story),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
            news = true;
        }
        if std::mem::take(&mut news) {
            let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            if !*taken {
                // somebody panicked, and the terminal is theirs
                return Ok(());
            }
            let scene = story.scene();
            terminal.draw(|frame| draw(frame, &scene, look))?;
        }
        if event::poll(PAUSE)? {
            news = true;
            if let Some(key) = key(&event::read()?)
                && on_key(key, &mut story) == After::Ends
            {
                return Ok(());
            }
        }
    }
}

/// What a key means; everything else is only a reason to draw anew.
fn key(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else { return None };
    match code {
        KeyCode::Char('c' | 'C') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
        KeyCode::Char('q' | 'Q') if modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(Key::Quit),
        _ => None,
    }
}

/// Takes the terminal.
fn take() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    if !io::stdout().is_terminal() {
        return Err(io::Error::other("stdout is no terminal"));
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    enable_raw_mode()?;
    *taken = true;
    out::hold();
    drop(taken);
    let opened = execute!(io::stdout(), EnterAlternateScreen, Hide)
        .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
    if opened.is_err() {
        give_back();
    }
    opened
}

/// Gives the terminal back, once.
fn give_back() {
    let restore = |taken: &mut bool| {
        if std::mem::take(taken) {
            // where one of them fails, the other may still help
            let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
            let _ = disable_raw_mode();
            out::release();
        }
    };
    if thread::current().name() != Some(THREAD) {
        return restore(&mut TAKEN.lock().unwrap_or_else(PoisonError::into_inner));
    }
    // a panic of the drawing thread comes here while it holds the lock
    match TAKEN.try_lock() {
        Ok(mut taken) => restore(&mut taken),
        Err(std::sync::TryLockError::Poisoned(taken)) => restore(&mut taken.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => restore(&mut true),
    }
}

/// What is known of the terminal and of what a person wants of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Whether stdout is one.
    pub terminal: bool,
    /// Only plain lines are wanted (`--plain`).
    pub plain: bool,
    /// Which one it is (`TERM`).
    pub term: Option<&'a str>,
    /// No colours are wanted (`NO_COLOR`, whatever it says).
    pub no_color: bool,
    /// The first of `LC_ALL`, `LC_CTYPE` and `LANG` that says something.
    pub locale: Option<&'a str>,
}

impl Wish<'_> {
    /// How a view may look; `None` for plain lines.
    pub fn look(self) -> Option<ViewLook> {
        let able = self.term.is_some_and(|term| !matches!(term, "" | "dumb"));
        if !self.terminal || self.plain || !able {
            return None;
        }
        let locale = self.locale.unwrap_or_default().to_ascii_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        Some(ViewLook { colour: !self.no_color, unicode })
    }
}

/// How a view on this stdout may look; `None` for plain lines.
pub fn look(plain: bool) -> Option<ViewLook> {
    let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(said);
    let term = said("TERM");
    let wish = Wish {
        terminal: io::stdout().is_terminal(),
        plain,
        term: term.as_deref(),
        no_color: said("NO_COLOR").is_some(),
        locale: locale.as_deref(),
    };
    wish.look()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_needs_a_terminal_that_can_and_a_person_who_wants_it() {
        let wish = Wish {
            terminal: true,
            term: Some("xterm-256color"),
            locale: Some("en_US.UTF-8"),
            ..Wish::default()
        };
        assert_eq!(wish.look(), Some(ViewLook { colour: true, unicode: true }));
        assert_eq!(Wish { no_color: true, ..wish }.look(), Some(ViewLook { colour: false, unicode: true }));
        for locale in [None, Some("C"), Some("de_DE.ISO-8859-1")] {
            assert_eq!(Wish { locale, ..wish }.look(), Some(ViewLook { colour: true, unicode: false }));
        }
        for plain in [
            Wish { terminal: false, ..wish },
            Wish { plain: true, ..wish },
            Wish { term: Some("dumb"), ..wish },
            Wish { term: None, ..wish },
        ] {
            assert_eq!(plain.look(), None);
        }
    }

    #[test]
    fn two_keys_mean_something() {
        let pressed = |code, modifiers| key(&Event::Key(KeyEvent::new(code, modifiers)));
        assert_eq!(pressed(KeyCode::Char('q'), KeyModifiers::NONE), Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Char('Q'), KeyModifiers::SHIFT), Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::NONE), None);
        assert_eq!(key(&Event::Resize(80, 24)), None);
    }
}
