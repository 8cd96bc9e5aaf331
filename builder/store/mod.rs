//! Fetched inputs by digest.
