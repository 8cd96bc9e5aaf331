#!/usr/bin/env python3
"""Judges the machines of the shipped profiles by the programs that read their files; see tests/e2e/shipped. Prints a line
for each result: `ok WHAT`, `FAIL WHAT` or `note WHAT`."""
import glob, hashlib, json, os, re, subprocess, sys, tempfile, tomllib
import yaml

machines, releases, *profiles = sys.argv[1:]
programs, containerd, validate = (os.environ[name] for name in ("PROGRAMS", "CONTAINERD", "VALIDATE"))

# Objects of a time before the types and schemas at hand, and what says so.
OLD = {"componentconfig/v1alpha1": "its type ended with 1.12"}
# Fields that are newer than the types at hand (1.20), or beta and on only since then, by kind and where they are, and since when.
NEWER = {
    "KubeletConfiguration": {
        ("containerRuntimeEndpoint",): (1, 27), ("seccompDefault",): (1, 22), ("memorySwap",): (1, 22), ("registerWithTaints",): (1, 23),
        ("logging", "flushFrequency"): (1, 22), ("logging", "verbosity"): (1, 22), ("logging", "options"): (1, 22),
        ("featureGates", "PodSecurity"): (1, 22), ("shutdownGracePeriod",): (1, 21), ("shutdownGracePeriodCriticalPods",): (1, 21),
    },
}


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300, **options)
    return done.returncode, done.stdout, done.stderr


def result(fine, what, said=""):
    TOLD.append(what)
    print(("ok " if fine else "FAIL ") + what + ("" if fine else ": " + " / ".join(said.strip().splitlines())[:600]), flush=True)


class Machine:
    def __init__(self, profile, node):
        self.profile, self.node = profile, node
        self.root = os.path.join(machines, profile, node, "root")
        release, = glob.glob(os.path.join(releases, profile, "*", "*"))
        manifest = json.load(open(f"{release}/public/{node}/manifest.json"))
        files = manifest["files"]
        if manifest.get("common"):
            files = files + json.load(open(f"{release}/public/{manifest['common']}"))["files"]
        self.files = sorted(file["path"] for file in files if file["type"] == "file")

    def __str__(self):
        return f"{self.profile}/{self.node}"

    def read(self, path):
        with open(self.root + path, "rb") as file:
            return file.read()


def all_machines():
    # A profile before its variants, whose agent may have to order first what a file names.
    for profile in sorted(profiles):
        manifests = sorted(glob.glob(f"{releases}/{profile}/*/*/public/*/manifest.json"))
        assert manifests, f"{profile} has no machines"
        for manifest in manifests:
            yield Machine(profile, os.path.basename(os.path.dirname(manifest)))


UNIT = re.compile(r"(/etc|/usr/lib)/systemd/system/[^/]+\.(service|mount|timer|socket|target|path)")


def units(machine):
    found = [path for path in machine.files if UNIT.fullmatch(path)]
    if not found:
        return
    # Its exit code is 0 whatever it says of unknown keys; and without a word all is well.
    code, out, err = run("systemd-analyze", "verify", "--man=no", f"--root={machine.root}", *found)
    said = [line for line in (out + err).splitlines() if line.strip()]
    result(code == 0 and not said, f"{machine}: systemd-analyze has nothing to say of {len(found)} units", "\n".join(said))


# What HAProxy warns of, and goes on: its document has it so. With the lines that explain it, and the one that says there was some.
KNOWN = {
    "no timeouts": r"\[WARNING\][^\n]*missing timeouts[^\n]*(\n +\|[^\n]*)*",
    "a log format and nowhere to log": r"\[WARNING\][^\n]*log format ignored for frontend[^\n]*",
}


def without_known(machine, said):
    for what, known in KNOWN.items():
        said, times = re.subn(known, "", said)
        if times:
            print(f"note {machine}: HAProxy warns of {what}, and its document has it so")
    return said.replace("Warnings were found.", "")


def front_ends(machine):
    for path, words in {
        "/etc/haproxy/haproxy.cfg": ["haproxy", "-c", "-f", "/etc/haproxy/haproxy.cfg"],
        "/etc/keepalived/keepalived.conf": ["keepalived", "--config-test", "-f", "/etc/keepalived/keepalived.conf"],
        "/etc/nginx/sites-available/kubernetes.default.svc.cluster.local": ["nginx", "-t"],
    }.items():
        if path in machine.files:
            code, out, err = run("chroot", machine.root, *words)
            said = out + err
            said = "\n".join(line for line in said.splitlines() if "NOTICE" not in line)
            if machine.profile.startswith("reference/") and words[0] == "haproxy":
                said = without_known(machine, said)
            bad = code != 0 or re.search(r"warning|alert|emerg|error|crit|unknown|invalid", said.replace("Configuration file is valid", ""), re.I)
            result(not bad, f"{machine}: {words[0]} takes {path}", said)


def subset(ours, theirs, at=""):
    """What of ours is not in theirs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [line for key in ours for line in (subset(ours[key], theirs[key], f"{at}.{key}") if key in theirs else [f"{at}.{key} is gone"])]
    return [] if ours == theirs else [f"{at}: {ours!r} became {theirs!r}"]


def runtimes(machine):
    path = "/etc/containerd/config.toml"
    if path not in machine.files:
        return
    ours = tomllib.loads(machine.read(path).decode())
    code, out, err = run(f"{containerd}/containerd", "--config", machine.root + path, "config", "dump")
    warned = [line for line in err.splitlines() if re.search("level=(warn|error|fatal)", line) or "unknown" in line]
    try:
        lost = subset(ours, tomllib.loads(out))
    except tomllib.TOMLDecodeError as error:
        lost = [str(error)]
    result(code == 0 and not warned and not lost, f"{machine}: containerd 1.7 takes {path} and keeps every value", "\n".join(warned + lost) + err)


def objects():
    """Every Kubernetes object on any machine, once per content and version: file with it, kind, the profile's version, where it is."""
    seen = {}
    for machine in all_machines():
        for path in machine.files:
            if not path.endswith((".yaml", ".yml", ".conf", "kubeconfig")) or path.startswith("/etc/systemd/"):
                continue
            content = machine.read(path)
            try:
                documents = [d for d in yaml.safe_load_all(content) if isinstance(d, dict) and "apiVersion" in d and "kind" in d]
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                # Other things than YAML end in .conf.
                if not path.endswith(".conf"):
                    result(False, f"{machine}:{path} is YAML", str(error))
                continue
            if documents:
                key = (hashlib.sha256(content).hexdigest(), version_of(machine.profile))
                seen.setdefault(key, (machine.root + path, documents, machine.profile, f"{machine}:{path}"))
    return list(seen.values())


COPIES = {}


def older(file, documents, profile):
    """The file, or a copy of it without the fields that its version knows and the types do not."""
    if file in COPIES:
        return COPIES[file]
    left_out = []
    documents = json.loads(json.dumps(documents, default=str))
    for document in documents:
        for path, since in NEWER.get(document["kind"], {}).items():
            *above, key = path
            table = document
            for name in above:
                table = table.get(name, {})
            if key in table and version_of(profile) >= since:
                del table[key]
                left_out.append(".".join(path))
    COPIES[file] = file
    if not left_out:
        return file
    copy = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False)
    yaml.safe_dump_all(documents, copy)
    copy.close()
    print(f"note {profile} {os.path.basename(file)}: newer than the types, and left out: {', '.join(left_out)}")
    COPIES[file] = copy.name
    return copy.name


def typed(found):
    if not os.access(f"{programs}/typed", os.X_OK):
        return print("note KUBE_BIN_DIR has no `typed`: objects were not read by their types")
    read = {older(file, documents, profile): file for file, documents, profile, _ in found}
    code, out, err = run(f"{programs}/typed", *read)
    verdicts = {}
    for line in out.splitlines():
        file = next((file for copy, file in read.items() if f" {copy}" in line), None)
        if file:
            last = verdicts.setdefault(file, [])
            last.append(line.split(" ", 1))
        elif verdicts:
            # What is wrong may take more than a line.
            last[-1][1] += " " + line
    for file, documents, _, where in found:
        said = verdicts.get(file, [])
        old = [kind for kind in OLD if any(d["apiVersion"] == kind for d in documents)]
        bad = [rest[-300:] for word, rest in said if word != "ok"]
        if old and bad:
            print(f"note {where}: {old[0]}: {OLD[old[0]]}")
            continue
        result(not bad and len(said) == len(documents), f"{where}: {len(documents)} objects are what Kubernetes' types say", "\n".join(bad) or f"{len(said)} read")


def kubelets(found):
    """kubelet itself, on the machine: it says what it does not know of its configuration, and goes on."""
    for file, documents, profile, where in found:
        if documents[0]["kind"] != "KubeletConfiguration":
            continue
        root = file[: file.index("/root/")] + "/root"
        with open(older(file, documents, profile), "rb") as copy, open(root + "/tmp/config.yaml", "wb") as there:
            there.write(copy.read())
        open(root + "/tmp/kubelet", "w").close()
        subprocess.run(["mount", "--bind", f"{programs}/kubelet", root + "/tmp/kubelet"], check=True)
        code, out, err = run("timeout", "5", "chroot", root, "/tmp/kubelet", "--config", "/tmp/config.yaml", "--root-dir", "/tmp/state")
        amiss = [line for line in err.splitlines() if re.search(r"strict decoding|unknown field|unrecognized|unable to load|failed to load|invalid configuration", line, re.I)]
        started = re.search(r"server\.go:\d+\] .*[Vv]ersion", err)
        result(started and not amiss, f"{where}: kubelet knows all of its configuration", "\n".join(amiss) or err)


# What no API server serves, and so has no schema: component configurations, audit policies, kubeconfigs.
UNSERVED = re.compile(r"Config$|Configuration$|^Policy$")
OLDEST = (1, 25)


def schemas(found):
    for file, documents, profile, where in found:
        if any(UNSERVED.search(d["kind"]) for d in documents):
            continue
        version = version_of(profile)
        if version < OLDEST and any("beta" in d["apiVersion"] for d in documents):
            print(f"note {where}: gone before the oldest schemas (1.25)")
            continue
        version = ".".join(map(str, max(version, OLDEST)))
        code, out, err = run(sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, file, env={**os.environ, "PYTHONPATH": validate})
        result(code == 0, f"{where}: valid by the strict schemas of {version}", out + err)


def version_of(profile):
    """Of Kubernetes, as the profile or what it extends says."""
    path = f"profiles/{profile}.toml"
    while True:
        with open(path, "rb") as file:
            document = tomllib.load(file)
        if "version" in document.get("kubernetes", {}):
            return tuple(int(part) for part in document["kubernetes"]["version"].split(".")[:2])
        path = os.path.normpath(os.path.join(os.path.dirname(path), document["extends"]))


def served(found):
    groups = {"v1", "apps/v1", "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1beta1", "policy/v1beta1"}
    for file, documents, _, where in found:
        if not all(d["apiVersion"] in groups and not UNSERVED.search(d["kind"]) for d in documents):
            continue
        code, out, err = run("kubectl", "--server", "https://127.0.0.1:6443", "--insecure-skip-tls-verify", "--token", "test", "apply",
                             "--dry-run=server", "--validate=true", "-f", file)
        result(code == 0 and "unknown field" not in err, f"{where}: a running API server takes {len(documents)} objects", err + out)


# Who judged: words of the results' sentences.
JUDGES = ["systemd-analyze has", "haproxy takes", "keepalived takes", "nginx takes", "containerd 1.7 takes", "Kubernetes' types say",
          "kubelet knows", "strict schemas of", "running API server takes"]
TOLD = []


def main():
    for machine in all_machines():
        units(machine)
        front_ends(machine)
        runtimes(machine)
    found = objects()
    typed(found)
    kubelets(found)
    schemas(found)
    served(found)
    if os.environ.get("EVERY_PROFILE"):
        silent = [judge for judge in JUDGES if not any(judge in what for what in TOLD)]
        result(not silent, "each of them had something to judge", f"nothing for: {silent}")


main()
