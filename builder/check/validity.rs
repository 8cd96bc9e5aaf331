//! Certificates that end too soon.

use super::finding::{Finding, Findings};
use super::rule::{Rule, Severity};
use super::subject::{Certified, Cluster, Whole};
use crate::build::dates;
use crate::epoch::{Duration, Epoch};
use crate::pki::{Certificate, LARGEST_SEARCHED, Standing, Term};

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

/// Looks at every certificate of a machine, wherever it is.
pub fn check(machine: &Whole<'_>, findings: &mut Findings) {
    // Longer ones are not searched by `build` and `verify` either.
    for Certified { path, certificates, .. } in
        machine.certified.iter().filter(|one| one.bytes.len() as u64 <= LARGEST_SEARCHED)
    {
        for certificate in certificates.iter() {
            if let Some(mut finding) = judge(certificate, &path.to_string(), machine.epoch) {
                finding.place = machine.place(path).cloned();
                finding.on.insert(machine.name.to_owned());
                finding.file = Some(((*path).clone(), None));
                findings.note(finding);
            }
        }
    }
}

/// And those of files for people.
pub fn of_people(cluster: &Cluster<'_>, findings: &mut Findings) {
    for held in dates::for_people(cluster.plan()) {
        let certificate = held.certificate.as_ref().ok();
        certificate
            .and_then(|one| judge(one, &held.file, cluster.epoch()))
            .into_iter()
            .for_each(|finding| findings.note(finding));
    }
}

fn judge(certificate: &Certificate, file: &str, at: Epoch) -> Option<Finding> {
    let term = Term { at, least: LEAST };
    let (rule, what) = match term.standing(certificate) {
        Standing::Valid => return None,
        Standing::Ending => (&CERTIFICATE_EXPIRES, format!("ends at {}", certificate.not_after())),
        Standing::Expired => (&CERTIFICATE_EXPIRED, format!("ended at {}", certificate.not_after())),
        Standing::NotYet => (&CERTIFICATE_EXPIRED, format!("begins at {}", certificate.not_before())),
    };
    Some(Finding::of(rule, format!("a certificate in {file} {what}, and the epoch is {at}")))
}
