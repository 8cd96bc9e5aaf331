//! Keys and certificates from one seed.
