//! What servers and clients show and trust, as their files have it: certificates and keys that can be read, and that belong
//! together.

use std::collections::VecDeque;
use std::rc::Rc;

use super::ends::{End, ends};
use super::finding::{Finding, Findings};
use super::kubeconfig::{Kubeconfig, Material};
use super::rule::{Rule, Severity};
use super::subject::Machine;
use crate::bounded::Bounded;
use crate::build::{NodeOutline, Proven};
use crate::digest::Digest;
use crate::document::Placed;
use crate::error::Place;
use crate::pki::{Certificate, PrivateKey};
use crate::tree::TreePath;

/// A certificate's file that holds none.
pub const CERTIFICATE_UNREADABLE: Rule = Rule {
    id: "certificate-unreadable",
    severity: Severity::Error,
    finds: "a file of a server's or client's certificates that holds none in PEM, or a damaged one",
    fate: "who reads it ends at once: failed to find any PEM data in certificate input",
    remedy: "put the certificate there in PEM (openssl x509 -in FILE -outform PEM)",
};
/// A key's file that holds none, or one that nobody can open.
pub const KEY_UNREADABLE: Rule = Rule {
    id: "key-unreadable",
    severity: Severity::Error,
    finds: "a file of a server's or client's key that holds none in PEM, or an encrypted one",
    fate: "who reads it ends at once: failed to find PEM block with private key",
    remedy: "put the key there in PEM, without a passphrase",
};
/// A key of another certificate.
pub const KEY_MISMATCH: Rule = Rule {
    id: "key-mismatch",
    severity: Severity::Error,
    finds: "a server or client whose key is not that of its certificate",
    fate: "who reads them ends at once: tls: private key does not match public key",
    remedy: "name the certificate and the key that were made together",
};
/// A kubeconfig that leads nowhere.
pub const KUBECONFIG_UNREADABLE: Rule = Rule {
    id: "kubeconfig-unreadable",
    severity: Severity::Error,
    finds: "a kubeconfig that is no YAML, or whose current context is not whole",
    fate: "its client does not start: invalid configuration",
    remedy: "mend the kubeconfig: current-context names a context, which names a cluster and a user",
};

/// Certificates in a file.
#[derive(Clone)]
pub struct Papers<'a> {
    /// Where it is said that they are there.
    pub place: &'a Place,
    /// The file.
    pub file: TreePath,
    /// What is in it; nothing if it is not in the bundle, or cannot be read, which is told by others.
    pub certificates: Rc<[Certificate]>,
    /// Of the bytes that they were read from.
    pub digest: Digest,
}

/// Whom a client trusts.
pub enum Trust<'a> {
    /// Anybody.
    Anyone,
    /// The authorities that the system has, which are not those of a cluster.
    System(&'a Place),
    /// These.
    These(Papers<'a>),
}

/// A file, and where it is said that it is there.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// Where it is said.
    pub place: &'a Place,
    /// The file.
    pub file: &'a TreePath,
}

impl<'a> From<&'a Placed<TreePath>> for Named<'a> {
    fn from(path: &'a Placed<TreePath>) -> Named<'a> {
        Named { place: &path.place, file: &path.value }
    }
}

/// So many files' certificates are kept: those of one machine, and of the authorities that all machines know.
const SHELVES: usize = 64;

/// So many lists are kept: most are of one machine, or of all.
const LISTS: usize = 1024;

/// What many machines have the same: the certificates of files, by the SHA-256 of their bytes, and lists of ends.
#[derive(Default)]
pub struct Library {
    // The last ones, and the very last first.
    shelves: VecDeque<Shelf>,
    lists: Bounded<Box<str>, Rc<[End]>, LISTS>,
}

/// What a file has, with its SHA-256.
pub type Shelf = (Digest, Result<Rc<[Certificate]>, String>);

impl Library {
    /// The certificates in a file.
    pub fn read(&mut self, bytes: &[u8]) -> Shelf {
        let digest = Digest::of(bytes);
        let shelf = self.take(&digest).unwrap_or_else(|| (digest, certificates(bytes).map(Rc::from)));
        self.put(shelf.clone());
        shelf
    }

    /// Those of a file with this SHA-256, if they are kept.
    pub fn find(&mut self, digest: &Digest) -> Option<Rc<[Certificate]>> {
        let shelf = self.take(digest)?;
        self.put(shelf.clone());
        shelf.1.ok()
    }

    fn take(&mut self, digest: &Digest) -> Option<Shelf> {
        self.shelves.iter().position(|(own, _)| own == digest).and_then(|at| self.shelves.remove(at))
    }

    fn put(&mut self, shelf: Shelf) {
        self.shelves.truncate(SHELVES - 1);
        self.shelves.push_front(shelf);
    }

    /// The ends in a list: every machine may have a list of all machines.
    pub fn ends(&mut self, list: &str) -> Rc<[End]> {
        if let Some(known) = self.lists.get(list) {
            return known.clone();
        }
        let read: Rc<[End]> = ends(list).collect();
        self.lists.insert(list.into(), read.clone());
        read
    }
}

/// Reads the files of one machine.
pub struct Reader<'a, 'f> {
    /// The machine, with its files.
    pub machine: &'f Machine<'f>,
    /// What is known of it beside them.
    pub outline: &'a NodeOutline,
    /// Whether certificates and keys are what they will be: without a seed, other words stand for them.
    pub real: bool,
    /// What was read before.
    pub library: &'f mut Library,
    /// What is known to belong together.
    pub proven: &'f Proven,
    /// What is wrong with them.
    pub findings: &'f mut Findings,
}

impl<'a, 'f> Reader<'a, 'f> {
    /// Authorities in a file.
    pub fn papers(&mut self, path: &'a Placed<TreePath>) -> Papers<'a> {
        self.material(&Material::File(path.value.clone()), path.into())
    }

    /// A certificate in a file, whose key is in another. If the two do not belong together that alone is told of it.
    pub fn pair(&mut self, certificate: &'a Placed<TreePath>, key: Option<&'a Placed<TreePath>>) -> Papers<'a> {
        let papers = self.papers(certificate);
        match key {
            Some(key) => self.matched(papers, &Material::File(key.value.clone()), key.into()),
            None => papers,
        }
    }

    /// What a kubeconfig says, if it is in the bundle and can be read.
    pub fn kubeconfig(&mut self, path: Named<'a>) -> Option<Kubeconfig> {
        let bytes = self.machine.bytes(path.file)?;
        let read = Kubeconfig::read(bytes, path.file);
        read.map_err(|wrong| {
            if self.real {
                self.told(&KUBECONFIG_UNREADABLE, path, format!("the kubeconfig {} {wrong}", path.file));
            }
        })
        .ok()
    }

    /// The certificates in a kubeconfig, or in a file that it names; `of` is the kubeconfig.
    pub fn material(&mut self, material: &Material, of: Named<'a>) -> Papers<'a> {
        let (file, bytes) = self.open(material, of);
        let mut papers =
            Papers { place: of.place, file: file.clone(), certificates: Rc::new([]), digest: Digest::of(&[]) };
        match bytes.filter(|_| self.real).map(|bytes| self.library.read(bytes)) {
            Some((digest, Ok(certificates))) => (papers.digest, papers.certificates) = (digest, certificates),
            Some((_, Err(wrong))) => self.told(&CERTIFICATE_UNREADABLE, of, format!("{file} {wrong}")),
            None => {}
        }
        papers
    }

    fn open<'m>(&self, material: &'m Material, of: Named<'m>) -> (&'m TreePath, Option<&'m [u8]>)
    where
        'a: 'm,
        'f: 'm,
    {
        match material {
            Material::Inside(bytes) => (of.file, Some(bytes)),
            Material::File(path) => (path, self.machine.bytes(path)),
        }
    }

    /// The papers, if the key is that of their first certificate.
    pub fn matched(&mut self, papers: Papers<'a>, key: &Material, of: Named<'a>) -> Papers<'a> {
        let (file, bytes) = self.open(key, of);
        let Some(bytes) = bytes.filter(|_| self.real) else { return papers };
        if self.proven.has_key(&papers.digest, bytes) {
            return papers;
        }
        let own = match public_half(bytes) {
            Ok(own) => own,
            Err(wrong) => {
                self.told(&KEY_UNREADABLE, of, format!("{file} {wrong}"));
                return papers;
            }
        };
        match (own, papers.certificates.first()) {
            (Some(own), Some(leaf)) if own != leaf.public_key() => {
                let says = format!("the key in {file} is not that of the certificate in {}", papers.file);
                self.told(&KEY_MISMATCH, of, says);
                Papers { certificates: Rc::new([]), digest: Digest::of(&[]), ..papers }
            }
            _ => papers,
        }
    }

    fn told(&mut self, rule: &Rule, at: Named<'_>, says: String) {
        let mut finding = Finding::of(rule, says);
        finding.place = Some(at.place.clone());
        finding.on.insert(self.machine.name.to_owned());
        self.findings.note(finding);
    }
}

/// The certificates in a file of PEM, in which other blocks may be; what is wrong with it in words that follow its name.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    if bytes.first() == Some(&0x30) && Certificate::from_der(bytes).is_ok() {
        return Err("is a certificate in DER, and not in PEM".to_owned());
    }
    let found: Result<Vec<Certificate>, _> = Certificate::find_all(bytes).into_iter().collect();
    match found {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM".to_owned()),
        Ok(found) => Ok(found),
        Err(_) => Err("holds a damaged certificate".to_owned()),
    }
}

/// The public half of the key in a file, as certificates have it; none if it is of a kind that is not read here.
pub fn public_half(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if let Ok(key) = PrivateKey::parse(bytes) {
        return Ok(key.public().ok().map(|public| public.der().to_vec()));
    }
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    match () {
        () if has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b",ENCRYPTED") => Err("holds an encrypted key"),
        () if has(b"PRIVATE KEY-----") => Ok(None),
        () => Err("holds no private key in PEM"),
    }
}
