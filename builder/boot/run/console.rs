//! A machine's console, watched for a text.

use std::io::Read;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::Expected;
use crate::boot::Watcher;
use crate::error::{Error, Result};
use crate::process::Running;

/// The longest line that is looked at as a whole.
const LONGEST: usize = 64 << 10;
/// How many lines an error shows.
const SHOWN: usize = 10;
/// How long the text may still come after a panic. A machine whose kernel has panicked may stand still forever.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What a kernel says when it does not have what it was given. The second ends it; the first does not.
const UNPACKING: &str = "Initramfs unpacking failed";
const PANIC: &str = "Kernel panic - not syncing";

/// Shows what a machine writes until the text is among it.
///
/// # Errors
/// Environment: the machine ended first, its kernel panicked, or the time was over.
pub fn watch(running: &mut Running, expected: &Expected, watcher: &dyn Watcher) -> Result<()> {
    let output = running.output().ok_or_else(|| Error::bug("QEMU's output was not asked for"))?;
    let (sends, pieces) = mpsc::sync_channel(64);
    thread::spawn(move || read(output, &sends));
    let mut console = Console::new(&expected.text);
    let found = console.follow(&pieces, expected.patience, watcher);
    watcher.console(&console.rest())?;
    match found? {
        Ended::Seen => Ok(()),
        ended => Err(console.failure(ended, expected)),
    }
}

fn read(mut output: impl Read, to: &mpsc::SyncSender<Vec<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = output.read(&mut buffer) {
        if count == 0 || to.send(buffer[..count].to_vec()).is_err() {
            return;
        }
    }
}

/// How watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Seen,
    Panic,
    Gone,
    Late,
}

struct Console<'a> {
    text: &'a str,
    /// The line that has no end yet.
    line: Vec<u8>,
    /// The last lines, for an error.
    last: Vec<String>,
    /// What the kernel complained of first, and whether that was a panic.
    complaint: Option<String>,
    panicked: bool,
}

impl<'a> Console<'a> {
    fn new(text: &'a str) -> Console<'a> {
        Console { text, line: Vec::new(), last: Vec::new(), complaint: None, panicked: false }
    }

    fn follow(&mut self, pieces: &Receiver<Vec<u8>>, patience: Duration, watcher: &dyn Watcher) -> Result<Ended> {
        let mut deadline = Instant::now() + patience;
        loop {
            let piece = match pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => piece,
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Gone),
                Err(RecvTimeoutError::Timeout) if self.panicked => return Ok(Ended::Panic),
                Err(RecvTimeoutError::Timeout) => return Ok(Ended::Late),
            };
            let before = (self.complaint.clone(), self.panicked);
            let (lines, seen) = self.take(&piece);
            watcher.console(&lines)?;
            if seen {
                return Ok(Ended::Seen);
            }
            if let (None, Some(complaint)) = (&before.0, &self.complaint) {
                watcher.note(&format!("the kernel complains: {complaint}"));
            }
            if self.panicked && !before.1 {
                deadline = deadline.min(Instant::now() + AFTER_PANIC);
            }
        }
    }

    /// The whole lines that a piece brings, as they came, and whether the text is among them, or in the line that has
    /// no end yet: a prompt has none.
    fn take(&mut self, piece: &[u8]) -> (String, bool) {
        let (mut lines, mut seen) = (String::new(), false);
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            let text = String::from_utf8_lossy(&self.line).replace('\r', "");
            seen |= text.contains(self.text);
            if part.ends_with(b"\n") || self.line.len() > LONGEST {
                self.note(text.trim_end());
                lines += &String::from_utf8_lossy(&std::mem::take(&mut self.line));
            }
        }
        (lines, seen)
    }

    fn note(&mut self, line: &str) {
        self.panicked |= line.contains(PANIC);
        if self.complaint.is_none() && [UNPACKING, PANIC].iter().any(|complaint| line.contains(complaint)) {
            self.complaint = Some(line.to_owned());
        }
        if !line.trim().is_empty() {
            self.last.push(line.to_owned());
            self.last.drain(..self.last.len().saturating_sub(SHOWN));
        }
    }

    /// What has no end of a line.
    fn rest(&mut self) -> String {
        match String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned() {
            rest if rest.is_empty() => rest,
            rest => {
                self.note(rest.trim_end());
                rest + "\n"
            }
        }
    }

    fn failure(&self, ended: Ended, expected: &Expected) -> Error {
        let why = match ended {
            Ended::Panic => "the kernel panicked".into(),
            Ended::Gone => "the machine ended".into(),
            Ended::Seen | Ended::Late => format!("{} s were over", expected.patience.as_secs()),
        };
        let reason = self.complaint.as_ref().map(|line| format!(" ({line})")).unwrap_or_default();
        let message = format!("{why} before `{}` was on the console{reason}", expected.text);
        let last = self.last.join(" | ");
        Error::environment(message).advise(match last.is_empty() {
            true => "nothing at all was on it: see that the command line has console=ttyS0".into(),
            false => format!("the last lines were: {last}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_seen_in_a_line_and_in_a_prompt_and_over_pieces() {
        let mut console = Console::new("login: ");
        assert_eq!(console.take(b"a\r\nm0 lo"), ("a\r\n".into(), false));
        assert_eq!(console.take(b"gin"), (String::new(), false));
        assert_eq!(console.take(b"\r: "), (String::new(), true));
        assert_eq!(console.rest(), "m0 login\r: \n");
        let mut console = Console::new("x y");
        assert!(!console.take(b"x\ny\n").1);
        assert!(console.take(b"\xffx y\n").1);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut console = Console::new("x");
        for _ in 0..100 {
            console.take(&[b'a'; 4096]);
        }
        assert!(console.line.len() <= LONGEST + 4096);
    }

    #[test]
    fn why_a_text_was_not_seen() {
        let expected = Expected { text: "x".into(), patience: Duration::from_secs(7) };
        let mut console = Console::new("x");
        assert!(console.failure(Ended::Late, &expected).to_string().starts_with("7 s were over before `x` was"));
        console.take(b"[    1.0] Initramfs unpacking failed: junk\r\n");
        assert!(!console.panicked);
        console.take(b"Kernel panic - not syncing: no init\n");
        assert!(console.panicked);
        let told = console.failure(Ended::Gone, &expected).to_string();
        assert!(told.contains("the machine ended before") && told.contains("unpacking failed: junk)"), "{told}");
        assert!(told.ends_with("junk | Kernel panic - not syncing: no init"), "{told}");
    }
}
