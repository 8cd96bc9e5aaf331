//! What machines start from: kernels, initrds, command lines, and the scripts of boot loaders.
//!
//! ```text
//! Bases + outputs --Boot::of--> what is started from --jobs--> the bases' initrds as archives
//!                                                    --write--> kernels, others' initrds, scripts, BootRecords
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::base::{Bases, Known, Layered, NodeBase, Rootfs};
use super::layers::NodeLayers;
use super::nodes::NodePlan;
use super::pack::Job;
use crate::archive::{Container, Format};
use crate::boot::scripts::{self, Fetching};
use crate::bundle::manifest::{FORMAT, to_text};
use crate::bundle::{
    Artifact, BootRecord, CommonManifest, Draft, FileRecord, NodeRecord, PUBLIC, SECRETS, cmdline, lists,
};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::profile::{LayersDeclaration, Lock, OutputDeclaration, Profile};
use crate::store::{Pin, Store};
use crate::tree::{Audience, Blobs as _, Content, Node, Secrecy, TreePath};

/// The most characters of a command line that the kernel takes: 2048 with the NUL on x86 and arm64.
const LINE: usize = 2047;
/// What a kernel and the first programs take of a machine's memory, beside what is unpacked.
const KERNEL: u64 = 128 << 20;
/// What a page is rounded up to.
const PAGE: u64 = 4096;

/// What the machines of a profile start from.
pub struct Boot<'a> {
    profile: &'a Profile,
    bases: &'a Bases,
    /// The output that is started from.
    pub output: &'a OutputDeclaration,
    /// The archives of bases that are made of root file systems.
    made: BTreeMap<usize, Made<'a>>,
}

/// A base that is made of a root file system.
struct Made<'a> {
    rootfs: &'a Rootfs,
    manifest: CommonManifest,
    /// Its file's name in `public/`, without an ending.
    name: String,
}

/// What one machine is started with, as far as it is known before anything is written.
pub struct Start {
    record: BootRecord,
    /// What of its memory is taken by what is unpacked.
    unpacked: u64,
}

impl<'a> Boot<'a> {
    /// What the profile says; nothing if it has no base.
    pub fn of(profile: &'a Profile, bases: &'a Bases) -> Result<Option<Boot<'a>>> {
        if bases.nodes.is_empty() {
            return Ok(None);
        }
        let output = output(profile)?;
        let mut made = BTreeMap::new();
        for known in (0..bases.nodes.len()).filter_map(|index| bases.known(index)) {
            if let Some(rootfs) = &known.rootfs {
                let files = FileRecord::all(&rootfs.tree, Audience::Base);
                let manifest = CommonManifest { format: FORMAT, mtime: profile.mtime.seconds(), files };
                let name = format!("boot/base-{}", manifest.id());
                made.entry(known.id()).or_insert(Made { rootfs, manifest, name });
            }
        }
        Ok(Some(Boot { profile, bases, output, made }))
    }

    /// The archives that are to be written of bases.
    pub fn jobs(&self, nodes: &BTreeSet<usize>) -> Result<Vec<Job<'_>>> {
        let wanted = nodes.iter().filter_map(|index| self.made_of(*index));
        let jobs = wanted.map(|made| {
            let path = format!("{}.{}", made.name, self.format());
            Job::shared(path, Audience::Base.name(), self.output, &made.rootfs.tree)
        });
        jobs.collect()
    }

    fn format(&self) -> Format {
        self.output.format.value.0
    }

    fn made_of(&self, index: usize) -> Option<&Made<'a>> {
        self.made.get(&self.bases.known(index)?.id())
    }

    /// What a machine is started with; `applied` are the archives of its output.
    pub fn start(
        &self,
        index: usize,
        node: &NodePlan,
        layers: &NodeLayers,
        applied: &[String],
        lock: &Lock,
    ) -> Result<Start> {
        let unknown = || Error::bug(format!("the base of {} is not known", node.name));
        let (base, known) = (self.bases.nodes.get(index).ok_or_else(unknown)?, self.bases.known(index));
        let known = known.ok_or_else(unknown)?;
        let declared = self.profile.nodes.get(index).ok_or_else(unknown)?;
        check_init(node, known)?;
        let kernel = kernel(base, known, lock)?;
        let initrds = match self.made_of(index) {
            Some(made) => vec![format!("{PUBLIC}/{}.{}", made.name, self.format())],
            None => base.system.iter().map(|part| Ok(initrd_path(&part.pin(lock)?))).collect::<Result<_>>()?,
        };
        let secret = |path: &String| path.starts_with(SECRETS);
        let has_secrets = self.output.layers == LayersDeclaration::Split || applied.iter().any(secret);
        let started = layers.all().filter(|layer| layer.audience != Audience::Secrets || has_secrets);
        let digests = started.map(|layer| Ok((layer.audience, list_digest(layer)?))).collect::<Result<Vec<_>>>()?;
        let line = match base.is_rootfs {
            true => with_init(&base.cmdline),
            false => base.cmdline.value.clone(),
        };
        let line = cmdline::with_digests(&line, &node.name, &digests);
        if line.len() > LINE {
            let message =
                format!("the kernel's command line of {} has {} characters; it takes {LINE}", node.name, line.len());
            return Err(Error::usage(message).advise("write a shorter `cmdline`").at(&base.cmdline.place));
        }
        let unpacked = layers.all().flat_map(|layer| layer.tree.iter()).map(|(_, entry)| match &entry.node {
            Node::File(content) => content.size().next_multiple_of(PAGE),
            _ => PAGE,
        });
        let of_base = known.facts.bytes + known.facts.entries * PAGE;
        let record = BootRecord {
            arch: declared.arch.name().to_owned(),
            mac: declared.mac.as_ref().map(|mac| mac.value.clone()),
            kernel: format!("{PUBLIC}/boot/vmlinuz-{}", kernel.digest.short()),
            initrds: initrds.into_iter().chain(applied.iter().cloned()).collect(),
            cmdline: line,
            memory: 0,
        };
        Ok(Start { record, unpacked: of_base + unpacked.sum::<u64>() })
    }

    /// Writes what machines start from and is no layer; completes their records.
    pub fn finish(
        &self,
        starts: Vec<(usize, Start)>,
        nodes: Vec<(usize, NodeRecord)>,
        artifacts: &[Artifact],
        to: (&Lock, &Store, &Draft),
    ) -> Result<Vec<NodeRecord>> {
        let mut records = self.write(starts, artifacts, to)?;
        let complete = |(index, node): (usize, NodeRecord)| NodeRecord { boot: records.remove(&index), ..node };
        let nodes: Vec<NodeRecord> = nodes.into_iter().map(complete).collect();
        self.scripts(&nodes, to.2)?;
        Ok(nodes)
    }

    /// Writes what is not an archive of ours; the records of the machines.
    fn write(
        &self,
        starts: Vec<(usize, Start)>,
        artifacts: &[Artifact],
        (lock, store, draft): (&Lock, &Store, &Draft),
    ) -> Result<BTreeMap<usize, BootRecord>> {
        let rootfs = self.bases.rootfs();
        let blobs = Layered { store, rootfs: &rootfs };
        let mut sizes: BTreeMap<String, u64> =
            artifacts.iter().map(|artifact| (artifact.path.clone(), artifact.size)).collect();
        let mut written = BTreeSet::new();
        let mut records = BTreeMap::new();
        for (index, Start { mut record, unpacked }) in starts {
            let base = &self.bases.nodes[index];
            if let Some(made) = self.made_of(index).filter(|made| written.insert(made.name.clone())) {
                draft.add_bytes(Secrecy::Public, &format!("{}.json", made.name), &to_text(&made.manifest)?)?;
            }
            let known = self.bases.known(index).ok_or_else(|| Error::bug("a base that is not known"))?;
            let mut files = vec![(record.kernel.clone(), kernel(base, known, lock)?, 1)];
            if !base.is_rootfs {
                let parts = base.system.iter().map(|part| part.pin(lock));
                files.extend(parts.map(|pin| pin.map(|pin| (initrd_path(&pin), pin, 4))).collect::<Result<Vec<_>>>()?);
            }
            for (path, pin, multiple) in files {
                let size = pin.size.next_multiple_of(multiple);
                if written.insert(path.clone()) {
                    let below = path.strip_prefix(PUBLIC).unwrap_or(&path).trim_start_matches('/');
                    copy(&blobs, &pin, size, below, draft)?;
                }
                sizes.insert(path, size);
            }
            let packed: u64 = record.initrds.iter().filter_map(|path| sizes.get(path)).sum();
            record.memory = needed(unpacked, packed, &record.cmdline);
            self.check_memory(index, &record)?;
            records.insert(index, record);
        }
        Ok(records)
    }

    fn check_memory(&self, index: usize, record: &BootRecord) -> Result<()> {
        let Some(memory) = &self.profile.declared.boot.memory else { return Ok(()) };
        let has = super::sources::parse_size(memory).map_err(|error| error.at(&memory.place))?;
        if has >= record.memory {
            return Ok(());
        }
        let (name, mib) = (&*self.profile.nodes[index].name, record.memory.div_ceil(1 << 20));
        let message =
            format!("{name} needs {mib} MiB of memory to unpack what it starts from, and has {}", memory.value);
        let advice = "leave something out, give it more, or let it use more of what it has: `initramfs_options=size=85%` \
                      in `cmdline`";
        Err(Error::policy(message).advise(advice).at(&memory.place))
    }

    /// Writes the scripts of boot loaders.
    fn scripts(&self, nodes: &[NodeRecord], draft: &Draft) -> Result<()> {
        let cluster = &self.profile.declared.cluster;
        let (name, version) = (cluster.name.value.as_str(), cluster.version.value.to_string());
        let boot = &self.profile.declared.boot;
        let fetching = Fetching { url: boot.url.as_ref().map(|url| url.value.as_str()), imgverify: boot.imgverify };
        let public = |path: &str, text: &str| draft.add_bytes(Secrecy::Public, path, text.as_bytes()).map(drop);
        scripts::machines(nodes, |machines| {
            for machine in machines {
                public(&format!("{}/boot/boot.ipxe", machine.name), &scripts::node(machine, fetching)?)?;
                public(&format!("{}/boot/cmdline", machine.name), &format!("{}\n", machine.cmdline))?;
            }
            let all = scripts::of_all(machines, name, &version, fetching)?;
            all.iter().try_for_each(|(path, text)| public(path, text))
        })
    }
}

/// The output that machines start from: the first one for kernels, or the one that the profile names.
fn output(profile: &Profile) -> Result<&OutputDeclaration> {
    let boot = &profile.declared.boot;
    let fits = |output: &OutputDeclaration| {
        let Format { container, .. } = output.format.value.0;
        container == Container::Cpio
            && boot.output.as_ref().is_none_or(|wanted| wanted.value == output.format.value)
            && boot.layers.is_none_or(|layers| layers == output.layers)
    };
    let found = profile.declared.outputs.iter().map(|output| &output.value).find(|output| fits(output));
    found.ok_or_else(|| {
        let error = Error::usage("none of the [[outputs]] is the one that machines start from");
        let error = error.advise("a kernel takes cpio, cpio.gz and cpio.zst: add one, or correct [boot]");
        match &boot.output {
            Some(output) => error.at(&output.place),
            None => error.at(&profile.document.place),
        }
    })
}

/// A kernel that unpacks a root file system runs /init, and does nothing else.
fn check_init(node: &NodePlan, known: &Known) -> Result<()> {
    let init: TreePath = "/init".parse()?;
    if node.tree.get(&init).is_some() || known.facts.has(&init) {
        return Ok(());
    }
    let message = format!("nothing would start {}: neither its base nor its layers have /init", node.name);
    Err(Error::usage(message).advise("add an overlay that brings one, such as \"memory-root\""))
}

/// A kernel that cannot run /init, for an initrd ended within it, looks for another init, and a root file system has one,
/// which would start without its guard. Named on the command line, /init is the only one (init/main.c).
fn with_init(line: &str) -> String {
    let named = line.split_whitespace().any(|word| word.starts_with("init=") || word.starts_with("rdinit="));
    if named { line.to_owned() } else { format!("{} init=/init", line.trim()) }
}

/// The kernel of a base: the one that is declared, or the only one in /boot.
fn kernel(base: &NodeBase, known: &Known, lock: &Lock) -> Result<Pin> {
    if let Some(part) = &base.kernel {
        return part.pin(lock);
    }
    let kernels = known.rootfs.iter().flat_map(|rootfs| &rootfs.kernels).collect::<Vec<_>>();
    match &kernels[..] {
        [(_, pin)] => Ok(**pin),
        [] => Err(Error::usage("the base has no kernel: there is no /boot/vmlinuz-* in it")
            .advise("say where it comes from, `kernel = { ... }` in [base], or add a package that brings one")
            .at(&base.cmdline.place)),
        several => {
            let names: Vec<String> = several.iter().map(|(path, _)| path.to_string()).collect();
            Err(Error::usage(format!("the base has several kernels: {}", names.join(", ")))
                .advise("say which one, `kernel = { ... }` in [base]")
                .at(&base.cmdline.place))
        }
    }
}

/// Where an initrd that came as it is lies in a release.
fn initrd_path(pin: &Pin) -> String {
    format!("{PUBLIC}/boot/initrd-{}.img", pin.digest.short())
}

/// The digest of a layer's list, which stands for all of the layer.
fn list_digest(layer: &crate::tree::Layer) -> Result<Digest> {
    let list = layer.tree.get(&lists::sums_path(layer.audience).parse()?);
    match list.map(|entry| &entry.node) {
        Some(Node::File(content @ Content::Inline(_))) => Ok(content.digest()),
        _ => Err(Error::bug("a layer without its list")),
    }
}

/// The least memory of a machine that unpacks this: what is unpacked lies in a tmpfs that takes at most a share of what
/// is left beside the initrds (init/initramfs.c; tmpfs(5)).
fn needed(unpacked: u64, packed: u64, cmdline: &str) -> u64 {
    let share = cmdline.split_whitespace().rev().find_map(|word| {
        let percent =
            word.strip_prefix("initramfs_options=")?.split(',').find_map(|option| option.strip_prefix("size="));
        percent?.strip_suffix('%')?.parse::<u64>().ok().filter(|percent| (1..=100).contains(percent))
    });
    let whole = cmdline.split_whitespace().any(|word| word == "rootfstype=ramfs" || word.starts_with("root="));
    let percent = if whole { 100 } else { share.unwrap_or(50) };
    (unpacked * 100).div_ceil(percent) + packed + KERNEL
}

/// Copies a file of a base, with NULs behind it up to `size`: who joins initrds may join them as they are.
fn copy(blobs: &Layered<'_>, pin: &Pin, size: u64, path: &str, draft: &Draft) -> Result<()> {
    let added = draft.add(Secrecy::Public, path, |out| {
        let mut reader = blobs.open(&pin.digest, pin.size)?;
        let copied = crate::digest::copy(&mut reader, out);
        let padded = copied.and_then(|_| out.write_all(&vec![0; (size - pin.size) as usize]));
        padded.map_err(|error| Error::io("writing", path, error))
    });
    added.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_the_kernel_gives_to_files() {
        let mib = |count: u64| count << 20;
        assert_eq!(needed(mib(400), mib(100), "quiet"), mib(800 + 100) + KERNEL);
        assert_eq!(needed(mib(400), 0, "initramfs_options=mode=755,size=80%"), mib(500) + KERNEL);
        assert_eq!(needed(mib(400), 0, "initramfs_options=size=0%"), mib(800) + KERNEL);
        assert_eq!(needed(mib(400), mib(1), "rootfstype=ramfs"), mib(401) + KERNEL);
    }
}
