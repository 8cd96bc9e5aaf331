//! What no release is made of, each told with its class, and nothing written.

use std::path::PathBuf;
use std::process::Command;

use mastermold::bundle::Sums;
use mastermold::digest::Digest;

use super::support::Project;
use super::{BUILD, PROFILE, built, project};

/// A project with two parts that make a whole, and copies of them that are changed.
struct Bench {
    project: Project,
    parts: [String; 2],
}

impl Bench {
    fn new() -> Bench {
        let project = project();
        let parts = [built(&project, &["z", "b"]), built(&project, &["c", "a"])];
        Bench { project, parts }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.project.root().join(path)
    }

    /// A copy of the first part, in which something was changed.
    fn changed(&self, change: impl FnOnce(&std::path::Path)) -> String {
        let _ = std::fs::remove_dir_all(self.at("changed"));
        let copy = Command::new("cp").args(["-a", &self.parts[0], "changed"]).current_dir(self.project.root()).status();
        assert!(copy.unwrap().success());
        change(&self.at("changed"));
        "changed".to_owned()
    }

    /// A copy in which these files of `public/` were changed, and the list with them.
    fn forged(&self, files: &[&str], change: impl Fn(String) -> String) -> String {
        self.changed(|copy| {
            let list = copy.join("public/SHA256SUMS");
            let mut sums = Sums::parse(&std::fs::read_to_string(&list).unwrap()).unwrap();
            for file in files {
                let path = copy.join("public").join(file);
                let before = std::fs::read_to_string(&path).unwrap();
                let after = change(before.clone());
                assert_ne!(before, after, "{file}");
                sums.insert(*file, Digest::of(after.as_bytes()));
                std::fs::write(&path, after).unwrap();
            }
            std::fs::write(list, sums.to_text()).unwrap();
        })
    }

    /// That these parts, in any order, are refused with this class, saying this, and that nothing is there then.
    fn refused(&self, code: i32, says: &str, parts: &[&str]) {
        for parts in [parts.to_vec(), parts.iter().rev().copied().collect()] {
            let said = self.project.fails(code, &[&["assemble", "-o", "refused"][..], &parts].concat());
            assert!(said.contains(says), "`{says}` is not in:\n{said}");
            let out = self.at("refused/prod");
            let names: Vec<_> = std::fs::read_dir(out).map_or_else(|_| Vec::new(), |found| found.flatten().collect());
            assert!(names.iter().all(|name| name.file_name() == ".lock"), "{names:?}");
        }
    }
}

#[test]
fn what_is_no_part_or_a_damaged_one() {
    let bench = Bench::new();
    let (part, other) = (bench.parts[0].as_str(), bench.parts[1].as_str());
    let with = |code, says: &str, change: &dyn Fn(&std::path::Path)| {
        bench.refused(code, says, &[&bench.changed(change), other]);
        // Nor if all of it is in another part, too.
        bench.refused(code, says, &[&bench.changed(change), other, part]);
    };
    bench.refused(2, "nowhere is no release: it has no public/", &["nowhere", other]);
    with(2, "changed has no secrets/", &|copy| std::fs::remove_dir_all(copy.join("secrets")).unwrap());
    with(3, "changed: secrets/SHA256SUMS is missing", &|copy| {
        std::fs::remove_file(copy.join("secrets/SHA256SUMS")).unwrap();
    });
    let shared = |ending: &str| {
        let mut found = std::fs::read_dir(bench.at(part).join("public/layers")).unwrap();
        let name = found.find_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.ends_with(ending).then_some(name)
        });
        format!("public/layers/{}", name.unwrap())
    };
    let files = ["public/z/node.cpio.zst", "secrets/b/rootfs.tar.zst", "public/grub.cfg", "public/manifest.json"];
    let common = shared(".tar");
    for file in files.into_iter().chain(["public/sbom.cdx.json", "secrets/admin/admin.conf", &common]) {
        with(3, &format!("changed: {file} is not the file that SHA256SUMS lists"), &|copy| {
            let mut bytes = std::fs::read(copy.join(file)).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            std::fs::write(copy.join(file), bytes).unwrap();
        });
        with(3, &format!("changed: {file} is missing"), &|copy| std::fs::remove_file(copy.join(file)).unwrap());
        with(8, &format!("changed: {file} is a symlink"), &|copy| {
            std::fs::rename(copy.join(file), bench.at("moved")).unwrap();
            std::os::unix::fs::symlink(bench.at("moved"), copy.join(file)).unwrap();
        });
    }
    with(8, "changed: public/z/fifo is a FIFO, socket or device", &|copy| {
        assert!(Command::new("mkfifo").arg(copy.join("public/z/fifo")).status().unwrap().success());
    });
    with(8, "secrets in the release is no directory", &|copy| {
        std::fs::rename(copy.join("secrets"), copy.join("../elsewhere")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", copy.join("secrets")).unwrap();
        std::fs::remove_dir_all(copy.join("../elsewhere")).unwrap();
    });
    for extra in ["public/z/extra", "secrets/admin/extra", "extra"] {
        let says = format!("changed: {extra} is not in SHA256SUMS");
        with(4, &says, &|copy| std::fs::write(copy.join(extra), "x").unwrap());
        let says = says.replace(extra, &if extra.contains('/') { format!("{extra}/") } else { extra.into() });
        with(4, &says, &|copy| std::fs::create_dir(copy.join(extra)).unwrap());
    }
}

#[test]
fn parts_that_do_not_make_a_whole() {
    let bench = Bench::new();
    let (part, other) = (bench.parts[0].as_str(), bench.parts[1].as_str());
    let project = &bench.project;
    bench.refused(2, "no part has machines 3 to 4 of the profile's 4, behind b; build them with", &[part]);
    bench.refused(2, "no part has machines 1 to 2 of the profile's 4; build them with", &[other]);
    let middle = built(project, &["z", "c"]);
    bench.refused(2, "no part has machine 2 of the profile's 4, behind z;", &[&middle, other]);
    // Another version, and with it another profile and all that follows.
    project.write("profiles/p.toml", &PROFILE.replace("version = \"1.0\"", "version = \"1.1\""));
    project.must(&[&BUILD[..], &["--node", "c", "--node", "a", "-o", "later"]].concat());
    let later = ["later/prod/1.1", part];
    bench.refused(2, "its version is 1.", &later);
    bench.refused(2, "its profile is of SHA-256 ", &later);
    // Another machine.
    let more =
        format!("{}[[nodes]]\nname = \"d\"\naddress = \"10.0.0.5\"\n", PROFILE.split("[[outputs]]").next().unwrap());
    let outputs = &PROFILE[PROFILE.find("[[outputs]]").unwrap()..];
    project.write("profiles/p.toml", &format!("{more}{outputs}"));
    project.must(&[&BUILD[..], &["--node", "c", "--node", "a", "-o", "more"]].concat());
    bench.refused(2, "its number of machines is ", &["more/prod/1.0", part]);
    // Another overlay.
    project.write("profiles/p.toml", PROFILE);
    project.write("overlays/base/root/etc/same", "other\n");
    project.must(&[&BUILD[..], &["--node", "c", "--node", "a", "-o", "edited"]].concat());
    bench.refused(2, "its overlays is of SHA-256 ", &["edited/prod/1.0", part]);
    // Another lock, of other sources.
    project.write("overlays/base/root/etc/same", "same\n");
    std::fs::write(bench.at("files/two"), "two\n").unwrap();
    project.must(&["lock", "profiles/p.toml", "--seed", "../seed", "--update", "two"]);
    project.must(&[&BUILD[..], &["--node", "c", "--node", "a", "-o", "locked"]].concat());
    bench.refused(2, "its lock is of SHA-256 ", &["locked/prod/1.0", part]);
}

/// A lock that was made without a seed does not know it.
#[test]
fn another_seed() {
    let bench = Bench::new();
    let project = &bench.project;
    project.must(&["pki", "init", "profiles/p.toml", "--seed", "../other-seed"]);
    let lock = bench.at("profiles/p.lock");
    let text = std::fs::read_to_string(&lock).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("seed")).collect();
    assert_ne!(without.len(), text.lines().count());
    std::fs::write(&lock, without.join("\n") + "\n").unwrap();
    let first = built(project, &["z", "b", "c"]);
    let build = ["build", "profiles/p.toml", "--seed", "../other-seed", "--node", "c", "--node", "a", "-o", "seeded"];
    project.must(&build);
    let parts = [first.as_str(), "seeded/prod/1.0"];
    bench.refused(3, "secrets/admin/admin.conf is another file than in", &parts);
    bench.refused(3, "secrets/c/secrets.tar is another file than in", &parts);
    bench.refused(3, "machine 3, c, is another one in", &parts);
}

/// A part whose list agrees with what was changed, as somebody would who is no build.
#[test]
fn parts_that_are_forged() {
    let bench = Bench::new();
    let other = bench.parts[1].as_str();
    let replaced =
        |file: &str, from: &'static str, to: &'static str| bench.forged(&[file], |text| text.replacen(from, to, 1));
    let refused = |code, says: &str, part: &str| bench.refused(code, says, &[part, other]);
    let manifest = "manifest.json";
    refused(2, "mastermold 9.", &{
        let both = |text: String| text.replacen("\"tool\":\"mastermold 0.", "\"tool\":\"mastermold 9.", 1);
        bench.forged(&[manifest], both)
    });
    refused(2, "has format 2, and this mastermold reads 1", &replaced(manifest, "\"format\":1", "\"format\":2"));
    refused(3, "has no valid part", &replaced(manifest, "\"places\":[0,1]", "\"places\":[1,0]"));
    refused(3, "has no valid part", &replaced(manifest, "\"places\":[0,1]", "\"places\":[0,4]"));
    refused(3, "machine 3, ", &replaced(manifest, "\"places\":[0,1]", "\"places\":[2,3]"));
    refused(3, "machine 3, ", &replaced(manifest, "\"places\":[0,1]", "\"places\":[0,2]"));
    refused(3, "boot.ipxe is not that of its machines", &replaced("boot.ipxe", "which machine", "which one"));
    refused(3, "grub.cfg is not that of its machines", &replaced("grub.cfg", "one entry", "an entry"));
    refused(3, "is not written as mastermold writes it", &replaced("sbom.spdx.json", "\"name\":", "\"name\": "));
    refused(3, "is not written as mastermold writes it", &replaced("sbom.cdx.json", "urn:uuid:", "urn:uuid:0"));
    refused(3, "names other machines than the manifest", &replaced("provenance.json", "[\"z\",\"b\"]", "[\"z\"]"));
    refused(3, "says other things of the release than another part's", &replaced("provenance.json", "v1\"", "v2\""));
    refused(4, "which the release does not have", &{
        replaced(manifest, "\"name\":\"z\",\"artifacts\":[", "\"name\":\"y\",\"artifacts\":[")
    });
}
