//! Many machines: what they have alike is made once, and each still has its own; errors come in the order of the profile.
#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the disk, and panics")]

mod support;

use std::fmt::Write as _;
use std::process::Command;

use support::Project;

/// More than how many kinds of one value are remembered.
const KINDS: usize = 20;

/// What machine `number` says of its variable; one in three says nothing.
fn own(number: usize) -> Option<usize> {
    (!number.is_multiple_of(3)).then_some(number % KINDS)
}

/// A project of so many machines with this file on each.
fn project(machines: usize, template: &str) -> Project {
    let mut profile = r#"
overlays = ["base", "other"]
[cluster]
name = "fleet"
version = "1.0"
epoch = 2026-01-01T00:00:00Z
[[outputs]]
format = "tar"
"#
    .to_owned();
    for number in 0..machines {
        write!(
            profile,
            "[[nodes]]\nname = \"n{number:03}\"\naddress = \"10.0.{}.{}\"\nroles = [\"x\"]\n",
            number / 200,
            number % 200 + 1
        )
        .unwrap();
        if let Some(own) = own(number) {
            writeln!(profile, "vars = {{ base = {{ a-number = {own} }} }}").unwrap();
        }
    }
    let variables = "[vars]\na-number = 99\nfixed = \"f\"\ntwice = { expr = \"vars.a_number * 2\" }\n\
        all = { expr = \"nodes | map(attribute='name') | list | length\" }\n";
    let project = Project::new(&[
        ("profiles/p.toml", &profile),
        ("overlays/base/overlay.toml", variables),
        ("overlays/base/root/etc/own.j2", template),
        ("overlays/other/overlay.toml", "requires = [\"base\"]\n[vars]\nfrom = \"{{ overlays.base.twice }}\"\n"),
        ("overlays/other/root/etc/other.j2", "{{ vars.from }} {{ overlays.base.fixed }}\n"),
        ("overlays/other/root/etc/same.j2", "{{ overlays.base.fixed }} {{ overlays.base.all }}\n"),
    ]);
    let seed = project.beside("seed");
    project.must(&["pki", "init", "profiles/p.toml", "--seed", seed.to_str().unwrap()]);
    project
}

fn text(project: &Project, archive: &str, file: &str) -> String {
    let archive = project.beside("out/fleet/1.0").join(archive);
    let output = Command::new("tar").arg("-xOf").arg(archive).arg(file).output().unwrap();
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// With more than 256 files the release is synced as a whole; it is verified all the same.
#[test]
fn each_machine_has_its_own_whatever_the_others_have() {
    let machines = 3 * KINDS + 40;
    let project = project(machines, "{{ vars.a_number }} {{ vars.twice }} {{ vars.fixed }} {{ vars.all }}\n");
    let (seed, out) = (project.beside("seed"), project.beside("out"));
    let (seed, out) = (seed.to_str().unwrap(), out.to_str().unwrap());
    project.must(&["lock", "profiles/p.toml", "--seed", seed]);
    project.must(&["build", "profiles/p.toml", "--seed", seed, "--out", out]);
    for number in 0..machines {
        let (archive, own) = (format!("public/n{number:03}/node.tar"), own(number).unwrap_or(99));
        assert_eq!(text(&project, &archive, "etc/own"), format!("{own} {} f {machines}\n", 2 * own), "{number}");
        assert_eq!(text(&project, &archive, "etc/other"), format!("{} f\n", 2 * own), "{number}");
    }
    let layers = std::fs::read_dir(project.beside("out/fleet/1.0/public/layers")).unwrap();
    let common = layers.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let common: Vec<String> = common.filter(|name| name.ends_with(".tar")).collect();
    let [common] = &common[..] else { panic!("{common:?}") };
    assert_eq!(text(&project, &format!("public/layers/{common}"), "etc/same"), format!("f {machines}\n"));
    let (key, release) = (project.beside("sign.key"), format!("{out}/fleet/1.0"));
    let key = key.to_str().unwrap();
    project.must(&["key", "new", key]);
    project.must(&["sign", &release, "--key", key]);
    let public = key.replace("sign.key", "sign.pub");
    project.must(&["verify", &release, "--key", &public, "--at", "2026-01-01T00:00:00Z"]);
}

#[test]
fn errors_come_in_the_order_of_the_profile() {
    let project = project(70, "{{ fail('wrong on ' ~ node.name) }}\n");
    let told = || project.fails(2, &["plan", "profiles/p.toml"]);
    let first = told();
    let order: Vec<&str> = first.lines().filter_map(|line| line.split("wrong on ").nth(1)?.get(..4)).collect();
    let expected: Vec<String> = (0..70).map(|number| format!("n{number:03}")).collect();
    assert_eq!(order, expected, "{first}");
    for _ in 0..5 {
        assert_eq!(told(), first);
    }
}
