//! What has no certificate: key pairs, encryption keys, tokens.

use zeroize::Zeroizing;

use super::{Generational, Keys, node_of, parse, parse_all, placeholder};
use crate::document::Placed;
use crate::error::{Class, Error, Result};
use crate::overlay::declare::{FindingDeclaration, KeyPairDeclaration, SecretDeclaration};
use crate::pki::{self, Algorithm, KeyEncoding, KeyPair, Scope, SecretShape};

impl Keys<'_> {
    /// A bare key pair. The public file holds the accepted generations too.
    pub fn key_pair(&mut self, node: &str, declared: &KeyPairDeclaration) -> Result<KeyPair> {
        let name = &declared.name;
        self.names.insert(name.value.clone());
        let algorithm = self.algorithm(name, &declared.algorithm)?;
        let taken: Vec<Algorithm> = parse_all(&declared.algorithms)?;
        if !taken.is_empty() && !taken.contains(&algorithm) {
            let taken = taken.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message = format!("what reads the key pair `{}` takes no {algorithm}, but {taken}", name.value);
            let advice = format!("say which in the profile: [pki.algorithms] {} = \"...\"", name.value);
            return Err(Error::usage(message).advise(advice).at(&name.place));
        }
        let encoding: Option<KeyEncoding> = parse(&declared.key_encoding)?;
        self.asked("key pair", node, name, declared.scope, &(algorithm, encoding))?;
        self.note_drop(name, &declared.drop_finding);
        let node = node_of(declared.scope, node);
        if let Some(made) = self.shared_pairs.get(&name.value).filter(|_| node.is_none()) {
            return Ok(made.clone());
        }
        let mut pair: Option<KeyPair> = None;
        for generation in self.all_generations(name) {
            let made = self.pair_generation(name, node, generation, algorithm, encoding, pair.is_none());
            let made = made.map_err(|error| error.at(&name.place))?;
            match &mut pair {
                None => {
                    let file =
                        node.map_or_else(|| format!("{}.pub", name.value), |node| format!("{node}.{}.pub", name.value));
                    self.exports.insert(file, made.public_pem.clone());
                    pair = Some(made);
                }
                Some(pair) => pair.public_pem.push_str(&made.public_pem),
            }
        }
        let pair = pair.ok_or_else(|| Error::bug("a key pair without a generation"))?;
        if node.is_none() {
            self.shared_pairs.insert(name.value.clone(), pair.clone());
        }
        Ok(pair)
    }

    fn pair_generation(
        &mut self,
        name: &str,
        node: Option<&str>,
        generation: u32,
        algorithm: Algorithm,
        encoding: Option<KeyEncoding>,
        is_current: bool,
    ) -> Result<KeyPair> {
        let none = || KeyPair {
            private_pem: Zeroizing::new(placeholder("private key", node, name)),
            public_pem: placeholder(&format!("public key {generation}"), node, name),
        };
        if let Some(imported) = self.imports.pair(name, generation) {
            if is_current && !imported.has_key {
                let message = format!("the key pair `{name}` is imported without its private key");
                let advice = "give `key`, or make another generation the current one";
                return Err(Error::usage(message).advise(advice).at(&imported.place));
            }
            return match (&imported.private, &imported.public) {
                (Some(private), _) => KeyPair::of(private, encoding),
                (None, Some(public)) => Ok(KeyPair { public_pem: public.pem()?, ..none() }),
                (None, None) => Ok(none()),
            };
        }
        let Some(seed) = self.seed else { return Ok(none()) };
        let scope = Scope { cluster: &self.profile.declared.cluster.name, node, generation };
        KeyPair::of(&pki::pair_key(seed, algorithm, &scope, name)?, encoding)
    }

    /// A token or an encryption key, in all generations that count.
    pub fn secret(&mut self, node: &str, declared: &SecretDeclaration) -> Result<Generational> {
        let name = &declared.name;
        let shape = shape(declared)?;
        self.names.insert(name.value.clone());
        self.asked("secret", node, name, declared.scope, &shape)?;
        self.note_drop(name, &declared.drop_finding);
        let node = node_of(declared.scope, node);
        let mut all = Vec::new();
        for generation in self.all_generations(name) {
            let made = self.secret_generation(name, node, generation, shape);
            all.push((generation, made.map_err(|error| error.at(&name.place))?));
        }
        Ok(all)
    }

    fn secret_generation(
        &mut self,
        name: &str,
        node: Option<&str>,
        generation: u32,
        shape: SecretShape,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let none = || Zeroizing::new(placeholder(&format!("secret {generation}"), node, name).into_bytes());
        if let Some(imported) = self.imports.secret(name, generation) {
            let Some(mut secret) = imported.bytes.clone() else { return Ok(none()) };
            if secret.last() == Some(&b'\n') {
                secret.pop();
            }
            let act = format!("importing the secret `{name}`, generation {generation}: {}", imported.file);
            return shape.check(&secret).map(|()| secret).map_err(|error| error.context(act).at(&imported.place));
        }
        let Some(seed) = self.seed else { return Ok(none()) };
        let scope = Scope { cluster: &self.profile.declared.cluster.name, node, generation };
        pki::secret(seed, &scope, name, shape)
    }

    /// The 32 bytes that keep the digest of a node's secrets layer from telling anything about a short secret.
    pub fn salt(&self, node: &str) -> Result<Zeroizing<Vec<u8>>> {
        let cluster = &self.profile.declared.cluster.name;
        let scope = Scope { cluster, node: Some(node), generation: 1 };
        let salt = self.seed.map(|seed| pki::secret(seed, &scope, "layer-salt", SecretShape::Raw { bytes: 32 }));
        Ok(salt.transpose()?.unwrap_or_default())
    }

    /// Notes that the generation before the current one is not accepted any more, where that is a finding.
    fn note_drop(&mut self, name: &Placed<String>, finding: &Option<FindingDeclaration>) {
        let all = self.all_generations(name);
        let dropped = all[0] > 1 && !all.contains(&(all[0] - 1));
        if let Some(finding) = finding.as_ref().filter(|_| dropped) {
            let place =
                self.profile.declared.pki.generations.get(&name.value).map_or(&name.place, |value| &value.place);
            self.findings.add(finding, Class::Usage, place);
        }
    }
}

fn shape(declared: &SecretDeclaration) -> Result<SecretShape> {
    let bytes = declared.bytes.unwrap_or(32) as usize;
    match declared.shape.as_str() {
        "base64" => Ok(SecretShape::Base64 { bytes }),
        "hex" => Ok(SecretShape::Hex { bytes }),
        "alphanumeric" => Ok(SecretShape::Alphanumeric { characters: bytes }),
        "bootstrap-token" => Ok(SecretShape::BootstrapToken),
        other => {
            let message =
                format!("`{other}` is not the shape of a secret; there are base64, hex, alphanumeric, bootstrap-token");
            Err(Error::usage(message).at(&declared.shape.place))
        }
    }
}
