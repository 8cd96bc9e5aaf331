//! docs/how-to/extend.md is a project: what a shipped overlay does is changed without a copy of it.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at the disk, and panic")]

mod support;

use std::process::Command;

use support::Project;

/// The blocks of the page that begin with the path of a file, as files.
fn project_of_the_page() -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = std::fs::read_to_string(format!("{root}/docs/how-to/extend.md")).unwrap();
    let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| {
        let (_, text) = block.split_once('\n')?;
        let (path, content) = text.strip_prefix("# ")?.split_once('\n')?;
        Some((path.to_owned(), format!("{content}\n")))
    });
    let files: Vec<(String, String)> = blocks.collect();
    assert_eq!(files.len(), 6, "{files:?}");
    Project::new(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

fn file(project: &Project, path: &str) -> String {
    let archive = project.root().join("out/site/1/public/master-0/rootfs.tar");
    let output = Command::new("tar").arg("-xOf").arg(archive).arg(path).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn flags_volumes_files_and_units_are_added_beside_the_shipped_overlays() {
    let project = project_of_the_page();
    let profile = std::fs::read_to_string(project.root().join("profiles/site.toml")).unwrap();
    project.write("profiles/site.toml", &format!("{profile}\n[[outputs]]\nformat = \"tar\"\nlayers = \"merged\"\n"));
    project.must(&["pki", "init", "profiles/site.toml"]);
    project.must(&["lock", "profiles/site.toml"]);
    project.must(&["build", "profiles/site.toml"]);

    let pod = file(&project, "etc/kubernetes/manifests/kube-apiserver.yaml");
    let has = |line: &str| pod.replace('"', "").lines().any(|other| other.trim() == line);
    for line in [
        "- --event-ttl=2h",
        "- --kubelet-preferred-address-types=InternalIP",
        "- --enable-admission-plugins=NodeRestriction,PodSecurity",
        "- --feature-gates=WatchList=true",
        "- mountPath: /etc/kubernetes/admission",
        "path: /etc/kubernetes/admission",
        "- mountPath: /etc/kubernetes/pki",
    ] {
        assert!(has(line), "{line}\n{pod}");
    }
    assert!(!pod.contains("enable-bootstrap-token-auth"), "{pod}");
    let manager = file(&project, "etc/kubernetes/manifests/kube-controller-manager.yaml").replace('"', "");
    assert!(manager.contains("- --node-monitor-grace-period=20s\n"), "{manager}");
    assert!(file(&project, "etc/kubernetes/admission/config.yaml").contains("kind: AdmissionConfiguration"));
    assert_eq!(file(&project, "etc/systemd/system/kubelet.service.d/50-site.conf"), "[Service]\nCPUAccounting=yes\n");
    assert_eq!(file(&project, "etc/hostname"), "master-0.site\n");
    assert!(file(&project, "etc/sysctl.d/90-mastermold.conf").contains("vm.max_map_count = 262144"));
    let wanted = "etc/systemd/system/multi-user.target.wants/site-report.service";
    let listed =
        Command::new("tar").arg("-tf").arg(project.root().join("out/site/1/public/master-0/rootfs.tar")).output();
    assert!(String::from_utf8(listed.unwrap().stdout).unwrap().lines().any(|line| line == wanted));

    // Without the word that it is meant, replacing a file is an error.
    let overlay = std::fs::read_to_string(project.root().join("overlays/site/overlay.toml")).unwrap();
    project.write("overlays/site/overlay.toml", &overlay.replace("override = true\n", ""));
    let text = project.fails(2, &["plan", "profiles/site.toml"]);
    assert!(text.contains("/etc/hostname") && text.contains("override = true"), "{text}");
}

#[test]
fn one_overlay_serves_an_older_version() {
    let project = project_of_the_page();
    let profile = std::fs::read_to_string(project.root().join("profiles/site.toml")).unwrap();
    let older = profile
        .replace("1.34.2", "1.20.2")
        .replace("[cluster]", "[[outputs]]\nformat = \"tar\"\nlayers = \"merged\"\n[cluster]");
    project.write("profiles/site.toml", &older);
    project.must(&["pki", "init", "profiles/site.toml"]);
    project.must(&["lock", "profiles/site.toml"]);
    project.must(&["build", "profiles/site.toml"]);
    let pod = file(&project, "etc/kubernetes/manifests/kube-apiserver.yaml").replace('"', "");
    assert!(pod.contains("- --insecure-port=0\n") && !pod.contains("feature-gates"), "{pod}");
    assert!(pod.contains("image: k8s.gcr.io/kube-apiserver:v1.20.2\n"), "{pod}");
}
