//! Archives that others made: entries within the limits, safe names, one meaning.

use std::io::{Read, Write};

use mastermold::error::{Class, Error};
use mastermold::store::{Entry, Kind, Limits, entries, members};
use mastermold::tree::TreePath;

use crate::scratch::stored;

/// Small, so that they are reached.
const LIMITS: Limits = Limits { unpacked: 1 << 20, ratio: 200, entries: 64, names: 4096 };
const GLOBS: [&str; 3] = ["**/*", "want", "*/[a-c]{x,y}?"];

/// A tar archive, its headers' sums made right if the first byte is odd.
pub fn tar(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let bytes = if mode & 1 == 0 { rest.to_vec() } else { with_right_sums(rest) };
    let Some(seen) = check(&bytes) else { return };
    if let Some(theirs) = seen_by_another(&bytes) {
        let ours: Vec<_> = seen.iter().map(|(entry, contents)| (entry.path.to_string(), contents.clone())).collect();
        assert_eq!(ours, theirs, "another reader sees something else");
    }
}

/// Any archive as it is.
pub fn any(data: &[u8]) {
    check(data);
}

/// A tar archive that is compressed here, changed in one place, or as it is; the first bytes say how.
pub fn compressed(data: &[u8]) {
    let [mode, at, bit, rest @ ..] = data else { return };
    let fixed = with_right_sums(rest);
    let mut packed = match mode % 4 {
        0 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
            encoder.write_all(&fixed).unwrap();
            encoder.finish().unwrap()
        }
        1 => zstd::encode_all(&fixed[..], 1).unwrap(),
        2 => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(&fixed).unwrap();
            encoder.finish().unwrap()
        }
        _ => rest.to_vec(),
    };
    let place = usize::from(*at) * packed.len() / 256;
    if mode & 0x80 != 0 && place < packed.len() {
        packed[place] ^= bit;
    }
    check(&packed);
}

/// Every block that says `ustar` gets the sum of a header.
pub fn with_right_sums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    }
    bytes
}

/// What an archive holds, if it is taken.
fn check(bytes: &[u8]) -> Option<Vec<(Entry, Vec<u8>)>> {
    let mut seen = Vec::new();
    let mut taken = false;
    stored(bytes, |store, pin| {
        let walked = entries(store, pin, "it", &LIMITS, &mut |entry, body| {
            let mut contents = Vec::new();
            body.read_to_end(&mut contents).map_err(|error| Error::io("reading", "it", error))?;
            seen.push((entry, contents));
            Ok(())
        });
        // Whatever was seen before an error was within the limits too.
        within_limits(&seen, bytes.len());
        match &walked {
            Ok(()) => taken = true,
            Err(error) => assert!(matches!(error.class(), Class::Integrity | Class::Policy), "{error}"),
        }
        // What is refused whole has no members either; to ask for it would take most of the time.
        let globs = if taken || bytes.len() % 64 == 0 { &GLOBS[..] } else { &[] };
        for glob in globs {
            if let Ok(found) = members(store, pin, "it", &[glob.to_string()], &LIMITS) {
                assert!(taken);
                for member in found {
                    let of_entry = |(entry, contents): &(Entry, Vec<u8>)| {
                        entry.kind == Kind::File && mastermold::digest::Digest::of(contents) == member.pin.digest
                    };
                    assert!(seen.iter().any(of_entry), "{} is no file of the archive", member.path);
                }
            }
        }
    });
    taken.then_some(seen)
}

fn within_limits(seen: &[(Entry, Vec<u8>)], packed: usize) {
    let unpacked: usize = seen.iter().map(|(_, contents)| contents.len()).sum();
    let _ = packed; // Below 64 MiB no ratio counts.
    assert!(unpacked as u64 <= LIMITS.unpacked && seen.len() as u64 <= LIMITS.entries);
    assert!(seen.iter().map(|(entry, _)| entry.path.len() as u64).sum::<u64>() <= LIMITS.names);
    for (entry, _) in seen {
        assert!(TreePath::from_relative(&entry.path).is_ok(), "{}", entry.path);
        assert!(entry.mode <= 0o7777);
    }
}

/// The files of a plain tar archive as the `tar` crate sees them; nothing if it refuses the archive.
fn seen_by_another(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut seen = Vec::new();
    for entry in ::tar::Archive::new(bytes).entries().ok()? {
        let mut entry = entry.ok()?;
        if entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let path = String::from_utf8(entry.path_bytes().into_owned()).ok()?;
        let path = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/");
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).ok()?;
        if !path.is_empty() {
            seen.push((path, contents));
        }
    }
    Some(seen)
}
