//! [`Held`]: a certificate and where it lies.

use super::certificate::Certificate;
use super::term::LARGEST_SEARCHED;
use crate::error::Result;

/// A certificate in a file, or what is wrong with what looked like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The machine that the file is on; none if it is on none.
    pub node: Option<String>,
    /// The file's path.
    pub file: String,
    /// The certificate.
    pub certificate: Result<Certificate>,
}

impl Held {
    /// All that a file holds, in its order. One that is longer than [`LARGEST_SEARCHED`] is not looked at.
    pub fn all(node: Option<&str>, file: &str, bytes: &[u8]) -> Vec<Held> {
        if bytes.len() as u64 > LARGEST_SEARCHED {
            return Vec::new();
        }
        let held = |certificate| Held { node: node.map(str::to_owned), file: file.to_owned(), certificate };
        Certificate::find_all(bytes).into_iter().map(held).collect()
    }
}
