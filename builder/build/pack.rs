//! From layers to archives: which there are, and writing them on all cores.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::layers::NodeLayers;
use crate::archive::{self, Container, Format, Packing};
use crate::bundle::{Artifact, Draft};
use crate::epoch::Epoch;
use crate::error::{Error, Faults, Result};
use crate::profile::{LayersDeclaration, OutputDeclaration, SecretsDeclaration};
use crate::tree::{Audience, Blobs, Secrecy, Tree};

/// An archive to be written.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// Its path below `public/` or `secrets/`.
    pub path: String,
    /// The machine that it is for; none for a common layer.
    pub node: Option<&'a str>,
    /// common, node, secrets or merged.
    pub layer: &'static str,
    /// Whether it holds secrets.
    pub secrecy: Secrecy,
    format: Format,
    level: u8,
    tree: Cow<'a, Tree>,
}

/// What archives cost: threads, and bytes of memory for everything together.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// How many threads.
    pub jobs: usize,
    /// How many bytes of memory.
    pub memory: u64,
}

/// Archives below this many bytes of content are written side by side, each by one thread; a larger one has all
/// threads to itself.
const SMALL: u64 = 8 << 20;

/// What one small archive's writing may take.
const SMALL_MEMORY: u64 = 64 << 20;

/// The level at which an output is compressed.
fn level(output: &OutputDeclaration) -> Result<u8> {
    let format = output.format.value.0;
    match &output.level {
        None => Ok(format.default_level()),
        Some(level) if format.levels().contains(&level.value) => Ok(level.value),
        Some(level) => {
            let (least, most) = format.levels().into_inner();
            let message = format!("{format} has the levels {least} to {most}, not {}", level.value);
            Err(Error::usage(message).at(&level.place))
        }
    }
}

/// The archives of an output for a node, in the order in which they are applied. `common` is the file name of the
/// node's common layer without its ending.
pub fn jobs<'a>(
    output: &OutputDeclaration,
    node: &'a str,
    common: Option<&str>,
    layers: &'a NodeLayers,
) -> Result<Vec<Job<'a>>> {
    let format = output.format.value.0;
    let level = level(output)?;
    let job = |path: String, layer, secrecy, tree| Job { path, node: Some(node), layer, secrecy, format, level, tree };
    let guard = layers.guard.as_ref().map(|layer| {
        let path = format!("{node}/guard.{format}");
        job(path, layer.audience.name(), Secrecy::Public, Cow::Borrowed(&layer.tree))
    });
    if output.layers == LayersDeclaration::Merged {
        let secrecy = match output.secrets {
            SecretsDeclaration::Omit => Secrecy::Public,
            SecretsDeclaration::Include => Secrecy::Secret,
        };
        // The kernel gets the guard first, as an archive of its own, so that damage to the rest leaves it whole.
        let apart = guard.filter(|_| format.container == Container::Cpio);
        let tree = Cow::Owned(layers.merged(|layer| match layer {
            Audience::Guard => apart.is_none(),
            Audience::Secrets => secrecy == Secrecy::Secret,
            _ => true,
        }));
        let merged = job(format!("{node}/rootfs.{format}"), "merged", secrecy, tree);
        return Ok(apart.into_iter().chain([merged]).collect());
    }
    let common = common.zip(layers.common.as_ref()).map(|(name, layer)| Job {
        node: None,
        ..job(format!("{name}.{format}"), Audience::Common.name(), Secrecy::Public, Cow::Borrowed(&layer.tree))
    });
    let own =
        job(format!("{node}/node.{format}"), Audience::Node.name(), Secrecy::Public, Cow::Borrowed(&layers.node.tree));
    let secrets = Cow::Borrowed(&layers.secrets.tree);
    let secrets = job(format!("{node}/secrets.{format}"), Audience::Secrets.name(), Secrecy::Secret, secrets);
    Ok(guard.into_iter().chain(common).chain([own, secrets]).collect())
}

impl<'a> Job<'a> {
    /// The archive of a layer that is no node's.
    pub fn shared(path: String, layer: &'static str, output: &OutputDeclaration, tree: &'a Tree) -> Result<Job<'a>> {
        let (format, level) = (output.format.value.0, level(output)?);
        let (secrecy, tree) = (Secrecy::Public, Cow::Borrowed(tree));
        Ok(Job { path, node: None, layer, secrecy, format, level, tree })
    }

    /// The path from the release's root.
    pub fn full_path(&self) -> String {
        let part = match self.secrecy {
            Secrecy::Public => crate::bundle::PUBLIC,
            Secrecy::Secret => crate::bundle::SECRETS,
        };
        format!("{part}/{}", self.path)
    }

    /// What this archive's container cannot hold.
    pub fn check(&self, mtime: Epoch) -> Result<()> {
        archive::check(&self.tree, self.format.container, mtime).map_err(|error| error.context(&self.path))
    }

    fn content(&self) -> u64 {
        let size = |entry: &crate::tree::Entry| match &entry.node {
            crate::tree::Node::File(content) => content.size(),
            _ => 0,
        };
        self.tree.iter().map(|(_, entry)| size(entry)).sum()
    }

    fn write(&self, draft: &Draft, blobs: &dyn Blobs, mtime: Epoch, means: Means) -> Result<Artifact> {
        let packing =
            Packing { format: self.format, level: self.level, mtime, workers: means.jobs, memory: means.memory };
        let written = draft.add(self.secrecy, &self.path, |out| archive::pack(&self.tree, blobs, &packing, out));
        let (sha256, size) = written.map_err(|error| error.context(format!("writing {}", self.path)))?;
        Ok(Artifact {
            path: self.full_path(),
            node: self.node.map(str::to_owned),
            layer: self.layer.to_owned(),
            format: self.format.to_string(),
            size,
            sha256,
            secret: self.secrecy == Secrecy::Secret,
        })
    }
}

/// Writes all archives; what they became, sorted by path. A job that is there several times is written once.
pub fn write(jobs: &[Job<'_>], draft: &Draft, blobs: &dyn Blobs, mtime: Epoch, means: Means) -> Result<Vec<Artifact>> {
    let distinct: BTreeMap<String, &Job<'_>> = jobs.iter().map(|job| (job.full_path(), job)).collect();
    let (small, large): (Vec<&Job<'_>>, Vec<&Job<'_>>) = distinct.into_values().partition(|job| job.content() < SMALL);
    let mut artifacts = Vec::new();
    for job in large {
        artifacts.push(job.write(draft, blobs, mtime, means)?);
    }
    let threads = (means.memory / SMALL_MEMORY).clamp(1, means.jobs.max(1) as u64) as usize;
    let each = Means { jobs: 1, memory: means.memory / threads as u64 };
    let (next, done) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Faults::new())));
    thread::scope(|scope| {
        for _ in 0..threads.min(small.len()) {
            scope.spawn(|| {
                while let Some(job) = small.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let written = job.write(draft, blobs, mtime, each);
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match written {
                        Ok(artifact) => done.0.push(artifact),
                        // The others need not be begun.
                        Err(error) => {
                            next.store(small.len(), Ordering::Relaxed);
                            done.1.push(error);
                        }
                    }
                }
            });
        }
    });
    let (more, faults) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    artifacts.extend(more);
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    faults.finish(artifacts)
}
