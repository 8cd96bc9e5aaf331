//! What a profile may say of keys and certificates: which generations count, what is imported, what is placed where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::document::Placed;
use crate::epoch::Epoch;

/// Keys and certificates.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PkiDeclaration {
    /// The authorities' notBefore; the epoch if not given. Fixed, so that a new release does not issue a new authority.
    pub since: Option<Placed<Epoch>>,
    /// The seed's file; ~/.local/share/mastermold/CLUSTER.seed if not given. Never inside the project.
    pub seed: Option<Placed<String>>,
    /// The kind of every key for which nothing else is said: ecdsa-p256 (if not given), ecdsa-p384, ed25519, rsa-2048,
    /// rsa-3072, rsa-4096.
    pub algorithm: Option<Placed<String>>,
    /// The kind of a key by its name, over what an overlay says.
    #[serde(default)]
    pub algorithms: BTreeMap<String, Placed<String>>,
    /// Which generation of a key counts, by name; 1 if not given. A greater number is a new key.
    #[serde(default)]
    pub generations: BTreeMap<String, Placed<Generations>>,
    /// Authorities, key pairs and secrets that do not come from the seed.
    #[serde(default)]
    pub imports: Vec<Placed<ImportDeclaration>>,
    /// Keys of authorities, and kubeconfigs for people, that are on nodes.
    #[serde(default)]
    pub placements: Vec<Placed<PlacementDeclaration>>,
}

/// Which generations of a key count.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Generations {
    /// Only this one.
    One(u32),
    /// This one, and others beside it.
    Several(SeveralGenerations),
}

/// The generations of a key while it is rotated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SeveralGenerations {
    /// The one that signs, encrypts, and is shown.
    pub current: u32,
    /// Others that are accepted: trusted, checked with, decrypted with.
    #[serde(default)]
    pub accepted: Vec<u32>,
    /// An authority's notBefore by generation, where it is not `[pki] since`.
    #[serde(default)]
    pub since: BTreeMap<String, Epoch>,
}

impl Generations {
    /// The generation that counts.
    pub fn current(&self) -> u32 {
        match self {
            Generations::One(current) => *current,
            Generations::Several(several) => several.current,
        }
    }

    /// The others that are accepted.
    pub fn accepted(&self) -> &[u32] {
        match self {
            Generations::One(_) => &[],
            Generations::Several(several) => &several.accepted,
        }
    }

    /// The notBefore of an authority of this generation, if one of its own is given.
    pub fn since(&self, generation: u32) -> Option<Epoch> {
        match self {
            Generations::One(_) => None,
            Generations::Several(several) => several.since.get(&generation.to_string()).copied(),
        }
    }

    /// Whether it gives authorities a notBefore.
    pub fn has_since(&self) -> bool {
        matches!(self, Generations::Several(several) if !several.since.is_empty())
    }

    /// What is wrong with it.
    fn fault(&self) -> Option<String> {
        let Generations::Several(several) = self else {
            return (self.current() == 0).then(|| "generations count from 1".to_owned());
        };
        let all = || several.accepted.iter().chain([&several.current]);
        if all().any(|generation| *generation == 0) {
            return Some("generations count from 1".into());
        }
        if let Some(twice) = all().find(|one| all().filter(|other| other == one).count() > 1) {
            return Some(format!("generation {twice} is named twice: `accepted` names those beside `current`"));
        }
        let unknown = several.since.keys().find(|key| !all().any(|generation| generation.to_string() == **key));
        unknown.map(|key| format!("`since` names generation {key}, which is neither current nor accepted"))
    }
}

impl<'de> Deserialize<'de> for Generations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Generations, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Generations;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, or a table with current, accepted, since")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Generations, E> {
                let number = u32::try_from(number);
                number.map(Generations::One).map_err(|_| E::custom("a generation is a number from 1 up"))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Generations, A::Error> {
                let several = SeveralGenerations::deserialize(de::value::MapAccessDeserializer::new(map));
                several.map(Generations::Several)
            }
        }
        let generations = deserializer.deserialize_any(Either)?;
        generations.fault().map_or(Ok(generations), |fault| Err(de::Error::custom(fault)))
    }
}

/// One generation of an authority, a key pair or a secret that does not come from the seed. Paths are from the
/// project's root, or from the home directory with `~/`; what is private stays outside the project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImportDeclaration {
    /// The authority that it is, by name.
    pub authority: Option<String>,
    /// The key pair that it is.
    pub keypair: Option<String>,
    /// The secret that it is.
    pub secret: Option<String>,
    /// Which generation it is; 1 if not given.
    #[serde(default = "first")]
    pub generation: u32,
    /// An authority's certificate, followed by those above it, in PEM.
    pub cert: Option<String>,
    /// An authority's or a key pair's private key, in PEM.
    pub key: Option<String>,
    /// For an authority whose key is elsewhere: the folder with what it issued, NODE/NAME.crt.
    pub issued: Option<String>,
    /// A key pair's public key, if the private one is not given.
    pub public: Option<String>,
    /// The file that holds a secret, as its shape says.
    pub file: Option<String>,
}

fn first() -> u32 {
    1
}

/// A key of an authority, or a kubeconfig for people, that is on nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlacementDeclaration {
    /// The authority whose key it is.
    pub authority: Option<String>,
    /// The kubeconfig.
    pub kubeconfig: Option<String>,
    /// The nodes, by name.
    pub nodes: Vec<Placed<String>>,
    /// Why it must be there.
    pub reason: String,
}

/// A finding that is accepted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AcceptDeclaration {
    /// The finding's identifier.
    pub finding: String,
    /// Why it is accepted.
    pub reason: String,
}
