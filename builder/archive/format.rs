//! [`Format`]: which container, which codec, at which levels.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::error::{Error, Result};

/// How entries are strung together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Container {
    /// POSIX ustar with pax records for what does not fit (IEEE Std 1003.1-2017, `pax`).
    Tar,
    /// `newc` cpio, which the Linux kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
    Cpio,
}

impl Container {
    /// What contents are padded to, in bytes.
    pub(super) fn block(self) -> u64 {
        match self {
            Container::Tar => 512,
            Container::Cpio => 4,
        }
    }

    /// The name, in messages and file names.
    pub fn name(self) -> &'static str {
        match self {
            Container::Tar => "tar",
            Container::Cpio => "cpio",
        }
    }
}

/// How the container's bytes are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// Not at all.
    Plain,
    /// One gzip member (RFC 1952).
    Gzip,
    /// zstd frames (RFC 8878).
    Zstd,
}

impl Codec {
    /// The name of the program that undoes it, `plain` if there is nothing to undo.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Plain => "plain",
            Codec::Gzip => "gzip",
            Codec::Zstd => "zstd",
        }
    }
}

/// A container and a codec. Written and read as the usual file name extension: `tar.gz`, `cpio.zst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format {
    /// How entries are strung together.
    pub container: Container,
    /// How the result is compressed.
    pub codec: Codec,
}

impl Format {
    /// All six.
    pub const ALL: [Format; 6] = [
        Format { container: Container::Tar, codec: Codec::Plain },
        Format { container: Container::Tar, codec: Codec::Gzip },
        Format { container: Container::Tar, codec: Codec::Zstd },
        Format { container: Container::Cpio, codec: Codec::Plain },
        Format { container: Container::Cpio, codec: Codec::Gzip },
        Format { container: Container::Cpio, codec: Codec::Zstd },
    ];

    /// The format that a file's name ends with: `node.cpio.zst` is cpio.zst. None without a name before it.
    pub fn of_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| {
            let stem = name.strip_suffix(format.extension()).and_then(|stem| stem.strip_suffix('.'));
            stem.is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
        })
    }

    /// The file name extension, without a leading dot.
    pub fn extension(self) -> &'static str {
        match (self.container, self.codec) {
            (Container::Tar, Codec::Plain) => "tar",
            (Container::Tar, Codec::Gzip) => "tar.gz",
            (Container::Tar, Codec::Zstd) => "tar.zst",
            (Container::Cpio, Codec::Plain) => "cpio",
            (Container::Cpio, Codec::Gzip) => "cpio.gz",
            (Container::Cpio, Codec::Zstd) => "cpio.zst",
        }
    }

    /// The level that a release gets if nobody asks for another. Measured on 104 MB of Go programs and two cores: zstd
    /// 9 makes 3.21 at 114 MB/s; 12 halves the speed for 1 %, 19 takes 27 times as long for 10 %, 3 is five times as
    /// fast and 9 % larger. gzip 6 makes 2.81 at 157 MB/s; 9 takes three times as long for 2.5 %. All figures are in
    /// `docs/decisions/codecs.md`.
    pub fn default_level(self) -> u8 {
        match self.codec {
            Codec::Plain => 0,
            Codec::Gzip => 6,
            Codec::Zstd => 9,
        }
    }

    /// The levels that the codec takes. zstd's 20 to 22 are left out: their windows are larger than what a kernel
    /// should have to allocate.
    pub fn levels(self) -> RangeInclusive<u8> {
        match self.codec {
            Codec::Plain => 0..=0,
            Codec::Gzip => 1..=9,
            Codec::Zstd => 1..=19,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Format> {
        Format::ALL.into_iter().find(|format| format.extension() == text).ok_or_else(|| {
            let all = Format::ALL.map(Format::extension).join(", ");
            Error::usage(format!("`{text}` is not an archive format")).advise(format!("use one of {all}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
            assert_eq!(Format::of_name(&format!("a/node.{format}")), Some(format));
            assert!(format.levels().contains(&format.default_level()));
        }
        for wrong in ["", "zst", "Tar", "tar.xz", ".tar", "tar.gz "] {
            assert_eq!(wrong.parse::<Format>().unwrap_err().class().code(), 2, "{wrong}");
        }
        for wrong in ["", "tar", ".tar", "a/.cpio", "node.zst", "node.tar.xz", "nodetar"] {
            assert_eq!(Format::of_name(wrong), None, "{wrong}");
        }
    }
}
