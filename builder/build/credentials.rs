//! A node's certificates, keys, secrets and kubeconfigs in their places.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::keys::{Generational, Keys};
use super::node::Active;
use super::place::Placing;
use super::placements::{Placements, What};
use crate::document::Placed;
use crate::error::{Error, Faults, Result};
use crate::overlay::declare::{
    AuthorityDeclaration, CertificateDeclaration, KeyPairDeclaration, KubeconfigDeclaration, Mode, SecretDeclaration,
};
use crate::tree::{Content, Entry, Node, Secrecy, TreePath};

/// Where a node's credentials go, and what they are made with.
pub struct Credentials<'a, 'k> {
    /// The node's name.
    pub node: &'a str,
    /// The keys of the plan.
    pub keys: &'a mut Keys<'k>,
    /// What the profile places on nodes.
    pub placements: &'a mut Placements,
    /// Files for people.
    pub admin: &'a mut BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The node's tree.
    pub placing: &'a mut Placing,
}

impl Credentials<'_, '_> {
    /// Places what the overlays declare; the secrets that templates may use.
    pub fn place(mut self, active: &[Active<'_>], faults: &mut Faults) -> BTreeMap<String, Generational> {
        let mut secrets = BTreeMap::new();
        for one in active {
            for declared in &one.declared.authorities {
                faults.note(self.authority(declared));
            }
            for declared in &one.declared.certificates {
                faults.note(self.certificate(declared));
            }
            for declared in &one.declared.keypairs {
                faults.note(self.key_pair(declared));
            }
            for declared in &one.declared.secrets {
                if faults.note(self.secret(declared, &mut secrets)).is_none() {
                    // Templates that use it are not wrong for that.
                    secrets.entry(declared.name.value.clone()).or_insert_with(|| vec![(1, Zeroizing::default())]);
                }
            }
            for declared in &one.declared.kubeconfigs {
                faults.note(self.kubeconfig(declared, &secrets));
            }
        }
        secrets
    }

    fn authority(&mut self, declared: &AuthorityDeclaration) -> Result<()> {
        let files = self.keys.authority(declared)?;
        let owner = Owner::root("authority", &declared.name);
        for path in &declared.cert {
            self.public(path, files.trusted.as_bytes(), &owner)?;
        }
        for path in &declared.chain {
            self.public(path, files.chain.as_bytes(), &owner)?;
        }
        let Some(key) = &declared.key else { return Ok(()) };
        let Some(place) = self.placements.find(What::AuthorityKey, &declared.name, self.node) else { return Ok(()) };
        let pem = self.keys.authority_key(declared, &place)?;
        let owner = Owner { mode: key.mode, uid: key.uid, gid: key.gid, ..owner };
        self.secret_file(&key.path, pem.as_bytes(), &owner)
    }

    fn certificate(&mut self, declared: &CertificateDeclaration) -> Result<()> {
        let issued = self.keys.certificate(self.node, declared)?;
        let CertificateDeclaration { uid, gid, key_mode, .. } = *declared;
        let owner = Owner { mode: key_mode, uid, gid, ..Owner::root("certificate", &declared.name) };
        if let Some(path) = &declared.cert {
            self.public(path, issued.certificate_pem.as_bytes(), &owner)?;
        }
        if let Some(path) = &declared.chain {
            self.public(path, issued.issuers_pem.as_bytes(), &owner)?;
        }
        if let Some(path) = &declared.key {
            self.secret_file(path, issued.key_pem.as_bytes(), &owner)?;
        }
        if let Some(path) = &declared.combined {
            let (certificate, key) = (issued.certificate_pem.as_bytes(), issued.key_pem.as_bytes());
            // Room for both at once: a buffer that grows leaves a copy of the key behind.
            let mut both = Zeroizing::new(Vec::with_capacity(certificate.len() + key.len()));
            both.extend_from_slice(certificate);
            both.extend_from_slice(key);
            self.secret_file(path, &both, &owner)?;
        }
        Ok(())
    }

    fn key_pair(&mut self, declared: &KeyPairDeclaration) -> Result<()> {
        let pair = self.keys.key_pair(self.node, declared)?;
        let owner = Owner { uid: declared.uid, gid: declared.gid, ..Owner::root("key pair", &declared.name) };
        if let Some(path) = &declared.public {
            self.public(path, pair.public_pem.as_bytes(), &owner)?;
        }
        match &declared.private {
            Some(path) => self.secret_file(path, pair.private_pem.as_bytes(), &owner),
            None => Ok(()),
        }
    }

    fn secret(&mut self, declared: &SecretDeclaration, secrets: &mut BTreeMap<String, Generational>) -> Result<()> {
        let made = self.keys.secret(self.node, declared)?;
        if let (Some(path), Some((_, current))) = (&declared.path, made.first()) {
            let owner = Owner { uid: declared.uid, gid: declared.gid, ..Owner::root("secret", &declared.name) };
            self.secret_file(path, current, &owner)?;
        }
        match secrets.insert(declared.name.value.clone(), made) {
            Some(_) => {
                let message = format!("the secret `{}` is declared twice", declared.name.value);
                Err(Error::usage(message).at(&declared.name.place))
            }
            None => Ok(()),
        }
    }

    fn kubeconfig(
        &mut self,
        declared: &Placed<KubeconfigDeclaration>,
        secrets: &BTreeMap<String, Generational>,
    ) -> Result<()> {
        let (made, is_secret) = self.keys.kubeconfig(self.node, declared, secrets)?;
        let KubeconfigDeclaration { mode, uid, gid, .. } = declared.value;
        let mode = mode.or(Some(Mode(0o600)));
        let owner = Owner { mode, uid, gid, ..Owner::root("kubeconfig", &declared.name) };
        if let Some(name) = &declared.admin {
            if name.contains('/') || name.starts_with('.') || name.is_empty() {
                return Err(Error::usage(format!("`{}` is not a file's name", name.value)).at(&name.place));
            }
            if self.admin.get(&name.value).is_some_and(|known| *known != made) {
                let message = format!("two kubeconfigs give people the file `{}`, and they differ", name.value);
                let advice = "give one of them another name, or take what is of a node out of it";
                return Err(Error::usage(message).advise(advice).at(&name.place));
            }
            self.admin.insert(name.value.clone(), made.clone());
        }
        let Some(path) = &declared.path else {
            return match declared.admin {
                Some(_) => Ok(()),
                None => {
                    let message = format!("the kubeconfig `{}` goes nowhere", declared.name.value);
                    let advice = "give it `path` (on the node), or `admin` (for people)";
                    Err(Error::usage(message).advise(advice).at(&declared.place))
                }
            };
        };
        if declared.admin.is_some() && self.placements.find(What::Kubeconfig, &declared.name, self.node).is_none() {
            return Ok(());
        }
        match is_secret {
            true => self.secret_file(path, &made, &owner),
            false => {
                let entry = Entry { mode: mode.map_or(0o600, |mode| mode.0), ..owner.entry(&made) };
                self.placing.put(path, entry, false, &path.place)
            }
        }
    }

    fn public(&mut self, path: &Placed<TreePath>, bytes: &[u8], owner: &Owner) -> Result<()> {
        self.placing.put(path, owner.entry(bytes), false, &path.place)
    }

    fn secret_file(&mut self, path: &Placed<TreePath>, bytes: &[u8], owner: &Owner) -> Result<()> {
        let mode = owner.mode.map_or(0o600, |mode| mode.0);
        let entry = Entry { mode, secrecy: Secrecy::Secret, ..owner.entry(bytes) };
        self.placing.put(path, entry, false, &path.place)
    }
}

/// Whose a file is, and where it comes from.
struct Owner {
    mode: Option<Mode>,
    uid: u32,
    gid: u32,
    origin: String,
}

impl Owner {
    fn root(what: &str, name: &Placed<String>) -> Owner {
        Owner { mode: None, uid: 0, gid: 0, origin: format!("{what} {}", name.value) }
    }

    fn entry(&self, bytes: &[u8]) -> Entry {
        let file = Node::File(Content::inline(bytes));
        Entry { uid: self.uid, gid: self.gid, ..Entry::new(file, self.origin.clone()) }
    }
}
