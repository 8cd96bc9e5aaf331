//! `explain`: which overlay, source or line put a file on a node.

use clap::Args;
use serde_json::json;

use super::ProfileArgument;
use super::print::Printer;
use crate::build::layers::Layering;
use crate::document::nearest;
use crate::error::{Error, Result, visible};
use crate::profile::Lock;
use crate::tree::{Node, TreePath};

#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    profile: ProfileArgument,
    /// The node's name.
    #[arg(value_name = "NODE")]
    node: String,
    /// The file's absolute path on the node.
    #[arg(value_name = "PATH")]
    path: String,
}

impl Explain {
    pub fn run(&self, printer: &Printer) -> Result<()> {
        let (profile, seen) = self.profile.load()?;
        let shown = profile.lock_file().display().to_string();
        let lock = Lock::load(&profile.project.join(profile.lock_file()), &shown)?;
        let plan = super::resolve(&profile, seen, lock.as_ref())?;
        crate::build::select(&plan, std::slice::from_ref(&self.node))?;
        let number = plan.nodes.number(&self.node).ok_or_else(|| Error::bug("a node that was just found"))?;
        let node = plan.nodes.get(number)?;
        let split = Layering::of(&plan)?.node(number, &node)?;
        let path: TreePath = self.path.parse()?;
        let holding: Vec<_> = split.all().filter_map(|layer| Some((layer.audience, layer.tree.get(&path)?))).collect();
        let Some((_, entry)) = holding.first() else { return Err(self.absent(&node)) };
        let names: Vec<_> = holding.iter().map(|(audience, _)| audience.name()).collect();
        let place = node.places.get(&path).map(ToString::to_string);
        let target = match &entry.node {
            Node::Symlink(target) => Some(target.as_str()),
            _ => None,
        };
        let mode = format!("{:04o}", entry.mode);
        let (uid, gid, kind) = (entry.uid, entry.gid, entry.node.name());
        let json = json!({
            "node": node.name, "path": path, "type": kind, "mode": mode, "uid": uid, "gid": gid, "target": target,
            "layers": names, "origin": *entry.origin, "declared": place,
        });
        printer.report(&json, || {
            let mut text = format!("{path} on {}\n  type      {kind}\n  mode      {mode} {uid}:{gid}\n", node.name);
            text += &target.map_or_else(String::new, |target| format!("  target    {}\n", visible(target)));
            text += &format!("  layer     {}\n  origin    {}\n", names.join(", "), visible(&entry.origin));
            text + &place.map_or_else(String::new, |place| format!("  declared  {place}\n"))
        })
    }

    fn absent(&self, node: &crate::build::NodePlan) -> Error {
        let pending = node.pending.iter().find(|pending| self.path.starts_with(&pending.path));
        let message = format!("{} has no {}", node.name, self.path);
        if let Some(pending) = pending {
            let advice =
                format!("it may come from source `{}`, which is not locked: run `mastermold lock`", pending.source);
            return Error::usage(message).advise(advice);
        }
        let paths: Vec<String> = node.tree.iter().map(|(path, _)| path.to_string()).collect();
        match nearest(&self.path, paths.iter().map(String::as_str)) {
            Some(near) => Error::usage(message).advise(format!("did you mean `{near}`?")),
            None => Error::usage(message),
        }
    }
}
