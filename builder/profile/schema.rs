//! What a profile may say, as its values are after rendering. The JSON Schema that editors use comes from these types.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::boot::{BaseDeclaration, BootDeclaration};
use super::pki::{AcceptDeclaration, PkiDeclaration};
use crate::archive::Format;
use crate::document::Placed;
use crate::epoch::Epoch;
use crate::overlay::args::{Argument, Command};
use crate::overlay::declare::{Modules, SourceDeclaration};
use crate::version::Version;

/// A profile: one cluster, its machines, and where their files come from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProfileDeclaration {
    /// A profile that this one is laid on; the path from this file.
    pub extends: Option<String>,
    /// The overlays, in order.
    #[serde(default)]
    pub overlays: Vec<Placed<String>>,
    /// The cluster and the release.
    pub cluster: ClusterDeclaration,
    /// Kubernetes.
    #[serde(default)]
    pub kubernetes: KubernetesDeclaration,
    /// The networks.
    #[serde(default)]
    pub network: NetworkDeclaration,
    /// Keys and certificates.
    #[serde(default)]
    pub pki: PkiDeclaration,
    // Of a loaded profile they are in `Profile::nodes`, and none is here.
    /// The machines.
    #[serde(default)]
    pub nodes: Vec<Placed<NodeDeclaration>>,
    /// Outside inputs, by name; over those of an overlay with the same name. `false` removes one.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, SourceDeclaration>")]
    pub sources: Later,
    /// The base system that the layers are laid on. Without it there are no boot files.
    #[schemars(with = "Option<BaseDeclaration>")]
    pub base: Option<Later>,
    /// What the machines start from.
    #[serde(default)]
    pub boot: BootDeclaration,
    /// Flags of commands, over those of the overlays.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Argument>>")]
    pub args: Later,
    /// How the flags of a command are written, over what the overlays say.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Command>")]
    pub command: Later,
    /// Kernel parameters, over those of the overlays. `false` removes one.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub sysctl: Later,
    /// Kernel modules, with those of the overlays.
    #[serde(default)]
    #[schemars(with = "Modules")]
    pub modules: Later,
    /// Variables of overlays, by overlay.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub vars: BTreeMap<String, Placed<Later>>,
    /// Findings that are accepted, each with the reason.
    #[serde(default)]
    pub accept: Vec<Placed<AcceptDeclaration>>,
    /// Where this profile differs from a document that it follows, and why. For people: `plan` prints them.
    #[serde(default)]
    pub differences: Vec<Placed<DifferenceDeclaration>>,
    /// What is written for each node; one `cpio.zst` if nothing is said.
    #[serde(default = "default_outputs")]
    pub outputs: Vec<Placed<OutputDeclaration>>,
}

/// A deliberate difference from a document that a profile follows.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DifferenceDeclaration {
    /// The document.
    pub document: String,
    /// The file on the machines, or what else differs.
    pub path: String,
    /// What of it: a flag, a key, a line.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A part that is read later, when the node that it is for is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Later;

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Later, D::Error> {
        struct Table;
        impl<'de> de::Visitor<'de> for Table {
            type Value = Later;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Later, A::Error> {
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Later)
            }
        }
        deserializer.deserialize_map(Table)
    }
}

/// The cluster and the release.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterDeclaration {
    /// The cluster's name, a DNS label.
    pub name: Placed<String>,
    /// The release's version; only grows.
    pub version: Placed<Version>,
    /// The one instant that the release knows; `SOURCE_DATE_EPOCH` if not given.
    pub epoch: Option<Placed<Epoch>>,
    /// The modification time of every file; 1980-01-01 if not given, so that a new version alone changes no byte of a
    /// common layer.
    #[schemars(with = "Option<Epoch>")]
    pub mtime: Epoch,
    /// The domain of the machines: `node.fqdn` is NAME.DOMAIN.
    pub domain: Option<String>,
    /// Where clients reach the API servers, HOST:PORT.
    pub endpoint: Option<String>,
    /// The machines' architecture, unless a node says otherwise; amd64 if not given.
    #[schemars(with = "Option<Arch>")]
    pub arch: Arch,
    /// Whether /bin, /sbin, /lib, /lib64, /var/run and /var/lock are symlinks on the machines; true if not given.
    #[schemars(with = "Option<bool>")]
    pub usr_merge: bool,
    /// Whether two paths may differ in nothing but the case of letters.
    #[serde(default)]
    pub case_sensitive: bool,
}

/// An architecture, by the name that Debian, Go and Kubernetes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arch {
    Amd64,
    Arm64,
    Ppc64le,
    Riscv64,
    S390x,
}

impl Arch {
    /// The name, as Go and Kubernetes write it.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
            Arch::Ppc64le => "ppc64le",
            Arch::Riscv64 => "riscv64",
            Arch::S390x => "s390x",
        }
    }

    /// The name of its machine in programs, as the kernel calls it (elf(5), e_machine).
    pub fn machine(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64",
            Arch::Arm64 => "aarch64",
            Arch::Ppc64le => "ppc64",
            Arch::Riscv64 => "riscv",
            Arch::S390x => "s390",
        }
    }

    /// The directory of its libraries where a system has those of several (Debian's multiarch tuples).
    pub fn triplet(self) -> &'static str {
        match self {
            Arch::Amd64 => "x86_64-linux-gnu",
            Arch::Arm64 => "aarch64-linux-gnu",
            Arch::Ppc64le => "powerpc64le-linux-gnu",
            Arch::Riscv64 => "riscv64-linux-gnu",
            Arch::S390x => "s390x-linux-gnu",
        }
    }

    /// The name, as Debian writes it.
    pub fn debian(self) -> &'static str {
        match self {
            Arch::Ppc64le => "ppc64el",
            other => other.name(),
        }
    }
}

/// Kubernetes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KubernetesDeclaration {
    /// Its version, without `v`.
    pub version: Option<Placed<Version>>,
}

/// The networks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkDeclaration {
    /// The services' addresses.
    pub service_cidr: Option<Placed<Net>>,
    /// The pods' addresses.
    pub pod_cidr: Option<Placed<Net>>,
    /// The machines' network.
    pub machine_cidr: Option<Placed<Net>>,
    /// The machines' gateway.
    pub gateway: Option<Placed<IpAddr>>,
    /// Resolvers.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// Time servers, by name or address.
    #[serde(default)]
    pub ntp: Vec<String>,
    /// The domain of services; cluster.local if not given.
    pub service_domain: Option<String>,
}

/// A network in CIDR notation, with no bits set behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net(pub IpNet);

impl std::ops::Deref for Net {
    type Target = IpNet;

    fn deref(&self) -> &IpNet {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Net, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bad = || de::Error::custom(format!("`{text}` is not a network like 10.96.0.0/16"));
        let net: IpNet = text.parse().map_err(|_| bad())?;
        match net.trunc() == net {
            true => Ok(Net(net)),
            false => Err(de::Error::custom(format!(
                "`{text}` has bits set behind its prefix; the network is {}",
                net.trunc()
            ))),
        }
    }
}

impl JsonSchema for Net {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "/[0-9]{1,3}$", "description": "A network in CIDR notation" })
    }
}

/// One machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeDeclaration {
    /// Its name, a DNS label.
    pub name: Placed<String>,
    /// Its address among the machines.
    pub address: Option<Placed<IpAddr>>,
    /// More addresses of it.
    #[serde(default)]
    pub addresses: Vec<Placed<IpAddr>>,
    /// The MAC address by which it is known when it boots.
    pub mac: Option<Placed<String>>,
    /// What it is for: words that overlays ask for in `when`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Its architecture; the cluster's if not given.
    #[schemars(with = "Option<Arch>")]
    pub arch: Arch,
    /// Its full name; NAME.DOMAIN if not given.
    #[schemars(with = "Option<String>")]
    pub fqdn: String,
    /// Variables of overlays for this node, by overlay.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, serde_json::Value>>")]
    pub vars: Later,
}

/// How the layers of a node are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayersDeclaration {
    /// One archive for each layer: common, node, secrets.
    #[default]
    Split,
    /// One archive for the node.
    Merged,
}

/// Whether a merged archive holds the secrets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsDeclaration {
    /// It does not, and is public.
    #[default]
    Omit,
    /// It does, and lies in `secrets/`.
    Include,
}

/// Archives to write for every node.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutputDeclaration {
    /// tar, tar.gz, tar.zst, cpio, cpio.gz or cpio.zst.
    #[schemars(with = "String")]
    pub format: Placed<FormatName>,
    /// Split or merged.
    #[serde(default)]
    pub layers: LayersDeclaration,
    /// For merged ones, whether secrets are in.
    #[serde(default)]
    pub secrets: SecretsDeclaration,
    /// The compression level; the codec's default if not given.
    pub level: Option<Placed<u8>>,
}

/// A format by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormatName(pub Format);

impl fmt::Display for FormatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for FormatName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FormatName, D::Error> {
        String::deserialize(deserializer)?.parse().map(FormatName).map_err(de::Error::custom)
    }
}

fn default_outputs() -> Vec<Placed<OutputDeclaration>> {
    use crate::archive::{Codec, Container};
    let place = crate::error::Place { file: "(built-in defaults)".into(), line: 1, column: 1 };
    let format = FormatName(Format { container: Container::Cpio, codec: Codec::Zstd });
    let format = Placed { place: place.clone(), value: format };
    let (layers, secrets) = (LayersDeclaration::Split, SecretsDeclaration::Omit);
    vec![Placed { place, value: OutputDeclaration { format, layers, secrets, level: None } }]
}
