//! `verify`: whether a release is what was signed, and the one that is asked for.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::print::{self, Printer};
use crate::bundle::verify::{self, Asked, Secrets};
use crate::disk;
use crate::epoch::{Duration, Epoch};
use crate::error::Result;
use crate::pki::Term;
use crate::sign::PublicKey;
use crate::version::Version;

/// The most bytes that a public key's file may have.
const LARGEST_KEY: u64 = 4096;

#[derive(Debug, Args)]
pub struct Verify {
    /// The release's directory.
    #[arg(value_name = "RELEASE", value_hint = clap::ValueHint::DirPath)]
    release: PathBuf,
    /// A public key that is trusted, in minisign's format; may be given several times.
    #[arg(long, value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    key: Vec<PathBuf>,
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
    /// How many threads; as many as there are processors if not given.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl Verify {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let key = |path: &PathBuf| {
            let text = disk::read_text(path, LARGEST_KEY)?;
            PublicKey::parse(&text).map_err(|error| error.context(path.display()))
        };
        let keys = self.key.iter().map(key).collect::<Result<Vec<_>>>()?;
        let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let at = self.at.map_or_else(Epoch::now, Ok)?;
        let asked = Asked {
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            version: self.version.as_ref().map(ToString::to_string),
            min_version: self.min_version.clone(),
            term: Some(Term { at, least: self.min_validity.unwrap_or_default() }),
            jobs: self.jobs.map_or_else(processors, usize::from),
        };
        let verified = verify::verify(&self.release, &keys, &asked)?;
        let secrets = match verified.secrets {
            Secrets::Checked => "checked",
            Secrets::Absent => "absent",
        };
        let (identity, key) = (verified.manifest.identity(), verified.key.to_string());
        let json = json!({
            "identity": identity, "cluster": verified.manifest.cluster, "version": verified.manifest.version,
            "epoch": verified.manifest.epoch, "key": key, "files": verified.files, "bytes": verified.bytes,
            "archives": verified.archives, "entries": verified.entries, "secrets": secrets,
            "certificates": verified.certificates, "at": at.to_string(),
        });
        printer.report(&json, || {
            format!(
                "{} is {identity}, signed by key {key}\n{} files ({}) and {} entries of {} archives are as signed; secrets {secrets}\n{} at {at}\n",
                self.release.display(),
                verified.files,
                print::bytes(verified.bytes),
                verified.entries,
                verified.archives,
                valid(verified.certificates),
            )
        })
    }
}

fn valid(certificates: usize) -> String {
    match certificates {
        0 => "no certificate to judge".into(),
        1 => "its certificate is valid".into(),
        _ => format!("its {certificates} certificates are valid"),
    }
}
