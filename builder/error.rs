//! Errors: what went wrong, where, what to do about it, and with which exit code the program ends.
//!
//! An [`Error`] holds one or more [`Fault`]s, because a profile is told all its mistakes at once. Each fault is one
//! line: place, act and thing, advice. The [`Class`] is a contract with scripts (README, "Exit codes").

use std::fmt;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of trouble it is; each has its exit code.
///
/// The order is the order of precedence: when several faults are reported, the smallest class decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A signature, a key, an identity or an age that is not to be trusted (exit 4).
    Trust,
    /// Bytes are not what was pinned (exit 3).
    Integrity,
    /// Content that is unsafe or cannot be represented, or a secret in a public layer (exit 8).
    Policy,
    /// The command line, the profile, an overlay or the lock is wrong (exit 2).
    Usage,
    /// The disk, a permission, a missing program (exit 5).
    Environment,
    /// Someone else holds it; try again (exit 6).
    Busy,
    /// A server did not give what was asked for (exit 7).
    Network,
    /// A mistake in mastermold itself (exit 1).
    Bug,
}

impl Class {
    /// The exit code of this class.
    pub fn code(self) -> u8 {
        match self {
            Class::Bug => 1,
            Class::Usage => 2,
            Class::Integrity => 3,
            Class::Trust => 4,
            Class::Environment => 5,
            Class::Busy => 6,
            Class::Network => 7,
            Class::Policy => 8,
        }
    }

    /// The class's name, as reports in JSON give it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Bug => "bug",
            Class::Usage => "usage",
            Class::Integrity => "integrity",
            Class::Trust => "trust",
            Class::Environment => "environment",
            Class::Busy => "busy",
            Class::Network => "network",
            Class::Policy => "policy",
        }
    }
}

/// A position in a text file: line and column count from 1, the column in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user would name it.
    pub file: FileName,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
}

/// A file's name. It is kept once for all places in the file, in as little as may be: of a large profile there are many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName(Arc<String>);

impl From<&str> for FileName {
    fn from(name: &str) -> FileName {
        FileName(Arc::new(name.to_owned()))
    }
}

impl Deref for FileName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Decides the exit code.
    pub class: Class,
    /// Where in a profile, overlay or lock, if it is there.
    pub place: Option<Place>,
    /// The act and the thing, without a full stop.
    pub message: String,
    /// What the user can do, without a full stop.
    pub advice: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}: ", visible(&place.to_string()))?;
        }
        f.write_str(&visible(&self.message))?;
        match &self.advice {
            Some(advice) => write!(f, "; {}", visible(advice)),
            None => Ok(()),
        }
    }
}

/// Text that came from outside, made safe to print: control characters and those that reorder a line are escaped, so
/// that a report stays one line and shows what is there.
pub fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

/// One or more faults. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Vec<Fault>);

impl Error {
    /// An error of one fault.
    pub fn new(class: Class, message: impl Into<String>) -> Error {
        Error(vec![Fault { class, place: None, message: message.into(), advice: None }])
    }

    /// Exit 2: the command line, the profile, an overlay or the lock is wrong.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(Class::Usage, message)
    }

    /// Exit 3: bytes are not what was pinned.
    pub fn integrity(message: impl Into<String>) -> Error {
        Error::new(Class::Integrity, message)
    }

    /// Exit 4: a signature, key, identity or age is not to be trusted.
    pub fn trust(message: impl Into<String>) -> Error {
        Error::new(Class::Trust, message)
    }

    /// Exit 5: disk, permission, missing program.
    pub fn environment(message: impl Into<String>) -> Error {
        Error::new(Class::Environment, message)
    }

    /// Exit 6: someone else holds it.
    pub fn busy(message: impl Into<String>) -> Error {
        Error::new(Class::Busy, message)
    }

    /// Exit 7: a server did not give what was asked for.
    pub fn network(message: impl Into<String>) -> Error {
        Error::new(Class::Network, message)
    }

    /// Exit 8: unsafe or unrepresentable content, or a secret where it must not be.
    pub fn policy(message: impl Into<String>) -> Error {
        Error::new(Class::Policy, message)
    }

    /// Exit 1: something that cannot happen happened.
    pub fn bug(message: impl Into<String>) -> Error {
        Error::new(Class::Bug, message)
    }

    /// What the operating system said while we were `act`-ing on `path` ("reading", "writing"): exit 5, unless the
    /// stream carried an error of ours ([`Error::into_io`]), which comes out as it went in.
    pub fn io(act: &str, path: impl AsRef<Path>, error: io::Error) -> Error {
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) => Error::environment(format!("{act} {}: {error}", path.as_ref().display())),
        }
    }

    /// This error as an [`io::Error`], to travel through a `Read` or `Write`; [`Error::io`] unwraps it.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// Says where every fault that has no place yet is.
    pub fn at(mut self, place: &Place) -> Error {
        for fault in &mut self.0 {
            fault.place.get_or_insert_with(|| place.clone());
        }
        self
    }

    /// Says what to do, for every fault that has no advice yet.
    pub fn advise(mut self, advice: impl Into<String>) -> Error {
        let advice = advice.into();
        for fault in &mut self.0 {
            fault.advice.get_or_insert_with(|| advice.clone());
        }
        self
    }

    /// Puts the act in front of every message: `reading the lock: ...`.
    pub fn context(mut self, act: impl fmt::Display) -> Error {
        for fault in &mut self.0 {
            fault.message = format!("{act}: {}", fault.message);
        }
        self
    }

    /// Each fault told in another way.
    pub fn retell(self, tell: impl FnMut(Fault) -> Fault) -> Error {
        Error(self.0.into_iter().map(tell).collect())
    }

    /// The faults, at least one.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    /// The class that decides the exit code.
    pub fn class(&self) -> Class {
        self.0.iter().map(|fault| fault.class).min().unwrap_or(Class::Bug)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Faults gathered while work goes on, so that all of them are told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// None yet.
    pub fn new() -> Faults {
        Faults::default()
    }

    /// Adds what is wrong; the same fault is told once.
    pub fn push(&mut self, error: Error) {
        for fault in error.0 {
            if !self.0.contains(&fault) {
                self.0.push(fault);
            }
        }
    }

    /// The value, or nothing and the fault noted.
    pub fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Adds all faults of another.
    pub fn append(&mut self, other: Faults) {
        self.push(Error(other.0));
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All faults as one error, in the order of their places; or the value.
    pub fn finish<T>(self, value: T) -> Result<T> {
        match self.0.is_empty() {
            true => Ok(value),
            false => Err(self.into_error()),
        }
    }

    /// All faults as one error, in the order of their places, where it is known that there is one.
    pub fn into_error(mut self) -> Error {
        self.0.sort_by(|a, b| a.place.cmp(&b.place));
        Error(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safest_class_decides() {
        let mut faults = Faults::new();
        faults.push(Error::network("no answer"));
        faults.push(Error::integrity("other bytes"));
        let error = faults.finish(()).unwrap_err();
        assert_eq!(error.class().code(), 3);
        assert_eq!(error.to_string().lines().count(), 2);
    }

    #[test]
    fn one_fault_is_one_line_whatever_it_names() {
        let error = Error::usage("a name with\na line and \u{1b}[31m colour").advise("rename it");
        assert_eq!(error.to_string(), "a name with\\na line and \\u{1b}[31m colour; rename it");
    }

    #[test]
    fn an_error_survives_a_stream() {
        let error = Error::integrity("other bytes");
        assert_eq!(Error::io("reading", "x", error.clone().into_io()), error);
    }
}
