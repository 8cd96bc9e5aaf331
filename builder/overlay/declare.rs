//! What an `overlay.toml` may declare, as its values are after rendering. The JSON Schema that editors use comes from
//! these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::args::{Argument, Command};
pub use super::credentials::*;
pub use super::license::License;
pub use super::schema::SchemaDeclaration;
pub use super::talk::{AgreeDeclaration, AgreeScope, ClientDeclaration, ServerDeclaration, StrangerFinding};
use crate::document::Placed;
use crate::tree::TreePath;

/// The declarations of an overlay.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Declarations {
    /// One line that says what the overlay gives a machine.
    #[serde(default)]
    pub summary: String,
    /// Overlays that must come before this one in a profile's `overlays`.
    #[serde(default)]
    pub requires: Vec<Placed<String>>,
    /// An expression over the node: on which nodes the overlay is active. Without it, on all.
    pub when: Option<String>,
    /// Whether this overlay may give a path, flag or source that an earlier one gave with another value.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Whether all its public files go into the guard's layer: an archive of its own that comes before all others and checks
    /// them.
    #[serde(default)]
    pub guard: bool,
    /// Defaults of the overlay's variables; a profile sets `[vars.NAME]`, a node `vars.NAME`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub vars: BTreeMap<String, de::IgnoredAny>,
    /// Outside inputs that the overlay brings.
    #[serde(default)]
    pub sources: BTreeMap<String, Placed<SourceDeclaration>>,
    /// Flags of commands.
    #[serde(default)]
    pub args: BTreeMap<String, BTreeMap<String, Placed<Argument>>>,
    /// How the flags of a command are written.
    #[serde(default)]
    pub command: BTreeMap<String, Placed<Command>>,
    /// Kernel parameters.
    #[serde(default)]
    pub sysctl: BTreeMap<String, Placed<String>>,
    /// Kernel modules.
    #[serde(default)]
    pub modules: Modules,
    /// Mode, owner, syntax and secrecy of files below `root/`.
    #[serde(default)]
    pub files: Vec<Placed<FileDeclaration>>,
    /// Directories, which may be empty.
    #[serde(default)]
    pub directories: Vec<Placed<DirectoryDeclaration>>,
    /// Symbolic links.
    #[serde(default)]
    pub symlinks: Vec<Placed<SymlinkDeclaration>>,
    /// Units to enable or to mask.
    #[serde(default)]
    pub units: Vec<Placed<UnitDeclaration>>,
    /// Certificate authorities.
    #[serde(default)]
    pub authorities: Vec<Placed<AuthorityDeclaration>>,
    /// Certificates.
    #[serde(default)]
    pub certificates: Vec<Placed<CertificateDeclaration>>,
    /// Bare key pairs, such as the one that signs service-account tokens.
    #[serde(default)]
    pub keypairs: Vec<Placed<KeyPairDeclaration>>,
    /// Tokens and encryption keys, for templates to use as `secrets.NAME`.
    #[serde(default)]
    pub secrets: Vec<Placed<SecretDeclaration>>,
    /// Kubeconfig files, each with a client certificate of its own.
    #[serde(default)]
    pub kubeconfigs: Vec<Placed<KubeconfigDeclaration>>,
    /// What listens on a machine.
    #[serde(default)]
    pub servers: Vec<Placed<ServerDeclaration>>,
    /// What asks servers.
    #[serde(default)]
    pub clients: Vec<Placed<ClientDeclaration>>,
    /// What must be the same wherever it is said.
    #[serde(default)]
    pub agree: Vec<Placed<AgreeDeclaration>>,
    /// What the base system or a registry has, so that nothing else need bring it.
    #[serde(default)]
    pub provides: Vec<Placed<Provision>>,
    /// What configurations of programs may hold.
    #[serde(default)]
    pub schemas: Vec<Placed<SchemaDeclaration>>,
    /// What is wrong with a machine if `when` holds.
    #[serde(default)]
    pub checks: Vec<Placed<CheckDeclaration>>,
}

/// Something that is wrong, or that a person should know: an even number of members, say.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CheckDeclaration {
    /// What it is accepted by: `[[accept]] finding = "ID"`; then it stops nothing.
    pub id: String,
    /// How bad it is: a warning if not given.
    #[serde(default)]
    pub severity: Severity,
    /// What it finds, for lists: where `says` tells values of a machine. What `says` says if not given.
    pub finds: Option<String>,
    /// What is wrong, in a sentence; told with the line that gives the flag which it asks for.
    pub says: Placed<String>,
    /// What will go wrong on the machine.
    pub fate: String,
    /// What to do.
    pub remedy: String,
    /// An expression that finds it, on each node: it may ask what flags, kernel parameters and modules are.
    pub when: Option<String>,
    /// A program of the base, and its words, that finds it: it is wrong if the program fails. It is run in the machine's assembled
    /// system, in a sandbox, where the base is a root file system that was fetched; `when` says on which nodes.
    #[serde(default)]
    pub run: Vec<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The machine does not do what it is for: a release is not built.
    Error,
    /// It works, and something is wrong that a person should know.
    #[default]
    Warning,
    /// Something could not be looked at, or is worth knowing.
    Note,
}

impl Severity {
    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// Permission bits, written as an octal string such as "0644".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
        let text = deserializer.deserialize_str(OctalString)?;
        let octal = text.len() == 4 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if octal => Ok(Mode(mode)),
            _ => Err(de::Error::custom(format!(
                "a mode is four octal digits in a string, like \"0644\", not \"{text}\""
            ))),
        }
    }
}

struct OctalString;

impl de::Visitor<'_> for OctalString {
    type Value = String;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a mode as a string of four octal digits, like \"0644\" (a number would be read as decimal)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

impl JsonSchema for Mode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-7]{4}$", "description": "Permission bits, four octal digits" })
    }
}

/// An outside input: exactly one of `url`, `path` and `deb`, and exactly one of `install`, `members` and `image`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SourceDeclaration {
    /// An http, https or file URL.
    pub url: Option<String>,
    /// A file in the project.
    pub path: Option<String>,
    /// A Debian package: `name` or `name=version`, found and fetched by the system's apt.
    pub deb: Option<String>,
    /// The SHA-256 that the publisher states; `lock` compares it with what came.
    pub sha256: Option<String>,
    /// A document of the publisher's with the SHA-256; `lock` fetches and compares it.
    pub checksum_url: Option<String>,
    /// The most bytes that may come, as a number with an optional `KiB`, `MiB`, `GiB`; 2 GiB if not given.
    pub limit: Option<String>,
    /// Why something in it that looks like a private key, a token or a password is none; `lock` refuses it without a
    /// reason.
    pub not_secret: Option<String>,
    /// The license of what comes, an SPDX expression such as `Apache-2.0`; the release's inventories say it.
    pub license: Option<License>,
    /// Where the file itself goes.
    pub install: Option<Placed<Installation>>,
    /// Which members of the archive go where: a glob of names to a path, or to a directory (ends with `/`).
    #[serde(default)]
    pub members: BTreeMap<String, Placed<Destination>>,
    /// The container image that it is, or that is made of it.
    pub image: Option<Placed<ImageDeclaration>>,
    /// On which nodes it is installed.
    pub when: Option<String>,
    /// Whether this may replace what an earlier overlay gave under the same name.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// Where a member goes: a path, or a path with mode and owner.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Destination {
    /// Only the path: 0755 for what is executable in the archive, else 0644.
    Path(String),
    /// Path, mode and owner.
    Full(Installation),
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Destination, D::Error> {
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Destination;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a path, or a table with path, mode, uid, gid")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Destination, E> {
                Ok(Destination::Path(text.to_owned()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Destination, A::Error> {
                Installation::deserialize(de::value::MapAccessDeserializer::new(map)).map(Destination::Full)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Where something goes, with mode and owner.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Installation {
    /// The path, or a directory (ends with `/`) that takes the member's own name.
    pub path: String,
    /// Permission bits.
    pub mode: Option<Mode>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
}

/// A container image on a node, as a tar archive. With `files` or `binary` it is made of them and of nothing else;
/// without, the source is an archive that holds it: an OCI image layout or what `docker save` writes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageDeclaration {
    /// Its whole name, REGISTRY/PATH:TAG.
    pub name: String,
    /// Where the archive goes; /usr/lib/mastermold/images/SOURCE.tar if not given.
    pub path: Option<String>,
    /// Permission bits of the archive; 0644 if not given.
    pub mode: Option<Mode>,
    /// The number of the archive's owner.
    #[serde(default)]
    pub uid: u32,
    /// The number of the archive's group.
    #[serde(default)]
    pub gid: u32,
    /// The source is one program: where it goes in the image.
    pub binary: Option<String>,
    /// The source is an archive of programs: which of its members go where in the image, as in `members`.
    #[serde(default)]
    pub files: BTreeMap<String, Placed<Destination>>,
    /// The program that is run, with its first words; that of `binary` if not given.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Further words, which a pod's `args` replace.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// The environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Whose numbers it runs as, `UID` or `UID:GID`; root if not given.
    pub user: Option<String>,
    /// The directory that it starts in.
    pub workdir: Option<String>,
}

/// Kernel modules.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Modules {
    /// Loaded at boot.
    #[serde(default)]
    pub load: Vec<Placed<String>>,
    /// Never loaded.
    #[serde(default)]
    pub blacklist: Vec<Placed<String>>,
    /// Options, as modprobe.d(5) writes them.
    #[serde(default)]
    pub options: BTreeMap<String, Placed<String>>,
}

/// Mode, owner, syntax and secrecy of files below `root/`; the last declaration that matches a file counts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileDeclaration {
    /// A path, or a glob of paths.
    pub path: String,
    /// Permission bits; 0600 for a secret, else 0755 for what is executable in the overlay, else 0644.
    pub mode: Option<Mode>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
    /// Whether it goes into the secrets layer. What uses a secret must say so.
    #[serde(default)]
    pub secret: bool,
    /// The syntax by which values are written into a template: unit, yaml, json, toml, sysctl, env, shell or text. By
    /// default what the file's name says.
    pub format: Option<Placed<String>>,
    /// On which nodes the file exists.
    pub when: Option<String>,
    /// Whether this may replace another overlay's file.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Why set-uid, set-gid or world-writable bits are needed; they are refused without a reason.
    pub unsafe_mode: Option<String>,
    /// Whether the file must be the same on every node that has it.
    #[serde(default)]
    pub same: bool,
    /// Why something in the file that looks like a key, a token or a password is none; it is refused without a reason.
    pub not_secret: Option<String>,
}

/// A directory.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DirectoryDeclaration {
    /// Where it is.
    pub path: Placed<TreePath>,
    /// Permission bits; 0755 if not given.
    pub mode: Option<Mode>,
    /// The owner's number.
    #[serde(default)]
    pub uid: u32,
    /// The group's number.
    #[serde(default)]
    pub gid: u32,
    /// On which nodes it exists.
    pub when: Option<String>,
    /// Whether this may replace another overlay's directory.
    #[serde(default, rename = "override")]
    pub overrides: bool,
    /// Why set-gid or world-writable bits without the sticky bit are needed.
    pub unsafe_mode: Option<String>,
}

/// A symbolic link.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SymlinkDeclaration {
    /// Where it is.
    pub path: Placed<TreePath>,
    /// Where it points, kept as written.
    pub target: Placed<String>,
    /// On which nodes it exists.
    pub when: Option<String>,
    /// Whether this may replace what another overlay gave.
    #[serde(default, rename = "override")]
    pub overrides: bool,
}

/// Units to enable or to mask.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UnitDeclaration {
    /// Units of the bundle, enabled as their `[Install]` says; with `wanted-by`, of the base.
    #[serde(default)]
    pub enable: Vec<Placed<String>>,
    /// The targets that want the units, where the units are the base's and cannot be read.
    #[serde(default)]
    pub wanted_by: Vec<String>,
    /// Units that must never start.
    #[serde(default)]
    pub mask: Vec<Placed<String>>,
    /// On which nodes.
    pub when: Option<String>,
}

/// What the base system or a registry has.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Provision {
    /// Who has it, in words: "the base", "registry.k8s.io".
    pub by: Option<String>,
    /// Files and directories.
    #[serde(default)]
    pub paths: Vec<TreePath>,
    /// Programs on the PATH.
    #[serde(default)]
    pub programs: Vec<String>,
    /// Units.
    #[serde(default)]
    pub units: Vec<String>,
    /// Shared libraries, by the names that programs ask for.
    #[serde(default)]
    pub libraries: Vec<String>,
    /// Container images.
    #[serde(default)]
    pub images: Vec<String>,
    /// On which nodes.
    pub when: Option<String>,
}
