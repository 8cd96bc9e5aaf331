//! [`Path`]: where a value is in the one that it is a part of.

use std::fmt;

/// Keys and indices from the outermost value on, `a.b[0]`: written only when somebody asks.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    /// The value itself.
    Root,
    /// What a key of a table has.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, key) => f.write_str(key),
            Path::Field(above, key) => write!(f, "{above}.{key}"),
            Path::Item(above, index) => write!(f, "{above}[{index}]"),
        }
    }
}
