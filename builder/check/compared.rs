//! What is compared between machines: taken up of each while its files are there, and judged when all were heard.

use super::agree::Agreements;
use super::credentials::Library;
use super::finding::Findings;
use super::flags::Flags;
use super::subject::{Cluster, Machine};
use super::talk::Talk;
use super::trust;
use super::validators::Validators;
use crate::error::Result;

/// What all machines say.
pub struct Compared<'a> {
    cluster: Cluster<'a>,
    library: Library,
    talk: Talk<'a>,
    agreements: Agreements<'a>,
    flags: Flags<'a>,
    validators: Validators<'a>,
}

impl<'a> Compared<'a> {
    /// Nothing was heard yet.
    pub fn new(cluster: Cluster<'a>) -> Compared<'a> {
        Compared {
            cluster,
            library: Library::default(),
            talk: Talk::new(cluster),
            agreements: Agreements::new(cluster),
            flags: Flags::new(cluster),
            validators: Validators::new(cluster),
        }
    }

    /// Takes up what the machine says that comes next.
    pub fn hear(&mut self, machine: &Machine<'_>, findings: &mut Findings) -> Result<()> {
        self.talk.hear(machine, &mut self.library, findings)?;
        self.agreements.hear(machine)?;
        self.flags.hear(machine)?;
        self.validators.look(machine)
    }

    /// Judges it.
    pub fn judge(mut self, findings: &mut Findings) -> Result<()> {
        trust::check(&self.talk, self.cluster, &mut self.library, findings)?;
        // After all before: what they tell of a place is not told once more.
        self.agreements.judge(findings);
        // What follows comes of running programs, which not every host can, and may not change what is told of the rest.
        self.flags.judge(findings);
        findings.append(self.validators.findings);
        Ok(())
    }
}
