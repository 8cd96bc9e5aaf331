//! Who listens on a machine, and whom it asks: what flags and files mean for connections, so that both ends can be
//! compared before there are any.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::document::Placed;
use crate::tree::TreePath;

/// Something that listens on a machine.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServerDeclaration {
    /// What clients call it; the same on every machine that has one.
    pub name: String,
    /// Where: ADDRESS:PORT or a URL, with `*` for every address and brackets around one of IPv6; several with commas between, as
    /// flags have them.
    pub listen: Vec<Placed<String>>,
    /// The file with its certificate, and those between it and the authority; none if it speaks no TLS.
    pub certificate: Option<Placed<TreePath>>,
    /// The file with the certificate's key.
    pub key: Option<Placed<TreePath>>,
    /// The file with the authorities of clients that it asks for a certificate; none if it asks for none.
    pub clients: Option<Placed<TreePath>>,
    /// The names of clients (CN) that it lets in; all if none is given.
    #[serde(default)]
    pub client_names: Vec<Placed<String>>,
    /// The names and addresses by which it is reached and that no client of this cluster has in a URL.
    #[serde(default)]
    pub names: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}

/// Something on a machine that asks a server.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientDeclaration {
    /// What it is.
    pub name: String,
    /// The server's name.
    pub server: Placed<String>,
    /// Where it asks: https://HOST:PORT, or HOST:PORT; several with commas between.
    #[serde(default)]
    pub urls: Vec<Placed<String>>,
    /// The file with the authorities that it trusts; none if it looks at no certificate.
    pub authorities: Option<Placed<TreePath>>,
    /// The file with its certificate.
    pub certificate: Option<Placed<TreePath>>,
    /// The file with the certificate's key.
    pub key: Option<Placed<TreePath>>,
    /// The kubeconfig that says all that instead.
    pub kubeconfig: Option<Placed<TreePath>>,
    /// The subject that its certificate must have: the CN.
    pub common_name: Option<Placed<String>>,
    /// The groups that its certificate must have: O.
    #[serde(default)]
    pub groups: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}
