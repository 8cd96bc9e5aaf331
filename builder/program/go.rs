//! Go's build information: what `go version -m` shows (debug/buildinfo and runtime/debug of Go's library).
//!
//! ```text
//!  0  "\xff Go buildinf:"   in the section .go.buildinfo, or at a multiple of 16 in the first segment of writable data
//! 14  size of a pointer      15  flags: 1 big-endian, 2 inline
//! 32  inline (since Go 1.18): two texts, each after its length as a varint: version of Go, modules
//! 16  else: two pointers to Go's strings, which are a pointer and a length
//! ```
//!
//! The modules are lines of fields that tabs part, between sixteen bytes before and sixteen behind.

use std::io::{Read, Seek};

use serde::{Deserialize, Serialize};

use super::elf::{Elf, Numbers};
use super::window::{Window, plain};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER: usize = 32;
const ALIGNMENT: usize = 16;
const INLINE: u8 = 2;
const BIG_ENDIAN: u8 = 1;
/// The most of a segment that is searched, and the longest texts, in bytes.
const SEARCHED: u64 = 1 << 20;
const LONGEST_VERSION: usize = 1024;
const LONGEST_MODULES: usize = 4 << 20;
/// What stands around the modules.
const SENTINEL: usize = 16;
const SECTION: &str = ".go.buildinfo";

/// How Go made a program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoBuild {
    /// The version of Go: `go1.22.4`, with what else its maker wrote there.
    pub go: String,
    /// The path of the main package; empty if it was made without modules.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The module of the main package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<Module>,
    /// The modules that it was made of, in the order of their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<Module>,
    /// How it was made: `-ldflags`, `GOARCH`, `vcs.revision` and the like, in Go's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
}

/// A Go module in one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its path, such as `golang.org/x/sys`.
    pub path: String,
    /// Its version, such as `v0.20.0`; `(devel)` if it was made in its own tree.
    pub version: String,
    /// The sum as go.sum has it, `h1:` and base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
    /// What was taken instead of it (`replace` in go.mod).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Box<Module>>,
}

impl Module {
    /// The module whose code it really is.
    pub fn used(&self) -> &Module {
        self.replacement.as_deref().unwrap_or(self)
    }
}

/// What Go wrote into the file, if it did.
pub(super) fn read<R: Read + Seek>(elf: &Elf, file: &mut Window<R>) -> Option<GoBuild> {
    let (at, header) = find(elf, file)?;
    let (pointer, flags) = (*header.get(14)?, *header.get(15)?);
    let (version, modules) = match flags & INLINE != 0 {
        true => {
            let (version, next) = inline(at.checked_add(HEADER as u64)?, LONGEST_VERSION, file)?;
            (version, inline(next, LONGEST_MODULES, file)?.0)
        }
        false => {
            let numbers = Numbers::new(pointer, flags & BIG_ENDIAN != 0)?;
            let text = |index: usize, most, file: &mut Window<R>| {
                let to = numbers.address(&header, 16 + index * numbers.width())?;
                pointed(elf, numbers, to, most, file)
            };
            (text(0, LONGEST_VERSION, file)?, text(1, LONGEST_MODULES, file).unwrap_or_default())
        }
    };
    let go = plain(&version).filter(|go| !go.is_empty())?;
    let build = GoBuild { go, ..GoBuild::default() };
    match unframe(&modules) {
        None => Some(build),
        Some(modules) => parse(std::str::from_utf8(modules).ok()?, build),
    }
}

/// Where the header is, and its bytes.
fn find<R: Read + Seek>(elf: &Elf, file: &mut Window<R>) -> Option<(u64, Vec<u8>)> {
    let (start, size) = elf.section(SECTION, file).or_else(|| elf.data())?;
    let bytes = file.bytes(start, size.min(SEARCHED), SEARCHED as usize)?;
    let at = bytes.chunks(ALIGNMENT).position(|chunk| chunk.starts_with(MAGIC))? * ALIGNMENT;
    let header = bytes.get(at..at.checked_add(HEADER)?)?.to_vec();
    Some((start.checked_add(at as u64)?, header))
}

/// A text after its length, and where what follows it is.
fn inline<R: Read + Seek>(at: u64, most: usize, file: &mut Window<R>) -> Option<(Vec<u8>, u64)> {
    let (mut length, mut from) = (0_u64, at);
    for shift in (0..).step_by(7).take(5) {
        let byte = *file.bytes(from, 1, 1)?.first()?;
        length |= u64::from(byte & 0x7f) << shift;
        from = from.checked_add(1)?;
        if byte & 0x80 == 0 {
            return Some((file.bytes(from, length, most)?, from.checked_add(length)?));
        }
    }
    None
}

/// The text of Go's string at an address.
fn pointed<R: Read + Seek>(
    elf: &Elf,
    numbers: Numbers,
    address: u64,
    most: usize,
    file: &mut Window<R>,
) -> Option<Vec<u8>> {
    let width = numbers.width();
    let string = file.bytes(elf.offset(address)?, 2 * width as u64, 16)?;
    let (to, length) = (numbers.address(&string, 0)?, numbers.address(&string, width)?);
    file.bytes(elf.offset(to)?, length, most)
}

/// The modules without what stands around them; none if a program was made without modules.
fn unframe(modules: &[u8]) -> Option<&[u8]> {
    let inner = modules.get(SENTINEL..modules.len().checked_sub(SENTINEL)?)?;
    inner.ends_with(b"\n").then_some(inner)
}

/// The lines of the modules, as `ParseBuildInfo` of runtime/debug reads them; what it does not know it leaves out.
fn parse(text: &str, mut build: GoBuild) -> Option<GoBuild> {
    let mut last: Option<Last> = None;
    for line in text.lines() {
        let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
        match word {
            "path" => build.path = plain(rest.as_bytes())?,
            "mod" => {
                build.main = Some(module(rest)?);
                last = Some(Last::Main);
            }
            "dep" => {
                build.modules.push(module(rest)?);
                last = Some(Last::Module);
            }
            "=>" => {
                let replaced = match last.take()? {
                    Last::Main => build.main.as_mut()?,
                    Last::Module => build.modules.last_mut()?,
                };
                replaced.replacement = Some(Box::new(module(rest)?));
            }
            "build" => build.settings.push(setting(rest)?),
            _ => {}
        }
    }
    Some(build)
}

/// What a line that starts with `=>` replaces.
enum Last {
    Main,
    Module,
}

fn module(fields: &str) -> Option<Module> {
    let fields: Vec<&str> = fields.split('\t').collect();
    let (path, version, sum) = match fields[..] {
        [path, version] => (path, version, ""),
        [path, version, sum] => (path, version, sum),
        _ => return None,
    };
    let text = |text: &str| plain(text.as_bytes());
    let sum = text(sum)?;
    let sum = (!sum.is_empty()).then_some(sum);
    Some(Module { path: text(path).filter(|path| !path.is_empty())?, version: text(version)?, sum, replacement: None })
}

/// `KEY=VALUE`, each of them perhaps quoted as Go quotes.
fn setting(text: &str) -> Option<(String, String)> {
    let (key, rest) = match text.starts_with(['"', '`']) {
        true => unquote(text)?,
        false => text.split_at_checked(text.find('=')?).map(|(key, rest)| (key.to_owned(), rest))?,
    };
    let value = rest.strip_prefix('=')?;
    let value = match value.starts_with(['"', '`']) {
        true => unquote(value).filter(|(_, rest)| rest.is_empty())?.0,
        false => value.to_owned(),
    };
    (!key.is_empty()).then_some((key, value))
}

/// The quoted text that this starts with, and what follows: Go's strings between double quotes or backquotes (the Go
/// specification, "String literals").
fn unquote(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw.split_once('`').map(|(value, rest)| (value.to_owned(), rest));
    }
    let mut value = Vec::new();
    let mut rest = text.strip_prefix('"')?.chars();
    loop {
        match rest.next()? {
            '"' => return Some((String::from_utf8(value).ok()?, rest.as_str())),
            '\\' => escaped(&mut rest, &mut value)?,
            c => value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// What a backslash and what follows it stand for.
fn escaped(rest: &mut std::str::Chars<'_>, value: &mut Vec<u8>) -> Option<()> {
    let kind = rest.next()?;
    let mut number = |first: String, digits: usize, radix: u32| {
        let text: String = first.chars().chain(rest.by_ref().take(digits)).collect();
        let plain = text.chars().all(|digit| digit.is_digit(radix));
        u32::from_str_radix(&text, radix).ok().filter(|_| plain && text.len() >= digits)
    };
    let character = match kind {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '"' | '\'' => kind,
        // These two are bytes, of which several may make a character.
        'x' => return number(String::new(), 2, 16)?.try_into().ok().map(|byte| value.push(byte)),
        '0'..='7' => return number(kind.into(), 2, 8)?.try_into().ok().map(|byte| value.push(byte)),
        'u' => char::from_u32(number(String::new(), 4, 16)?)?,
        'U' => char::from_u32(number(String::new(), 8, 16)?)?,
        _ => return None,
    };
    value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}
