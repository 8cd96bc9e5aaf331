//! `key new`: makes a signing key in minisign's format.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::code_signing::NewArguments;
use super::password::PasswordArgument;
use super::print::Printer;
use crate::disk::{self, Access};
use crate::error::{Error, Result};
use crate::sign::SecretKey;

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a signing key: FILE and FILE.pub. Never overwrites one.
    New(New),
}

#[derive(Debug, Args)]
pub struct New {
    /// The secret key's file; the public key is written beside it, with `.pub` for `.key` or behind it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    password: PasswordArgument,
    #[command(flatten)]
    code_signing: NewArguments,
}

impl Key {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let Key::New(new) = self;
        let public_path = match new.file.extension() {
            Some(extension) if extension == "key" => new.file.with_extension("pub"),
            _ => PathBuf::from(format!("{}.pub", new.file.display())),
        };
        if disk::kind(&public_path)?.is_some() {
            return Err(Error::usage(format!("{} exists; it is not overwritten", public_path.display())));
        }
        if new.code_signing.is_asked() {
            return new.code_signing.make(&new.file, &public_path, printer);
        }
        let password = new.password.load()?;
        let key = SecretKey::generate()?;
        let text = key.to_text(password.as_deref().map(Vec::as_slice))?;
        write_pair((&new.file, text.as_bytes()), (&public_path, key.public().to_text().as_bytes()))?;
        let id = key.public().key_id().to_string();
        printer.report(&json!({ "key": new.file, "public": public_path, "id": id }), || {
            format!(
                "made the signing key {} and its public key {} (id {id})\n",
                new.file.display(),
                public_path.display()
            )
        })
    }
}

/// Writes a secret key and its public key; both, or none.
pub(super) fn write_pair((file, secret): (&Path, &[u8]), (public_file, public): (&Path, &[u8])) -> Result<()> {
    disk::write_new(file, secret, Access::Private)?;
    disk::write_new(public_file, public, Access::Public).or_else(|error| disk::remove_file(file).and(Err(error)))
}
