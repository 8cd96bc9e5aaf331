//! A plan cut into archives, some machines at a time: what is made of one machine is let go before it is the turn of those
//! behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::boot::{Boot, Start};
use super::layers::{Layering, NodeLayers};
use super::nodes::NodePlan;
use super::pack::{self, Job, Writing};
use super::plan::Plan;
use crate::bundle::manifest::{FORMAT, to_text};
use crate::bundle::{self, Artifact, CommonManifest, Draft, FileRecord, NodeManifest, NodeRecord};
use crate::error::{Error, Faults, Result};
use crate::profile::{Lock, OutputDeclaration, Profile};
use crate::tree::{Audience, Layer, Secrecy, Tree};

/// So many machines are cut and written at once: enough for many cores to have something to do.
const AT_ONCE: usize = 64;

/// A plan that is cut.
pub struct Cut<'a> {
    profile: &'a Profile,
    plan: &'a Plan,
    layering: Layering<'a>,
    // By the name of their files, without an ending.
    commons: BTreeMap<String, (CommonManifest, Arc<Layer>)>,
    boot: Option<&'a Boot<'a>>,
    // Their numbers in the profile.
    selected: Vec<usize>,
}

/// A machine, cut.
struct Machine {
    number: usize,
    node: NodePlan,
    layers: NodeLayers,
    // The name of its common layer.
    common: Option<String>,
}

/// What became of machines: their records with their numbers, and their archives by path.
pub type Written = (Vec<(usize, NodeRecord)>, Vec<Artifact>);

impl<'a> Cut<'a> {
    /// The machines of these names, cut out of all machines of the plan.
    pub fn of(
        profile: &'a Profile,
        plan: &'a Plan,
        boot: Option<&'a Boot<'a>>,
        selected: &BTreeSet<&str>,
    ) -> Result<Cut<'a>> {
        let layering = Layering::of(plan)?;
        let mut commons = BTreeMap::new();
        for layer in layering.commons() {
            let files = FileRecord::all(&layer.tree, Audience::Common);
            let manifest = CommonManifest { format: FORMAT, mtime: profile.mtime.seconds(), files };
            // Two groups may have the same files from other overlays: that is one layer, with the origins of the first.
            commons.entry(format!("layers/common-{}", manifest.id())).or_insert((manifest, layer.clone()));
        }
        let named = plan.nodes.outlines().enumerate().filter(|(_, node)| selected.contains(node.name.as_str()));
        let selected = named.map(|(number, _)| number).collect();
        Ok(Cut { profile, plan, layering, commons, boot, selected })
    }

    /// Looks at every archive before the first is written; what the machines are started with, by their numbers.
    pub fn check(&self, lock: &Lock) -> Result<Vec<(usize, Start)>> {
        let (mut faults, mut starts) = (Faults::new(), Vec::new());
        for number in &self.selected {
            let machine = self.machine(*number)?;
            for output in &self.profile.declared.outputs {
                let jobs = machine.jobs(output)?;
                if let Some(boot) = self.boot.filter(|boot| std::ptr::eq(boot.output, &output.value)) {
                    let paths: Vec<String> = jobs.iter().map(Job::full_path).collect();
                    starts.push((*number, boot.start(*number, &machine.node, &machine.layers, &paths, lock)?));
                }
                for job in &jobs {
                    faults.note(job.check(self.profile.mtime));
                }
            }
        }
        for job in &self.of_bases()? {
            faults.note(job.check(self.profile.mtime));
        }
        faults.finish(starts)
    }

    /// Writes all archives, and the manifests of machines and of what they share.
    pub fn write(&self, writing: Writing<'_>) -> Result<Written> {
        let (mut records, mut artifacts, mut bases) = (Vec::new(), Vec::new(), self.of_bases()?);
        let (mut written, mut used) = (BTreeSet::new(), BTreeSet::new());
        for numbers in self.selected.chunks(AT_ONCE) {
            let machines = numbers.iter().map(|number| self.machine(*number)).collect::<Result<Vec<_>>>()?;
            let mut jobs = std::mem::take(&mut bases);
            for machine in &machines {
                let own = self.profile.declared.outputs.iter().map(|output| machine.jobs(output));
                let own: Vec<Job<'_>> = own.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
                let (name, paths) = (machine.node.name.clone(), own.iter().map(Job::full_path).collect());
                records.push((machine.number, NodeRecord { name, artifacts: paths, boot: None }));
                self.write_manifest(machine, writing.draft)?;
                used.extend(machine.common.clone());
                jobs.extend(own);
            }
            // What machines share is theirs who come first.
            jobs.retain(|job| job.node.is_some() || written.insert(job.full_path()));
            artifacts.extend(writing.all(&jobs)?);
        }
        for (name, (manifest, _)) in self.commons.iter().filter(|(name, _)| used.contains(*name)) {
            writing.draft.add_bytes(Secrecy::Public, &format!("{name}.json"), &to_text(manifest)?)?;
        }
        artifacts.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((records, artifacts))
    }

    fn machine(&self, number: usize) -> Result<Machine> {
        let node = self.plan.nodes.get(number)?;
        let layers = self.layering.node(number, &node)?;
        let common = self.common_of(&layers)?;
        Ok(Machine { number, node, layers, common })
    }

    /// The name of a machine's common layer.
    fn common_of(&self, layers: &NodeLayers) -> Result<Option<String>> {
        let Some(common) = &layers.common else { return Ok(None) };
        let is_same = |tree: &Tree| {
            let mut pairs = tree.iter().zip(common.tree.iter());
            tree.len() == common.tree.len() && pairs.all(|((a, one), (b, other))| a == b && one.same_on_disk(other))
        };
        let found = self.commons.iter().find(|(_, (_, layer))| Arc::ptr_eq(layer, common) || is_same(&layer.tree));
        match found {
            Some((name, _)) => Ok(Some(name.clone())),
            None => Err(Error::bug("a common layer has the name of another one")),
        }
    }

    fn of_bases(&self) -> Result<Vec<Job<'_>>> {
        let numbers = self.selected.iter().copied().collect();
        Ok(self.boot.map(|boot| boot.jobs(&numbers)).transpose()?.unwrap_or_default())
    }

    fn write_manifest(&self, machine: &Machine, draft: &Draft) -> Result<()> {
        let own = machine.layers.all().filter(|layer| layer.audience != Audience::Common);
        let manifest = NodeManifest {
            format: FORMAT,
            cluster: self.profile.declared.cluster.name.value.clone(),
            version: self.profile.declared.cluster.version.value.to_string(),
            node: machine.node.name.clone(),
            common: machine.common.as_ref().map(|name| format!("{name}.json")),
            mtime: self.profile.mtime.seconds(),
            files: own.flat_map(|layer| FileRecord::all(&layer.tree, layer.audience)).collect(),
        };
        let path = format!("{}/{}", machine.node.name, bundle::MANIFEST);
        draft.add_bytes(Secrecy::Public, &path, &to_text(&manifest)?).map(drop)
    }
}

impl Machine {
    /// Its archives of an output.
    fn jobs(&self, output: &OutputDeclaration) -> Result<Vec<Job<'_>>> {
        pack::jobs(output, &self.node.name, self.common.as_deref(), &self.layers)
    }
}
