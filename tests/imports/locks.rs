//! Locks, and what was imported when they were made.

use super::*;

/// A bench whose profile imports an authority and a secret, and its lock.
struct Locked {
    bench: Bench,
    lines: String,
}

const BUILD: &[&str] = &["build", "profiles/prod.toml"];
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHERS: &str = "the imported private files are others than the lock was made with";

impl Locked {
    fn new() -> Locked {
        let bench = Bench::new();
        for (name, subject) in [("ca", "/CN=ca"), ("other", "/CN=other")] {
            bench.authority(name, &Wanted { subject, ..Default::default() });
        }
        bench.private("key", SECRET);
        let lines = format!("{GOOD}{IMPORT}secret = \"key\"\nfile = \"~/keys/key\"\n");
        Locked { bench, lines }
    }

    fn lock(&self) -> String {
        self.bench.profile(&self.lines);
        self.bench.project.must(&["lock", "profiles/prod.toml"]);
        fs::read_to_string(self.bench.project.root().join("profiles/prod.lock")).unwrap()
    }

    /// The same by somebody who has no seed.
    fn lock_without_seed(&self) -> String {
        let (seed, away) = ("home/.local/share/mastermold/prod.seed", "away");
        let (seed, away) = (self.bench.project.beside(seed), self.bench.project.beside(away));
        fs::rename(&seed, &away).unwrap();
        let text = self.lock();
        self.bench.project.must(&["plan", "profiles/prod.toml"]);
        self.bench.project.must(&["fetch", "profiles/prod.toml"]);
        fs::rename(&away, &seed).unwrap();
        text
    }

    fn says(&self, lines: &str) -> String {
        self.bench.profile(lines);
        self.bench.project.fails(2, BUILD)
    }
}

#[test]
fn imported_files_that_were_changed() {
    let locked = Locked::new();
    let (bench, lines, text) = (&locked.bench, locked.lines.as_str(), locked.lock());
    bench.project.must(BUILD);
    for line in bench.secret.borrow().iter() {
        assert!(!text.contains(line.as_str()), "a secret is in the lock");
    }
    // A private file by itself is not pinned by a hash that others could try secrets against.
    let digest = mastermold::digest::Digest::of(SECRET.as_bytes()).to_string();
    assert!(!text.contains(&digest) && text.contains("imports = \""), "{text}");

    // Public: the same certificate in other bytes.
    let good = bench.maker.read("ca.crt");
    bench.public("ca.crt", [&good[..], b"\n"].concat());
    bench.refuses_to(BUILD, lines, 3, "", &["the imported file pki/ca.crt is not the one that is locked", "lock`"]);
    bench.public("ca.crt", &good);
    // Private.
    bench.private("key", SECRET.replace("AAEC", "AQEC"));
    bench.refuses_to(BUILD, lines, 4, "", &[OTHERS, "lock`"]);
    bench.private("key", SECRET);
    bench.project.must(BUILD);
    // Both at once are both said.
    bench.public("ca.crt", bench.maker.read("other.crt"));
    bench.private("ca.key", bench.maker.read("other.key"));
    let said = bench.project.fails(4, BUILD);
    assert!(said.contains(OTHERS) && said.contains("pki/ca.crt"), "{said}");
    bench.public("ca.crt", &good);
    bench.private("ca.key", bench.maker.read("ca.key"));
    // The lock itself.
    bench.project.write("profiles/prod.lock", &text.replace("imports = \"", "imports = \"0"));
    bench.refuses_to(BUILD, lines, 4, "", &[OTHERS]);
    let twice = text.split_once("[[files]]").unwrap().1.split("[[").next().unwrap();
    bench.project.write("profiles/prod.lock", &format!("{text}\n[[files]]{twice}"));
    assert!(bench.project.fails(2, BUILD).contains("the file `pki/ca.crt` is locked twice"));
}

#[test]
fn locks_with_more_and_with_less_than_is_imported() {
    let locked = Locked::new();
    let (bench, lines) = (&locked.bench, locked.lines.as_str());
    locked.lock();
    bench.refuses_to(BUILD, GOOD, 4, "", &[OTHERS]);
    let less = locked.says("");
    assert!(less.contains("it knows private files, and the profile imports none"), "{less}");
    assert!(less.contains("pki/ca.crt is in it, and the profile imports it no more"), "{less}");
    bench.profile("");
    bench.project.must(&["lock", "profiles/prod.toml"]);
    let stale = "the lock is stale: the private files that the profile imports are not in it";
    let more = locked.says(lines);
    assert!(more.contains(stale) && more.contains("the imported file pki/ca.crt is not in it"), "{more}");
    // Somebody without the seed can lock what is public: what is private must still be locked by one who has it.
    fs::remove_file(bench.project.root().join("profiles/prod.lock")).unwrap();
    let text = locked.lock_without_seed();
    assert!(text.contains("pki/ca.crt") && !text.contains("imports ="), "{text}");
    bench.refuses_to(BUILD, lines, 2, "", &[stale, "mastermold lock"]);
    let text = locked.lock();
    bench.project.must(BUILD);
    // And once it is locked, a lock without a seed leaves that as it is.
    assert_eq!(locked.lock_without_seed(), text);
    bench.project.must(BUILD);
}
