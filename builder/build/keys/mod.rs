//! Everything that comes from the seed or is imported, as a plan asks for it: each thing made once, and the same thing
//! never asked for in two ways.

mod authorities;
mod certificates;
mod kubeconfigs;
mod proven;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

pub use proven::Proven;
use zeroize::Zeroizing;

use super::findings::Findings;
use super::imports::Imports;
use crate::document::{Placed, nearest};
use crate::error::{Error, Result};
use crate::overlay::declare::{ScopeDeclaration, SubjectDeclaration};
use crate::pki::{Algorithm, Issued, KeyPair, Scope, Seed, Serial, Subject};
use crate::profile::Profile;
use crate::profile::pki::Generations;

const AUTHORITY_DAYS: u32 = 3650;
const CERTIFICATE_DAYS: u32 = 365;
/// What the names of kubeconfigs' certificates begin with, and no declared name can: the name decides the key.
const KUBECONFIG: &str = "kubeconfig/";

/// The keys of a plan. Without a seed everything is checked and nothing is made: what it gives is a line that says what
/// would be there, different wherever the real thing would be different.
pub struct Keys<'a> {
    profile: &'a Profile,
    seed: Option<&'a Seed>,
    /// What does not come from the seed.
    pub imports: Imports,
    /// What must not be done without a reason, and is.
    pub findings: Findings,
    /// Requests for outside authorities, by the file that they are written to.
    pub requests: BTreeMap<String, String>,
    /// What others may know: certificates of authorities and public keys of key pairs, by file.
    pub exports: BTreeMap<String, String>,
    /// Certificates that outside authorities have not issued yet.
    pub missing: Vec<Error>,
    authorities: BTreeMap<String, authorities::Known>,
    // Those that could not be made, and why: whoever needs one of them fails of the same, which is told once.
    broken: BTreeMap<String, Error>,
    // What was asked for in the cluster's scope, to find two askings that differ.
    shared: BTreeMap<(&'static str, String), String>,
    // What was made in the cluster's scope: every node gets the same.
    shared_certificates: BTreeMap<String, Issued>,
    shared_pairs: BTreeMap<String, KeyPair>,
    // What was asked for on the node that is asking now.
    once: (String, BTreeSet<(&'static str, String)>),
    // Serial numbers that were asked for, with their authority: each is one certificate's.
    serials: BTreeSet<(String, Serial)>,
    // Every name that a key was made for, to find a generation that is for nothing.
    names: BTreeSet<String>,
    /// What is known of the certificates that were issued.
    pub proven: Proven,
}

/// A secret in its generations, the current one first.
pub type Generational = Vec<(u32, Zeroizing<Vec<u8>>)>;

impl<'a> Keys<'a> {
    /// Whether there is a seed, so that what is given is real.
    pub fn present(&self) -> bool {
        self.seed.is_some()
    }

    /// Nothing made yet.
    pub fn new(profile: &'a Profile, seed: Option<&'a Seed>) -> Result<Keys<'a>> {
        let imports = Imports::load(profile, seed.is_some())?;
        let findings = Findings::new(profile);
        Ok(Keys {
            profile,
            seed,
            imports,
            findings,
            requests: BTreeMap::new(),
            exports: BTreeMap::new(),
            missing: Vec::new(),
            authorities: BTreeMap::new(),
            broken: BTreeMap::new(),
            shared: BTreeMap::new(),
            shared_certificates: BTreeMap::new(),
            shared_pairs: BTreeMap::new(),
            once: Default::default(),
            serials: BTreeSet::new(),
            names: BTreeSet::new(),
            proven: Proven::default(),
        })
    }

    /// What of the profile's `[pki]` is for no key.
    pub fn unused(&self) -> Vec<Error> {
        let pki = &self.profile.declared.pki;
        let generations = pki.generations.iter().map(|(name, value)| ("generations", name, &value.place));
        let algorithms = pki.algorithms.iter().map(|(name, value)| ("algorithms", name, &value.place));
        let unused = generations.chain(algorithms).filter(|(_, name, _)| !self.names.contains(*name));
        let mut errors: Vec<Error> = unused
            .map(|(table, name, place)| {
                let error = Error::usage(format!("[pki.{table}] names `{name}`, and no key has this name")).at(place);
                match nearest(name, self.names.iter().map(String::as_str)) {
                    Some(near) => error.advise(format!("did you mean `{near}`?")),
                    None => error,
                }
            })
            .collect();
        let dated = pki.generations.iter().filter(|(name, value)| {
            value.has_since() && self.names.contains(*name) && !self.authorities.contains_key(*name)
        });
        errors.extend(dated.map(|(name, value)| {
            let error = Error::usage(format!("[pki.generations] gives `{name}` a `since`, and it is no authority"));
            error.advise("take `since` out: only an authority has a date of its own").at(&value.place)
        }));
        errors.extend(self.imports.unused(&self.names));
        errors
    }

    fn generations(&self, name: &str) -> Option<Generations> {
        self.profile.declared.pki.generations.get(name).map(|generations| generations.value.clone())
    }

    fn generation(&self, name: &str) -> u32 {
        self.generations(name).map_or(1, |generations| generations.current())
    }

    /// The current generation, and then those that are accepted beside it.
    fn all_generations(&self, name: &str) -> Vec<u32> {
        match self.generations(name) {
            Some(generations) => [&[generations.current()], generations.accepted()].concat(),
            None => vec![1],
        }
    }

    fn scope<'b>(&'b self, node: Option<&'b str>, name: &str) -> Scope<'b> {
        Scope { cluster: &self.profile.declared.cluster.name, node, generation: self.generation(name) }
    }

    /// The kind of a key: what the profile says of its name, else what is declared, else what the profile says of all.
    fn algorithm(&self, name: &str, declared: &Option<Placed<String>>) -> Result<Algorithm> {
        let pki = &self.profile.declared.pki;
        let said = pki.algorithms.get(name).or(declared.as_ref()).or(pki.algorithm.as_ref());
        said.map_or(Ok(Algorithm::default()), |said| said.parse().map_err(|error: Error| error.at(&said.place)))
    }

    /// A name is asked for once on a node, since two things of one name would share a key; and one thing of the cluster
    /// must be the same wherever it is asked for.
    fn asked(
        &mut self,
        what: &'static str,
        node: &str,
        name: &Placed<String>,
        scope: ScopeDeclaration,
        request: &impl std::fmt::Debug,
    ) -> Result<()> {
        check_name(what, name)?;
        if self.once.0 != node {
            self.once = (node.to_owned(), BTreeSet::new());
        }
        if !self.once.1.insert((what, name.value.clone())) {
            let message = format!("the {what} `{}` is declared twice on node {node}", name.value);
            return Err(Error::usage(message).advise("give one of them another name").at(&name.place));
        }
        if scope == ScopeDeclaration::Node {
            return Ok(());
        }
        let request = format!("{request:?}");
        match self.shared.insert((what, name.value.clone()), request.clone()) {
            Some(old) if old != request => {
                let message =
                    format!("the {what} `{}` is one for the cluster, and two nodes ask for it differently", name.value);
                let advice = match what {
                    "kubeconfig" => "take what is of a node out of it: a file for people is for all of the cluster",
                    _ => "take what is of a node out of it, or give it `scope = \"node\"`",
                };
                Err(Error::usage(message).advise(advice).at(&name.place))
            }
            _ => Ok(()),
        }
    }
}

/// Names are parts of files' names, of requests and of what is exported; and a `/` is what a kubeconfig's certificate has
/// in its name, and no other.
fn check_name(what: &str, name: &Placed<String>) -> Result<()> {
    match name.contains('/') || name.starts_with('.') {
        true => Err(Error::usage(format!("the name of the {what} `{}` has a `/` or begins with a dot", name.value))
            .advise("give it another: a file is called after it")
            .at(&name.place)),
        false => Ok(()),
    }
}

/// What stands for something that no seed was given for.
fn placeholder(what: &str, node: Option<&str>, name: &str) -> String {
    format!("{what} {name} of {}", node.unwrap_or("the cluster"))
}

fn node_of(scope: ScopeDeclaration, node: &str) -> Option<&str> {
    match scope {
        ScopeDeclaration::Node => Some(node),
        ScopeDeclaration::Cluster => None,
    }
}

fn subject(declared: &SubjectDeclaration) -> Subject {
    Subject { cn: declared.cn.clone(), o: declared.o.clone(), ou: declared.ou.clone() }
}

fn parse<T: std::str::FromStr<Err = Error>>(text: &Option<Placed<String>>) -> Result<Option<T>> {
    text.as_ref().map(|text| text.parse().map_err(|error: Error| error.at(&text.place))).transpose()
}

fn parse_all<T: std::str::FromStr<Err = Error>>(texts: &[Placed<String>]) -> Result<Vec<T>> {
    texts.iter().map(|text| text.parse().map_err(|error: Error| error.at(&text.place))).collect()
}

/// Checks a seed against the fingerprint that the lock has.
pub fn check_seed(seed: &Seed, locked: Option<&str>, at: &str) -> Result<()> {
    match locked {
        Some(fingerprint) if fingerprint != seed.fingerprint() => {
            let message = format!(
                "the seed is another one than {at} was made with (fingerprint {}, locked {fingerprint})",
                seed.fingerprint()
            );
            Err(Error::trust(message)
                .advise("give the right seed with --seed; if it is meant to change, run `mastermold lock`"))
        }
        _ => Ok(()),
    }
}
