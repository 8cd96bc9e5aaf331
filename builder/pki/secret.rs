//! Secrets that are not keys of a certificate: encryption keys, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::seed::{Scope, Seed, hexadecimal};
use crate::error::{Error, Result};

/// The least and the most bytes of a secret: fewer could be guessed, more are a mistake.
const LEAST: usize = 16;
const MOST: usize = 1024;

/// How a secret is written; no form ends in a newline.
///
/// A bootstrap token is made from 64 derived bytes: those of 252 (7 times 36) and above are left out, of the rest the
/// first 22 are taken modulo 36 as places in `0123456789abcdefghijklmnopqrstuvwxyz`, so that each character is as
/// likely as any other; a dot follows the sixth. (That fewer than 22 of 64 are left happens less than once in 2^200.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretShape {
    /// This many bytes, in base64 with padding (RFC 4648, section 4), as an EncryptionConfiguration takes keys.
    Base64 {
        /// How many bytes, 16 to 1024.
        bytes: usize,
    },
    /// This many bytes, in lower-case hexadecimal.
    Hex {
        /// How many bytes, 16 to 1024.
        bytes: usize,
    },
    /// `abcdef.0123456789abcdef`, as kubeadm's bootstrap tokens are.
    BootstrapToken,
    /// The bytes themselves.
    Raw {
        /// How many bytes, 16 to 1024.
        bytes: usize,
    },
}

/// The secret of this name. Another shape or length of it is another secret, not a part of this one.
pub fn secret(seed: &Seed, scope: &Scope<'_>, name: &str, shape: SecretShape) -> Result<Zeroizing<Vec<u8>>> {
    let derive = |form: &str, bytes: usize| -> Result<Zeroizing<Vec<u8>>> {
        if !(LEAST..=MOST).contains(&bytes) {
            return Err(Error::usage(format!("the secret `{name}` has {bytes} bytes, not {LEAST} to {MOST}")));
        }
        let mut okm = Zeroizing::new(vec![0; bytes]);
        seed.derive(&format!("secret/{form}/{bytes}"), scope, name, &mut okm)?;
        Ok(okm)
    };
    match shape {
        SecretShape::Raw { bytes } => derive("raw", bytes),
        SecretShape::Base64 { bytes } => base64(&derive("base64", bytes)?),
        SecretShape::Hex { bytes } => {
            let okm = derive("hex", bytes)?;
            let mut text = String::with_capacity(2 * okm.len());
            hexadecimal(&okm, &mut text);
            Ok(Zeroizing::new(text.into_bytes()))
        }
        SecretShape::BootstrapToken => {
            let mut okm = Zeroizing::new([0; 64]);
            seed.derive("secret/bootstrap-token", scope, name, &mut okm[..])?;
            token(&okm)
        }
    }
}

/// Base64 straight into one buffer of the right size: a buffer that grows leaves a copy behind, and so does the
/// encoder's own on the stack, which `encode` and `encode_string` use.
pub(super) fn base64(bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(vec![0; bytes.len().div_ceil(3) * 4]);
    STANDARD.encode_slice(bytes, &mut text).map_err(|_| Error::bug("writing base64"))?;
    Ok(text)
}

fn token(okm: &[u8; 64]) -> Result<Zeroizing<Vec<u8>>> {
    const CHARACTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut token = Zeroizing::new(Vec::with_capacity(23));
    for byte in okm.iter().filter(|byte| **byte < 252).take(22) {
        token.push(CHARACTERS[usize::from(byte % 36)]);
        if token.len() == 6 {
            token.push(b'.');
        }
    }
    match token.len() {
        23 => Ok(token),
        _ => Err(Error::bug("deriving a bootstrap token: too few bytes are left")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_without_bias() {
        let mut okm: Vec<u8> = (242..=255).chain(0..50).collect();
        // 252 to 255 are left out: 242..252, then 0..12.
        assert_eq!(token(okm.as_slice().try_into().unwrap()).unwrap().as_slice(), b"qrstuv.wxyz0123456789ab");
        okm.fill(255);
        assert_eq!(token(okm.as_slice().try_into().unwrap()).unwrap_err().class().code(), 1);
    }
}
