//! A signature file (`.minisig`), four lines that end in LF:
//!
//! ```text
//! untrusted comment: signature from minisign secret key
//! base64 of "ED" | key id (8) | Ed25519 signature of BLAKE2b-512(message) (64)
//! trusted comment: COMMENT
//! base64 of the Ed25519 signature (64) of: the first signature (64) | COMMENT
//! ```
//!
//! minisign itself takes any first comment, CRLF, text after the fourth line, and the older form `Ed`. Here the four
//! lines are exactly these, so that a message, a key and a trusted comment have one signature file and every changed
//! byte is noticed. Ed25519 is deterministic (RFC 8032), so signing twice gives the same bytes.

use blake2::{Blake2b512, Digest as _};
use ed25519_dalek::{Signature, Signer as _};

use super::lines;
use super::public::{KeyId, PublicKey};
use super::secret::SecretKey;
use crate::error::{Error, Result};

/// The one first line: what `minisign -S` writes by default. No signature covers it, so it may say nothing else.
const FIRST: &str = "untrusted comment: signature from minisign secret key";
const TRUSTED: &str = "trusted comment: ";
/// Ed25519 over BLAKE2b-512 of the message: what minisign writes since 0.6.
const PREHASHED: [u8; 2] = *b"ED";
/// `Ed`: Ed25519 over the message itself.
const LEGACY: [u8; 2] = *b"Ed";
/// The longest trusted comment in bytes; minisign reads lines of up to 8 KiB.
const LONGEST_COMMENT: usize = 4096;
/// The longest signature file in bytes.
const LONGEST: usize = LONGEST_COMMENT + 512;

/// The signature file for `message`. The trusted comment is one printable line of at most 4096 bytes.
pub fn sign(key: &SecretKey, message: &[u8], trusted_comment: &str) -> Result<String> {
    if !lines::printable(trusted_comment) || trusted_comment.len() > LONGEST_COMMENT {
        return Err(Error::usage(format!(
            "the trusted comment is not one printable line of up to {LONGEST_COMMENT} bytes"
        )));
    }
    let signature = key.key.sign(&Blake2b512::digest(message)).to_bytes();
    let whole = key.key.sign(&[&signature[..], trusted_comment.as_bytes()].concat()).to_bytes();
    let line = lines::encode(&[&PREHASHED[..], &key.public().key_id().0, &signature].concat());
    let text = format!("{FIRST}\n{line}\n{TRUSTED}{trusted_comment}\n{}\n", lines::encode(&whole));
    // A processor's mistake gives the key away to who sees it.
    let made = Minisig::parse(&text)?;
    match made.is_by(&key.public(), message) && made.check_comment(&key.public()).is_ok() {
        true => Ok(text),
        false => Err(Error::bug("a signature that does not verify")),
    }
}

/// A signature file of minisign, read strictly and not yet checked.
pub struct Minisig {
    key: KeyId,
    signature: Signature,
    comment: String,
    whole: Signature,
}

impl Minisig {
    /// Reads a signature file. Anything but the four lines is [`Error::trust`].
    pub fn parse(text: &str) -> Result<Minisig> {
        let bad = |what: &str| Error::trust(format!("the signature is not a strict minisign signature: {what}"));
        if text.len() > LONGEST {
            return Err(bad(&format!("it has more than {LONGEST} bytes")));
        }
        if text.contains('\r') {
            return Err(bad("its lines end in CRLF, not LF"));
        }
        let [first, signature, comment, whole] =
            lines::exactly(text).ok_or_else(|| bad("it has not exactly four lines that end in LF"))?;
        if first != FIRST {
            return Err(bad(&format!("its first line is not `{FIRST}`")));
        }
        let comment = comment.strip_prefix(TRUSTED).ok_or_else(|| bad("its third line is no trusted comment"))?;
        if !lines::printable(comment) {
            return Err(bad("its trusted comment has unprintable characters"));
        }
        let signature = lines::decode(signature.as_bytes())
            .ok_or_else(|| bad("its second line is not canonical base64 of 74 bytes"))?;
        let whole = lines::decode(whole.as_bytes())
            .ok_or_else(|| bad("its fourth line is not canonical base64 of 64 bytes"))?;
        let (key, signature) = split(&signature).map_err(bad)?;
        Ok(Minisig { key, signature, comment: comment.to_owned(), whole: Signature::from_bytes(&whole) })
    }

    /// The key that it names. A name, not a proof.
    pub fn key_id(&self) -> KeyId {
        self.key
    }

    /// The trusted comment: proven only once [`Minisig::check_comment`] was.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether this key signed `message`.
    pub fn is_by(&self, key: &PublicKey, message: &[u8]) -> bool {
        key.key.verify_strict(&Blake2b512::digest(message), &self.signature).is_ok()
    }

    /// That this key signed the trusted comment together with the first signature.
    pub fn check_comment(&self, key: &PublicKey) -> Result<()> {
        let whole = [&self.signature.to_bytes()[..], self.comment.as_bytes()].concat();
        key.key.verify_strict(&whole, &self.whole).map_err(|_| {
            Error::trust(format!("the trusted comment is not what key {} signed", self.key))
                .advise("get the signature again from its source")
        })
    }
}

fn split(bytes: &[u8; 74]) -> std::result::Result<(KeyId, Signature), &'static str> {
    const SHORT: &str = "its second line is cut";
    let (algorithm, rest) = bytes.split_first_chunk().ok_or(SHORT)?;
    let (id, rest) = rest.split_first_chunk().ok_or(SHORT)?;
    match *algorithm {
        PREHASHED => Ok((KeyId(*id), Signature::from_bytes(rest.try_into().map_err(|_| SHORT)?))),
        LEGACY => Err("it is of the legacy form `Ed`, over the bytes and not over their hash; sign again without -l"),
        _ => Err("its algorithm is not `ED`"),
    }
}
