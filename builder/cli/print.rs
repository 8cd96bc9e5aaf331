//! The printer: the only place that writes to the terminal. Reports go to standard output, progress, notes and errors
//! to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::boot::Watcher;
use crate::epoch;
use crate::error::{Error, Result, visible};
use crate::store::Progress;

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Human,
    /// For a program: one JSON value.
    Json,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Writes reports, notes and progress as the command line asked.
pub struct Printer {
    format: Format,
    color: bool,
    quiet: bool,
    verbose: u8,
    bars: MultiProgress,
    named: Mutex<Vec<(String, ProgressBar)>>,
}

impl Printer {
    /// A printer for these choices.
    pub fn new(format: Format, color: Color, quiet: bool, verbose: u8) -> Printer {
        let terminal = io::stderr().is_terminal() && epoch::variable("TERM").is_none_or(|term| term != "dumb");
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && epoch::variable("NO_COLOR").is_none(),
        };
        let target = if quiet || !terminal { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        Printer { format, color, quiet, verbose, bars, named: Mutex::default() }
    }

    /// A report: `human` for a person, `json` for a program.
    pub fn report(&self, json: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
        match self.format {
            Format::Human => self.text(&human()),
            Format::Json => {
                let text = serde_json::to_string_pretty(json);
                self.text(&format!("{}\n", text.map_err(|error| Error::bug(format!("writing JSON: {error}")))?))
            }
        }
    }

    /// Text as it is. That nobody reads it any more is no fault: `| head` is a way to read.
    pub fn text(&self, text: &str) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| Error::io("writing to", "standard output", error)),
        }
    }

    /// What is worth knowing while it happens.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.line(&visible(text));
        }
    }

    /// What a person should know, and that stops nothing.
    pub fn warning(&self, text: &str) {
        let mark = if self.color { "\u{1b}[1;33mwarning:\u{1b}[0m" } else { "warning:" };
        if !self.quiet {
            self.line(&format!("{mark} {}", visible(text)));
        }
    }

    /// What `-v` shows.
    pub fn detail(&self, text: &str) {
        if self.verbose > 0 {
            self.line(&visible(text));
        }
    }

    /// What went wrong, a line for each fault.
    pub fn error(&self, error: &Error) {
        let mark = if self.color { "\u{1b}[1;31merror:\u{1b}[0m" } else { "error:" };
        for fault in error.faults() {
            self.line(&format!("{mark} {fault}"));
        }
    }

    fn line(&self, text: &str) {
        // Nothing can be said about a standard error that is closed.
        self.bars.suspend(|| drop(writeln!(io::stderr(), "{text}")));
    }
}

impl Progress for Printer {
    fn begin(&self, name: &str, size: Option<u64>) {
        let style = match size {
            Some(_) => "{prefix:24} {bar:30} {bytes:>10} of {total_bytes:10} {bytes_per_sec}",
            None => "{prefix:24} {spinner} {bytes:>10} {bytes_per_sec}",
        };
        let bar = self.bars.add(size.map_or_else(ProgressBar::no_length, ProgressBar::new));
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_prefix(visible(name));
        self.detail(&format!("fetching {name}"));
        self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((name.to_owned(), bar));
    }

    fn advance(&self, name: &str, bytes: u64) {
        let named = self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, bar)) = named.iter().find(|(known, _)| known == name) {
            bar.inc(bytes);
        }
    }

    fn end(&self, name: &str) {
        let mut named = self.named.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(index) = named.iter().position(|(known, _)| known == name) {
            named.remove(index).1.finish_and_clear();
        }
    }

    fn note(&self, text: &str) {
        Printer::note(self, text);
    }
}

impl Watcher for Printer {
    fn note(&self, text: &str) {
        Printer::note(self, text);
    }

    fn detail(&self, text: &str) {
        Printer::detail(self, text);
    }

    fn console(&self, text: &str) -> Result<()> {
        self.text(text)
    }
}

/// A number of bytes as a person reads it.
pub fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{count} B"),
        _ => format!("{value:.1} {}", units[unit]),
    }
}
