//! `verify`: whether a release is what was signed, and the one that is asked for.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::print::{self, Printer};
use super::rebuild::{self, RebuildArguments};
use crate::build::Rebuilt;
use crate::bundle::verify::{self, Asked, Boot, Secrets, Verified};
use crate::disk;
use crate::epoch::{Duration, Epoch};
use crate::error::{Error, Result};
use crate::pki::{Certificate, Term};
use crate::sign::{self, TrustedKey};
use crate::version::Version;

/// The most bytes that a public key's file may have.
const LARGEST_KEY: u64 = 8192;
/// The most bytes that an authority's file may have.
const LARGEST_PEM: u64 = 64 << 10;

#[derive(Debug, Args)]
pub struct Verify {
    /// The release's directory.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::DirPath)]
    release: PathBuf,
    /// A public key that is trusted, in minisign's or OpenSSH's format; may be given several times.
    #[arg(long, value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    key: Vec<PathBuf>,
    /// How many different ones of these keys must have signed.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    threshold: u8,
    /// An authority (PEM) at which the signatures of boot files must end, as iPXE asks; may be given several times.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    boot_authority: Vec<PathBuf>,
    /// The cluster that the release must be for.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// A node that the release must have.
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// The version that the release must have.
    #[arg(long, value_name = "VERSION")]
    version: Option<Version>,
    /// The oldest version that is accepted.
    #[arg(long, value_name = "VERSION")]
    min_version: Option<Version>,
    /// Refuse certificates that are not valid at this time (2026-11-01T00:00:00Z); now if not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Epoch>,
    /// Refuse certificates that do not last this long from then on (30d, 12h).
    #[arg(long, value_name = "LENGTH")]
    min_validity: Option<Duration>,
    /// Only hash: whether every file is the one that was signed. Neither archives nor certificates are looked into.
    #[arg(long, conflicts_with_all = ["at", "min_validity", "rebuild"])]
    sums: bool,
    /// How many threads; as many as there are processors if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    #[command(flatten)]
    rebuild: RebuildArguments,
}

impl Verify {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let keys = self.key.iter().map(|path| trusted(path)).collect::<Result<Vec<_>>>()?;
        let (count, threshold) = (sign::count(&keys), usize::from(self.threshold));
        if count < threshold {
            let message = format!("{threshold} keys must have signed, and {count} different ones are given");
            return Err(Error::usage(message).advise("give each key that is trusted with --key"));
        }
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at = self.at.map_or_else(Epoch::now, Ok)?;
        let asked = Asked {
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            version: self.version.as_ref().map(ToString::to_string),
            min_version: self.min_version.clone(),
            term: Some(Term { at, least: self.min_validity.unwrap_or_default() }),
            threshold,
            boot: self.authorities()?,
            sums: self.sums,
            jobs: self.jobs.map_or_else(processors, usize::from),
        };
        let verified = verify::verify(&self.release, &keys, &asked)?;
        let rebuilt = self.rebuild.run(&self.release, asked.jobs, printer)?;
        self.report(&verified, (threshold, at), rebuilt.as_ref(), printer)
    }

    fn report(
        &self,
        verified: &Verified,
        (threshold, at): (usize, Epoch),
        rebuilt: Option<&Rebuilt>,
        printer: &Printer,
    ) -> Result<()> {
        let Verified { manifest, files, archives, entries, certificates, .. } = verified;
        let secrets = match verified.secrets {
            Secrets::Checked => "checked",
            Secrets::Absent => "absent",
        };
        let (identity, bytes) = (manifest.identity(), print::bytes(verified.bytes));
        let signers = names(&verified.keys);
        let (boot, boot_files, boot_signers) = match &verified.boot {
            Boot::Unsigned => ("unsigned", 0, Vec::new()),
            Boot::Unchecked(count) => ("unchecked", *count, Vec::new()),
            Boot::Checked(count, signers) => ("checked", *count, signers.iter().cloned().collect()),
        };
        let json = json!({
            "identity": identity, "cluster": manifest.cluster, "version": manifest.version, "epoch": manifest.epoch,
            "keys": signers, "threshold": threshold, "provenance": names(&verified.sealers),
            "boot": { "signatures": boot, "files": boot_files, "signers": boot_signers },
            "files": files, "bytes": verified.bytes, "archives": archives, "entries": entries, "secrets": secrets,
            "certificates": certificates, "part": manifest.part, "at": at.to_string(), "rebuilt": rebuilt,
            "sums": self.sums,
        });
        printer.report(&json, || {
            let looked = match self.sums {
                true => format!("{files} files ({bytes}) are as signed, and were not looked into"),
                false => format!("{files} files ({bytes}) and {entries} entries of {archives} archives are as signed"),
            };
            let release = self.release.display();
            let mut text =
                format!("{release} is {identity}, signed by {}\n{looked}; secrets {secrets}\n", by(&signers));
            if let Some(part) = &manifest.part {
                text += &format!("it is a part, with {} of {} machines\n", manifest.nodes.len(), part.of);
            }
            if !verified.sealers.is_empty() {
                text += &format!("how it was built is signed by {}\n", by(&names(&verified.sealers)));
            }
            text += &match boot {
                "checked" => format!("{boot_files} boot files are signed by {}\n", boot_signers.join(" and ")),
                "unchecked" => {
                    format!("{boot_files} boot files are signed, by whom was not checked (--boot-authority)\n")
                }
                _ => String::new(),
            };
            if !self.sums {
                text += &format!("{} at {at}\n", valid(*certificates));
            }
            text + &rebuild::sentence(rebuilt)
        })
    }

    /// The authorities at which the signatures of boot files must end.
    fn authorities(&self) -> Result<Vec<Certificate>> {
        let mut authorities = Vec::new();
        for path in &self.boot_authority {
            check_unwritable(path)?;
            let found = disk::read(path, LARGEST_PEM).and_then(|bytes| Certificate::parse(&bytes));
            authorities.extend(found.map_err(|error| error.context(path.display()))?);
        }
        Ok(authorities)
    }
}

fn valid(certificates: usize) -> String {
    match certificates {
        0 => "no certificate to judge".into(),
        1 => "its certificate is valid".into(),
        _ => format!("its {certificates} certificates are valid"),
    }
}

fn names(keys: &[impl ToString]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

fn by(keys: &[String]) -> String {
    match keys {
        [key] => format!("key {key}"),
        _ => format!("{} keys: {}", keys.len(), keys.join(", ")),
    }
}

/// A public key out of its file.
pub(super) fn trusted(path: &Path) -> Result<TrustedKey> {
    check_unwritable(path)?;
    let text = disk::read_text(path, LARGEST_KEY)?;
    TrustedKey::parse(&text).map_err(|error| error.context(path.display()))
}

/// Whoever may write a file that is trusted decides what is.
fn check_unwritable(path: &Path) -> Result<()> {
    let mode = disk::look_open(&disk::open(path)?)?.mode;
    if mode & 0o002 != 0 {
        let message = format!("{} is trusted, and anybody may write to it (mode {mode:04o})", path.display());
        return Err(Error::trust(message).advise(format!("check it, then `chmod o-w {}`", path.display())));
    }
    Ok(())
}
