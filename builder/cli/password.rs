//! Files whose first line is a password.

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::disk;
use crate::error::{Error, Result};

/// The most bytes that such a file may have.
const LARGEST: u64 = 4096;

/// Where a key's password comes from.
#[derive(Debug, Args)]
pub struct PasswordArgument {
    /// A file whose first line is the key's password, mode 0600.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
}

impl PasswordArgument {
    /// The password, if one is given.
    pub fn load(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.password_file.as_deref().map(|path| first_line(path, disk::read_private, "password")).transpose()
    }
}

/// How a secret file is read: [`disk::read_private`] or [`disk::read_credential`].
pub type Read = fn(&Path, u64) -> Result<Zeroizing<Vec<u8>>>;

/// The first line of a secret file, which must not be empty. Its end may be LF or CR LF.
pub fn first_line(path: &Path, read: Read, noun: &str) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = read(path, LARGEST)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_suffix(b"\r").unwrap_or(line) {
        [] => Err(Error::usage(format!("{} holds no {noun}", path.display())).advise("write it on the first line")),
        line => Ok(Zeroizing::new(line.to_vec())),
    }
}
