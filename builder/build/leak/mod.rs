//! What must not be in a public layer, recognised by its bytes: private keys, tokens, passwords, in plain text or behind
//! base64. A false alarm stops someone's build, so a mark alone is never enough: a header without a key, a placeholder
//! and a key's public half pass.
//!
//! ```text
//! overlay files, templates' outputs ──Placing──▶ recognise ─┐
//! fetched files and members ──────────lock─────▶ fetched ───┼──▶ Error::policy, without the bytes
//! the plan's own secrets ─────Plan::resolve────▶ known ─────┘
//! ```

mod base64;
mod der;
pub mod fetched;
mod keys;
pub mod known;
mod marks;
mod settings;
mod text;
mod tokens;
mod urls;

use std::ops::ControlFlow;

use crate::error::Error;
use crate::tree::{Entry, TreePath};

/// How deep base64 within base64 is followed: a Secret's data with a kubeconfig with a key.
const DEPTH: u8 = 2;

/// Files above this size are programs and their like, in which short shapes turn up by chance and on purpose: only
/// what cannot be chance is looked for in them ([`fetched::certain`]).
const SMALL: usize = 1 << 20;

/// What to do about a leak in a file.
const ADVICE: &str = "declare the file with `secret = true` in [[files]], or take the value from [[secrets]]; \
                      if it is no secret, say why: `not-secret = \"...\"`";

/// Something that must not be public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it is, with its article.
    pub what: &'static str,
    /// Where it was recognised, in bytes from the start of what was looked at.
    pub at: usize,
}

impl Leak {
    /// The line that it is in, from 1.
    pub fn line(&self, bytes: &[u8]) -> usize {
        1 + bytes.iter().take(self.at).filter(|byte| **byte == b'\n').count()
    }
}

/// The first secret in these bytes that can be recognised.
pub fn recognise(bytes: &[u8]) -> Option<Leak> {
    match bytes.len() > SMALL {
        true => fetched::certain(bytes),
        false => look(bytes, DEPTH),
    }
}

fn look(bytes: &[u8], depth: u8) -> Option<Leak> {
    // A file is a key from its first byte to its last; behind base64, the next line may have been taken for a part of it.
    let whole = if depth == DEPTH { der::whole(bytes) } else { der::private_number(bytes) };
    if whole.is_some() {
        return Some(Leak { what: "a private key (DER)", at: 0 });
    }
    let plain = marks::first(bytes).or_else(|| tokens::bootstrap(bytes));
    if plain.is_some() || depth == 0 {
        return plain;
    }
    base64::decode_each(bytes, &mut |at, decoded| match look(decoded, depth - 1) {
        Some(leak) => ControlFlow::Break(Leak { at, ..leak }),
        None => ControlFlow::Continue(()),
    })
}

/// A public entry with these bytes, refused if they hold a secret.
pub fn check(path: &TreePath, entry: &Entry, bytes: &[u8]) -> Result<(), Error> {
    let Some(leak) = recognise(bytes) else { return Ok(()) };
    let (line, what, origin) = (leak.line(bytes), leak.what, &entry.origin);
    let message = format!("line {line} of {path} ({origin}) holds {what}, and would be in a public layer");
    Err(Error::policy(message).advise(ADVICE))
}
