//! How minisign protects a secret key with a password: XOR with the output of scrypt (RFC 7914), whose cost is given as
//! libsodium's `opslimit` and `memlimit` (`crypto_pwhash_scryptsalsa208sha256`).

use scrypt::Params;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A cost in libsodium's two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    /// About how many Salsa20/8 cores are run.
    pub(super) operations: u64,
    /// How many bytes may be used.
    pub(super) memory: u64,
}

impl Cost {
    /// What `minisign -G` uses, libsodium's "sensitive": 1 GiB, N = 2^20, r = 8, p = 1. Also the most that is read:
    /// a key file must not be able to exhaust the machine.
    pub(super) const SENSITIVE: Cost = Cost { operations: 1 << 25, memory: 1 << 30 };

    /// The parameters of scrypt as libsodium picks them: r = 8; N is the largest power of two (at least 2) that either
    /// the operations (4 N r) or the memory (128 N r) allow, whichever is scarcer; p takes what operations are left.
    fn parameters(self) -> Result<Params> {
        const R: u64 = 8;
        if self.operations > Cost::SENSITIVE.operations || self.memory > Cost::SENSITIVE.memory {
            return Err(Error::usage("the secret key asks for more than 1 GiB or 2^25 operations to be decrypted")
                .advise("make a key with `minisign -G`, which stays within them"));
        }
        let operations = self.operations.max(32_768);
        let scarce_operations = operations < self.memory / 32;
        let most = if scarce_operations { operations / (4 * R) } else { self.memory / (128 * R) };
        let log_n = most.max(2).ilog2();
        let p = if scarce_operations { 1 } else { ((operations / 4) >> log_n) / R };
        let known = || Params::new(u8::try_from(log_n).ok()?, R as u32, u32::try_from(p).ok()?).ok();
        known().ok_or_else(|| Error::usage("the secret key's scrypt cost (opslimit, memlimit) is impossible"))
    }

    /// The key stream for a password. Takes the time and memory that the cost says.
    pub(super) fn stream<const N: usize>(self, password: &[u8], salt: &[u8; 32]) -> Result<Zeroizing<[u8; N]>> {
        let mut stream = Zeroizing::new([0; N]);
        scrypt::scrypt(password, salt, &self.parameters()?, &mut stream[..])
            .map_err(|_| Error::bug("scrypt refused its output length"))?;
        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// N, r, p of libsodium's named limits, and of corners of its rule.
    #[test]
    fn parameters_are_those_of_libsodium() {
        let rows = [
            (Cost::SENSITIVE, (20, 1)),
            (Cost { operations: 524_288, memory: 16_777_216 }, (14, 1)), // "interactive"
            (Cost { operations: 0, memory: 1 << 30 }, (10, 1)),
            (Cost { operations: 1 << 25, memory: 16_777_216 }, (14, 64)),
            (Cost { operations: 40_000, memory: 1 << 30 }, (10, 1)),
        ];
        for (cost, (log_n, p)) in rows {
            let params = cost.parameters().unwrap();
            assert_eq!((params.log_n(), params.r(), params.p()), (log_n, 8, p), "{cost:?}");
        }
    }

    #[test]
    fn an_exhausting_cost_is_refused() {
        for (operations, memory) in [(1 << 26, 1 << 30), (1 << 25, 1 << 31), (u64::MAX, u64::MAX)] {
            assert_eq!(Cost { operations, memory }.parameters().unwrap_err().class().code(), 2);
        }
    }
}
