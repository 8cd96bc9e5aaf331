//! What machines boot from.

pub mod scripts;
