//! What a profile may say of how its machines start: the base system below their layers, and what they start from.

use schemars::JsonSchema;
use serde::Deserialize;

use super::schema::FormatName;
use super::schema::LayersDeclaration;
use crate::document::Placed;
use crate::overlay::declare::License;

/// The base system of a machine: what its layers are laid on. Exactly one of `initrd`, `rootfs` and `debian`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BaseDeclaration {
    /// The kernel; that of `rootfs` or `debian`, /boot/vmlinuz-*, if not given.
    pub kernel: Option<Placed<BaseFile>>,
    /// Initrds of a system that runs from memory, in the order in which they are unpacked. Their bytes are not changed.
    #[serde(default)]
    pub initrd: Vec<Placed<BaseFile>>,
    /// A tar archive of a root file system, of which an initrd is made.
    pub rootfs: Option<Placed<BaseFile>>,
    /// A Debian system, made by the mmdebstrap of the host that runs `lock`.
    pub debian: Option<Placed<DebianDeclaration>>,
    /// The kernel's command line, without what mastermold adds.
    pub cmdline: Option<Placed<String>>,
}

/// A file of the base from outside: exactly one of `url`, `path` and `deb`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BaseFile {
    /// An http, https or file URL.
    pub url: Option<String>,
    /// A file in the project.
    pub path: Option<String>,
    /// A Debian package: `name` or `name=version`, found and fetched by the system's apt.
    pub deb: Option<String>,
    /// The member of the archive that is meant, as a glob; the file itself if not given.
    pub member: Option<String>,
    /// The SHA-256 that the publisher states; `lock` compares it with what came.
    pub sha256: Option<String>,
    /// A document of the publisher's with the SHA-256; `lock` fetches and compares it.
    pub checksum_url: Option<String>,
    /// The most bytes that may come, as a number with an optional `KiB`, `MiB`, `GiB`; 2 GiB if not given.
    pub limit: Option<String>,
    /// Why something in it that looks like a private key, a token or a password is none; `lock` refuses it without a
    /// reason.
    pub not_secret: Option<String>,
    /// The license of what comes, an SPDX expression; the release's inventories say it.
    pub license: Option<License>,
}

/// A Debian system.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DebianDeclaration {
    /// The suite, by its code name, as the host's apt knows it.
    pub suite: String,
    /// The packages beside those that every system has. Without a `kernel`, one that brings /boot/vmlinuz-* is among them.
    pub packages: Vec<String>,
    /// Why something in it that looks like a private key, a token or a password is none.
    pub not_secret: Option<String>,
}

/// What the machines start from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BootDeclaration {
    /// The format of the output that is started from; that of the first cpio one if not given.
    #[schemars(with = "Option<String>")]
    pub output: Option<Placed<FormatName>>,
    /// Whether that output is the split or the merged one, if there are both.
    pub layers: Option<LayersDeclaration>,
    /// Where machines find what is in `public/`, without a slash at the end; without it, scripts name files by their own
    /// place.
    pub url: Option<Placed<String>>,
    /// Whether iPXE's scripts have every file's signature checked (`sign --boot-key` makes them), and start nothing
    /// without one. Takes an iPXE that was built for it.
    #[serde(default)]
    pub imgverify: bool,
    /// How much memory every machine has. A release that does not fit is refused.
    pub memory: Option<Placed<String>>,
}
