//! Certificates that somebody made: read, checked, found and judged, with OpenSSL as the maker and the judge.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the disk, and their helpers fail by panicking"
)]

#[path = "certificates/dates.rs"]
mod dates;
#[path = "certificates/found.rs"]
mod found;
#[path = "support/maker.rs"]
mod maker;
#[path = "certificates/proof.rs"]
mod proof;
#[path = "certificates/read.rs"]
mod read;
#[path = "certificates/reading.rs"]
mod reading;
#[path = "certificates/status.rs"]
mod status;
mod support;
