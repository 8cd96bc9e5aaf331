//! Asking a person for a secret: one line from the terminal that the process belongs to, without echo (termios(3)).

use std::io::IsTerminal;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const TERMINAL: &str = "/dev/tty";
/// The longest line that a terminal gives (N_TTY_BUF_SIZE).
const LONGEST: usize = 4096;

/// The terminal that is another now, and what it was before.
static SILENT: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

fn silent() -> MutexGuard<'static, Option<(OwnedFd, Termios)>> {
    SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a person looks at what the program says, and can be asked. A script that catches standard error is not.
pub fn is_there() -> bool {
    std::io::stderr().is_terminal() && open().is_ok()
}

fn open() -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(TERMINAL, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
}

/// Asks, and reads a line that is not shown; without its end.
pub fn ask(question: &str) -> Result<Zeroizing<Vec<u8>>> {
    let _restored = Restored;
    let answer = open().and_then(|terminal| {
        silence(&terminal)?;
        rustix::io::write(&terminal, question.as_bytes())?;
        read_line(&terminal)
    });
    answer.map_err(|error| Error::io("reading", Path::new(TERMINAL), error.into()))
}

/// Turns echo off, but shows the end of the line. Ctrl-Z too: a shell that brings us back would bring the echo along.
fn silence(terminal: &OwnedFd) -> rustix::io::Result<()> {
    let before = tcgetattr(terminal)?;
    let mut now = before.clone();
    now.local_modes.remove(LocalModes::ECHO);
    now.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
    now.special_codes[SpecialCodeIndex::VSUSP] = 0;
    let kept = terminal.try_clone().map_err(|_| rustix::io::Errno::MFILE)?;
    // Under the lock: a signal may come at any moment, and what it restores must stay restored.
    let mut silent = silent();
    *silent = Some((kept, before));
    tcsetattr(terminal, OptionalActions::Flush, &now)
}

fn read_line(terminal: &OwnedFd) -> rustix::io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(vec![0; LONGEST]);
    let length = rustix::io::retry_on_intr(|| rustix::io::read(terminal, &mut line[..]))?;
    let end = line[..length].iter().position(|byte| *byte == b'\n').unwrap_or(length);
    line.truncate(end);
    Ok(line)
}

/// Remembers what the terminal is, for [`restore`]: a program that we start may change it and be killed.
pub fn keep() {
    if let Ok(terminal) = open()
        && let Ok(now) = tcgetattr(&terminal)
    {
        *silent() = Some((terminal, now));
    }
}

/// Makes the terminal what it was before a question, or when it was kept. Nothing if neither was.
pub fn restore() {
    if let Some((terminal, before)) = silent().take() {
        // If the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    }
}

struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        restore();
    }
}
