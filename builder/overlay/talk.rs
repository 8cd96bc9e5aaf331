//! Who listens on a machine, and whom it asks: what flags and files mean for connections, so that both ends can be
//! compared before there are any.

use schemars::JsonSchema;
use serde::Deserialize;

use super::declare::Severity;
use crate::document::Placed;
use crate::tree::TreePath;

/// Something that listens on a machine.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerDeclaration {
    /// What clients call it; the same on every machine that has one.
    pub name: String,
    /// Where: ADDRESS:PORT or a URL, with `*` for every address and brackets around one of IPv6; several with commas between, as
    /// flags have them. None for what listens in the cluster, and not on a machine.
    #[serde(default)]
    pub listen: Vec<Placed<String>>,
    /// Addresses that the machine may have through it, beside its own: a virtual one.
    #[serde(default)]
    pub addresses: Vec<Placed<String>>,
    /// The server to which it passes connections on, as a client of its own name: certificates are that one's.
    pub passes_to: Option<String>,
    /// The file with its certificate, and those between it and the authority; none if it speaks no TLS, or makes its own.
    pub certificate: Option<Placed<TreePath>>,
    /// The file with the certificate's key.
    pub key: Option<Placed<TreePath>>,
    /// The file with the authorities of clients that it asks for a certificate; none if it asks for none.
    pub clients: Option<Placed<TreePath>>,
    /// Whether a client may come without a certificate all the same: with a token, say.
    #[serde(default)]
    pub optional: bool,
    /// The names of clients (CN) that it lets in, with commas between; all if none is given.
    #[serde(default)]
    pub client_names: Vec<Placed<String>>,
    /// What is told, and not `client-name`, of a client whose name is not let in.
    pub stranger: Option<Box<StrangerFinding>>,
    /// The names and addresses by which it is reached and that no client of this cluster has in a URL.
    #[serde(default)]
    pub names: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}

/// A finding of an overlay's own for a client that is not let in.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StrangerFinding {
    /// What it is accepted by: `[[accept]] finding = "ID"`.
    pub id: String,
    /// How bad it is: a warning if not given.
    #[serde(default)]
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub says: String,
    /// What will go wrong on the machine.
    pub fate: String,
    /// What to do.
    pub remedy: String,
}

/// Something on a machine that asks a server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientDeclaration {
    /// What it is.
    pub name: String,
    /// The server's name.
    pub server: Placed<String>,
    /// Where it asks: https://HOST:PORT, or HOST:PORT; several with commas between. None if that is not known here: then it
    /// asks the server of its own machine, or else all of them, and no name is compared.
    #[serde(default)]
    pub urls: Vec<Placed<String>>,
    /// The file with the authorities that it trusts; none if it looks at no certificate.
    pub authorities: Option<Placed<TreePath>>,
    /// The file with its certificate.
    pub certificate: Option<Placed<TreePath>>,
    /// The file with the certificate's key.
    pub key: Option<Placed<TreePath>>,
    /// The kubeconfig that says all that instead: the server's URL, the authorities, certificate and key or a token.
    pub kubeconfig: Option<Placed<TreePath>>,
    /// The subject that its certificate must have: the CN.
    pub common_name: Option<Placed<String>>,
    /// The groups that its certificate must have: O.
    #[serde(default)]
    pub groups: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}

/// What must be the same wherever it is said: all entries of one `id`, of all overlays and machines, are compared. Each has
/// one of `value`, `items` and `file`, or `signs` and `knows`; what is empty is not said.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgreeDeclaration {
    /// What it is accepted by: `[[accept]] finding = "ID"`.
    pub id: String,
    /// How bad it is if they differ: a warning if not given.
    #[serde(default)]
    pub severity: Severity,
    /// What is wrong if they differ, in a sentence.
    pub says: String,
    /// What will go wrong on the machine.
    pub fate: String,
    /// What to do.
    pub remedy: String,
    /// Whether the machines of the cluster agree, or the overlays of each machine among themselves.
    #[serde(default)]
    pub scope: AgreeScope,
    /// A value.
    pub value: Option<Placed<String>>,
    /// A list with commas, in any order.
    pub items: Option<Placed<String>>,
    /// A file, by its contents; it may be secret.
    pub file: Option<Placed<TreePath>>,
    /// The private key that signs.
    pub signs: Option<Placed<TreePath>>,
    /// The files, with commas between, by one of whose keys whatever any entry signs must be known: public or private keys, or
    /// certificates.
    #[serde(default)]
    pub knows: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}

/// Who must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgreeScope {
    /// All machines.
    #[default]
    Cluster,
    /// The overlays of one machine.
    Node,
}
