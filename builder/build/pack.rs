//! From layers to archives: which there are, and writing them on all cores.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::layers::NodeLayers;
use super::parallel::try_map;
use super::pieces::{self, Kept, Missing};
use crate::archive::{self, Codec, Container, Format, NoPieces, Packing, Parts, Pieces};
use crate::bundle::{Artifact, Draft};
use crate::digest::{Check, CheckWriter, Digest};
use crate::epoch::Epoch;
use crate::error::{Class, Error, Result};
use crate::profile::{LayersDeclaration, OutputDeclaration, SecretsDeclaration};
use crate::store::{Pin, Store, Written};
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

/// Archives with this many bytes of contents are put together of pieces that are kept, and looked for in the release that
/// is in place; smaller ones are written sooner than looked for.
const LARGE: u64 = 1 << 20;

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

    fn is_large(&self) -> bool {
        self.content() >= LARGE
    }

    fn packing(&self, mtime: Epoch, means: Means) -> Packing {
        Packing { format: self.format, level: self.level, mtime, workers: means.jobs, memory: means.memory }
    }

    fn parts(&self, mtime: Epoch) -> Parts<'_> {
        archive::parts(&self.tree, self.format.container, mtime)
    }

    fn artifact(&self, Pin { digest, size }: Pin) -> Artifact {
        Artifact {
            path: self.full_path(),
            node: self.node.map(str::to_owned),
            layer: self.layer.to_owned(),
            format: self.format.to_string(),
            size,
            sha256: digest,
            secret: self.secrecy == Secrecy::Secret,
        }
    }
}

/// Archives being written into a draft.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    /// Where they go.
    pub draft: &'a Draft,
    /// Where contents are.
    pub blobs: &'a dyn Blobs,
    /// Where pieces of archives are kept.
    pub store: &'a Store,
    /// The time of every entry.
    pub mtime: Epoch,
    /// What it may cost.
    pub means: Means,
}

impl<'a> Writing<'a> {
    /// Writes all archives; what they became, sorted by path. A job that is there several times is written once.
    ///
    /// What is large is put together of pieces, which are compressed first, each once, on all cores; an archive that the
    /// release in place has already is not written at all. What is small is compressed where it stands.
    pub fn all(self, jobs: &'a [Job<'a>]) -> Result<Vec<Artifact>> {
        let distinct: BTreeMap<String, &Job<'_>> = jobs.iter().map(|job| (job.full_path(), job)).collect();
        let (large, small): (Vec<&Job<'_>>, Vec<&Job<'_>>) = distinct.into_values().partition(|job| job.is_large());
        let (threads, each) = self.share(jobs);
        let mut artifacts = self.large(&large, threads, each)?;
        artifacts.extend(try_map(threads, small, |job| Ok(self.write(job, &NoPieces, each)?.0))?);
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(artifacts)
    }

    /// How many archives may be written side by side, and what each of them may cost.
    fn share(&self, jobs: &[Job<'_>]) -> (usize, Means) {
        let room = jobs.iter().map(|job| job.packing(self.mtime, self.means).room(&job.tree)).max().unwrap_or(1);
        let threads = (self.means.memory / room).clamp(1, self.means.jobs.max(1) as u64) as usize;
        (threads, Means { jobs: 1, memory: self.means.memory / threads as u64 })
    }

    fn large(self, jobs: &[&'a Job<'a>], threads: usize, each: Means) -> Result<Vec<Artifact>> {
        let unchanged = try_map(threads, jobs.to_vec(), |job| self.unchanged(job))?;
        let (mut artifacts, mut changed) = (Vec::new(), Vec::new());
        for (job, (key, artifact)) in jobs.iter().zip(unchanged) {
            match artifact {
                Some(artifact) => artifacts.push(artifact),
                None => changed.push((*job, key)),
            }
        }
        let mut missing = Missing::default();
        for (job, _) in changed.iter().filter(|(job, _)| job.format.codec != Codec::Plain) {
            missing.add(job.parts(self.mtime), &self.kept(job), &job.packing(self.mtime, self.means))?;
        }
        missing.press(self.store, self.blobs, threads)?;
        let written = try_map(threads, changed, |(job, key)| {
            let (kept, packing) = (self.kept(job), job.packing(self.mtime, each));
            let artifact = match self.write(job, &kept, each) {
                // A piece was damaged, or what it is made of is; who is asked again says which.
                Err(error) if error.class() == Class::Integrity => {
                    kept.mend(job.parts(self.mtime), &packing)?;
                    self.write(job, &kept, each)?
                }
                written => written?,
            };
            let (artifact, check) = artifact;
            let pin = Pin { digest: artifact.sha256, size: artifact.size };
            key.map(|key| kept.remember_archive(&key, &packing, &Written { pin, check })).transpose()?;
            Ok(artifact)
        });
        artifacts.extend(written?);
        Ok(artifacts)
    }

    fn kept(&self, job: &Job<'_>) -> Kept<'a> {
        Kept { store: self.store, secrecy: job.secrecy }
    }

    /// What a large archive is, and its artifact if the release in place has it. One with secrets is written anew, and nothing
    /// is remembered of it: not even what it hashes to.
    fn unchanged(&self, job: &Job<'_>) -> Result<(Option<Digest>, Option<Artifact>)> {
        if job.secrecy == Secrecy::Secret {
            return Ok((None, None));
        }
        let key = pieces::key(job.parts(self.mtime))?;
        let known = self.kept(job).archive(&key, &job.packing(self.mtime, self.means))?;
        let Some(Written { pin, check }) = known else { return Ok((Some(key), None)) };
        let is_there = self.draft.reuse(&job.path, (&pin.digest, pin.size), check)?;
        Ok((Some(key), is_there.then(|| job.artifact(pin))))
    }

    fn write(&self, job: &Job<'_>, pieces: &dyn Pieces, means: Means) -> Result<(Artifact, Check)> {
        let packing = job.packing(self.mtime, means);
        let mut check = Check(0);
        let written = self.draft.add(job.secrecy, &job.path, |out| {
            let mut checked = CheckWriter::new(out);
            archive::pack(&job.tree, self.blobs, pieces, &packing, &mut checked)?;
            check = checked.finish().1;
            Ok(())
        });
        let (digest, size) = written.map_err(|error| error.context(format!("writing {}", job.path)))?;
        Ok((job.artifact(Pin { digest, size }), check))
    }
}
