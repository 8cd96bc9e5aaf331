//! Values written into files can never add a line, a word or a key.
//!
//! A template is rendered with every value between marks (below), so that here it is known which characters are the
//! author's and which are a value's. [`escape`] follows the author's text by the rules of the file's [`Syntax`] and
//! writes each value as its place wants it: a whole scalar, a part of a word, inside quotes. A value that cannot be
//! said in its place is [`Refused`]; the author's text is never changed.
//!
//! The marks: U+0001, one letter for the kind of the value, its text, U+0002. Kinds: `s` a string; `n` a number or a
//! boolean; `j` a list or a map, as compact JSON; `r` raw, which goes in as if the author had written it.

mod ambiguous;
mod env;
mod json;
mod pen;
mod shell;
mod sysctl;
mod text;
mod toml;
mod unit;
mod yaml;

use std::str::FromStr;

use crate::error::Error;
use crate::tree::TreePath;

pub use ambiguous::is_ambiguous;
use pen::Pen;

/// Opens a value.
pub const OPEN: char = '\u{1}';
/// Closes a value.
pub const CLOSE: char = '\u{2}';

/// The rules of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// systemd.syntax(7): units, drop-ins, networkd's files.
    Unit,
    /// YAML, so that readers of 1.1 and of 1.2 see the same.
    Yaml,
    /// RFC 8259.
    Json,
    /// TOML 1.0.
    Toml,
    /// sysctl.d(5); also modprobe.d(5), whose lines have several words.
    Sysctl,
    /// `EnvironmentFile=` of systemd.exec(5), which a POSIX shell reads in the same way.
    Env,
    /// The POSIX shell's command language; bash reads it in the same way.
    Shell,
    /// Anything else: only values that no format takes for more than a word or a sentence.
    Text,
}

/// The names that an overlay uses.
const NAMES: [(&str, Syntax); 8] = [
    ("unit", Syntax::Unit),
    ("yaml", Syntax::Yaml),
    ("json", Syntax::Json),
    ("toml", Syntax::Toml),
    ("sysctl", Syntax::Sysctl),
    ("env", Syntax::Env),
    ("shell", Syntax::Shell),
    ("text", Syntax::Text),
];

/// The suffixes of files that systemd and networkd read.
const UNITS: [&str; 15] = [
    "service",
    "socket",
    "mount",
    "automount",
    "timer",
    "path",
    "slice",
    "target",
    "swap",
    "scope",
    "device",
    "network",
    "netdev",
    "link",
    "nspawn",
];

impl FromStr for Syntax {
    type Err = Error;

    fn from_str(name: &str) -> Result<Syntax, Error> {
        let names = || NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, syntax)| *syntax).ok_or_else(|| {
            Error::usage(format!("`{name}` is not a format of templates")).advise(format!("use one of {}", names()))
        })
    }
}

impl Syntax {
    /// The syntax that a file's name tells.
    pub fn of(path: &TreePath) -> Syntax {
        let directory = path.parent().map(|parent| parent.name().to_owned()).unwrap_or_default();
        let suffix = path.name().rsplit_once('.').map(|(_, suffix)| suffix).unwrap_or_default();
        let drop_in = directory.strip_suffix(".d").map(|of| of.rsplit('.').next().unwrap_or_default());
        match suffix {
            "conf" if drop_in.is_some_and(|of| UNITS.contains(&of)) => Syntax::Unit,
            "conf" if path.ancestors().any(|above| above.name() == "sysctl.d") => Syntax::Sysctl,
            "yaml" | "yml" | "kubeconfig" => Syntax::Yaml,
            "json" | "conflist" => Syntax::Json,
            "toml" => Syntax::Toml,
            "env" => Syntax::Env,
            "sh" => Syntax::Shell,
            unit if UNITS.contains(&unit) => Syntax::Unit,
            _ => Syntax::Text,
        }
    }
}

/// A value that cannot be written where its template puts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The line of the output, from 1.
    pub line: usize,
    /// The value. It may be a secret: whoever reports this decides what of it is shown.
    pub value: String,
    /// What is wrong with it there; never shows the value.
    pub why: String,
    /// What the author can do.
    pub advice: String,
}

/// The text of the file: `marked` with each value written as its place wants it.
///
/// # Errors
/// The first value that cannot be written, or a mark that nobody should have made.
pub fn escape(marked: &str, syntax: Syntax) -> Result<String, Refused> {
    let mut pen = Pen::new(marked)?;
    match syntax {
        Syntax::Unit => unit::write(&mut pen)?,
        Syntax::Yaml => yaml::write(&mut pen)?,
        Syntax::Json => json::write(&mut pen)?,
        Syntax::Toml => toml::write(&mut pen)?,
        Syntax::Sysctl => sysctl::write(&mut pen)?,
        Syntax::Env => env::write(&mut pen)?,
        Syntax::Shell => shell::write(&mut pen)?,
        Syntax::Text => text::write(&mut pen)?,
    }
    Ok(pen.into_text())
}
