//! Certificates that end too soon.

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::Cluster;
use crate::build::dates;
use crate::epoch::Duration;
use crate::pki::{Standing, Term};
use crate::tree::TreePath;

/// How long a certificate must last from the epoch on: a release is made, carried to its machines and started in that time.
const LEAST: Duration = Duration::of_days(30);

/// A certificate that counts no more, or not yet.
pub const CERTIFICATE_EXPIRED: Rule = Rule {
    id: "certificate-expired",
    severity: Severity::Error,
    finds: "a certificate that is not valid at the epoch: expired, or not valid yet",
    fate: "whoever it is shown to refuses it: certificate has expired or is not yet valid",
    remedy: "renew it: what comes from the seed with a later epoch or more `days`, any other with a new file",
};
/// A certificate that soon counts no more.
pub const CERTIFICATE_EXPIRES: Rule = Rule {
    id: "certificate-expires",
    severity: Severity::Warning,
    finds: "a certificate that is valid for less than thirty days after the epoch",
    fate: "it is refused soon, unless another release or something on the machine renews it before",
    remedy: "give it more `days`, or an epoch nearer to its use",
};

/// All rules.
pub const RULES: &[Rule] = &[CERTIFICATE_EXPIRED, CERTIFICATE_EXPIRES];

/// Looks at every certificate of machines and of files for people, wherever it is.
pub fn check(cluster: &Cluster<'_>, findings: &mut Findings) {
    let term = Term { at: cluster.epoch(), least: LEAST };
    for held in dates::certificates(cluster.plan()) {
        let Ok(certificate) = &held.certificate else { continue };
        let (rule, what) = match term.standing(certificate) {
            Standing::Valid => continue,
            Standing::Ending => (&CERTIFICATE_EXPIRES, format!("ends at {}", certificate.not_after())),
            Standing::Expired => (&CERTIFICATE_EXPIRED, format!("ended at {}", certificate.not_after())),
            Standing::NotYet => (&CERTIFICATE_EXPIRED, format!("begins at {}", certificate.not_before())),
        };
        let says = format!("a certificate in {} {what}, and the epoch is {}", held.file, term.at);
        let mut finding = Finding::of(rule, says);
        let machine = cluster.machines.iter().find(|machine| Some(machine.name) == held.node.as_deref());
        if let (Some(machine), Ok(path)) = (machine, held.file.parse::<TreePath>()) {
            finding.place = machine.place(&path).cloned();
            finding.on.insert(machine.name.to_owned());
            finding.file = Some((path, None));
        }
        findings.note(finding);
    }
}
