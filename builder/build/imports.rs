//! What a profile imports: authorities, key pairs and secrets that do not come from the seed.
//!
//! What is public is read wherever it is; what is private only when a seed is there, so that a plan can be made by
//! people who have neither. A lock pins both: each public file by its SHA-256, all that is private by one fingerprint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::disk;
use crate::document::{Placed, nearest};
use crate::epoch;
use crate::error::{Error, Faults, Place, Result};
use crate::pki::{self, Authority, Certificate, PrivateKey, PublicKey, Seed};
use crate::profile::Profile;
use crate::profile::pki::ImportDeclaration;

/// The most bytes that an imported file may have.
const LARGEST: u64 = 1 << 20;

/// What is imported, by what it is.
#[derive(Default)]
pub struct Imports {
    authorities: BTreeMap<Key, ImportedAuthority>,
    pairs: BTreeMap<Key, ImportedPair>,
    secrets: BTreeMap<Key, ImportedSecret>,
    // Every import with the place of its declaration, until somebody uses it.
    unused: BTreeMap<(&'static str, Key), Place>,
    project: PathBuf,
    /// Every public file that was read, as the profile names it, and its SHA-256.
    pub files: BTreeMap<String, Digest>,
    // Every private file that was read: what it is, and its bytes.
    private: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// A name and a generation.
type Key = (String, u32);

/// An authority that is not ours.
pub struct ImportedAuthority {
    /// The authority, with its key if it was read.
    pub authority: Arc<Authority>,
    /// Whether its key is meant to be here.
    pub has_key: bool,
    /// The folder with what it issues, if its key is elsewhere.
    pub issued: Option<String>,
    /// Where it is declared.
    pub place: Place,
}

/// A key pair that is not ours.
pub struct ImportedPair {
    /// The public key; none while the private one may not be read.
    pub public: Option<PublicKey>,
    /// The private key.
    pub private: Option<PrivateKey>,
    /// Whether the private key is meant to be here.
    pub has_key: bool,
    /// Where it is declared.
    pub place: Place,
}

/// A secret that is not ours.
pub struct ImportedSecret {
    /// Its bytes; none while they may not be read.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
    /// Its file, as the profile names it.
    pub file: String,
    /// Where it is declared.
    pub place: Place,
}

impl Imports {
    /// Reads what the profile imports; with `private` also what is secret.
    pub fn load(profile: &Profile, private: bool) -> Result<Imports> {
        let mut imports = Imports { project: profile.project.clone(), ..Imports::default() };
        let mut faults = Faults::new();
        for declared in &profile.declared.pki.imports {
            let read = imports.add(declared, private).map_err(|error| error.at(&declared.place));
            faults.note(read);
        }
        faults.finish(imports)
    }

    fn add(&mut self, declared: &Placed<ImportDeclaration>, private: bool) -> Result<()> {
        let (what, name) = subject(declared)?;
        let key = (name.to_owned(), declared.generation);
        let act = format!("importing the {what} `{name}`, generation {}", declared.generation);
        if declared.generation == 0 {
            return Err(Error::usage("generations count from 1"));
        }
        if self.unused.insert((what, key.clone()), declared.place.clone()).is_some() {
            return Err(Error::usage(format!("the {what} `{name}`, generation {}, is imported twice", key.1)));
        }
        let add = match what {
            "authority" => self.add_authority(declared, &key, private),
            "key pair" => self.add_pair(declared, &key, private),
            _ => self.add_secret(declared, &key, private),
        };
        add.map_err(|error| error.context(act))
    }

    fn add_authority(&mut self, declared: &Placed<ImportDeclaration>, key: &Key, private: bool) -> Result<()> {
        let Some(cert) = &declared.cert else {
            return Err(Error::usage("it has no `cert`").advise("give the file of its certificate"));
        };
        if declared.key.is_some() && declared.issued.is_some() {
            return Err(Error::usage("it has `key` and `issued`")
                .advise("give `key` if the key is here, `issued` if somebody else signs"));
        }
        let bytes = self.public(cert)?;
        let certificates = Certificate::parse(&bytes).map_err(|error| error.context(cert))?;
        let private = if private { self.private_key(&declared.key, "authority", key)? } else { None };
        let authority = Authority::import(&key.0, &certificates, private).map_err(|error| error.context(cert))?;
        let imported = ImportedAuthority {
            authority: Arc::new(authority),
            has_key: declared.key.is_some(),
            issued: declared.issued.clone(),
            place: declared.place.clone(),
        };
        self.authorities.insert(key.clone(), imported);
        Ok(())
    }

    fn add_pair(&mut self, declared: &Placed<ImportDeclaration>, key: &Key, private: bool) -> Result<()> {
        if declared.key.is_none() && declared.public.is_none() {
            return Err(Error::usage("it has neither `key` nor `public`").advise("give the file of one of them"));
        }
        let private = if private { self.private_key(&declared.key, "key pair", key)? } else { None };
        let mut public = private.as_ref().map(PrivateKey::public).transpose()?;
        if let Some(path) = &declared.public {
            let stated = PublicKey::parse(&self.public(path)?).map_err(|error| error.context(path))?;
            if public.as_ref().is_some_and(|public| *public != stated) {
                return Err(Error::usage(format!("{path} is not the public half of `key`")));
            }
            public = Some(stated);
        }
        let imported = ImportedPair { public, private, has_key: declared.key.is_some(), place: declared.place.clone() };
        self.pairs.insert(key.clone(), imported);
        Ok(())
    }

    fn add_secret(&mut self, declared: &Placed<ImportDeclaration>, key: &Key, private: bool) -> Result<()> {
        let Some(file) = &declared.file else {
            return Err(Error::usage("it has no `file`").advise("give the file that holds the secret"));
        };
        let bytes = match private {
            true => Some(self.private(file, format!("secret/{}/{}", key.0, key.1))?),
            false => None,
        };
        let imported = ImportedSecret { bytes, file: file.clone(), place: declared.place.clone() };
        self.secrets.insert(key.clone(), imported);
        Ok(())
    }

    fn private_key(&mut self, path: &Option<String>, what: &str, key: &Key) -> Result<Option<PrivateKey>> {
        let Some(path) = path else { return Ok(None) };
        let bytes = self.private(path, format!("{what}/{}/{}", key.0, key.1))?;
        PrivateKey::parse(&bytes).map(Some).map_err(|error| error.context(path))
    }

    /// A public file's bytes; its digest is noted.
    fn public(&mut self, path: &str) -> Result<Vec<u8>> {
        let bytes = disk::read(&self.resolve(path)?, LARGEST)?;
        self.files.insert(path.to_owned(), Digest::of(&bytes));
        Ok(bytes)
    }

    /// A private file's bytes; they are noted for the fingerprint.
    fn private(&mut self, path: &str, what: String) -> Result<Zeroizing<Vec<u8>>> {
        let resolved = self.resolve(path)?;
        // The name itself, or what a symlink leads to.
        let inside = |path: &Path| Ok(disk::exists(path) && disk::canonical(path)?.starts_with(&self.project));
        if resolved.parent().map_or(Ok(false), inside)? || inside(&resolved)? {
            let error = Error::policy(format!("{path} is private and inside the project"));
            return Err(error.advise("keep it outside, where no version control finds it"));
        }
        let bytes = disk::read_private(&resolved, LARGEST)?;
        self.private.insert(what, bytes.clone());
        Ok(bytes)
    }

    fn resolve(&self, path: &str) -> Result<PathBuf> {
        match path.strip_prefix("~/") {
            Some(below) => Ok(epoch::home()?.join(below)),
            None => Ok(self.project.join(path)),
        }
    }

    /// An imported authority.
    pub fn authority(&mut self, name: &str, generation: u32) -> Option<&ImportedAuthority> {
        self.unused.remove(&("authority", (name.to_owned(), generation)));
        self.authorities.get(&(name.to_owned(), generation))
    }

    /// An imported key pair.
    pub fn pair(&mut self, name: &str, generation: u32) -> Option<&ImportedPair> {
        self.unused.remove(&("key pair", (name.to_owned(), generation)));
        self.pairs.get(&(name.to_owned(), generation))
    }

    /// An imported secret.
    pub fn secret(&mut self, name: &str, generation: u32) -> Option<&ImportedSecret> {
        self.unused.remove(&("secret", (name.to_owned(), generation)));
        self.secrets.get(&(name.to_owned(), generation))
    }

    /// What an outside authority issued, from its folder; none if it is not there yet.
    pub fn issued(&mut self, folder: &str, file: &str) -> Result<Option<Vec<u8>>> {
        let path = Path::new(folder).join(file);
        match disk::kind(&self.resolve(&path.to_string_lossy())?)? {
            None => Ok(None),
            Some(_) => self.public(&path.to_string_lossy()).map(Some),
        }
    }

    /// Imports that nothing asked for.
    pub fn unused(&self, names: &BTreeSet<String>) -> Vec<Error> {
        let error = |((what, (name, generation)), place): (&(&str, Key), &Place)| {
            let error = Error::usage(format!("nothing uses the imported {what} `{name}`, generation {generation}"));
            let error = match nearest(name, names.iter().map(String::as_str)).filter(|near| near != name) {
                Some(near) => error.advise(format!("did you mean `{near}`?")),
                None => error.advise("raise or accept its generation in [pki.generations], or take it out"),
            };
            error.at(place)
        };
        self.unused.iter().map(error).collect()
    }

    /// One fingerprint of all that is private, which says nothing of any of it: see [`pki::fingerprint_of`].
    pub fn fingerprint(&self, seed: &Seed) -> Result<Option<String>> {
        match self.private.is_empty() {
            true => Ok(None),
            false => pki::fingerprint_of(seed, &self.private).map(Some),
        }
    }
}

/// What an import is of.
fn subject(declared: &ImportDeclaration) -> Result<(&'static str, &str)> {
    let ImportDeclaration { authority, keypair, secret, cert, key, issued, public, file, .. } = declared;
    let (what, name, others) = match (authority, keypair, secret) {
        (Some(name), None, None) => ("authority", name, [("public", public), ("file", file)].to_vec()),
        (None, Some(name), None) => ("key pair", name, [("cert", cert), ("issued", issued), ("file", file)].to_vec()),
        (None, None, Some(name)) => {
            ("secret", name, [("cert", cert), ("key", key), ("issued", issued), ("public", public)].to_vec())
        }
        _ => {
            let message = "an import is of one `authority`, one `keypair` or one `secret`";
            return Err(Error::usage(message).advise("name exactly one of them"));
        }
    };
    match others.into_iter().find(|(_, value)| value.is_some()) {
        Some((other, _)) => Err(Error::usage(format!("an imported {what} has no `{other}`"))),
        None => Ok((what, name)),
    }
}
