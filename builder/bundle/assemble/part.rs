//! [`open`]: a part of a release, before anything of it is copied: what its lists and its manifest say, and that this is all that
//! lies there.

use std::path::Path;

use crate::bundle::verify::summed::{Directory, Summed};
use crate::bundle::verify::{Findings, artifacts, parts};
use crate::bundle::{MANIFEST, Manifest, PUBLIC, Part, SECRETS, signing};
use crate::error::{Error, Result};

/// A part of a release.
#[derive(Debug)]
pub(super) struct Opened {
    /// What messages call it.
    pub name: String,
    pub manifest: Manifest,
    pub public: Summed,
    pub secrets: Summed,
    /// Whether there is a signature, good or bad.
    pub signed: bool,
}

/// Reads a part's lists and its manifest, and compares them with each other and with what lies there.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let name = path.display().to_string();
    let mut findings = Findings::default();
    if !parts(path, &mut findings)? {
        let message = format!("{name} has no {SECRETS}/, and what is assembled is whole");
        return Err(Error::usage(message).advise(format!("put the {SECRETS}/ of the same build beside its {PUBLIC}/")));
    }
    let told = |error: Error| error.context(&name);
    findings.finish(()).map_err(told)?;
    let (public, secrets) = (listed(path, Part::Public).map_err(told)?, listed(path, Part::Secrets).map_err(told)?);
    let mut findings = Findings::default();
    for summed in [&public, &secrets] {
        summed.present(&mut findings).map_err(told)?;
    }
    findings.finish(()).map_err(told)?;
    let manifest = public.read(MANIFEST).and_then(|bytes| Manifest::parse(&bytes)).map_err(told)?;
    artifacts::check(&manifest, &public, Some(&secrets)).finish(()).map_err(told)?;
    let signed = signing::is_signed(&path.join(PUBLIC))? || signing::is_signed(&path.join(SECRETS))?;
    Ok(Opened { name, manifest, public, secrets, signed })
}

/// A directory of a part with its list.
fn listed(path: &Path, part: Part) -> Result<Summed> {
    let directory = Directory::new(path.join(part.name()), part.name(), part);
    let list = directory.list()?;
    directory.with_sums(&list)
}

impl Opened {
    /// A directory of it.
    pub fn directory(&self, part: Part) -> &Summed {
        match part {
            Part::Public => &self.public,
            Part::Secrets => &self.secrets,
        }
    }

    /// All bytes of a listed file of `public/`.
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        self.public.read(file).map_err(|error| error.context(&self.name))
    }
}
