//! Secret keys: what a signer keeps.
//!
//! The file is minisign's: `untrusted comment: ...`, LF, base64 of 158 bytes, LF. The bytes are
//!
//! ```text
//!   0  "Ed"            algorithm of the key
//!   2  "Sc" or 0 0     protected by scrypt, or not at all
//!   4  "B2"            algorithm of the checksum
//!   6  salt (32), opslimit (8, little-endian), memlimit (8, little-endian); all zero without protection
//!  54  key id (8), Ed25519 seed (32), public key (32), checksum (32); under protection XOR the output of scrypt
//! ```
//!
//! The checksum is BLAKE2b-256 of `"Ed" | key id | seed | public key`. `minisign -G -W` leaves it zero; so do we.

use std::fmt;
use std::ops::Range;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::lines::{self, UNTRUSTED};
use super::password::Cost;
use super::public::{ED25519, KeyId, PublicKey};
use crate::error::{Error, Result};

const SCRYPT: [u8; 2] = *b"Sc";
const UNPROTECTED: [u8; 2] = [0, 0];
const BLAKE2B: [u8; 2] = *b"B2";
/// minisign writes this line for both kinds of file.
const COMMENT: &str = "minisign encrypted secret key";
/// The whole of a file's bytes, and the part that a password protects, with what lies where in that part.
const SIZE: usize = 158;
const SECRET: usize = 104;
const ID: Range<usize> = 0..8;
const SEED: Range<usize> = 8..40;
const PUBLIC: Range<usize> = 40..72;
const CHECKSUM: Range<usize> = 72..SECRET;

/// A secret key of minisign. Never derived from a seed: who can build a release need not be who vouches for it.
pub struct SecretKey {
    id: KeyId,
    pub(super) key: SigningKey,
}

impl SecretKey {
    /// A new key, from the kernel's random numbers.
    pub fn generate() -> Result<SecretKey> {
        let seed = random::<32>()?;
        Ok(SecretKey { id: KeyId(*random()?), key: SigningKey::from_bytes(&seed) })
    }

    /// Whether this secret key file is protected by a password.
    pub fn is_protected(text: &[u8]) -> Result<bool> {
        Ok(File::parse(text)?.protection.is_some())
    }

    /// Reads a secret key file as `minisign -G` makes it (protected by a password) or `minisign -G -W` (not).
    /// A protected one takes the time and memory that its maker chose, at most 1 GiB.
    pub fn parse(text: &[u8], password: Option<&[u8]>) -> Result<SecretKey> {
        let mut file = File::parse(text)?;
        match (&file.protection, password) {
            (None, None) => {}
            (Some((salt, cost)), Some(password)) => xor(&mut file.secret, &*cost.stream(password, salt)?),
            (Some(_), None) => {
                return Err(Error::usage("the secret key is protected, and no password is given"));
            }
            (None, Some(_)) => {
                return Err(Error::usage("a password is given, but the secret key is not protected by one")
                    .advise("leave the password out, or protect the key with `minisign -C`"));
            }
        }
        file.key()
    }

    /// The secret key file; with a password it is protected as `minisign -G` does it, which takes 1 GiB and seconds.
    pub fn to_text(&self, password: Option<&[u8]>) -> Result<Zeroizing<String>> {
        let mut file = File { protection: None, secret: Zeroizing::new([0; SECRET]) };
        file.secret[ID].copy_from_slice(&self.id.0);
        file.secret[SEED].copy_from_slice(self.key.as_bytes());
        file.secret[PUBLIC].copy_from_slice(self.key.verifying_key().as_bytes());
        if let Some(password) = password {
            let checksum = file.checksum();
            file.secret[CHECKSUM].copy_from_slice(&checksum[..]);
            let salt = *random()?;
            xor(&mut file.secret, &*Cost::SENSITIVE.stream(password, &salt)?);
            file.protection = Some((salt, Cost::SENSITIVE));
        }
        file.to_text()
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(self.id, self.key.verifying_key())
    }
}

/// Shows which key it is, and nothing of it.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

/// What a secret key file holds, before its password is known.
struct File {
    /// The salt and the cost of scrypt, if a password protects it.
    protection: Option<([u8; 32], Cost)>,
    secret: Zeroizing<[u8; SECRET]>,
}

impl File {
    fn parse(text: &[u8]) -> Result<File> {
        let malformed = || {
            Error::usage("this is not a minisign secret key")
                .advise("give the file that `minisign -G` or `mastermold key new` wrote")
        };
        let text = std::str::from_utf8(text).map_err(|_| malformed())?;
        let [comment, line] = lines::exactly(text).ok_or_else(malformed)?;
        let bytes = lines::decode::<SIZE>(line.as_bytes()).filter(|_| comment.starts_with(UNTRUSTED));
        File::split(&*bytes.ok_or_else(malformed)?).ok_or_else(malformed)
    }

    fn split(bytes: &[u8; SIZE]) -> Option<File> {
        let (algorithm, rest) = bytes.split_first_chunk::<2>()?;
        let (protected, rest) = rest.split_first_chunk::<2>()?;
        let (checksum, rest) = rest.split_first_chunk::<2>()?;
        let (salt, rest) = rest.split_first_chunk::<32>()?;
        let (operations, rest) = rest.split_first_chunk::<8>()?;
        let (memory, rest) = rest.split_first_chunk::<8>()?;
        let cost = Cost { operations: u64::from_le_bytes(*operations), memory: u64::from_le_bytes(*memory) };
        let protection = match *protected {
            SCRYPT => Some((*salt, cost)),
            UNPROTECTED => None,
            _ => return None,
        };
        let mut secret = Zeroizing::new([0; SECRET]);
        secret.copy_from_slice(rest);
        (*algorithm == ED25519 && *checksum == BLAKE2B).then_some(File { protection, secret })
    }

    fn checksum(&self) -> Zeroizing<[u8; 32]> {
        let hash = Blake2b::<U32>::new().chain_update(ED25519).chain_update(&self.secret[..CHECKSUM.start]);
        Zeroizing::new(hash.finalize().into())
    }

    /// The key, once the password is taken off. A key whose public half is another's would give its seed away when it
    /// signs, so the halves must match.
    fn key(&self) -> Result<SecretKey> {
        let found = &self.secret[CHECKSUM];
        let unchecked = self.protection.is_none() && found.iter().all(|&byte| byte == 0);
        if !unchecked && found != &self.checksum()[..] {
            return Err(match self.protection {
                Some(_) => Error::usage("the password does not open the secret key"),
                None => Error::usage("the secret key's checksum does not match: the file is damaged"),
            });
        }
        let (mut id, mut seed) = ([0; 8], Zeroizing::new([0; 32]));
        id.copy_from_slice(&self.secret[ID]);
        seed.copy_from_slice(&self.secret[SEED]);
        let key = SigningKey::from_bytes(&seed);
        if key.verifying_key().as_bytes()[..] != self.secret[PUBLIC] {
            return Err(Error::usage("the secret key's two halves do not belong together: the file is damaged"));
        }
        Ok(SecretKey { id: KeyId(id), key })
    }

    fn to_text(&self) -> Result<Zeroizing<String>> {
        let (protected, salt, cost) = match self.protection {
            Some((salt, cost)) => (SCRYPT, salt, cost),
            None => (UNPROTECTED, [0; 32], Cost { operations: 0, memory: 0 }),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE));
        for part in [&ED25519[..], &protected, &BLAKE2B, &salt] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&cost.operations.to_le_bytes());
        bytes.extend_from_slice(&cost.memory.to_le_bytes());
        bytes.extend_from_slice(&self.secret[..]);
        let line = lines::encode_secret(&bytes)?;
        let parts = [UNTRUSTED, COMMENT, "\n", &line, "\n"];
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        text.extend(parts);
        Ok(text)
    }
}

fn xor(secret: &mut [u8; SECRET], stream: &[u8; SECRET]) {
    secret.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut bytes[..])
        .map_err(|error| Error::environment(format!("reading the kernel's random numbers: {error}")))?;
    Ok(bytes)
}
