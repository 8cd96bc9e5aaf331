//! What an overlay may declare of keys, certificates and secrets, as its values are after rendering.

use schemars::JsonSchema;
use serde::Deserialize;

use super::declare::Mode;
use crate::document::Placed;
use crate::tree::TreePath;

/// A certificate's subject.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SubjectDeclaration {
    /// Common name.
    pub cn: String,
    /// Organisations: Kubernetes reads them as groups.
    #[serde(default)]
    pub o: Vec<String>,
    /// Organisational units.
    #[serde(default)]
    pub ou: Vec<String>,
}

/// Something that must not be done without a reason: a profile that does it accepts it by `id`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FindingDeclaration {
    /// What it is accepted by: `[[accept]] finding = "ID"`.
    pub id: String,
    /// What would go wrong, in a sentence.
    pub says: String,
}

/// A certificate authority. Its key stays with the builder, unless a profile places it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthorityDeclaration {
    /// The name by which certificates refer to it.
    pub name: Placed<String>,
    /// The authority that signs it; it signs itself if none is named.
    pub issuer: Option<Placed<String>>,
    /// Its subject.
    pub subject: SubjectDeclaration,
    /// DNS names in its certificate. They mean nothing in an authority; kubeadm writes its name there.
    #[serde(default)]
    pub dns: Vec<String>,
    /// How long it is valid from `[pki] since`; 3650 days if not given.
    pub days: Option<u32>,
    /// The kind of its key: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072, rsa-4096; `[pki] algorithm` if not
    /// given.
    pub algorithm: Option<Placed<String>>,
    /// What its key may do: cert-sign, digital-signature and key-encipherment if not given, as kubeadm has it.
    #[serde(default)]
    pub key_usages: Vec<Placed<String>>,
    /// How many authorities may stand below it; no limit if not given.
    pub path_length: Option<u8>,
    /// Its serial number in hexadecimal; a hash of what it says if not given.
    pub serial: Option<Placed<String>>,
    /// Where its certificate goes on the node; during a rotation those of all accepted generations.
    #[serde(default)]
    pub cert: Vec<Placed<TreePath>>,
    /// Where its certificate goes together with those above it, the root last.
    #[serde(default)]
    pub chain: Vec<Placed<TreePath>>,
    /// Where its key goes on the nodes on which a profile places it (`[[pki.placements]]`), and on no other.
    pub key: Option<KeyFileDeclaration>,
    /// Why its key should be on no node at all, even if a profile places it.
    pub key_finding: Option<FindingDeclaration>,
    /// On which nodes its certificate is.
    pub when: Option<String>,
}

/// A private key's file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyFileDeclaration {
    /// Where it goes.
    pub path: Placed<TreePath>,
    /// How it is written: sec1, pkcs1 or pkcs8; as kubeadm writes its kind if not given.
    pub encoding: Option<Placed<String>>,
    /// Permission bits; 0600 if not given.
    pub mode: Option<Mode>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
}

/// Whether every node has its own, or all share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeDeclaration {
    /// Every node its own.
    #[default]
    Node,
    /// One for the cluster.
    Cluster,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CertificateDeclaration {
    /// Its name; with the scope it decides the key.
    pub name: Placed<String>,
    /// The authority that issues it.
    pub authority: Placed<String>,
    /// Its subject.
    pub subject: SubjectDeclaration,
    /// server-auth, client-auth, code-signing.
    pub usages: Vec<Placed<String>>,
    /// What its key may do: digital-signature and key-encipherment if not given, as kubeadm has it.
    #[serde(default)]
    pub key_usages: Vec<Placed<String>>,
    /// DNS names.
    #[serde(default)]
    pub dns: Vec<String>,
    /// IP addresses.
    #[serde(default)]
    pub ip: Vec<Placed<std::net::IpAddr>>,
    /// URIs.
    #[serde(default)]
    pub uri: Vec<String>,
    /// How long it is valid from the epoch; 365 days if not given.
    pub days: Option<u32>,
    /// Its serial number in hexadecimal; a hash of what it says if not given.
    pub serial: Option<Placed<String>>,
    /// The kind of its key: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072, rsa-4096; `[pki] algorithm` if not
    /// given.
    pub algorithm: Option<Placed<String>>,
    /// Where the certificate goes, followed by the authorities between it and the root.
    pub cert: Option<Placed<TreePath>>,
    /// Where the authorities above it go, the root last.
    pub chain: Option<Placed<TreePath>>,
    /// Where the key goes.
    pub key: Option<Placed<TreePath>>,
    /// Where certificate, authorities between it and the root, and key go together, as HAProxy reads them.
    pub combined: Option<Placed<TreePath>>,
    /// How the key is written: sec1, pkcs1 or pkcs8; as kubeadm writes its kind if not given.
    pub key_encoding: Option<Placed<String>>,
    /// Mode of the key; 0600 if not given.
    pub key_mode: Option<Mode>,
    /// Owner of all of them.
    #[serde(default)]
    pub uid: u32,
    /// Group of all of them.
    #[serde(default)]
    pub gid: u32,
    /// Whether every node has its own.
    #[serde(default)]
    pub scope: ScopeDeclaration,
    /// On which nodes.
    pub when: Option<String>,
}

/// A bare key pair.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyPairDeclaration {
    /// Its name; with the scope it decides the key.
    pub name: Placed<String>,
    /// The kind of key: ecdsa-p256, ecdsa-p384, ed25519, rsa-2048, rsa-3072, rsa-4096; `[pki] algorithm` if not given.
    pub algorithm: Option<Placed<String>>,
    /// The kinds of key that what reads it takes; all if none is named.
    #[serde(default)]
    pub algorithms: Vec<Placed<String>>,
    /// Where the private key goes.
    pub private: Option<Placed<TreePath>>,
    /// Where the public key goes; during a rotation those of all accepted generations.
    pub public: Option<Placed<TreePath>>,
    /// How the private key is written: sec1, pkcs1 or pkcs8; as kubeadm writes its kind if not given.
    pub key_encoding: Option<Placed<String>>,
    /// What goes wrong when the generation before the current one is not accepted any more.
    pub drop_finding: Option<FindingDeclaration>,
    /// Owner of both.
    #[serde(default)]
    pub uid: u32,
    /// Group of both.
    #[serde(default)]
    pub gid: u32,
    /// Whether every node has its own.
    #[serde(default)]
    pub scope: ScopeDeclaration,
    /// On which nodes.
    pub when: Option<String>,
}

/// A secret that templates use as `secrets.NAME`, and during a rotation as `generations.NAME`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretDeclaration {
    /// Its name; with the scope it decides the bytes.
    pub name: Placed<String>,
    /// base64 or hex of `bytes` random-looking bytes, alphanumeric of `bytes` characters, or bootstrap-token
    /// (`abcdef.0123456789abcdef`).
    pub shape: Placed<String>,
    /// How many bytes; 32 if not given.
    pub bytes: Option<u32>,
    /// Where a file with it goes, if it is not for a template.
    pub path: Option<Placed<TreePath>>,
    /// What goes wrong when the generation before the current one is not accepted any more.
    pub drop_finding: Option<FindingDeclaration>,
    /// Owner of the file.
    #[serde(default)]
    pub uid: u32,
    /// Group of the file.
    #[serde(default)]
    pub gid: u32,
    /// Whether every node has its own.
    #[serde(default)]
    pub scope: ScopeDeclaration,
    /// On which nodes.
    pub when: Option<String>,
}

/// A kubeconfig. By default everything is inside: the authority's certificate, and a client certificate and key that
/// are issued for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubeconfigDeclaration {
    /// Its name; with the scope it decides the key.
    pub name: Placed<String>,
    /// Where it goes on the node; with `admin`, only on the nodes on which a profile places it (`[[pki.placements]]`).
    pub path: Option<Placed<TreePath>>,
    /// The file's name in `secrets/admin/`, for people, and one for the cluster.
    pub admin: Option<Placed<String>>,
    /// The authority that issues the client certificate, and that the client trusts.
    pub authority: Placed<String>,
    /// Where the authority's certificate is on the node, instead of inside the file.
    pub authority_file: Option<TreePath>,
    /// The API server's URL.
    pub server: Placed<String>,
    /// What the file calls the cluster; the cluster's name if not given.
    pub cluster: Option<String>,
    /// What the file calls the user; the subject's CN if not given.
    pub user: Option<String>,
    /// What the file calls the context; USER@CLUSTER if not given.
    pub context: Option<String>,
    /// The namespace where a command names none.
    pub namespace: Option<String>,
    /// The client certificate's subject, if one is issued.
    pub subject: Option<SubjectDeclaration>,
    /// Where a client certificate is on the node, instead of one inside the file; with `key-file`.
    pub cert_file: Option<TreePath>,
    /// Where that certificate's key is.
    pub key_file: Option<TreePath>,
    /// The secret that is the user's token, instead of a certificate.
    pub token: Option<Placed<String>>,
    /// How long the certificate is valid from the epoch; 365 days if not given.
    pub days: Option<u32>,
    /// The kind of its key; `[pki] algorithm` if not given.
    pub algorithm: Option<Placed<String>>,
    /// Permission bits; 0600 if not given.
    pub mode: Option<Mode>,
    /// Owner of the file.
    #[serde(default)]
    pub uid: u32,
    /// Group of the file.
    #[serde(default)]
    pub gid: u32,
    /// On which nodes.
    pub when: Option<String>,
}
