//! A signature file of OpenSSH (`.sshsig`; PROTOCOL.sshsig): base64 of the following, in lines of 70 characters between
//! `-----BEGIN SSH SIGNATURE-----` and `-----END SSH SIGNATURE-----`, each line with its LF.
//!
//! ```text
//! "SSHSIG", number 1, strings: public key's blob, namespace, reserved (empty), "sha512" or "sha256",
//! signature: string of (strings: scheme, bytes; from a FIDO token also its flags, 1 byte, and its counter, a number)
//! ```
//!
//! What is signed: `"SSHSIG"`, strings: namespace, reserved, hash's name, hash of the message. The namespace says what
//! the signature is for. Here it is all that a signer says of what is signed, as minisign's trusted comment is, so that
//! `ssh-keygen -Y verify -n` checks that too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::key::{Raw, SK_ED25519, SK_P256, SshKey};
use super::wire::{Wire, strings};
use crate::error::{Error, Result};
use crate::sign::lines;

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";
/// How many characters of base64 OpenSSH writes on a line.
const WIDTH: usize = 70;
/// The longest signature file in bytes: one by RSA with 8192 bits and a namespace of 4096 bytes is shorter.
const LONGEST: usize = 12 << 10;

/// A signature by OpenSSH, read strictly and not yet checked.
pub struct SshSignature {
    key: SshKey,
    namespace: String,
    hash: Hash,
    raw: Raw,
}

/// How the message is hashed.
#[derive(Clone, Copy)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha512 => "sha512",
        }
    }

    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => Sha256::digest(message).to_vec(),
            Hash::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

impl SshSignature {
    /// Reads a signature file, and only as `ssh-keygen` writes it. Anything else is [`Error::trust`].
    pub fn parse(text: &str) -> Result<SshSignature> {
        let bad = |what: &str| Error::trust(format!("the signature is not a strict OpenSSH signature: {what}"));
        if text.len() > LONGEST {
            return Err(bad(&format!("it has more than {LONGEST} bytes")));
        }
        if text.contains('\r') {
            return Err(bad("its lines end in CRLF, not LF"));
        }
        let inner = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
        let inner = inner.ok_or_else(|| bad("it is not one `SSH SIGNATURE` between its two lines"))?;
        let bytes = STANDARD.decode(inner.replace('\n', "")).ok().filter(|bytes| armored(bytes) == text);
        let bytes = bytes.ok_or_else(|| bad("its lines are not canonical base64 in lines of 70 characters"))?;
        let fields = fields(&bytes).ok_or_else(|| bad("its fields are not those of an SSHSIG of version 1"))?;
        let key = SshKey::from_blob(fields.key).map_err(|error| bad(&error.to_string()))?;
        let namespace = String::from_utf8(fields.namespace.to_vec()).ok();
        let namespace = namespace.filter(|text| lines::printable(text));
        let namespace = namespace.ok_or_else(|| bad("its namespace has unprintable characters"))?;
        match fields.raw {
            raw if key.makes(&raw) => Ok(SshSignature { key, namespace, hash: fields.hash, raw }),
            _ => Err(bad("it is of another type than its key, or by RSA with SHA-1")),
        }
    }

    /// The key that it names. A name, not a proof.
    pub fn key(&self) -> &SshKey {
        &self.key
    }

    /// What the signer said. Printable, one line; proven only once a key of the signer verified it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether this key signed `message`, and the namespace with it.
    pub fn is_by(&self, key: &SshKey, message: &[u8]) -> bool {
        let hash = self.hash.of(message);
        let parts = [self.namespace.as_bytes(), b"", self.hash.name().as_bytes(), &hash];
        key.verifies(&[MAGIC, &strings(&parts)].concat(), &self.raw)
    }
}

fn armored(bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes).into_bytes();
    let lines = base64.chunks(WIDTH).map(|line| String::from_utf8_lossy(line) + "\n");
    format!("{BEGIN}{}{END}", lines.collect::<String>())
}

struct Fields<'a> {
    key: &'a [u8],
    namespace: &'a [u8],
    hash: Hash,
    raw: Raw,
}

fn fields(bytes: &[u8]) -> Option<Fields<'_>> {
    let mut wire = Wire::new(bytes);
    let known = wire.take(MAGIC.len())? == MAGIC && wire.number()? == VERSION;
    let (key, namespace, reserved) = (wire.string()?, wire.string()?, wire.string()?);
    let name = wire.string()?;
    let hash = [Hash::Sha512, Hash::Sha256].into_iter().find(|hash| hash.name().as_bytes() == name)?;
    let raw = raw(wire.string()?)?;
    wire.end(Fields { key, namespace, hash, raw }).filter(|_| known && reserved.is_empty())
}

fn raw(bytes: &[u8]) -> Option<Raw> {
    let mut wire = Wire::new(bytes);
    let scheme = String::from_utf8(wire.string()?.to_vec()).ok()?;
    let bytes = wire.string()?.to_vec();
    let token = match scheme.as_str() {
        SK_ED25519 | SK_P256 => Some((wire.byte()?, wire.number()?)),
        _ => None,
    };
    wire.end(Raw { scheme, bytes, token })
}
