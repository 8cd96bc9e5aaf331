//! Where a time stands in the life of a certificate, and whether that is good enough.

use super::certificate::Certificate;
use crate::epoch::{Duration, Epoch};
use crate::error::{Error, Result};

/// When certificates are judged, and how long each must last from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The time.
    pub at: Epoch,
    /// How long they must last; nothing is what is valid at that second.
    pub least: Duration,
}

/// Where a time stands in the life of a certificate. Both its dates are of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// After its end.
    Expired,
    /// Less than the asked length before its end.
    Ending,
    /// In it, for long enough.
    Valid,
    /// Before its start.
    NotYet,
}

/// A file with more bytes is not searched: certificates are in small files, and memory stays flat.
pub const LARGEST_SEARCHED: u64 = 256 * 1024;

/// What to do about a certificate that does not last.
const RENEW: &str = "renew it: what comes from the seed with a later epoch or more days, any other with a new file";

impl Term {
    /// Where this time stands in the life of a certificate.
    pub fn standing(&self, certificate: &Certificate) -> Standing {
        let (from, until) = (certificate.not_before(), certificate.not_after());
        match self.at {
            at if at > until => Standing::Expired,
            at if at < from => Standing::NotYet,
            at if until.seconds() - at.seconds() < self.least.seconds() => Standing::Ending,
            _ => Standing::Valid,
        }
    }

    /// Refuses what is not yet valid, has expired, or does not last.
    pub fn check(&self, certificate: &Certificate) -> Result<()> {
        let Term { at, least } = self;
        let (from, until) = (certificate.not_before(), certificate.not_after());
        let (why, advice) = match self.standing(certificate) {
            Standing::Valid => return Ok(()),
            Standing::Expired => (format!("expired at {until}, and is judged at {at}"), RENEW),
            Standing::Ending => (format!("expires at {until}, less than {least} after {at}"), RENEW),
            Standing::NotYet => (
                format!("is not valid before {from}, and is judged at {at}"),
                "judge it when it will be used (a later epoch, or --at), or give it an earlier start",
            ),
        };
        Err(Error::trust(format!("the certificate of `{}` {why}", certificate.subject())).advise(advice))
    }

    /// Judges every certificate in a file: how many there are, and what is wrong with them. One that is longer than
    /// [`LARGEST_SEARCHED`] is not looked at.
    pub fn judge(&self, file: &[u8]) -> (usize, Vec<Error>) {
        let found = match file.len() as u64 <= LARGEST_SEARCHED {
            true => Certificate::find(file),
            false => Vec::new(),
        };
        (found.len(), found.iter().filter_map(|certificate| self.check(certificate).err()).collect())
    }
}
