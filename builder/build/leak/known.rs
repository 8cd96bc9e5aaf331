//! The secrets that a plan itself knows, looked for in what it makes public: a declared token that someone also typed
//! into a flag has no shape, but its bytes are known. No reason excuses these.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::nodes::{NodePlan, Nodes};
use super::base64::{decode, decode_each};
use super::{DEPTH, der, keys};
use crate::bounded::Bounded;
use crate::digest::Digest;
use crate::error::{Error, Faults, Result};
use crate::pki::Seed;
use crate::tree::{Content, Entry, Node, Secrecy, TreePath};

/// Shorter values could be anywhere by chance.
const LEAST: usize = 8;

/// So many files are known to have been looked into: those that nodes share come again and again.
const LOOKED: usize = 4096;

/// A secret value, and what it is called.
struct Value {
    bytes: Zeroizing<Vec<u8>>,
    name: Arc<str>,
}

/// Secret values, and what each is called. Not an automaton of a library: that would keep copies that nobody wipes.
#[derive(Default)]
pub struct Known {
    values: Vec<Value>,
    names: BTreeSet<Arc<str>>,
    // What was added last, and the files that were looked into last: nodes share much.
    seen: Bounded<Digest, (), LOOKED>,
    files: Bounded<Digest, (), LOOKED>,
}

impl Known {
    /// A secret's value: it is looked for as it is and in hexadecimal; and so is what it says, if it is hexadecimal or
    /// base64 itself. What is behind base64 is looked at anyway.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if !self.seen.insert(Digest::of(value), ()) {
            return;
        }
        let (from_digits, from_base64) = (from_hexadecimal(value), decode(value));
        let decoded = from_digits.into_iter().chain(from_base64.filter(|bytes| bytes.len() >= 2 * LEAST));
        let name = self.name(name);
        let all = [Zeroizing::new(value.to_vec())].into_iter().chain(decoded);
        self.values.extend(all.map(|bytes| Value { bytes, name: name.clone() }));
    }

    /// The seed's digits, with which all else is known.
    pub fn add_seed(&mut self, seed: &Seed) {
        let text = seed.to_text();
        self.add("the seed", text.trim_ascii_end().strip_prefix(keys::SEED).unwrap_or(&text).as_bytes());
    }

    /// What a node has as secret.
    fn hold(&mut self, node: &NodePlan) {
        for (path, entry) in node.tree.iter() {
            if let (Node::File(content @ Content::Inline(bytes)), Secrecy::Secret) = (&entry.node, entry.secrecy)
                && self.files.insert(content.digest(), ())
            {
                let name = self.name(&format!("the key in {path}"));
                self.values.extend(private_numbers(bytes).into_iter().map(|bytes| Value { bytes, name: name.clone() }));
            }
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name = Arc::from(name);
        self.names.insert(Arc::clone(&name));
        name
    }

    /// Looks into everything public of a plan's nodes; what their files and files for people have as secret is known too.
    pub fn check(
        mut self,
        nodes: &Nodes,
        admin: &BTreeMap<String, Zeroizing<Vec<u8>>>,
        faults: &mut Faults,
    ) -> Result<()> {
        for (file, bytes) in admin {
            let name = self.name(&format!("the key in {file}"));
            self.values.extend(private_numbers(bytes).into_iter().map(|bytes| Value { bytes, name: name.clone() }));
        }
        for node in nodes.iter() {
            self.hold(&node?);
        }
        let index = Index::new(self.values);
        let mut looked: Bounded<Digest, Option<&str>, LOOKED> = Bounded::default();
        for node in nodes.iter() {
            let node = node?;
            for (path, entry) in node.tree.iter().filter(|(_, entry)| entry.secrecy == Secrecy::Public) {
                let found = match &entry.node {
                    Node::File(content @ Content::Inline(bytes)) => {
                        looked.get_or(content.digest(), || index.find(bytes))
                    }
                    Node::Symlink(target) => index.find(target.as_bytes()),
                    _ => None,
                };
                if let Some(name) = found {
                    faults.push(refused(&node, path, entry, name));
                }
            }
        }
        Ok(())
    }
}

/// Of the private keys in a file the number that makes each private: every form of a key has it.
fn private_numbers(bytes: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut numbers = Vec::new();
    let _ = each_view(bytes, DEPTH, &mut |view| {
        for end in ends_of(view, keys::PRIVATE.as_bytes()) {
            let Some(block) = keys::block(view, end) else { continue };
            let Some(decoded) = decode(&block.body) else { continue };
            numbers.push(Zeroizing::new(der::private_number(&decoded).unwrap_or(&decoded).to_vec()));
        }
        ControlFlow::<()>::Continue(())
    });
    numbers
}

fn refused(node: &NodePlan, path: &TreePath, entry: &Entry, name: &str) -> Error {
    let (origin, machine) = (&entry.origin, &node.name);
    let message =
        format!("{path} of {machine} ({origin}) holds {name} of this release, and would be in a public layer");
    let error = Error::policy(message).advise("take it out, or declare the file with `secret = true` in [[files]]");
    match node.places.get(path) {
        Some(place) => error.at(place),
        None => error,
    }
}

/// How a value may be written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Plain,
    Lower,
    Upper,
}

impl Form {
    const ALL: [Form; 3] = [Form::Plain, Form::Lower, Form::Upper];

    /// A value's first bytes in this form; none if it is so short that it could be anywhere.
    fn head(self, value: &[u8]) -> Option<u64> {
        let mut written = [0; LEAST];
        match self.digits() {
            None => written.copy_from_slice(value.get(..LEAST)?),
            Some(digits) => {
                let pairs = value.get(..LEAST / 2)?.iter().flat_map(|byte| pair(*byte, digits));
                written.iter_mut().zip(pairs).for_each(|(to, digit)| *to = digit);
            }
        }
        Some(head(&written))
    }

    /// Whether bytes start with a value in this form.
    fn is_start(self, value: &[u8], bytes: &[u8]) -> bool {
        match self.digits() {
            None => bytes.starts_with(value),
            Some(digits) => {
                let written = bytes.get(..2 * value.len());
                written.is_some_and(|written| {
                    value.iter().flat_map(|byte| pair(*byte, digits)).eq(written.iter().copied())
                })
            }
        }
    }

    fn digits(self) -> Option<&'static [u8; 16]> {
        match self {
            Form::Plain => None,
            Form::Lower => Some(b"0123456789abcdef"),
            Form::Upper => Some(b"0123456789ABCDEF"),
        }
    }
}

fn pair(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

/// The values, to be looked for all at once in all of their forms.
struct Index {
    // Sorted.
    values: Vec<Value>,
    // The first bytes of each in each form, sorted, with its number.
    heads: Vec<(u64, Form, usize)>,
    // A bit for each of those, among so many that almost every place is told by them to have nothing.
    starts: Vec<u64>,
}

/// How many bits there are for a value in a form: those of a few in a hundred places are set by chance.
const BITS: usize = 64;

impl Index {
    fn new(mut values: Vec<Value>) -> Index {
        values.sort_by(|a, b| a.bytes.as_slice().cmp(&b.bytes));
        values.dedup_by(|a, b| a.bytes == b.bytes);
        let forms = |(number, value): (usize, &Value)| {
            Form::ALL.map(|form| form.head(&value.bytes).map(|head| (head, form, number)))
        };
        let mut heads: Vec<_> = values.iter().enumerate().flat_map(forms).flatten().collect();
        heads.sort_unstable();
        let starts = vec![0; (heads.len() * BITS / 64).next_power_of_two()];
        let mut index = Index { values, heads, starts };
        for at in 0..index.heads.len() {
            let (word, bit) = index.place(index.heads[at].0);
            index.starts[word] |= bit;
        }
        index
    }

    /// What secret is in these bytes: as they are, folded over lines, behind base64.
    fn find(&self, bytes: &[u8]) -> Option<&str> {
        let found = each_view(bytes, DEPTH, &mut |view| match self.find_plain(view) {
            Some(name) => ControlFlow::Break(name),
            None => ControlFlow::Continue(()),
        });
        found.break_value()
    }

    fn find_plain(&self, bytes: &[u8]) -> Option<&str> {
        let mut passed = head(bytes);
        let rest = bytes.get(LEAST..)?.iter().map(Some).chain([None]);
        rest.enumerate().find_map(|(at, next)| {
            let (word, bit) = self.place(passed);
            let is_start = self.starts[word] & bit != 0;
            passed = passed << 8 | u64::from(next.copied().unwrap_or_default());
            is_start.then(|| self.starting(&bytes[at..]))?
        })
    }

    /// The bit of a value's first bytes: multiplied by 2^64 over the golden ratio, the upper bits of the product are spread.
    fn place(&self, head: u64) -> (usize, u64) {
        let spread = (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize;
        ((spread / 64) & (self.starts.len() - 1), 1 << (spread % 64))
    }

    /// The value that bytes start with.
    fn starting(&self, bytes: &[u8]) -> Option<&str> {
        let own = head(bytes);
        let first = self.heads.partition_point(|(head, ..)| *head < own);
        let mut same = self.heads[first..].iter().take_while(|(head, ..)| *head == own);
        let found = same.find(|(_, form, number)| form.is_start(&self.values[*number].bytes, bytes));
        found.map(|(_, _, number)| &*self.values[*number].name)
    }
}

/// The first bytes as a number.
fn head(bytes: &[u8]) -> u64 {
    bytes.iter().take(LEAST).fold(0, |head, byte| head << 8 | u64::from(*byte))
}

/// Bytes as they are, with their lines joined, and what is behind base64 in them.
fn each_view<B>(bytes: &[u8], depth: u8, visit: &mut dyn FnMut(&[u8]) -> ControlFlow<B>) -> ControlFlow<B> {
    visit(bytes)?;
    if bytes.contains(&b'\n') {
        let mut joined = Zeroizing::new(Vec::with_capacity(bytes.len()));
        joined.extend(bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
        visit(&joined)?;
    }
    if depth == 0 {
        return ControlFlow::Continue(());
    }
    let found = decode_each(bytes, &mut |_, decoded| match each_view(decoded, depth - 1, visit) {
        ControlFlow::Break(found) => ControlFlow::Break(found),
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
    });
    found.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

/// Where a text ends, each time that it is there.
fn ends_of(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| Some(*byte) == text.first()).map(|(at, _)| at);
    starts.filter(|at| bytes[*at..].starts_with(text)).map(|at| at + text.len()).collect()
}

fn from_hexadecimal(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() < 4 * LEAST || !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    bytes.extend(text.chunks_exact(2).map(|pair| value(pair[0]) << 4 | value(pair[1])));
    Some(bytes)
}
