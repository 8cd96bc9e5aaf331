//! `sign`: signs the sums of a release. Needs the release and a key, and no profile; or, where the key never meets the
//! release, a request that holds what has to be signed.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::password::PasswordArgument;
use super::print::Printer;
use super::verify::trusted;
use crate::bundle::signing::{self, Answer, Keep, Placed, Request, Signed, Subject};
use crate::disk::{self, Access, Kind};
use crate::epoch::{Duration, Epoch};
use crate::error::{Error, Result};
use crate::pki::{CodeSigner, Term};
use crate::sign::{SecretKey, Signer, SshSigner};

/// The most bytes that a key's file may have.
const LARGEST_KEY: u64 = 8192;
/// The most bytes that a PEM file of a signer of boot files may have.
const LARGEST_PEM: u64 = 64 << 10;

#[derive(Debug, Args)]
pub struct Sign {
    /// The release's directory; or, with --answer, the file of a request.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::AnyPath)]
    release: PathBuf,
    /// A secret key, in minisign's format; with --attach, a public key by which the signatures must be.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key: Vec<PathBuf>,
    /// An SSH key, by which the system's ssh-keygen signs: its file, or the public key of a key in the agent.
    #[arg(long, value_name = "KEY", value_hint = clap::ValueHint::FilePath)]
    ssh_key: Vec<String>,
    /// The key of a signer of boot files, PEM: for iPXE's imgverify.
    #[arg(long, value_name = "FILE", requires = "boot_certificate", conflicts_with_all = ["request", "attach"], value_hint = clap::ValueHint::FilePath)]
    boot_key: Option<PathBuf>,
    /// Its certificate and those above it up to the authority that iPXE trusts, PEM (see `pki code-signing`).
    #[arg(long, value_name = "CHAIN", requires = "boot_key", value_hint = clap::ValueHint::FilePath)]
    boot_certificate: Option<PathBuf>,
    /// Keep the signatures that are there.
    #[arg(long, conflicts_with_all = ["request", "answer"])]
    add: bool,
    /// Sign nothing: write what has to be signed, for a key that is elsewhere.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "ssh_key", "answer", "attach"], value_hint = clap::ValueHint::FilePath)]
    request: Option<PathBuf>,
    /// Sign a request, and write the signatures here.
    #[arg(long, value_name = "FILE", conflicts_with = "attach", value_hint = clap::ValueHint::FilePath)]
    answer: Option<PathBuf>,
    /// Sign nothing: put an answer's signatures in place, or a signature that minisign or ssh-keygen made.
    #[arg(long, value_name = "FILE", conflicts_with = "ssh_key", value_hint = clap::ValueHint::FilePath)]
    attach: Vec<PathBuf>,
    #[command(flatten)]
    password: PasswordArgument,
}

impl Sign {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        if let Some(request) = &self.request {
            return self.ask(request, printer);
        }
        if !self.attach.is_empty() {
            return self.attach(printer);
        }
        let is_file = matches!(disk::kind(&self.release)?, Some(Kind::File { .. }));
        match (&self.answer, is_file) {
            (Some(answer), true) => self.answer(answer, printer),
            (None, false) => self.sign(printer),
            (Some(_), false) => {
                let message = format!("{} is no request", self.release.display());
                Err(Error::usage(message).advise("give the file that `sign RELEASE --request FILE` wrote"))
            }
            (None, true) => {
                let message = format!("{} is a file, and no release", self.release.display());
                Err(Error::usage(message).advise("to sign a request, say where the signatures go: --answer FILE"))
            }
        }
    }

    fn sign(&self, printer: &Printer) -> Result<()> {
        let boot = self.boot()?;
        let signers = self.signers(boot.is_some())?;
        let subject = Subject::of_release(&self.release)?;
        let signed = subject.sign(&signers, boot.as_ref())?;
        self.place(&subject, &signed, printer)
    }

    /// Writes a request.
    fn ask(&self, path: &Path, printer: &Printer) -> Result<()> {
        let subject = Subject::of_release(&self.release)?;
        disk::write(path, &Request::of(&subject)?.to_text()?, Access::Private)?;
        let identity = subject.manifest.identity();
        printer.report(&json!({ "identity": identity, "request": path }), || {
            format!("asked for signatures of {}: {}\n", subject.summary(), path.display())
        })
    }

    /// Signs a request.
    fn answer(&self, path: &Path, printer: &Printer) -> Result<()> {
        let named = |error: Error| error.context(self.release.display());
        let subject = disk::read(&self.release, Request::LARGEST).and_then(|bytes| Request::parse(&bytes));
        let subject = subject.map_err(named)?;
        // Before anybody types a password or touches a token.
        printer.note(&format!("signing {}", subject.summary()));
        let boot = self.boot()?;
        let signed = subject.sign(&self.signers(boot.is_some())?, boot.as_ref())?;
        disk::write(path, &Answer::of(&subject, &signed, boot.as_ref())?.to_text()?, Access::Public)?;
        let (identity, keys) = (subject.manifest.identity(), keys(&signed));
        printer.report(&json!({ "identity": identity, "keys": keys, "answer": path }), || {
            format!("signed {} {}: {}\n", subject.summary(), by(&signed), path.display())
        })
    }

    fn attach(&self, printer: &Printer) -> Result<()> {
        let trusted = self.key.iter().map(|path| trusted(path)).collect::<Result<Vec<_>>>()?;
        let subject = Subject::of_release(&self.release)?;
        let mut signed = Signed::default();
        for path in &self.attach {
            let bytes = disk::read(path, Answer::LARGEST)?;
            let read = match Answer::is_one(&bytes) {
                true => Answer::parse(&bytes, &subject, &trusted),
                false => subject.adopt(&bytes, &trusted).map(|made| Signed { lists: vec![made], ..Signed::default() }),
            };
            let read = read.map_err(|error| error.context(path.display()))?;
            signed.lists.extend(read.lists);
            signed.envelopes.extend(read.envelopes);
            signed.boot.extend(read.boot);
        }
        self.place(&subject, &signed, printer)
    }

    fn place(&self, subject: &Subject, signed: &Signed, printer: &Printer) -> Result<()> {
        let keep = if self.add { Keep::All } else { Keep::None };
        let Placed { new, gone } = signing::place(&self.release, subject, signed, keep)?;
        let (identity, keys) = (subject.manifest.identity(), keys(signed));
        printer.report(&json!({ "identity": identity, "keys": keys, "signatures": new, "removed": gone }), || {
            let list = |paths: &[PathBuf], what: &str| -> String {
                paths.iter().map(|path| format!("  {what}{}\n", path.display())).collect()
            };
            format!("signed {identity} {}:\n{}{}", by(signed), list(&new, ""), list(&gone, "removed "))
        })
    }

    /// Who signs boot files, if somebody does.
    fn boot(&self) -> Result<Option<CodeSigner>> {
        let (Some(key), Some(chain)) = (&self.boot_key, &self.boot_certificate) else { return Ok(None) };
        let text = disk::read_private(key, LARGEST_PEM)?;
        let signer = CodeSigner::parse(&text, &disk::read(chain, LARGEST_PEM)?);
        let signer = signer.map_err(|error| error.context(key.display()))?;
        // What has ended starts no machine.
        let now = Term { at: Epoch::now()?, least: Duration::default() };
        let dates = signer.chain().iter().try_for_each(|certificate| now.check(certificate));
        dates.map(|()| Some(signer)).map_err(|error| error.context(chain.display()))
    }

    /// Everybody who is to sign the lists; nobody need, where boot files are signed.
    fn signers(&self, boot: bool) -> Result<Vec<Signer>> {
        if self.key.is_empty() && self.ssh_key.is_empty() && !boot {
            return Err(Error::usage("no key is given to sign with").advise("give one with --key or --ssh-key"));
        }
        let password = self.password.load()?;
        let mut signers = Vec::new();
        let mut used = false;
        for path in &self.key {
            let text = disk::read_private(path, LARGEST_KEY)?;
            let named = |error: Error| error.context(path.display());
            let protected = SecretKey::is_protected(&text).map_err(named)?;
            if protected && password.is_none() {
                let message = format!("{} is protected by a password", path.display());
                return Err(Error::usage(message).advise("give a file with it: --password-file FILE"));
            }
            used |= protected;
            let password = password.as_deref().filter(|_| protected).map(Vec::as_slice);
            signers.push(Signer::Minisign(SecretKey::parse(&text, password).map_err(named)?));
        }
        if password.is_some() && !used {
            return Err(Error::usage("a password is given, and no key is protected by one")
                .advise("leave the password out, or protect the key with `minisign -C`"));
        }
        for key in &self.ssh_key {
            signers.push(Signer::Ssh(SshSigner::new(key)?));
        }
        Ok(signers)
    }
}

/// By whom, in words.
fn by(signed: &Signed) -> String {
    let boot = if signed.boot.is_empty() { "" } else { "its boot files" };
    match keys(signed).join(", ") {
        keys if keys.is_empty() => boot.to_owned(),
        keys if boot.is_empty() => format!("with key {keys}"),
        keys => format!("with key {keys}, and {boot}"),
    }
}

/// Who signed, each once.
fn keys(signed: &Signed) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in signed.lists.iter().map(|made| made.signature.key.to_string()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}
