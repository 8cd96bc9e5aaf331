//! Archives: a tree's bytes as tar or newc cpio, compressed; and the strict reading of the same dialect.
//!
//! ```text
//! Tree --check--> header + content --parts--> codec --> out       pack
//! source --> codec --> header + content --> visit                 read
//! ```
//!
//! One set of bytes stands for one tree: the writer has no freedom, and the reader takes nothing that the writer would
//! not have written: it encodes each header that it understood once more and compares. A change of any of these bytes
//! is a new format version (`docs/decisions/archive-bytes.md`).

mod blocks;
mod cpio;
mod decode;
mod format;
mod gzip;
mod header;
mod limits;
mod order;
mod pack;
mod parts;
mod read;
mod tar;
mod zstd;

pub use format::{Codec, Container, Format};
pub use header::{Header, HeaderKind};
pub use limits::check;
pub use pack::{NoPieces, Packing, Piece, Pieces, pack, press, sums};
pub use parts::{Part, Parts, parts};
pub use read::read;
