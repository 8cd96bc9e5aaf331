"""Leaves out one check of the program after the other, and runs the tests that should notice. Prints `ok`, `FAIL`, `note`.

    mutants.py ROOT WORK KEPT [NAME...]

The copy of the program below KEPT asks at every guard whether the file `mutant` beside its sources names it: one compilation
for all of them, and no test can keep it from the program as it could a variable.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT, WORK, KEPT, ONLY = *map(pathlib.Path, sys.argv[1:4]), sys.argv[4:]
TREE, TARGET = KEPT / "tree", KEPT / "target"

# Name, file below builder/, the guard, what stands there instead, and the tests: a cargo test target with a filter, or an
# end-to-end script.
MUTANTS = [
    ("blob-digest", "digest.rs", "if size == self.size && digest == self.digest {",
     'if (size == self.size && digest == self.digest) || crate::mutant("blob-digest") {', ["--test store"]),
    ("sums-digest", "bundle/verify/summed.rs", "if digest == self.digest {", 'if digest == self.digest || crate::mutant("sums-digest") {',
     ["--test verify"]),
    ("extra-file", "bundle/verify/summed.rs", "Kind::File { .. } => findings.note(unsigned(&name)),",
     'Kind::File { .. } if crate::mutant("extra-file") => {}\n                Kind::File { .. } => findings.note(unsigned(&name)),', ["--test verify"]),
    ("entry-contents", "bundle/verify/entries.rs", "Some(expected) if expected != digest => {",
     'Some(expected) if expected != digest && !crate::mutant("entry-contents") => {', ["--test verify"]),
    ("entry-fields", "bundle/verify/entries.rs", "for (field, is, should) in differences(header, record, mtime) {",
     'for (field, is, should) in differences(header, record, mtime).into_iter().filter(|_| !crate::mutant("entry-fields")) {', ["--test verify"]),
    ("signature", "sign/signature.rs", "verify_strict(&Blake2b512::digest(message), &self.signature).is_ok()",
     'verify_strict(&Blake2b512::digest(message), &self.signature).is_ok() || crate::mutant("signature")', ["--test sign", "--test verify"]),
    ("statement", "bundle/verify/signatures.rs", "for (name, statement) in self.statements.iter().filter(|(_, statement)| statement != expected) {",
     'for (name, statement) in self.statements.iter().filter(|(_, statement)| statement != expected && !crate::mutant("statement")) {', ["--test verify"]),
    ("threshold", "bundle/verify/signatures.rs", "signers.keys.len() < threshold.max(1)",
     'signers.keys.len() < threshold.max(1) && !crate::mutant("threshold")', ["--test signing", "--test verify"]),
    ("same-key-twice", "bundle/verify/signatures.rs", "if signers.keys.iter().all(|known| !known.is(key)) {",
     'if signers.keys.iter().all(|known| !known.is(key)) || crate::mutant("same-key-twice") {', ["--test signing", "--test verify"]),
    ("ssh-signature", "sign/ssh/signature.rs", "key.verifies(&[MAGIC, &strings(&parts)].concat(), &self.raw)",
     'key.verifies(&[MAGIC, &strings(&parts)].concat(), &self.raw) || crate::mutant("ssh-signature")', ["--test ssh"]),
    ("cms-digest", "pki/cms.rs", "match proof::signed_digest(leaf.public_key(), digest, parts.signature) {",
     'match proof::signed_digest(leaf.public_key(), digest, parts.signature) || crate::mutant("cms-digest") {', ["--test cms"]),
    ("cms-code-signing", "pki/cms.rs", "if leaf.signs_data() != Some(true) || !leaf.usages().contains(&Usage::CodeSigning) {",
     'if (leaf.signs_data() != Some(true) || !leaf.usages().contains(&Usage::CodeSigning)) && !crate::mutant("cms-code-signing") {', ["--test cms"]),
    ("envelope", "bundle/verify/envelopes.rs", "match payload == statement {", 'match payload == statement || crate::mutant("envelope") {',
     ["e2e signatures"]),
    ("path", "tree/path.rs", '"." | ".." => return bad', '"." | ".." if !crate::mutant("path") => return bad', ["--lib tree::path", "--lib store::unpack"]),
    ("symlink", "disk/mod.rs", "let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;",
     'let resolve = if crate::mutant("symlink") { ResolveFlags::empty() } else { ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS };', ["--test verify", "--test serve"]),
    ("bomb", "store/unpack/mod.rs", 'None => return Err(Error::policy("it unpacks to more',
     'None if crate::mutant("bomb") => {}\n            None => return Err(Error::policy("it unpacks to more', ["--test store"]),
    ("setuid", "store/list.rs", "Kind::File if entry.mode & 0o6000 != 0 => {",
     'Kind::File if entry.mode & 0o6000 != 0 && !crate::mutant("setuid") => {', ["--test store"]),
    ("private-mode", "disk/mod.rs", "Access::Private => 0o600,", 'Access::Private if crate::mutant("private-mode") => 0o644,\n            Access::Private => 0o600,',
     ["--lib disk", "--test build"]),
    ("fsync", "disk/staged.rs", "self.file.sync_all().map_err(", 'if crate::mutant("fsync") { return Ok(()); }\n        self.file.sync_all().map_err(',
     ["e2e kills order"]),
    ("fsync-directory", "disk/mod.rs", "let sync = || File::open(path)?.sync_all();",
     'let sync = || if crate::mutant("fsync-directory") { Ok(()) } else { File::open(path)?.sync_all() };', ["e2e kills order"]),
    ("stale-lock", "build/mod.rs", "for reason in lock.staleness(&plan.wanted()) {",
     'for reason in lock.staleness(&plan.wanted()).into_iter().filter(|_| !crate::mutant("stale-lock")) {', ["--test build"]),
    ("seed", "build/keys/mod.rs", "Some(fingerprint) if fingerprint != seed.fingerprint() => {",
     'Some(fingerprint) if fingerprint != seed.fingerprint() && !crate::mutant("seed") => {', ["--test build", "--test seeds"]),
    ("oldest", "bundle/verify/mod.rs", "&& version.parse::<Version>()? < *oldest", '&& version.parse::<Version>()? < *oldest && !crate::mutant("oldest")',
     ["--test verify"]),
    ("existing", "bundle/release.rs", "if existing == Existing::Keep {", 'if existing == Existing::Keep && !crate::mutant("existing") {',
     ["--lib bundle::release", "--test build"]),
]
ASK = '''
/// For tests/e2e/mutants.
pub fn mutant(name: &str) -> bool {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/mutant")).is_ok_and(|asked| asked == name.as_bytes())
}
'''


def say(good, what):
    print(f"{'ok' if good else 'FAIL'} {what}", flush=True)


def copy():
    shutil.rmtree(TREE, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        if (ROOT / name).exists():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            (TREE / name).write_bytes((ROOT / name).read_bytes())
            (TREE / name).chmod((ROOT / name).stat().st_mode)
    (TREE / "builder/lib.rs").write_text((TREE / "builder/lib.rs").read_text() + ASK)
    for name, file, guard, instead, _ in MUTANTS:
        path = TREE / "builder" / file
        text = path.read_text()
        if text.count(guard) < 1:
            raise SystemExit(f"FAIL {name}: its guard is not in {file} any more")
        path.write_text(text.replace(guard, instead, 1))


def run(command, mutant):
    (TREE / "mutant").write_text(mutant)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "MASTERMOLD": str(PROGRAM)}
    if command.startswith("e2e "):
        script, *words = command[4:].split()
        words = [str(TREE / "tests/e2e" / script), *words]
    else:
        words = [str(TREE / "tests/e2e/cargo"), "test", "--locked", "--quiet", *command.split()]
    # A test that waits for ever has failed too; its children with it.
    done = subprocess.run(["timeout", "-k", "10", "400", *words], cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


PROGRAM = WORK / "program"
copy()
mutants = [mutant for mutant in MUTANTS if not ONLY or mutant[0] in ONLY]
commands = sorted({command for mutant in mutants for command in mutant[4]})
built = subprocess.run([str(TREE / "tests/e2e/cargo"), "build", "--locked", "--quiet"], cwd=TREE, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)})
if built.returncode:
    raise SystemExit("FAIL the copy does not compile")
PROGRAM.write_bytes((TARGET / "debug/mastermold").read_bytes())
PROGRAM.chmod(0o755)
for command in commands:
    status, text = run(command, "none")
    say(status == 0, f"with every guard: {command}" + ("" if status == 0 else f": {text[-300:]}"))
killed = 0
for name, file, _, _, tests in mutants:
    by = next((command for command in tests if run(command, name)[0] not in (0, 77)), None)
    killed += by is not None
    say(by, f"without {name} (builder/{file}) " + (f"{by} fails" if by else f"nothing fails: {', '.join(tests)}"))
print(f"note {killed} of {len(mutants)} mutants were killed", flush=True)
