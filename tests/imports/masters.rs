//! What the shipped overlays say of keys on machines, of the encryption configuration and of names.

use super::*;

/// A control plane of the shipped overlays, with a worker beside it.
const MASTERS: &str = r#"
overlays = ["kubeadm-pki", "kube-apiserver", "encryption-at-rest"]
[cluster]
name = "prod"
version = "1"
epoch = 2026-11-01T00:00:00Z
endpoint = "api.prod.example:6443"
[kubernetes]
version = "1.34.2"
[network]
service-cidr = "10.96.0.0/16"
[pki]
since = 2026-01-01T00:00:00Z
[[outputs]]
format = "tar"
[[nodes]]
name = "worker"
address = "10.0.0.3"
roles = ["worker"]
[[nodes]]
name = "master-0"
address = "10.0.0.1"
roles = ["control-plane", "etcd"]
[[nodes]]
name = "master-1"
address = "10.0.0.2"
roles = ["control-plane", "etcd"]
"#;

fn masters() -> Project {
    let project = Project::new(&[("profiles/prod.toml", MASTERS)]);
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/overlays");
    let copied = std::process::Command::new("cp").args(["-R", shipped, "."]).current_dir(project.root()).status();
    assert!(copied.unwrap().success());
    project.must(&["pki", "init", "profiles/prod.toml"]);
    project
}

#[test]
fn keys_that_belong_on_no_machine_are_on_none_without_a_reason() {
    let project = masters();
    let placed = |what: &str, name: &str, node: &str| {
        format!("[[pki.placements]]\n{what} = \"{name}\"\nnodes = [\"{node}\"]\nreason = \"it is asked for\"\n")
    };
    // Every file of a node that is a key of an authority or a kubeconfig for people, with its mode.
    let built = |node: &str, lines: &str| -> Vec<String> {
        project.write("profiles/prod.toml", &format!("{MASTERS}{lines}"));
        project.must(&["lock", "profiles/prod.toml"]);
        project.must(&["build", "profiles/prod.toml", "--force"]);
        let archive = project.root().join(format!("out/prod/1/secrets/{node}/secrets.tar"));
        let output = std::process::Command::new("tar").arg("-tvf").arg(archive).output().unwrap();
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        let wanted = ["/ca.key", "front-proxy-ca.key", "admin.conf"];
        let lines = list.lines().filter(|line| wanted.iter().any(|name| line.ends_with(name)));
        lines.map(|line| format!("{} {}", &line[..10], line.rsplit(' ').next().unwrap())).collect()
    };
    for node in ["worker", "master-0", "master-1"] {
        assert_eq!(built(node, ""), [""; 0], "{node}");
    }
    for (name, finding) in [("etcd-ca", "etcd-ca-key-on-node"), ("front-proxy-ca", "front-proxy-ca-key-on-node")] {
        project.write("profiles/prod.toml", &format!("{MASTERS}{}", placed("authority", name, "master-0")));
        let said = project.fails(8, &["lock", "profiles/prod.toml"]);
        assert!(
            said.starts_with("profiles/prod.toml:") && said.contains(finding) && said.lines().count() == 1,
            "{said}"
        );
    }
    project.write("profiles/prod.toml", &format!("{MASTERS}{}", placed("authority", "front-proxy-ca", "worker")));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.contains("on node worker no overlay declares the authority `front-proxy-ca`"), "{said}");
    let lines = placed("authority", "ca", "master-0") + &placed("kubeconfig", "super-admin", "master-0");
    let on_master = ["-rw------- etc/kubernetes/pki/ca.key", "-rw------- etc/kubernetes/super-admin.conf"];
    let mut found = built("master-0", &lines);
    found.sort_by_key(|line| line.contains("super"));
    assert_eq!(found, on_master);
    assert_eq!(built("master-1", &lines), [""; 0]);
}

#[test]
fn an_encryption_configuration_is_the_same_everywhere_and_ends_with_identity() {
    let project = masters();
    let config = |lines: &str| -> Vec<String> {
        project.write("profiles/prod.toml", &format!("{MASTERS}{lines}"));
        project.must(&["lock", "profiles/prod.toml"]);
        project.must(&["build", "profiles/prod.toml", "--force"]);
        let read = |node: &str| {
            let archive = project.root().join(format!("out/prod/1/secrets/{node}/secrets.tar"));
            let path = "etc/kubernetes/encryption-config.yaml";
            let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg(path).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(read("master-0"), read("master-1"));
        let text = read("master-0");
        let lines = text.lines().map(|line| line.trim_start_matches([' ', '-']));
        lines
            .filter(|line| line.ends_with(':') || line.starts_with("name") || *line == "identity: {}")
            .map(str::to_owned)
            .collect()
    };
    let head = ["resources:", "providers:"];
    assert_eq!(config(""), [&head[..], &["secretbox:", "keys:", "name: key1", "identity: {}"]].concat());
    let rotated = "[pki.generations]\nencryption-key = { current = 3, accepted = [2, 1] }\n";
    let adopted = "[vars.encryption-at-rest]\nkey-names = { 1 = \"old\" }\nkey-providers = { 1 = \"aescbc\" }\n";
    let keys = ["secretbox:", "keys:", "name: key3", "name: key2", "aescbc:", "keys:", "name: old", "identity: {}"];
    assert_eq!(config(&format!("{rotated}{adopted}")), [&head[..], &keys].concat());

    // A key that cannot be imported is told once, and not again by the template.
    let path = project.beside("home/wrong");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "short").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = "[[pki.imports]]\nsecret = \"encryption-key\"\nfile = \"~/wrong\"\n";
    project.write("profiles/prod.toml", &format!("{MASTERS}{wrong}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.lines().count() == 1 && said.contains("~/wrong: it is not base64 of 32 bytes"), "{said}");

    // One machine with another one; and a key that is dropped while it may still be needed.
    let differs = "vars = { encryption-at-rest = { key-names = { 1 = \"mine\" } } }\n";
    project.write("profiles/prod.toml", &format!("{MASTERS}{differs}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.contains("must be the same on all nodes, and master-0 and master-1 have others"), "{said}");
    let (dropped, accepted) = (
        "[pki.generations]\nencryption-key = 2\n",
        "[[accept]]\nfinding = \"encryption-key-dropped\"\nreason = \"all Secrets were written anew\"\n",
    );
    project.write("profiles/prod.toml", &format!("{MASTERS}{dropped}"));
    let said = project.fails(2, &["lock", "profiles/prod.toml"]);
    assert!(said.starts_with("profiles/prod.toml:") && said.contains("(encryption-key-dropped)"), "{said}");
    assert_eq!(config(&format!("{dropped}{accepted}"))[4], "name: key2");
}

#[test]
fn masters_certificates_have_the_names_that_are_looked_for() {
    let project = masters();
    project.must(&["lock", "profiles/prod.toml"]);
    project.must(&["build", "profiles/prod.toml"]);
    let maker = Maker::new();
    let tar = |archive: &str, path: &str| {
        let archive = project.root().join("out/prod/1").join(archive);
        let output = std::process::Command::new("tar").arg("-xOf").arg(archive).arg(path).output().unwrap();
        assert!(!output.stdout.is_empty(), "no {path}");
        output.stdout
    };
    for (node, address) in [("master-0", "10.0.0.1"), ("master-1", "10.0.0.2")] {
        maker.write("apiserver.crt", tar(&format!("public/{node}/node.tar"), "etc/kubernetes/pki/apiserver.crt"));
        let text = maker.openssl("x509 -in apiserver.crt -noout -subject -ext subjectAltName,extendedKeyUsage");
        let names = ["api.prod.example", node, "kubernetes.default.svc.cluster.local", "kubernetes"];
        let names = names.map(|name| format!("DNS:{name}"));
        let addresses = ["10.96.0.1", address].map(|address| format!("IP Address:{address}"));
        let usage = "TLS Web Server Authentication".to_owned();
        for wanted in names.into_iter().chain(addresses).chain([usage]) {
            assert!(text.split(['\n', ',']).any(|part| part.trim() == wanted), "{node} lacks {wanted}: {text}");
        }
        // Who is who to the API server: the subject of the certificate that each kubeconfig has inside.
        for (name, subject) in [
            ("kubelet", format!("subject=O = system:nodes, CN = system:node:{node}")),
            ("controller-manager", "subject=CN = system:kube-controller-manager".into()),
            ("scheduler", "subject=CN = system:kube-scheduler".into()),
        ] {
            let path = format!("etc/kubernetes/{name}.conf");
            let text = String::from_utf8(tar(&format!("secrets/{node}/secrets.tar"), &path)).unwrap();
            let inside = text.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data: ")).unwrap();
            maker.write("inside", inside.trim_matches('"'));
            maker.openssl("base64 -d -A -in inside -out inside.crt");
            assert_eq!(maker.openssl("x509 -in inside.crt -noout -subject").trim_end(), subject, "{node}");
        }
    }
}
