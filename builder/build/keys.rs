//! Everything that comes from the seed, as a plan asks for it: each thing made once, and the same thing never asked
//! for in two ways.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use crate::document::Placed;
use crate::error::{Error, Result};
use crate::overlay::declare::{
    AuthorityDeclaration, CertificateDeclaration, KeyPairDeclaration, KubeconfigDeclaration, ScopeDeclaration,
    SecretDeclaration, SubjectDeclaration,
};
use crate::pki::{
    self, Algorithm, Authority, AuthorityRequest, CertificateRequest, Issued, KeyEncoding, KeyPair, KubeconfigRequest,
    Scope, SecretShape, Seed, Subject,
};
use crate::profile::Profile;

const AUTHORITY_DAYS: u32 = 3650;
const CERTIFICATE_DAYS: u32 = 365;

/// The keys of a plan. Without a seed everything is checked and nothing is made: what it gives is a line that says what
/// would be there, different wherever the real thing would be different.
pub struct Keys<'a> {
    profile: &'a Profile,
    seed: Option<&'a Seed>,
    authorities: BTreeMap<String, (AuthorityRequest, Option<Authority>)>,
    // What was asked for in the cluster's scope, to find two askings that differ.
    shared: BTreeMap<(&'static str, String), String>,
    // What was asked for on which node.
    once: BTreeSet<(&'static str, String, String)>,
    // Every name that a key was made for, to find a generation that is for nothing.
    names: BTreeSet<String>,
}

impl<'a> Keys<'a> {
    /// Nothing made yet.
    pub fn new(profile: &'a Profile, seed: Option<&'a Seed>) -> Keys<'a> {
        let (authorities, shared, once, names) = Default::default();
        Keys { profile, seed, authorities, shared, once, names }
    }

    /// Whether there is a seed, so that what is given is real.
    pub fn present(&self) -> bool {
        self.seed.is_some()
    }

    /// Makes an authority known; its certificate.
    pub fn authority(&mut self, declared: &AuthorityDeclaration) -> Result<String> {
        let name = &declared.name;
        let request = AuthorityRequest {
            subject: subject(&declared.subject),
            not_before: self.profile.declared.pki.since.as_ref().map_or(self.profile.epoch, |since| since.value),
            days: declared.days.unwrap_or(AUTHORITY_DAYS),
            generation: self.generation(name),
            name: name.value.clone(),
            dns: declared.dns.clone(),
            algorithm: Algorithm::default(),
            path_length: None,
        };
        self.names.insert(name.value.clone());
        if let Some((known, authority)) = self.authorities.get(&name.value) {
            if *known != request {
                return Err(
                    Error::usage(format!("the authority `{}` is declared in two ways", name.value)).at(&name.place)
                );
            }
            return Ok(authority
                .as_ref()
                .map_or_else(|| placeholder("authority", None, name), |known| known.certificate_pem().to_owned()));
        }
        let cluster = &self.profile.declared.cluster.name;
        let derive = |seed| Authority::derive(seed, cluster, &request);
        let authority = self.seed.map(derive).transpose().map_err(|error| error.at(&name.place))?;
        let pem = authority.as_ref().map(|authority| authority.certificate_pem().to_owned());
        let pem = pem.unwrap_or_else(|| placeholder("authority", None, name));
        self.authorities.insert(name.value.clone(), (request, authority));
        Ok(pem)
    }

    /// A certificate and its key.
    pub fn certificate(&mut self, node: &str, declared: &CertificateDeclaration) -> Result<Issued> {
        let usages = declared.usages.iter().map(|usage| usage.parse().map_err(|error: Error| error.at(&usage.place)));
        let request = CertificateRequest {
            subject: subject(&declared.subject),
            usages: usages.collect::<Result<_>>()?,
            dns: declared.dns.clone(),
            ip: declared.ip.iter().map(|ip| ip.value).collect(),
            not_before: self.profile.epoch,
            days: declared.days.unwrap_or(CERTIFICATE_DAYS),
            name: declared.name.value.clone(),
            algorithm: Algorithm::default(),
            encoding: KeyEncoding::default(),
        };
        self.asked("certificate", node, &declared.name, declared.scope, &request)?;
        self.issue(&declared.name, node_of(declared.scope, node), &declared.authority, &request)
    }

    fn issue(
        &mut self,
        name: &Placed<String>,
        node: Option<&str>,
        authority: &Placed<String>,
        request: &CertificateRequest,
    ) -> Result<Issued> {
        self.names.insert(name.value.clone());
        let scope = self.scope(node, name);
        let (_, known) = self.authorities.get(&authority.value).ok_or_else(|| {
            let error = Error::usage(format!("there is no authority `{}`", authority.value)).at(&authority.place);
            match crate::document::nearest(authority, self.authorities.keys().map(String::as_str)) {
                Some(near) => error.advise(format!("did you mean `{near}`?")),
                None => error.advise("declare it in [[authorities]] of an overlay that comes before"),
            }
        })?;
        match (self.seed, known) {
            (Some(seed), Some(authority)) => {
                pki::issue(seed, &scope, authority, request).map_err(|error| error.at(&name.place))
            }
            _ => Ok(Issued {
                certificate_pem: placeholder("certificate", node, name),
                key_pem: Zeroizing::new(placeholder("key", node, name)),
            }),
        }
    }

    /// A bare key pair.
    pub fn key_pair(&mut self, node: &str, declared: &KeyPairDeclaration) -> Result<KeyPair> {
        self.names.insert(declared.name.value.clone());
        self.asked("key pair", node, &declared.name, declared.scope, &())?;
        let node = node_of(declared.scope, node);
        let scope = self.scope(node, &declared.name);
        let Some(seed) = self.seed else {
            let private_pem = Zeroizing::new(placeholder("private key", node, &declared.name));
            return Ok(KeyPair { private_pem, public_pem: placeholder("public key", node, &declared.name) });
        };
        pki::key_pair(seed, &scope, &declared.name).map_err(|error| error.at(&declared.name.place))
    }

    /// A token or an encryption key.
    pub fn secret(&mut self, node: &str, declared: &SecretDeclaration) -> Result<Zeroizing<Vec<u8>>> {
        let bytes = declared.bytes.unwrap_or(32) as usize;
        let shape = match declared.shape.as_str() {
            "base64" => SecretShape::Base64 { bytes },
            "hex" => SecretShape::Hex { bytes },
            "bootstrap-token" => SecretShape::BootstrapToken,
            other => {
                let message = format!("`{other}` is not the shape of a secret; known: base64, hex, bootstrap-token");
                return Err(Error::usage(message).at(&declared.shape.place));
            }
        };
        self.names.insert(declared.name.value.clone());
        self.asked("secret", node, &declared.name, declared.scope, &shape)?;
        let node = node_of(declared.scope, node);
        let scope = self.scope(node, &declared.name);
        let Some(seed) = self.seed else {
            return Ok(Zeroizing::new(placeholder("secret", node, &declared.name).into_bytes()));
        };
        pki::secret(seed, &scope, &declared.name, shape).map_err(|error| error.at(&declared.name.place))
    }

    /// The 32 bytes that keep the digest of a node's secrets layer from telling anything about a short secret.
    pub fn salt(&self, node: &str) -> Result<Zeroizing<Vec<u8>>> {
        let cluster = &self.profile.declared.cluster.name;
        let scope = Scope { cluster, node: Some(node), generation: 1 };
        let salt = self.seed.map(|seed| pki::secret(seed, &scope, "layer-salt", SecretShape::Raw { bytes: 32 }));
        Ok(salt.transpose()?.unwrap_or_default())
    }

    /// A kubeconfig with a client certificate of its own.
    pub fn kubeconfig(&mut self, node: &str, declared: &KubeconfigDeclaration) -> Result<Zeroizing<Vec<u8>>> {
        let scope = if declared.admin.is_some() { ScopeDeclaration::Cluster } else { ScopeDeclaration::Node };
        let request = CertificateRequest {
            subject: subject(&declared.subject),
            usages: vec![pki::Usage::ClientAuth],
            not_before: self.profile.epoch,
            days: declared.days.unwrap_or(CERTIFICATE_DAYS),
            name: format!("kubeconfig/{}", declared.name.value),
            dns: Vec::new(),
            ip: Vec::new(),
            algorithm: Algorithm::default(),
            encoding: KeyEncoding::default(),
        };
        self.asked("kubeconfig", node, &declared.name, scope, &(&request, &declared.server.value))?;
        let issued = self.issue(&declared.name, node_of(scope, node), &declared.authority, &request)?;
        let known = self.authorities.get(&declared.authority.value).and_then(|(_, authority)| authority.as_ref());
        let name = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        pki::kubeconfig(&KubeconfigRequest {
            cluster: name(&declared.cluster, &self.profile.declared.cluster.name),
            server: declared.server.value.clone(),
            user: name(&declared.user, &declared.subject.cn),
            context: None,
            namespace: None,
            authority_pem: known.map_or_else(String::new, |authority| authority.certificate_pem().to_owned()),
            certificate_pem: issued.certificate_pem,
            key_pem: issued.key_pem,
        })
    }

    /// Generations of the profile that are for no key.
    pub fn unused_generations(&self) -> Vec<Error> {
        let unused = self.profile.declared.pki.generations.iter().filter(|(name, _)| !self.names.contains(*name));
        unused
            .map(|(name, generation)| {
                let error = Error::usage(format!("[pki.generations] names `{name}`, and no key has this name"));
                let error = error.at(&generation.place);
                match crate::document::nearest(name, self.names.iter().map(String::as_str)) {
                    Some(near) => error.advise(format!("did you mean `{near}`?")),
                    None => error,
                }
            })
            .collect()
    }

    fn generation(&self, name: &str) -> u32 {
        self.profile.declared.pki.generations.get(name).map_or(1, |generation| generation.value)
    }

    fn scope<'b>(&'b self, node: Option<&'b str>, name: &str) -> Scope<'b> {
        Scope { cluster: &self.profile.declared.cluster.name, node, generation: self.generation(name) }
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
        if !self.once.insert((what, node.to_owned(), name.value.clone())) {
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
                Err(Error::usage(message)
                    .advise("take what is of a node out of it, or give it `scope = \"node\"`")
                    .at(&name.place))
            }
            _ => Ok(()),
        }
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
