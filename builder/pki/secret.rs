//! Secrets that are not keys of a certificate: encryption keys, tokens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::seed::{Scope, Seed, hexadecimal};
use crate::error::{Error, Result};

/// The least and the most bytes of a secret: fewer could be guessed, more are a mistake.
const LEAST: usize = 16;
const MOST: usize = 1024;
/// The fewest characters of a password.
const FEWEST: usize = 8;

/// How a secret is written; no form ends in a newline.
///
/// A bootstrap token is made from 64 derived bytes: those of 252 (7 times 36) and above are left out, of the rest the
/// first 22 are taken modulo 36 as places in `0123456789abcdefghijklmnopqrstuvwxyz`, so that each character is as
/// likely as any other; a dot follows the sixth. (That fewer than 22 of 64 are left happens less than once in 2^200.)
///
/// An alphanumeric secret of N characters is made from 2 N + 64 derived bytes: those of 248 (4 times 62) and above are
/// left out, of the rest the first N are taken modulo 62 as places in `0-9A-Za-z`, in this order. (That fewer than N are
/// left happens less than once in 2^200.)
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
    /// This many of the characters A-Z, a-z and 0-9: passwords for programs that take no others.
    Alphanumeric {
        /// How many characters, 8 to 1024.
        characters: usize,
    },
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
        SecretShape::Alphanumeric { characters } => {
            if !(FEWEST..=MOST).contains(&characters) {
                let message = format!("the secret `{name}` has {characters} characters, not {FEWEST} to {MOST}");
                return Err(Error::usage(message));
            }
            let mut okm = Zeroizing::new(vec![0; 2 * characters + 64]);
            seed.derive(&format!("secret/alphanumeric/{characters}"), scope, name, &mut okm)?;
            alphanumeric(&okm, characters)
        }
    }
}

impl SecretShape {
    /// Whether a secret that mastermold did not make has this shape.
    pub fn check(self, secret: &[u8]) -> Result<()> {
        let plain = |digits: &[u8], allowed: fn(&u8) -> bool| digits.iter().all(allowed);
        let lower = |digit: &u8| matches!(digit, b'a'..=b'z' | b'0'..=b'9');
        let (fits, shape) = match self {
            SecretShape::Base64 { bytes } => {
                let mut decoded = Zeroizing::new(vec![0; secret.len()]);
                let length = STANDARD.decode_slice(secret, &mut decoded).ok();
                (length == Some(bytes), format!("base64 of {bytes} bytes"))
            }
            SecretShape::Hex { bytes } => {
                let digits = plain(secret, |digit| matches!(digit, b'a'..=b'f' | b'0'..=b'9'));
                (digits && secret.len() == 2 * bytes, format!("{bytes} bytes in lower-case hexadecimal"))
            }
            SecretShape::BootstrapToken => {
                let parts = (secret.get(..6), secret.get(6), secret.get(7..));
                let fits = matches!(parts, (Some(id), Some(b'.'), Some(rest))
                    if plain(id, lower) && plain(rest, lower) && rest.len() == 16);
                (fits, "a bootstrap token like abcdef.0123456789abcdef".to_owned())
            }
            SecretShape::Alphanumeric { characters } => {
                let digits = plain(secret, u8::is_ascii_alphanumeric);
                (digits && secret.len() == characters, format!("{characters} characters of A-Z, a-z, 0-9"))
            }
            SecretShape::Raw { bytes } => (secret.len() == bytes, format!("{bytes} bytes")),
        };
        match fits {
            true => Ok(()),
            false => Err(Error::usage(format!("it is not {shape}"))),
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

fn alphanumeric(okm: &[u8], characters: usize) -> Result<Zeroizing<Vec<u8>>> {
    const CHARACTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = Zeroizing::new(Vec::with_capacity(characters));
    text.extend(okm.iter().filter(|byte| **byte < 248).take(characters).map(|byte| CHARACTERS[usize::from(byte % 62)]));
    match text.len() == characters {
        true => Ok(text),
        false => Err(Error::bug("deriving an alphanumeric secret: too few bytes are left")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_made_without_bias() {
        let okm: Vec<u8> = (240..=255).chain(0..64).collect();
        assert_eq!(alphanumeric(&okm, 12).unwrap().as_slice(), b"stuvwxyz0123");
        assert_eq!(alphanumeric(&[255; 16], 8).unwrap_err().class().code(), 1);
    }

    #[test]
    fn what_others_made_is_held_against_its_shape() {
        let shapes = [
            (SecretShape::Base64 { bytes: 16 }, "AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0OD"),
            (SecretShape::Hex { bytes: 16 }, "000102030405060708090a0b0c0d0e0f", "000102030405060708090A0B0C0D0E0F"),
            (SecretShape::BootstrapToken, "abcdef.0123456789abcdef", "abcdef-0123456789abcdef"),
            (SecretShape::BootstrapToken, "abcdef.0123456789abcdef", "abcdef.0123456789abcdeF"),
            (SecretShape::BootstrapToken, "abcdef.0123456789abcdef", "ghijkl"),
            (SecretShape::Alphanumeric { characters: 8 }, "aZ019bcd", "aZ019bc-"),
            (SecretShape::Raw { bytes: 3 }, "abc", "abcd"),
        ];
        for (shape, good, bad) in shapes {
            assert!(shape.check(good.as_bytes()).is_ok(), "{good}");
            let error = shape.check(bad.as_bytes()).unwrap_err();
            assert!(error.class().code() == 2 && !error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_token_is_made_without_bias() {
        let mut okm: Vec<u8> = (242..=255).chain(0..50).collect();
        // 252 to 255 are left out: 242..252, then 0..12.
        assert_eq!(token(okm.as_slice().try_into().unwrap()).unwrap().as_slice(), b"qrstuv.wxyz0123456789ab");
        okm.fill(255);
        assert_eq!(token(okm.as_slice().try_into().unwrap()).unwrap_err().class().code(), 1);
    }
}
