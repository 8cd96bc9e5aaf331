//! From derived bytes to private keys: the second half of the derivation that the head of `seed.rs` states.

use ed25519_dalek::SigningKey;
use hkdf::Hkdf;
use p256::elliptic_curve::bigint::{NonZero, U384, U512};
use rsa::{BoxedUint, RsaPrivateKey};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{Error, Result};

/// FIPS 186-5, A.2.1: 128 bits more than the order has make the bias of the remainder negligible, and nothing is ever
/// tried twice.
pub(super) fn p256(okm: &[u8]) -> Result<p256::SecretKey> {
    /// The order of the group, less one (SP 800-186, 3.2.1.3).
    const ORDER_LESS_ONE: U384 = U384::from_be_hex(
        "00000000000000000000000000000000ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
    );
    let order = Option::<NonZero<U384>>::from(NonZero::new(ORDER_LESS_ONE));
    let order = order.ok_or_else(|| Error::bug("the order of P-256 is zero"))?;
    let mut number = U384::from_be_slice(okm).rem(&order).wrapping_add(&U384::ONE);
    let mut bytes = number.to_be_bytes();
    number.zeroize();
    let key = p256::SecretKey::from_slice(&bytes.as_ref()[16..]).map_err(|_| Error::bug("deriving a P-256 key"));
    bytes.as_mut().zeroize();
    key
}

/// As [`p256()`].
pub(super) fn p384(okm: &[u8]) -> Result<p384::SecretKey> {
    /// The order of the group, less one (SP 800-186, 3.2.1.4).
    const ORDER_LESS_ONE: U512 = U512::from_be_hex(
        "00000000000000000000000000000000ffffffffffffffffffffffffffffffffffffffffffffffff\
         c7634d81f4372ddf581a0db248b0a77aecec196accc52972",
    );
    let order = Option::<NonZero<U512>>::from(NonZero::new(ORDER_LESS_ONE));
    let order = order.ok_or_else(|| Error::bug("the order of P-384 is zero"))?;
    let mut number = U512::from_be_slice(okm).rem(&order).wrapping_add(&U512::ONE);
    let mut bytes = number.to_be_bytes();
    number.zeroize();
    let key = p384::SecretKey::from_slice(&bytes.as_ref()[16..]).map_err(|_| Error::bug("deriving a P-384 key"));
    bytes.as_mut().zeroize();
    key
}

/// RFC 8032, 5.1.5: any 32 bytes are a private key.
pub(super) fn ed25519(okm: &[u8]) -> Result<SigningKey> {
    SigningKey::try_from(okm).map_err(|_| Error::bug("deriving an Ed25519 key"))
}

/// The public exponent of every RSA key.
const EXPONENT: u32 = 65_537;

/// An RSA key of `bits` bits: its primes are the first two candidates that will do (FIPS 186-5, A.1.3, with the
/// candidates derived and not drawn). Which those are is a fact of numbers: no library's generator has a say in it.
pub(super) fn rsa(okm: &[u8], bits: u32) -> Result<RsaPrivateKey> {
    rsa_on(std::thread::available_parallelism().map_or(1, std::num::NonZero::get), okm, bits)
}

/// The same key on however many cores.
fn rsa_on(cores: usize, okm: &[u8], bits: u32) -> Result<RsaPrivateKey> {
    let mut candidates = Candidates { source: Hkdf::new(None, okm), bytes: bits as usize / 16, counter: 0, cores };
    let mut primes = candidates.next_primes()?;
    let first = primes.remove(0);
    let second = loop {
        if let Some(found) = primes.iter().position(|prime| !alike(&first, prime)) {
            break primes.remove(found);
        }
        primes = candidates.next_primes()?;
    };
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits / 2).map_err(|_| Error::bug("reading a prime"));
    let (larger, smaller) = if *first > *second { (&first, &second) } else { (&second, &first) };
    RsaPrivateKey::from_p_q(number(larger)?, number(smaller)?, BoxedUint::from(EXPONENT))
        .map_err(|_| Error::bug("deriving an RSA key"))
}

/// Whether two primes are equal in their highest 100 bits, and so nearer to each other than FIPS 186-5, A.1.3, allows.
fn alike(first: &[u8], second: &[u8]) -> bool {
    first[..12] == second[..12] && first[12] >> 4 == second[12] >> 4
}

/// A prime, or what may be one: big-endian.
type Number = Zeroizing<Vec<u8>>;

/// The candidates for an RSA key's primes, in their order.
struct Candidates {
    source: Hkdf<Sha256>,
    bytes: usize,
    counter: u32,
    cores: usize,
}

impl Candidates {
    /// The primes among the next candidates that have one, in their order. They are tested on all cores: the test is
    /// what takes the time, and its result does not depend on who does it.
    fn next_primes(&mut self) -> Result<Vec<Number>> {
        loop {
            let batch = (0..self.cores).map(|_| self.next_likely()).collect::<Result<Vec<_>>>()?;
            let tested = std::thread::scope(|scope| {
                let tests: Vec<_> = batch.iter().map(|candidate| scope.spawn(|| is_prime(candidate))).collect();
                let joined = tests.into_iter().map(|test| test.join().map_err(|_| Error::bug("testing a prime"))?);
                joined.collect::<Result<Vec<bool>>>()
            })?;
            let primes = batch.into_iter().zip(tested).filter(|(_, prime)| *prime).map(|(number, _)| number);
            let primes: Vec<Number> = primes.collect();
            if !primes.is_empty() {
                return Ok(primes);
            }
        }
    }

    /// The next candidate that no simple test throws out.
    fn next_likely(&mut self) -> Result<Number> {
        loop {
            let candidate = self.at(self.counter)?;
            self.counter =
                self.counter.checked_add(1).ok_or_else(|| Error::bug("deriving an RSA key: no prime is found"))?;
            if fits_exponent(&candidate) && has_no_small_factor(&candidate) {
                return Ok(candidate);
            }
        }
    }

    /// Candidate number `counter`: odd, and so large that the product of two has all its bits.
    fn at(&self, counter: u32) -> Result<Number> {
        let mut candidate = Zeroizing::new(vec![0; self.bytes]);
        let info = [&b"mastermold/1 rsa prime"[..], &counter.to_be_bytes()].concat();
        self.source.expand(&info, &mut candidate).map_err(|_| Error::bug("deriving a candidate for a prime"))?;
        candidate[0] |= 0xc0;
        candidate[self.bytes - 1] |= 1;
        Ok(candidate)
    }
}

/// Whether the candidate less one has no factor in common with the exponent, which is prime.
fn fits_exponent(candidate: &[u8]) -> bool {
    remainder(candidate, EXPONENT) != 1
}

/// Throws out most composites at little cost; whatever passes is tested in earnest.
fn has_no_small_factor(candidate: &[u8]) -> bool {
    // Products of neighbouring odd primes that fit 32 bits, and those primes.
    const GROUPS: [(u32, &[u32]); 7] = [
        (3_234_846_615, &[3, 5, 7, 11, 13, 17, 19, 23, 29]),
        (95_041_567, &[31, 37, 41, 43, 47]),
        (907_383_479, &[53, 59, 61, 67, 71]),
        (4_132_280_413, &[73, 79, 83, 89, 97]),
        (121_330_189, &[101, 103, 107, 109]),
        (257_557_397, &[113, 127, 131, 137]),
        (490_995_677, &[139, 149, 151, 157]),
    ];
    GROUPS.iter().all(|(product, primes)| {
        let rest = remainder(candidate, *product);
        primes.iter().all(|prime| !rest.is_multiple_of(*prime))
    })
}

/// A big-endian number modulo a small one.
fn remainder(number: &[u8], modulus: u32) -> u32 {
    let modulus = u64::from(modulus);
    let rest = number.iter().fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % modulus);
    rest as u32
}

/// Baillie-PSW: no composite is known that passes, and a number derived from a secret is none that somebody chose.
fn is_prime(candidate: &[u8]) -> Result<bool> {
    let bits = u32::try_from(candidate.len() * 8).map_err(|_| Error::bug("a prime of too many bits"))?;
    let mut number = BoxedUint::from_be_slice(candidate, bits).map_err(|_| Error::bug("reading a candidate"))?;
    let prime = crypto_primes::is_prime(crypto_primes::Flavor::Any, &number);
    number.zeroize();
    Ok(prime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// The corners of `(c mod (n - 1)) + 1`, reckoned in Python.
    #[test]
    fn every_number_gives_a_key() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325";
        for (okm, key) in [
            ("0".repeat(96), format!("{:064x}", 1)),
            (format!("{:0>96}", format!("{order}4f")), format!("{order}50")), // n - 2 is the last
            (format!("{:0>96}", format!("{order}50")), format!("{:064x}", 1)), // n - 1 is zero again
            ("f".repeat(96), "431905529c0166ce652e96b7ccca0a9a679b73e29ad16947f01cf012fc632550".into()),
        ] {
            assert_eq!(p256(&hex(&okm)).unwrap().to_bytes().to_vec(), hex(&key), "{okm}");
        }
        let order = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc529";
        for (okm, key) in [
            ("0".repeat(128), format!("{:096x}", 1)),
            (format!("{:0>128}", format!("{order}71")), format!("{order}72")),
            (format!("{:0>128}", format!("{order}72")), format!("{:096x}", 1)),
        ] {
            assert_eq!(p384(&hex(&okm)).unwrap().to_bytes().to_vec(), hex(&key), "{okm}");
        }
    }

    /// Products and their primes are what they are said to be, and the sieve keeps what it must.
    #[test]
    fn small_factors_are_found_and_nothing_else() {
        let product = |primes: &[u64]| primes.iter().product::<u64>().to_be_bytes();
        for prime in [3u64, 5, 29, 31, 47, 53, 71, 73, 97, 101, 109, 113, 137, 139, 157] {
            assert!(!has_no_small_factor(&product(&[prime, 1_000_003])), "{prime}");
        }
        for primes in [&[1_000_003, 1_000_033][..], &[163, 167], &[2_147_483_647], &[1]] {
            assert!(has_no_small_factor(&product(primes)), "{primes:?}");
        }
        assert_eq!(
            remainder(&hex("ffffffffffffffffffffff"), 4_132_280_413),
            ((1u128 << 88) - 1).rem_euclid(4_132_280_413) as u32
        );
    }

    #[test]
    fn the_number_of_cores_makes_no_difference() {
        for okm in [[1; 32], [2; 32]] {
            let key = rsa_on(1, &okm, 2048).unwrap();
            assert!([2, 3, 64].iter().all(|cores| rsa_on(*cores, &okm, 2048).unwrap() == key));
        }
    }

    #[test]
    fn primes_that_are_alike_are_known() {
        let mut first = vec![0xc5; 128];
        let mut second = first.clone();
        second[127] = 1;
        assert!(alike(&first, &second));
        first[12] ^= 0x10;
        assert!(!alike(&first, &second));
        assert!(!fits_exponent(&(65_537u64 * 4 + 1).to_be_bytes()) && fits_exponent(&65_539u64.to_be_bytes()));
    }
}
