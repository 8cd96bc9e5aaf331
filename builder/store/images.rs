//! Archives that are used whole: their bytes without compression, and what is in them.

use std::io::{self, Read};

use super::members::Described;
use super::unpack::{self, Entry, Limits};
use super::{Pin, Store};
use crate::error::Result;

/// The tar archive that a blob is, without compression, in the store: the blob itself if it is not compressed.
///
/// # Errors
/// An archive of another format: usage. One that unpacks to more than the limits: policy. One that is damaged:
/// integrity.
pub fn plain(store: &Store, pin: &Pin, name: &str, limits: &Limits) -> Result<Pin> {
    let Some(mut archive) = unpack::unpacked(store, pin, limits).map_err(|error| error.context(name))? else {
        return Ok(*pin);
    };
    let added = store.add(&mut Described(&mut archive), limits.unpacked).map_err(|error| error.context(name));
    let (digest, size) = added?;
    // Only at its end a damaged archive is known to be one, and some decoders stop before.
    io::copy(&mut Described(&mut archive), &mut io::sink()).map_err(|error| unpack::broken(error).context(name))?;
    Ok(Pin { digest, size })
}

/// What an archive in the store holds, each entry with its bytes.
pub fn entries(
    store: &Store,
    pin: &Pin,
    name: &str,
    limits: &Limits,
    visit: &mut dyn FnMut(Entry, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    unpack::walk(store, pin, name, limits, &mut |entry, body| visit(entry, &mut Described(body)))
}
