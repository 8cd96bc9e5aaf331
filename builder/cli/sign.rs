//! `sign`: signs the sums of a release. Needs the release and a key, and no profile.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::password::PasswordArgument;
use super::print::Printer;
use crate::bundle::verify::{Part, check_sums, identity_comment};
use crate::bundle::{MANIFEST, Manifest, PUBLIC, SECRETS, SIGNATURE};
use crate::disk::{self, Access};
use crate::error::{Error, Result};
use crate::sign::{self, SecretKey};

/// The most bytes that a key's file may have.
const LARGEST_KEY: u64 = 4096;
/// The largest manifest, in bytes.
const LARGEST_MANIFEST: u64 = 64 << 20;

#[derive(Debug, Args)]
pub struct Sign {
    /// The release's directory.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::DirPath)]
    release: PathBuf,
    /// The secret key, in minisign's format.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: PathBuf,
    #[command(flatten)]
    password: PasswordArgument,
}

impl Sign {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let key = self.load_key()?;
        let manifest = disk::read(&self.release.join(PUBLIC).join(MANIFEST), LARGEST_MANIFEST)?;
        let manifest = Manifest::parse(&manifest)?;
        let mut signed = Vec::new();
        for (name, part) in [(PUBLIC, Part::Public), (SECRETS, Part::Secrets)] {
            let directory = self.release.join(name);
            // A release may be signed where its secrets never come.
            if part == Part::Secrets && disk::kind(&directory)?.is_none() {
                continue;
            }
            // What is signed is what is there: a damaged release gets no signature.
            let (_, sums) = check_sums(&directory)?;
            let signature = sign::sign(&key, &sums, &identity_comment(&manifest, part))?;
            signed.push((directory.join(SIGNATURE), signature, part));
        }
        for (path, signature, part) in &signed {
            let access = if *part == Part::Secrets { Access::Private } else { Access::Public };
            disk::write(path, signature.as_bytes(), access)?;
        }
        let (id, identity) = (key.public().key_id().to_string(), manifest.identity());
        let paths: Vec<_> = signed.iter().map(|(path, _, _)| path).collect();
        printer.report(&json!({ "identity": identity, "key": id, "signatures": paths }), || {
            let files: String = paths.iter().map(|path| format!("  {}\n", path.display())).collect();
            format!("signed {identity} with key {id}:\n{files}")
        })
    }

    fn load_key(&self) -> Result<SecretKey> {
        let text = disk::read_private(&self.key, LARGEST_KEY)?;
        let named = |error: Error| error.context(self.key.display());
        let password = self.password.load()?;
        if password.is_none() && SecretKey::is_protected(&text).map_err(named)? {
            let message = format!("{} is protected by a password", self.key.display());
            return Err(Error::usage(message).advise("give a file with it: --password-file FILE"));
        }
        SecretKey::parse(&text, password.as_deref().map(Vec::as_slice)).map_err(named)
    }
}
