#!/usr/bin/env python3
"""Runs the bench's rows and writes what they took; see tests/e2e/bench, which prepares what it is given here.

Rows of one round are run one after the other, on the same files; a row's number is the median of its rounds. In every other
round the strangers come first, so that what changes with time falls on both sides. Before each row the disk is given time to
write what is left over from the one before (sync).
"""
import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

import bench_table
import measure

LEVEL = 9  # what mastermold takes for zstd when a profile does not say
MTIME = 315532800  # and for every entry's time
VERSION = "2026.11.1"
PARTS = ("builds", "others", "floor", "readers", "fleet", "micro", "starts")
OUTPUTS = {"cpio": '[[outputs]]\nformat = "cpio.zst"\n', "tar": '[[outputs]]\nformat = "tar.zst"\nlayers = "merged"\n'}


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("program", "project", "profile", "store", "seed", "work", "out", "threecpio"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pack", required=True, help="the test binary of tests/archive.rs, for the micro benchmarks")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--fleet", type=int, default=1000)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--limit", type=int, default=600, help="seconds that one run may take")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--tiny", action="store_true", help="programs are stand-ins")
    given = parser.parse_args()
    given.only = set(given.only.split(","))
    if given.only - set(PARTS):
        parser.error("the parts are " + ", ".join(PARTS))
    return given


class Bench:
    def __init__(self, given):
        self.given, self.work = given, given.work
        self.cores = sorted(os.sched_getaffinity(0))
        self.rows = {}
        self.notes = {}
        self.store = self.path("store")
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.path("home"), "LC_ALL": "C", "XDG_CACHE_HOME": self.store}
        os.makedirs(self.environment["HOME"])
        self.blobs = {}

    def path(self, *names):
        return os.path.join(self.work, *names)

    # Projects: each is a copy with a profile of its own, as if it had been edited.

    def make_project(self, name, text, lock=True):
        project = self.path("projects", name)
        shutil.copytree(self.given.project, project, symlinks=True)
        base = os.path.basename(self.given.profile)
        with open(os.path.join(project, "profiles", "bench.toml"), "w") as file:
            file.write(f'extends = "{base}"\n{text}')
        pins = os.path.join(project, "profiles", base.replace(".toml", ".lock"))
        if os.path.exists(pins):
            shutil.copy(pins, os.path.join(project, "profiles", "bench.lock"))
        if lock:
            self.lock(project)
        return project

    def lock(self, project, profile="bench"):
        """Pins what the profile names, in a store of its own, and keeps which blobs it names: a cold store has these alone."""
        mine = dict(self.environment, XDG_CACHE_HOME=self.given.store)
        offline = [] if self.given.tiny else ["--offline"]
        self.call("lock", f"profiles/{profile}.toml", "--seed", self.given.seed, *offline, cwd=project, environment=mine)
        with open(os.path.join(project, "profiles", f"{profile}.lock")) as file:
            for digest in re.findall(r'^sha256 = "([0-9a-f]{64})"', file.read(), re.M):
                blob = os.path.join("blobs", digest[:2], digest)
                found = os.path.join(self.given.store, "mastermold", blob)
                if digest not in self.blobs and os.path.exists(found):
                    # A copy, so that nothing that is done to it can reach the store of the caller.
                    self.blobs[digest] = self.path("blobs", digest)
                    os.makedirs(self.path("blobs"), exist_ok=True)
                    shutil.copy2(found, self.blobs[digest])

    def call(self, *words, cwd=None, environment=None):
        measure.run([self.given.program, "-q", *words], cwd=cwd, environment=environment or self.environment, limit=self.given.limit)

    def cold(self):
        """A store with the sources alone: no notes, nothing derived; and no release."""
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.path("out"), ignore_errors=True)
        for digest, path in self.blobs.items():
            directory = os.path.join(self.store, "mastermold", "blobs", digest[:2])
            os.makedirs(directory, mode=0o700, exist_ok=True)
            shutil.copy2(path, os.path.join(directory, digest))
        subprocess.run(["chmod", "-R", "go-rwx", self.store], check=True)

    def build_words(self, out, *more, profile="bench"):
        return [self.given.program, "-q", "build", f"profiles/{profile}.toml", "--seed", self.given.seed, "-o", out, "--offline", *more]

    # Rows.

    def row(self, name, argv, **options):
        os.sync()
        options.setdefault("environment", self.environment)
        sample = measure.run(argv, limit=options.pop("limit", self.given.limit), **options)
        self.rows.setdefault(name, []).append(sample)
        say(f"{name}: {sample.wall:.3f} s, processors {sample.cpu:.3f} s, {sample.memory >> 20} MiB, written {sample.written >> 10} KiB")
        return sample

    def script(self, name, text, *words, **options):
        return self.row(name, ["bash", "-c", "set -euo pipefail; " + text, "bench", *words], **options)

    def build(self, name, project, *more, out=None):
        self.row(name, self.build_words(out or self.path("out"), *more), cwd=self.path("projects", project))


def say(text):
    print("  " + text, file=sys.stderr, flush=True)


# What is built.

def prepare(bench):
    """The projects that are edits of the first, and two releases of it, signed, for those who read one."""
    both = OUTPUTS["cpio"] + OUTPUTS["tar"]
    version = '[cluster]\nversion = "{}"\n'.format
    sysctl = '[sysctl]\n"vm.max_map_count" = "{}"\n'.format
    bench.make_project("cpio", OUTPUTS["cpio"])
    bench.make_project("tar", OUTPUTS["tar"])
    bench.make_project("next", version("2026.11.2") + sysctl(262145) + both)
    bench.make_project("sysctl", sysctl(262146) + both)
    # A value that the first machine alone has, and another one.
    for number in (1, 2):
        own = "{{ '%d' if node.name == nodes[0].name else '262144' }}" % (262150 + number)
        bench.make_project(f"machine-{number}", sysctl(own) + both)
    bench.make_project("layer", sysctl(262147) + OUTPUTS["cpio"])
    bench.make_project("node", version("2026.11.4") + node_text("master-3", "192.168.5.14", "10.244.3.0/24", "03") + both)
    bench.make_project("binary", version("2026.11.3") + both, lock=False)
    change_binary(bench)
    bench.cold()
    key = bench.path("sign")
    bench.call("key", "new", key + ".key")
    for name, project, number in (("one", "base", VERSION), ("two", "next", "2026.11.2")):
        measure.run(bench.build_words(bench.path("releases", name)), cwd=bench.path("projects", project), environment=bench.environment, limit=bench.given.limit)
        os.rename(glob.glob(bench.path("releases", name, "*", number))[0], bench.path(name))
        bench.call("sign", bench.path(name), "--key", key + ".key")


def node_text(name, address, pods, last):
    return (
        f'[[nodes]]\nname = "{name}"\naddress = "{address}"\nmac = "52:54:00:00:06:{last}"\n'
        f'roles = ["control-plane", "etcd"]\nvars = {{ cni-plugins = {{ pod-cidr = "{pods}" }} }}\n'
    )


def change_binary(bench):
    """runc is other bytes of the same size, that compress as well as they did: code and constants are counted up by one."""
    with open(bench.path("projects", "base", "profiles", "bench.lock")) as file:
        found = re.search(r'^path = "usr/sbin/runc"\nsha256 = "([0-9a-f]{64})"', file.read(), re.M)
    project, place = bench.path("projects", "binary"), bench.path("changed", "usr", "sbin")
    os.makedirs(place)
    program = os.path.join(place, "runc")
    shutil.copyfile(bench.blobs[found[1]], program)
    os.chmod(program, 0o755)
    bench.notes["binary"] = os.path.getsize(program)
    with open(program, "r+b") as file:
        parts = sections(file)
        # In pieces: the memory of this process hides that of those which it starts.
        for start, end in [(at, min(at + (1 << 16), start + size)) for start, size in parts for at in range(start, start + size, 1 << 16)]:
            file.seek(start)
            piece = file.read(end - start).translate(bytes((n + 1) % 256 for n in range(256)))
            file.seek(start)
            file.write(piece)
        if not parts:
            file.seek(0, os.SEEK_END)
            file.write(b"# changed\n")
    subprocess.run(["tar", "-C", bench.path("changed"), "-cf", os.path.join(project, "runc.tar"), "usr/sbin/runc"], check=True)
    with open(os.path.join(project, "profiles", "bench.toml"), "a") as file:
        file.write('[sources.runc]\npath = "runc.tar"\n')
    bench.lock(project)


def sections(file):
    """Where .text and .rodata of a 64-bit ELF file lie: the rest of it stays as it is, for those who look into its headers."""
    def read(kind, at):
        file.seek(at)
        return struct.unpack("<" + kind, file.read(struct.calcsize("<" + kind)))

    if file.read(5) != b"\x7fELF\x02":
        return []
    table, = read("Q", 0x28)
    size, count, names = read("HHH", 0x3A)
    headers = [read("IIQQQQ", table + index * size) for index in range(count)]
    file.seek(headers[names][4])
    strings = file.read(headers[names][5])
    named = {strings[header[0] : strings.index(0, header[0])]: header[4:] for header in headers}
    return [named[name] for name in (b".text", b".rodata") if name in named]


def trees(bench):
    """The same files for the strangers: what each node's tar.zst holds, and what each archive of the release holds."""
    with open(bench.path("one", "public", "manifest.json")) as file:
        artifacts = [a for a in json.load(file)["artifacts"] if a["format"].endswith(".zst")]
    for artifact in artifacts:
        kind = "nodes" if artifact["layer"] == "merged" else "secrets" if artifact["secret"] else "layers"
        to = bench.path("trees", kind, artifact.get("node") or "common")
        os.makedirs(to)
        archive = bench.path("one", artifact["path"])
        if artifact["format"] == "tar.zst":
            subprocess.run(["tar", "--zstd", "-xpf", archive, "-C", to], check=True)
        else:
            subprocess.run(["bash", "-c", 'set -o pipefail; zstd -dcq "$0" | cpio -idmu --quiet; cat >/dev/null', archive], cwd=to, check=True)
    distinct(bench)
    for node in os.listdir(bench.path("trees", "nodes")):
        manifest(bench.path("trees", "nodes", node), bench.path(f"{node}.manifest"))


def distinct(bench):
    """Each content once: as files, in a list for each processor, and as one file."""
    seen = {}
    for root, _, names in os.walk(bench.path("trees")):
        for name in names:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path):
                with open(path, "rb") as file:
                    seen.setdefault(hashlib.file_digest(file, "sha256").digest(), path)
    with open(bench.path("distinct"), "wb") as out:
        for path in sorted(seen.values()):
            with open(path, "rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
    share(seen.values(), len(bench.cores), bench.path("distinct.list"))
    bench.notes["distinct"] = os.path.getsize(bench.path("distinct"))


def share(paths, count, to):
    """Lists of about the same number of bytes: TO.0, TO.1, ..."""
    lists = [(0, []) for _ in range(count)]
    for path in sorted(paths, key=lambda path: (-os.path.getsize(path), path)):
        index = min(range(count), key=lambda index: lists[index][0])
        lists[index] = (lists[index][0] + os.path.getsize(path), lists[index][1] + [path])
    for index, (_, names) in enumerate(lists):
        if names:
            with open(f"{to}.{index}", "w") as file:
                file.write("".join(name + "\0" for name in names))


def manifest(tree, to):
    """3cpio's list of the tree's files, with the owners, modes and times that the others write."""
    with open(to, "w") as file:
        file.write(f"#cpio: zstd -{LEVEL}\n")
        for root, directories, names in os.walk(tree):
            directories.sort()
            for name in sorted(directories + names):
                path = os.path.join(root, name)
                inside, status = os.path.relpath(path, tree), os.lstat(path)
                start = f"{path}\t{inside}\t%s\t{status.st_mode & 0o7777:o}\t{status.st_uid}\t{status.st_gid}\t{MTIME}"
                if os.path.islink(path):
                    file.write(start % "link" + f"\t{os.readlink(path)}\n")
                elif os.path.isdir(path):
                    file.write(start % "dir" + "\n")
                else:
                    file.write(start % "file" + f"\t{status.st_size}\n")


# Rounds.

def ours(bench):
    """One store and one directory of releases, from cold through the edits that a week brings."""
    for project in ("tar", "cpio"):
        bench.cold()
        bench.build(f"cold-{project}", project)
    bench.build("sysctl-layer", "layer", "--force")
    bench.cold()
    bench.build("cold", "base")
    bench.build("unchanged", "base")
    bench.build("sysctl-next", "next")
    bench.build("binary", "binary")
    bench.build("node", "node")
    bench.build("sysctl", "sysctl", "--force")
    words = bench.build_words(bench.path("out"), "--force")
    measure.run(words, cwd=bench.path("projects", "machine-1"), environment=bench.environment, limit=bench.given.limit)
    bench.build("sysctl-machine", "machine-2", "--force")


TAR = 'tar --sort=name --mtime=@{mtime} --owner=0 --group=0 --numeric-owner -C "{tree}" -cf - . | zstd -q -{level} -T{threads} -o "{to}.tar.zst"'
CPIO = '(cd "{tree}" && find . -mindepth 1 -print0 | sort -z | cpio -o -0 -H newc --reproducible --quiet) | zstd -q -{level} -T{threads} -o "{to}.cpio.zst"'
THREECPIO = '"{threecpio}" --create "{to}.cpio.zst" <"{manifest}"'
SQUASH = 'mksquashfs "{tree}" "{to}.squashfs" -comp zstd -Xcompression-level {level} -processors {threads} -all-time {mtime} -mkfs-time {mtime} -noappend -no-progress -quiet >/dev/null'
SUMS = "find . -type f -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS"


def archives(bench, name, *parts):
    """One script: every kind of archive that is wanted of every tree that is named, and sums over all of it."""
    to = bench.path("theirs")
    shutil.rmtree(to, ignore_errors=True)
    os.makedirs(to)
    words = []
    for template, kind in parts:
        for tree in sorted(os.listdir(bench.path("trees", kind))):
            words.append(template.format(
                tree=bench.path("trees", kind, tree), to=os.path.join(to, f"{kind}-{tree}"), level=LEVEL, mtime=MTIME,
                threads=len(bench.cores), threecpio=bench.given.threecpio, manifest=bench.path(f"{tree}.manifest"),
            ))
    bench.script(name, "; ".join([*words, SUMS]), cwd=to)
    shutil.rmtree(to)


def theirs(bench):
    archives(bench, "script", (TAR, "nodes"), (CPIO, "nodes"), (CPIO, "secrets"))
    archives(bench, "script-layers", (TAR, "nodes"), (CPIO, "layers"), (CPIO, "secrets"))
    archives(bench, "tar", (TAR, "nodes"))
    archives(bench, "mksquashfs", (SQUASH, "nodes"))
    archives(bench, "cpio", (CPIO, "nodes"))
    archives(bench, "3cpio", (THREECPIO, "nodes"))


# One process for each list, at the same time.
HASH = 'for list in "{lists}".*; do xargs -0 openssl dgst -sha256 <"$list" >/dev/null & done; wait'
CONTENTS = (
    'for list in "{lists}".*; do while IFS= read -r -d "" archive; do zstd -dcq "$archive" | openssl dgst -sha256 >/dev/null; done <"$list" & done; wait'
)


def floor(bench):
    """The two ways of one pass of each on all processors; nothing is written."""
    compress = f'zstd -q -{LEVEL} -T{len(bench.cores)} -c "{bench.path("distinct")}" >/dev/null'
    hashes = HASH.format(lists=bench.path("distinct.list"))
    bench.script("floor-after", f"{compress}; {hashes}")
    bench.script("floor-beside", f"{compress} & {hashes}")


def readers(bench):
    """Who reads a release: verify and diff, beside openssl over the same files and over their contents."""
    one, two = bench.path("one"), bench.path("two")
    helped = subprocess.run([bench.given.program, "verify", "--help"], capture_output=True, text=True).stdout
    sums = [bench.given.program, "-q", "verify", one, "--key", bench.path("sign.pub"), "--sums"]
    verify = [*sums[:-1], "--at", "2026-11-01T00:00:00Z"]
    for threads in sorted({1, len(bench.cores)}):
        cores = bench.cores[:threads]
        hashes = HASH.format(lists=bench.path(f"files-{threads}"))
        contents = CONTENTS.format(lists=bench.path(f"archives-{threads}"))
        # What has no such flag is not measured, and the table says so.
        if "--sums" in helped:
            bench.row(f"verify-sums-{threads}", sums, cores=cores)
        bench.script(f"openssl-{threads}", hashes, cores=cores)
        bench.row(f"verify-{threads}", verify, cores=cores)
        bench.script(f"contents-{threads}", f"{hashes}; {contents}", cores=cores)
    bench.row("diff", [bench.given.program, "-q", "diff", one, two], may_end=(0, 1))
    bench.script("openssl-both", HASH.format(lists=bench.path("both")))


def lists(bench):
    """The files of the releases and the first one's archives, shared out."""
    def files(top):
        return [os.path.join(root, name) for root, _, names in os.walk(bench.path(top)) for name in names]

    one, cores = files("one"), len(bench.cores)
    for threads in sorted({1, cores}):
        share(one, threads, bench.path(f"files-{threads}"))
        share([path for path in one if path.endswith(".zst")], threads, bench.path(f"archives-{threads}"))
    share(one + files("two"), cores, bench.path("both"))
    bench.notes["release"] = sum(map(os.path.getsize, one))


# Fleets.

def fleet(bench):
    """Releases of ever more nodes, split, with a store that has built the first: what a node costs beyond it."""
    sizes = [size for size in (1, 10, 100, 1000, 10000) if size <= bench.given.fleet]
    for size in sizes:
        fleet_project(bench, size)
    bench.cold()
    words, project = bench.build_words(bench.path("out"), profile="fleet"), "fleet-{}".format
    measure.run(words, cwd=bench.path("projects", project(1)), environment=bench.environment, limit=bench.given.limit)
    for size in sizes:
        for _ in range(bench.given.pairs if size < 10000 else 1):
            shutil.rmtree(bench.path("out"), ignore_errors=True)
            bench.row(f"fleet-{size}", words, cwd=bench.path("projects", project(size)), limit=max(bench.given.limit, size // 5))
    return sizes


def fleet_project(bench, size):
    project = bench.path("projects", f"fleet-{size}")
    writer = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fleet-profile")
    subprocess.run([writer, project, str(size)], check=True, stdout=subprocess.DEVNULL, timeout=300)
    bench.lock(project, "fleet")


# Small things.

def starts(bench):
    """How long it takes to begin: medians and quartiles of many runs."""
    program, base = bench.given.program, bench.path("projects", "base")
    rows = {
        "mastermold --version": ([program, "--version"], None),
        "mastermold plan, this profile": ([program, "-q", "plan", "profiles/bench.toml"], base),
        "3cpio --version": ([bench.given.threecpio, "--version"], None),
    }
    for name in ("coreos-installer", "butane", "skopeo", "umoci"):
        found = shutil.which(name)
        if found:
            rows[f"{name} --version"] = ([found, "--version"], None)
    times = {name: [] for name in rows}
    for _ in range(bench.given.starts):
        for name, (argv, cwd) in rows.items():
            times[name].append(measure.run(argv, cwd=cwd, environment=bench.environment, limit=60).wall)
    return {name: measure.quartiles(values) for name, values in times.items()}


def micro(bench):
    """One thing at a time, on all distinct bytes as one file: what the program does beside who else does it."""
    file, directory = bench.path("distinct"), bench.work
    threads = len(bench.cores)
    one = [bench.cores[0]]
    theirs = {
        "sha256": f'openssl dgst -sha256 "{file}" >/dev/null',
        # GNU tar reads nothing if it sees that it writes to /dev/null.
        "tar": f'tar -C "{directory}" -cf - distinct | cat >/dev/null',
        "cpio": f'cd "{directory}" && echo distinct | cpio -o -H newc --quiet | cat >/dev/null',
        "tar.zst": f'tar -C "{directory}" -cf - distinct | zstd -q -{LEVEL} -T{threads} | cat >/dev/null',
    }
    for what, text in theirs.items():
        cores = bench.cores if what == "tar.zst" else one
        words = f"{what} {LEVEL if what == 'tar.zst' else 0} {len(cores)} 256 {file}"
        for _ in range(bench.given.pairs):
            argv = [bench.given.pack, "--ignored", "--exact", "measure::run"]
            bench.row(f"micro-{what}", argv, cores=cores, environment=dict(bench.environment, MEASURE=words))
            bench.script(f"micro-{what}-theirs", text, cores=cores)


def versions(bench):
    return {
        "mastermold": measure.first_line(bench.given.program, "--version"),
        "libzstd in it": libzstd(),
        "zstd": measure.first_line("zstd", "--version"),
        "tar": measure.first_line("tar", "--version"),
        "cpio": measure.first_line("cpio", "--version"),
        "3cpio": measure.first_line(bench.given.threecpio, "--version"),
        "mksquashfs": measure.first_line("mksquashfs", "-version"),
        "openssl": measure.first_line("openssl", "version"),
        "sha256sum": measure.first_line("sha256sum", "--version"),
    }


def libzstd():
    lock = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Cargo.lock")
    with open(lock) as file:
        found = re.search(r'name = "zstd-sys"\nversion = "[^"]*\+zstd\.([^"]*)"', file.read())
    return found[1] if found else "?"


def main():
    given = arguments()
    bench = Bench(given)
    # Before anything of ours loads it.
    machine, ran = measure.machine(given.work), versions(bench)
    bench.make_project("base", OUTPUTS["cpio"] + OUTPUTS["tar"])
    if given.only - {"fleet", "starts"}:
        prepare(bench)
        trees(bench)
        lists(bench)
    for number in range(given.pairs):
        say(f"round {number + 1} of {given.pairs}")
        parts = [("builds", ours), ("others", theirs)]
        for part, run in [*(parts if number % 2 == 0 else parts[::-1]), ("floor", floor), ("readers", readers)]:
            if part in given.only:
                run(bench)
    sizes = fleet(bench) if "fleet" in given.only else []
    if "micro" in given.only:
        micro(bench)
    machine["load-after"] = round(os.getloadavg()[0], 2)
    result = bench_table.result(bench, machine, ran, sizes, starts(bench) if "starts" in given.only else {})
    bench_table.write(result, given.out)


if __name__ == "__main__":
    # What runs is ended with this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except measure.Failed as failure:
        sys.exit(f"bench: {failure}")
