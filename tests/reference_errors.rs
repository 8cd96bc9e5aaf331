//! What the documents of the reference clusters have wrong is found in their profiles, each by an identifier of its own: no
//! more and no less (../shared/reference/README.md, "Where the documents are wrong"). What we recommend has nothing wrong, and
//! accepts nothing.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use support::Project;

/// A profile, what is wrong in it, and what is only worth knowing.
struct Known {
    profile: &'static str,
    /// Errors and warnings.
    wrong: &'static [&'static str],
    /// Notes: the documents do not speak of it.
    notes: &'static [&'static str],
}

const STATIC_PODS: &[&str] = &[
    // "--requestheader-allowed-names=front-proxy-client while the certificate's CN is custom:kube-apiserver-front-proxy-client:
    // the aggregation layer refuses it."
    "front-proxy-name",
    // "--cluster-cidr of the controller manager is the service range."
    "pods-among-services",
    // "--peer-auto-tls=true beside a peer certificate."
    "peer-auto-tls",
    // "serverTLSBootstrap: true beside tlsCertFile."
    "serving-certificate-twice",
    // "--cluster-signing-key-file= empty: no CSR is ever signed."
    "signing-key-empty",
    // "29.64.0.0/16 is public address space."
    "range-public",
    // "duplicate keys (rotateCertificates, serverTLSBootstrap, and evictionPressureTransitionPeriod 0s and 5s, imageMinimumGCAge
    // 0s and 12h): the last wins, as kubelet 1.23 reads it."
    "yaml-duplicate-key",
    // "--v and --register-node appear in two variables of kubelet-args.env."
    "flag-twice",
];

const KNOWN: &[Known] = &[
    Known {
        profile: "reference/kthw-1.10",
        wrong: &[
            // "Initializers and --experimental-encryption-provider-config are alpha of their time."
            "admission-alpha",
            "encryption-alpha",
            // "--apiserver-count=3."
            "apiserver-count-fixed",
            // "One certificate serves API server, etcd and kubelet client;"
            "one-certificate",
            // "ca-key on every controller."
            "ca-key-on-node",
        ],
        notes: &[],
    },
    Known {
        profile: "reference/kthw-vagrant-1.13",
        wrong: &[
            // "--apiserver-count=3 for two servers;"
            "apiserver-count",
            // "ca.key on every master;"
            "ca-key-on-node",
            // "a client range equal to the machines' range."
            "pods-among-machines",
            // "One certificate serves API server, etcd and kubelet client": here etcd has another, of the same authority.
            "one-certificate",
            // "two masters, so an even etcd: built, with a warning"
            "even-etcd",
        ],
        notes: &[],
    },
    Known {
        profile: "reference/kthw-1.21",
        wrong: &[
            // "One certificate serves API server, etcd and kubelet client; ca-key on every controller."
            "one-certificate",
            "ca-key-on-node",
        ],
        notes: &[],
    },
    Known { profile: "reference/static-pods-1.23", wrong: STATIC_PODS, notes: &["secrets-plain", "audit-absent"] },
    Known {
        profile: "reference/static-pods-1.23-key-keeper",
        wrong: STATIC_PODS,
        notes: &["secrets-plain", "audit-absent"],
    },
    Known {
        profile: "reference/kubeadm-stacked",
        // The guide's list of certificates to copy, which the profile accepts.
        wrong: &["etcd-ca-key-on-node", "front-proxy-ca-key-on-node"],
        notes: &["secrets-plain", "audit-absent"],
    },
    Known {
        profile: "reference/kubeadm-external-etcd",
        wrong: &["front-proxy-ca-key-on-node"],
        notes: &["secrets-plain", "audit-absent"],
    },
    Known { profile: "ha", wrong: &[], notes: &[] },
    Known { profile: "single", wrong: &[], notes: &[] },
    Known { profile: "demo", wrong: &[], notes: &[] },
];

#[derive(Deserialize)]
struct Report {
    findings: Vec<Finding>,
    accepted: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    id: String,
    severity: String,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let path = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &path),
            // What somebody has locked here is no part of a profile.
            false if path.extension().is_some_and(|extension| extension == "lock") => {}
            false => drop(std::fs::copy(entry.path(), path).unwrap()),
        }
    }
}

#[test]
fn each_known_error_is_found_and_nothing_else() {
    let (project, home) = (Project::new(&[]), Path::new(env!("CARGO_MANIFEST_DIR")));
    copy(&home.join("profiles"), &project.root().join("profiles"));
    copy(&home.join("overlays"), &project.root().join("overlays"));
    let mut wrong = Vec::new();
    for known in KNOWN {
        let file = format!("profiles/{}.toml", known.profile);
        let output = project.command(&["--format", "json", "check", &file]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
            wrong.push(format!("{}: {error}", known.profile));
            continue;
        };
        let all = || report.findings.iter().chain(&report.accepted);
        let ids = |notes: bool| -> BTreeSet<&str> {
            all().filter(|one| (one.severity == "note") == notes).map(|one| one.id.as_str()).collect()
        };
        for (found, should) in [(ids(false), known.wrong), (ids(true), known.notes)] {
            let should: BTreeSet<&str> = should.iter().copied().collect();
            let (missing, more): (Vec<_>, Vec<_>) =
                (should.difference(&found).collect(), found.difference(&should).collect());
            if !missing.is_empty() || !more.is_empty() {
                wrong.push(format!("{}: missing {missing:?}, and too much {more:?}", known.profile));
            }
        }
        // What a document has wrong is accepted where it stops a build, and a build goes on.
        if !output.status.success() {
            wrong.push(format!("{}: {error}", known.profile));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// They are found by what flags and ranges are, wherever somebody repeats them.
#[test]
fn whoever_repeats_an_error_is_told() {
    let (project, home) = (Project::new(&[]), Path::new(env!("CARGO_MANIFEST_DIR")));
    copy(&home.join("profiles"), &project.root().join("profiles"));
    copy(&home.join("overlays"), &project.root().join("overlays"));
    let repeats = "extends = \"ha.toml\"\n[args.kube-controller-manager]\ncluster-signing-key-file = \"\"\n";
    project.write("profiles/repeats.toml", repeats);
    let told = project.must(&["check", "profiles/repeats.toml"]);
    assert!(told.starts_with("warning[signing-key-empty]"), "{told}");
    // One that the machine cannot live with stops it.
    project.write("profiles/repeats.toml", &format!("{repeats}[network]\npod-cidr = \"10.244.0.0/25\"\n"));
    let told = project.fails(2, &["check", "profiles/repeats.toml"]);
    assert!(told.contains("has 1 error"), "{told}");
    assert_eq!(
        support::finished(&project.command(&["check", "profiles/ha.toml"]).output().unwrap()).map(|_| ()),
        Ok(())
    );
}
