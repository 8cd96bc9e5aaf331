#!/usr/bin/env python3
"""Judges what a machine of profiles/boot-debian.toml said of itself (overlays/report) by the release that it was booted from.

  machine.py judge RELEASE NODE REPORT    one line a judgement: `ok WHAT`, `FAIL WHAT` or `note WHAT`
  machine.py doubt RELEASE NODE REPORT    whether it would notice: reports with one thing wrong, `ok` if it fails
"""
import base64
import contextlib
import functools
import gzip
import io
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))
import judge as archives  # noqa: E402

# What a running Debian changes of its own base, and why.
CHANGED = {
    "etc/machine-id": "memory-root gives the machine its own",
    "etc/passwd": "systemd-sysusers adds etcd's user",
    "etc/group": "systemd-sysusers adds etcd's user",
    "etc/shadow": "systemd-sysusers adds etcd's user",
    "etc/gshadow": "systemd-sysusers adds etcd's user",
    "var/log/wtmp": "the boot is logged",
    "var/log/lastlog": "the boot is logged",
}
# What it makes beside.
MADE = re.compile(
    r"(etc/(\.pwd\.lock|passwd-|group-|shadow-|gshadow-|\.updated|containerd(/.*)?|cni(/.*)?|mtab)"
    r"|var/(lib/(containerd|etcd|systemd|private|cni|dbus|nfs|logrotate)(/.*)?|log/.*|cache/.*|tmp/.*|\.updated|opt/.*)"
    r"|opt/(containerd|cni)(/.*)?|(proc|sys|dev|run|tmp|root|home|srv|mnt|media|boot)(/.*)?)$"
)


class Report:
    def __init__(self, text):
        self.said, self.facts, self.listings, name, body = [], {}, {}, None, []
        self.done = None
        for line in text.split("\n"):
            if name is not None and line == "--- end":
                self.listings[name] = gzip.decompress(base64.b64decode("".join(body)))
                name, body = None, []
            elif name is not None:
                body.append(line)
            elif line.startswith("--- "):
                name = line[4:]
            elif line.startswith("DONE n="):
                self.done = int(line[7:])
            elif line:
                self.said.append(line)
                word, _, rest = line.partition(" ")
                if word == "fact":
                    key, _, value = rest.partition(" ")
                    self.facts.setdefault(key, []).append(value.strip())

    def fact(self, name):
        return self.facts.get(name, ["nothing was said"])[0]

    def lines(self, name):
        return self.listings.get(name, b"?nothing").decode("utf-8", "surrogateescape").splitlines()


def tell(right, what, otherwise=""):
    print(f"ok {what}" if right else f"FAIL {what}: {otherwise}")


@functools.lru_cache
def contents(release, paths):
    """The files of these archives by their paths."""
    return {n: b for path in paths for n, k, _, b in archives.read_cpio(os.path.join(release, path)) if k == "file"}


def host(report, node, files):
    """What the host was told to be."""
    tell(not report.lines("failed"), "no unit has failed", report.lines("failed"))
    down = [unit for unit in report.facts.get("unit", ["nothing was said"]) if not unit.endswith(" active")]
    tell(not down, "the units of the bundle are active", down)
    tell(report.fact("hostname") == f"{node['name']} {node['name']}", "the host name", report.fact("hostname"))
    tell(node["address"] in report.fact("hosts").split(), "its own name is its address", report.fact("hosts"))
    tell("nameserver 192.168.5.1" in report.fact("resolver"), "the resolver", report.fact("resolver"))
    tell(any(f" lan0 inet {node['address']}/24 " in re.sub(r"\s+", " ", l) for l in report.lines("addresses")),
         "the card with its MAC address is lan0 and has its address", report.lines("addresses"))
    tell(report.fact("link").startswith(node["mac"] + " "), "that card's MAC address", report.fact("link"))
    tell(any(l.startswith("default via 192.168.5.1 dev lan0") for l in report.lines("routes")), "the default route", report.lines("routes"))
    wanted = names(files["etc/modules-load.d/mastermold.conf"])
    tell({"nf_conntrack", "overlay", "br_netfilter"} <= wanted <= set(report.lines("modules")),
         f"modules are loaded: {', '.join(sorted(wanted))}", wanted - set(report.lines("modules")))
    tell(report.fact("hashsize") == "65536", "a module's option is in force", report.fact("hashsize"))
    wanted = {tuple(map(str.strip, l.split("="))) for l in files["etc/sysctl.d/90-mastermold.conf"].decode().splitlines() if "=" in l}
    found = {tuple(map(str.strip, l.split("=", 1))) for l in report.lines("sysctl") if "=" in l}
    tell(("vm.max_map_count", "262145") in wanted and ("net.bridge.bridge-nf-call-arptables", "0") in wanted and wanted <= found,
         f"{len(wanted)} kernel parameters are set", wanted - found)
    tell(report.fact("etcd-user") == "232 232:232:700", "etcd and its data belong to its user", report.fact("etcd-user"))


def names(text):
    return {line for line in text.decode().splitlines() if line and not line.startswith("#")}


def secrets(report, release, secret):
    """quality.md row 99."""
    held = contents(release, (secret,))
    paths = {p for p in held if not p.startswith("usr/lib/mastermold/")}
    keys = {"/" + p for p in paths if b"PRIVATE KEY-----" in held[p] or b"client-key-data: " in held[p]}
    tell(len(keys) >= 8 and report.fact("needles").isdigit() and int(report.fact("needles")) >= len(keys),
         f"{len(keys)} private keys were looked for", report.fact("needles"))
    found = set(report.lines("secret-files"))
    tell(found == keys, "they are in the files of the secrets layer and in no other file", found ^ keys)
    modes = {e["path"]: e["mode"] for e in entries(report) if e["path"] in paths}
    tell(modes and all(m in (0o600, 0o400) for m in modes.values()), f"{len(modes)} secret files have mode 0600 or 0400", modes)
    tell(report.fact("secret-paths") == report.fact("read-by-0") and int(report.fact("secret-paths")) >= len(paths),
         "root can read them", report.fact("read-by-0"))
    tell(report.fact("read-by-1000") == "", "uid 1000 can read none of them", report.fact("read-by-1000"))
    tell(report.fact("container-secrets") == "0", "a container sees none of them, and nothing of /sys/firmware", report.fact("container-secrets"))
    tell(report.lines("boot") == [], "/boot is empty", report.lines("boot"))
    tell(report.fact("initrd") == ": No such file or directory", "the kernel does not keep the initrd", report.fact("initrd"))
    for where in ("journal", "kernel-log", "cmdline", "processes"):
        tell(report.fact(f"{where}-secrets") == "0", f"none of them is in the {where}", report.fact(f"{where}-secrets"))
    tell(report.fact("journal-lines").isdigit() and int(report.fact("journal-lines")) > 1000, "there is a journal", report.fact("journal-lines"))


KINDS = {"f": "file", "d": "directory", "l": "symlink"}


def entries(report):
    for entry in report.listings.get("entries", b"").decode("utf-8", "surrogateescape").split("\0"):
        if entry:
            mode, kind, uid, gid, mtime, size, rest = entry.split("|", 6)
            path, _, target = rest.rpartition("|")
            yield {"path": path[1:], "kind": KINDS.get(kind, kind), "mode": int(mode, 8), "uid": uid, "gid": gid,
                   "mtime": mtime.split(".")[0], "size": size, "target": target}


def found(report):
    """Every entry of the machine in the form of the other judge."""
    digests = dict(reversed(l.split("  ", 1)) for l in report.listings.get("digests", b"").decode("utf-8", "surrogateescape").split("\0") if l)
    for e in entries(report):
        rest = (e["size"], digests.get("/" + e["path"], "not asked"), "-") if e["kind"] == "file" else ("-", "-", e["target"] or "-")
        mode = None if e["kind"] == "symlink" else e["mode"]
        yield e["path"], archives.line(e["path"], e["kind"], mode, e["uid"], e["gid"], e["mtime"], *rest)


@functools.lru_cache
def given_by(*what):
    """What the other judge says."""
    return {line.split("\t")[0]: timeless(line) for line in archives.main(*what)}


def timeless(line):
    """Directories change when something is made in them."""
    fields = line.split("\t")
    return "\t".join(fields[:5] + (["-"] if fields[1] == "directory" else fields[5:6]) + fields[6:])


def everything(report, release, node, base):
    """What is there, against what was given."""
    bundle = given_by("node", release, node)
    there = {path: timeless(line) for path, line in found(report)}
    wrong = [path for path in bundle if there.get(path) != bundle[path]]
    tell(len(bundle) > 50 and not wrong, f"{len(bundle)} entries of the bundle are as the manifests say",
         [(bundle[p], there.get(p, "missing")) for p in wrong[:5]])
    given = given_by("cpio", os.path.join(release, base))
    below = {p: l for p, l in given.items() if p not in bundle}
    gone = [p for p in below if p not in there]
    tell(len(below) > 1000 and not gone, f"{len(below)} more entries are the base's, and none is gone", gone[:5])
    # A directory of the base that a layer needs is the base's, whatever its time.
    changed = sorted(p for p in below if p in there and there[p] != below[p])
    odd = [p for p in changed if p not in CHANGED and not MADE.match(p)]
    tell(not odd, f"of the base, a running system has changed {', '.join(changed)}", [(below[p], there[p]) for p in odd[:5]])
    made = sorted(p for p in there if p not in given and p not in bundle)
    odd = [p for p in made if not MADE.match(p)]
    tell(not odd, f"{len(made)} entries were made meanwhile, where a running system makes them", odd[:10])
    tops = sorted({"/".join(p.split("/")[:3]) for p in made})
    print(f"note made: {' '.join(tops)[:600]}")


def judge(release, name, text):
    report = Report(text)
    with open(os.path.join(release, "public", "manifest.json"), "rb") as file:
        node = next(n for n in json.load(file)["nodes"] if n["name"] == name)
    initrds = node["boot"]["initrds"]
    for line in report.said:
        if not line.startswith("fact "):
            print(line)
    tell(report.done is not None and report.done == len(report.said), "the machine came to the end of its report", report.done)
    own = tuple(p for p in initrds if "/boot/" not in p)
    files = contents(release, own)
    host(report, {"name": name, "address": "192.168.5.11", "mac": node["boot"]["mac"]}, files)
    lists = sum(len(files[p].splitlines()) for p in files if p.startswith("usr/lib/mastermold/") and p.endswith(".sha256"))
    tell(report.fact("verified").startswith(f"{lists} files of "), f"the machine has checked its {lists} files", report.fact("verified"))
    tell("etc" not in report.fact("container").split() and "No such file" in report.fact("container"), "a container has its own root", report.fact("container"))
    secrets(report, release, next(p for p in own if p.startswith("secrets/")))
    everything(report, release, name, next(p for p in initrds if "/boot/" in p))


# What may be wrong with a machine: where its report would say so, and what stands there then.
WRONG = [
    ("a report that is cut", None, r"\nDONE .*", ""),
    ("a line that is missing", None, r"\nok a container runs", ""),
    ("a unit that is down", None, "fact unit etcd.service active", "fact unit etcd.service failed"),
    ("another host name", None, "fact hostname master-0", "fact hostname localhost"),
    ("a secret in the journal", None, "fact journal-secrets 0", "fact journal-secrets 1"),
    ("a secret that somebody reads", None, r"fact read-by-1000 *\n", "fact read-by-1000 etc/kubernetes/pki/sa.key\n"),
    ("a secret in a container", None, "fact container-secrets 0", "fact container-secrets 1"),
    ("an initrd that is kept", None, "fact initrd .*", "fact initrd /sys/firmware/initrd"),
    ("a key that all may read", "entries", r"600\|f\|232\|232\|(?=[^|]*\|[^|]*\|/etc/kubernetes/pki/etcd/server.key\|)", "644|f|232|232|"),
    ("a key of another owner", "entries", r"600\|f\|232\|232\|(?=[^|]*\|[^|]*\|/etc/kubernetes/pki/etcd/server.key\|)", "600|f|0|0|"),
    ("a link to another place", "entries", r"multi-user.target.wants/etcd.service\|[^\0]*", "multi-user.target.wants/etcd.service|elsewhere"),
    ("a file that nobody gave", "entries", r"$", "644|f|0|0|0.0|1|/etc/foreign|\0"),
    ("a directory that is missing", "entries", r"755\|d\|0\|0\|[0-9.]*\|[0-9]*\|/etc/containerd\|\0", ""),
    ("a program that is another", "digests", "[0-9a-f]  /usr/bin/etcd\0", "g  /usr/bin/etcd\0"),
    ("a changed file of the base", "digests", "[0-9a-f]  /usr/bin/bash\0", "g  /usr/bin/bash\0"),
    ("a key in another file", "secret-files", "$", "/etc/motd\n"),
    ("a module that is missing", "modules", "br_netfilter\n", ""),
    ("a kernel parameter that is the kernel's own", "sysctl", "vm.max_map_count = 262145", "vm.max_map_count = 65530"),
    ("a unit that has failed", "failed", "$", "a.service loaded failed failed A\n"),
    ("another address", "addresses", "192.168.5.11/24", "10.0.2.15/24"),
]


def changed(text, listing, old, new):
    if listing is None:
        assert re.search(old, text), f"there is no {old!r}"
        return re.sub(old, lambda _: new, text, count=1)

    def change(found):
        body = gzip.decompress(base64.b64decode(found[1])).decode("utf-8", "surrogateescape")
        assert re.search(old, body), f"there is no {old!r} in {listing}"
        body = re.sub(old, lambda _: new, body, count=1).encode("utf-8", "surrogateescape")
        return f"--- {listing}\n{base64.encodebytes(gzip.compress(body)).decode()}--- end"

    return re.sub(rf"--- {listing}\n(.*?)--- end", change, text, flags=re.S)


def doubt(release, name, text):
    for what, *change in WRONG:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            judge(release, name, changed(text, *change))
        found = [line for line in said.getvalue().splitlines() if line.startswith("FAIL ")]
        tell(found, f"the judge notices {what}", "it does not")


def main(verb, release, name, path):
    with open(path, "rb") as file:
        text = file.read().replace(b"\r", b"").decode("utf-8", "surrogateescape")
    {"judge": judge, "doubt": doubt}[verb](release, name, text)


if __name__ == "__main__":
    main(*sys.argv[1:])
