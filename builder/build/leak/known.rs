//! The secrets that a plan itself knows, looked for in what it makes public: a declared token that someone also typed
//! into a flag has no shape, but its bytes are known. No reason excuses these.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::plan::NodePlan;
use super::base64::{decode, decode_each};
use super::{DEPTH, der, keys};
use crate::digest::Digest;
use crate::error::{Error, Faults};
use crate::pki::Seed;
use crate::tree::{Content, Entry, Node, Secrecy, TreePath};

/// Shorter values could be anywhere by chance.
const LEAST: usize = 8;

/// So many files are known to have been looked into: those that nodes share come again and again.
const LOOKED: usize = 4096;

/// A secret value in one of its forms, and what it is called.
type Form = (Zeroizing<Vec<u8>>, Arc<str>);

/// Secret values, and what each is called. Not an automaton of a library: that would keep copies that nobody wipes.
#[derive(Default)]
pub struct Known {
    values: Vec<Form>,
    // What was added or looked into: nodes share much.
    seen: BTreeSet<Digest>,
}

impl Known {
    /// A secret's value: it is looked for as it is and in hexadecimal; and so is what it says, if it is hexadecimal or
    /// base64 itself. What is behind base64 is looked at anyway.
    pub fn add(&mut self, name: &str, value: &[u8]) {
        if !self.seen.insert(Digest::of(value)) {
            return;
        }
        self.forms(name, value);
        if let Some(bytes) = from_hexadecimal(value) {
            self.forms(name, &bytes);
        }
        if let Some(bytes) = decode(value).filter(|bytes| bytes.len() >= 2 * LEAST) {
            self.forms(name, &bytes);
        }
    }

    /// The seed's digits, with which all else is known.
    pub fn add_seed(&mut self, seed: &Seed) {
        let text = seed.to_text();
        self.add("the seed", text.trim_ascii_end().strip_prefix(keys::SEED).unwrap_or(&text).as_bytes());
    }

    /// The private keys in a file, each by the number that makes it private: every form of a key has it.
    pub fn add_keys(&mut self, name: &str, bytes: &[u8]) {
        let _ = each_view(bytes, DEPTH, &mut |view| {
            for end in ends_of(view, keys::PRIVATE.as_bytes()) {
                let Some(block) = keys::block(view, end) else { continue };
                let Some(decoded) = decode(&block.body) else { continue };
                self.forms(name, der::private_number(&decoded).unwrap_or(&decoded));
            }
            ControlFlow::<()>::Continue(())
        });
    }

    fn forms(&mut self, name: &str, value: &[u8]) {
        let digits = |alphabet: &[u8; 16]| -> Zeroizing<Vec<u8>> {
            let mut text = Zeroizing::new(Vec::with_capacity(2 * value.len()));
            let pairs = value.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            text.extend(pairs.map(|digit| alphabet[usize::from(digit)]));
            text
        };
        let forms = [Zeroizing::new(value.to_vec()), digits(b"0123456789abcdef"), digits(b"0123456789ABCDEF")];
        let (long, name) = (forms.into_iter().filter(|form| form.len() >= LEAST), Arc::from(name));
        self.values.extend(long.map(|form| (form, Arc::clone(&name))));
    }

    /// Looks into everything public of a plan's nodes; what they and the files for people have as secret is known too.
    pub fn check(mut self, nodes: &[NodePlan], admin: &BTreeMap<String, Zeroizing<Vec<u8>>>, faults: &mut Faults) {
        for (name, bytes) in admin {
            self.add_keys(&format!("the key in {name}"), bytes);
        }
        let files = || nodes.iter().flat_map(|node| node.tree.iter().map(move |(path, entry)| (node, path, entry)));
        let mut secret = BTreeSet::new();
        for (_, path, entry) in files() {
            if let (Node::File(content @ Content::Inline(bytes)), Secrecy::Secret) = (&entry.node, entry.secrecy)
                && secret.insert(content.digest())
            {
                self.add_keys(&format!("the key in {path}"), bytes);
            }
        }
        let index = Index::new(self.values);
        let mut looked: BTreeMap<Digest, Option<&str>> = BTreeMap::new();
        for (node, path, entry) in files().filter(|(_, _, entry)| entry.secrecy == Secrecy::Public) {
            let found = match &entry.node {
                Node::File(content @ Content::Inline(bytes)) => {
                    if looked.len() == LOOKED {
                        looked.clear();
                    }
                    *looked.entry(content.digest()).or_insert_with(|| index.find(bytes))
                }
                Node::Symlink(target) => index.find(target.as_bytes()),
                _ => None,
            };
            if let Some(name) = found {
                faults.push(refused(node, path, entry, name));
            }
        }
    }
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

/// The values, sorted, to be looked for all at once.
struct Index {
    values: Vec<Form>,
    // A bit for the first bytes of each value, among so many that almost every place is told by them to have nothing.
    starts: Vec<u64>,
}

/// How many bits there are for a value: those of a few in a hundred places are set by chance.
const BITS: usize = 64;

impl Index {
    fn new(mut values: Vec<Form>) -> Index {
        values.sort_by(|(a, _), (b, _)| a.as_slice().cmp(b));
        values.dedup_by(|(a, _), (b, _)| a == b);
        let starts = vec![0; (values.len() * BITS / 64).next_power_of_two()];
        let mut index = Index { values: Vec::new(), starts };
        for (value, _) in &values {
            let (word, bit) = index.place(head(value));
            index.starts[word] |= bit;
        }
        Index { values, ..index }
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
            is_start.then(|| self.starting(&bytes[at..], &bytes[at..at + LEAST]))?
        })
    }

    /// The bit of a value's first bytes: multiplied by 2^64 over the golden ratio, the upper bits of the product are spread.
    fn place(&self, head: u64) -> (usize, u64) {
        let spread = (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) as usize;
        ((spread / 64) & (self.starts.len() - 1), 1 << (spread % 64))
    }

    /// The value that bytes start with, of which these are the first.
    fn starting(&self, bytes: &[u8], head: &[u8]) -> Option<&str> {
        let first = self.values.partition_point(|(value, _)| &value[..LEAST] < head);
        let mut same = self.values[first..].iter().take_while(|(value, _)| &value[..LEAST] == head);
        same.find(|(value, _)| bytes.starts_with(value)).map(|(_, name)| &**name)
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
