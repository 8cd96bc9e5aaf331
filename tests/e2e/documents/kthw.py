#!/usr/bin/env python3
"""Holds the machines of a bundle against a document of "Kubernetes the hard way", and prints a line for each thing that the
document has its reader write, move, link, enable or apply: "ok WHAT" or "FAIL WHAT", and "note WHAT" for what else is there.

kthw.py DOCUMENT MACHINES PLAN STAND-INS

MACHINES has a folder for each node, with what its layers hold; PLAN is what `mastermold plan --format json` prints;
STAND-INS holds what was given for the programs of the release.
"""
import base64
import filecmp
import json
import os
import re
import sys

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from meaning import differences, judge  # noqa: E402


class Document:
    """What a reader is told to do, as data."""

    def __init__(self, text):
        self.written = []  # (path, text): a file of the machine
        self.homes = {}  # name: text, a file that is written first and then moved
        self.applied = []  # text of objects
        self.moved = []  # (name, directory)
        self.links = []  # (path, target)
        self.enabled = []
        self.directories = []
        lines = iter(text.split("\n"))
        for line in lines:
            line = line.strip()
            while line.endswith("\\"):
                line = line[:-1] + " " + next(lines).strip()
            self.command(line, lines)
        if not self.written or not self.moved or not self.enabled:
            raise SystemExit("the document was not understood: nothing is written, moved or enabled in it")

    def command(self, line, lines):
        words = line.split()
        if "<<EOF" in words:
            body = "".join(text + "\n" for text in iter(lambda: next(lines), "EOF"))
            if "tee" in words:
                self.written.append((words[-1], body))
            elif "kubectl" in words:
                self.applied.append(body)
            else:
                self.homes[words[words.index(">") + 1]] = body
        elif words[:2] in (["sudo", "mv"], ["sudo", "cp"]):
            *names, to = words[2:]
            for name in names:
                self.moved.append((name, to if to.endswith("/") else os.path.dirname(to) + "/"))
        elif words[:3] == ["sudo", "ln", "-s"]:
            self.links.append((words[4] + os.path.basename(words[3]), words[3]))
        elif words[:3] == ["sudo", "systemctl", "enable"]:
            self.enabled += words[3:]
        elif words[:3] == ["sudo", "mkdir", "-p"]:
            self.directories += [directory.rstrip("/") for directory in words[3:]]


def filled(body, variables):
    """What the reader's shell makes of a body: \\\\ is \\, and ${NAME} is its value."""
    if re.search(r"\$\(|`", body):
        raise SystemExit("a command inside of what is written: read it anew")
    return re.sub(r"\\\\|\$\{(\w+)\}", lambda found: variables[found[1]] if found[1] else "\\", body)


def main():
    document, machines, plan, stand_ins = sys.argv[1:]
    name = os.path.basename(document)
    read = Document(open(document, encoding="utf-8").read())
    plan = json.load(open(plan, encoding="utf-8"))
    masters = [node for node in plan["nodes"] if "control-plane" in node["roles"]]
    found, expected, told = [], set(), {}

    def tell(ok, what, node=None):
        """Once for all machines of which it is so."""
        told.setdefault((ok, what), []).append(node["name"] if node else None)

    def place(node, path):
        """Where a machine's file is, with its links followed inside the machine."""
        root = os.path.join(machines, node["name"])
        for _ in range(8):
            full = root + path
            if not os.path.islink(full):
                return full
            path = os.path.join(os.path.dirname(path), os.readlink(full))
        return root + "/a link that leads nowhere"

    def compare(node, path, body):
        expected.add(path)
        mine = place(node, path)
        if not os.path.isfile(mine):
            found.append((path, f"the file: present -> absent on {node['name']}"))
            return
        variables = {"INTERNAL_IP": ADDRESSES[node["name"]], "KUBERNETES_PUBLIC_ADDRESS": "203.0.113.10"}
        ours = open(mine, encoding="utf-8").read()
        if "${ENCRYPTION_KEY}" in body:
            key = re.search(r"secret: *\"?([A-Za-z0-9+/=]+)\"?", ours)
            variables["ENCRYPTION_KEY"] = key[1] if key and len(base64.b64decode(key[1])) == 32 else "32 bytes in base64"
        theirs = filled(body, variables)
        amiss = differences(path, theirs, ours)
        found.extend((path, difference) for difference in amiss if (path, difference) not in found)
        tell(not amiss or any(d["path"] == path for d in declared), f"{name}: {path}: {len(amiss)} differences", node)
        unseen = [line for line in theirs.split("\n") if counts(line) and not differs(path, leave_out(theirs, line), ours)]
        number = sum(map(counts, theirs.split("\n")))
        not_noticed = "".join(f"\n  not noticed: {line}" for line in unseen)
        tell(not unseen, f"{name}: {path}: without any one of its {number} lines it differs{not_noticed}", node)

    declared = [one for one in plan.get("differences", []) if one["document"] == name]
    for path, body in read.written:
        for node in plan["nodes"] if "/haproxy/" in path else masters:
            if "/haproxy/" not in path or "load-balancer" in node["roles"]:
                compare(node, path, body)
    for file, to in read.moved:
        path = to + file
        for node in masters:
            expected.add(path)
            mine = place(node, path)
            if to == "/usr/local/bin/":
                given = os.path.join(stand_ins, file)
                same = os.path.isfile(mine) and filecmp.cmp(given, mine, shallow=False) and os.stat(mine).st_mode & 0o777 == 0o755
                tell(same, f"{name}: {path}: the release's, 0755", node)
            elif file in read.homes:
                compare(node, path, read.homes[file])
            else:
                private = file.endswith(("-key.pem", ".key", ".kubeconfig")) or "encryption" in file
                mode = os.stat(mine).st_mode & 0o777 if os.path.isfile(mine) else 0
                right = mode == (0o600 if private else 0o644) and os.path.getsize(mine) > 0
                tell(right, f"{name}: {path}: {'private' if private else 'public'}", node)
    for path, target in read.links:
        for node in masters:
            expected.add(path)
            mine = os.path.join(machines, node["name"]) + path
            there = os.path.islink(mine) and os.readlink(mine) == target and os.path.isfile(place(node, path))
            tell(there, f"{name}: {path} -> {target}", node)
    for unit in read.enabled:
        for node in masters:
            wants = f"/etc/systemd/system/multi-user.target.wants/{unit}.service"
            mine = os.path.join(machines, node["name"]) + wants
            expected.add(wants)
            tell(os.path.islink(mine) and os.path.basename(os.readlink(mine)) == unit + ".service", f"{name}: {unit} is enabled", node)
    for directory in read.directories:
        for node in masters:
            tell(os.path.isdir(os.path.join(machines, node["name"]) + directory), f"{name}: {directory} is a directory", node)
    for number, body in enumerate(read.applied):
        theirs = yaml.safe_load(body)
        what = f"{theirs['kind']} {theirs['metadata']['name']}"
        for node in masters:
            folder = os.path.join(machines, node["name"], "etc/kubernetes/cluster-manifests")
            holds = []
            for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
                for ours in yaml.safe_load_all(open(os.path.join(folder, file), encoding="utf-8")):
                    if (ours["kind"], ours["metadata"]["name"]) == (theirs["kind"], theirs["metadata"]["name"]):
                        holds.append(ours)
                        amiss = differences("object.yaml", body, yaml.safe_dump(ours))
                        found.extend((what, difference) for difference in amiss)
                        tell(not amiss, f"{name}: applies {what}: {len(amiss)} differences", node)
            # The first machine applies, and it alone.
            wants = "etc/systemd/system/multi-user.target.wants/cluster-manifests.service"
            applies = os.path.islink(os.path.join(machines, node["name"], wants))
            if node is masters[0]:
                tell(applies and len(holds) == 1, f"{name}: applies {what}, once", node)
            else:
                tell(not applies, f"{name}: leaves it to the first to apply {what}", node)
    for file, body in read.homes.items():
        if not any(file == moved for moved, _ in read.moved):
            tell(False, f"{name}: {file} is written and moved nowhere")
    for path, difference in found:
        print(f"note {name} differs: {path}: {difference}")
    amiss = judge(found, declared)
    tell(not amiss, f"{name}: {len(found)} differences, {len(declared)} of them declared" + "".join(f"\n  {one}" for one in amiss))
    for (ok, what), nodes in told.items():
        print(("ok " if ok else "FAIL ") + what + (f" (on {', '.join(nodes)})" if all(nodes) else ""))
    beyond = sorted({file["path"] for node in plan["nodes"] for file in node["files"] if file["type"] != "directory"} - expected)
    beyond = [path for path in beyond if not path.startswith("/usr/lib/mastermold/")]
    print(f"note {name}: beyond what the document writes: {' '.join(beyond)}")
    sys.exit(any(not ok for ok, _ in told))


def counts(line):
    """Whether a line says something by itself: not one that only closes or opens what others say."""
    return bool(line.strip()) and line.strip() not in "{}" and not line.strip().startswith(("#", "[")) and line.strip() != "---"


def leave_out(text, line):
    return "\n".join(one for one in text.split("\n") if one is not line and one != line)


def differs(path, theirs, ours):
    try:
        return bool(differences(path, theirs, ours))
    except (ValueError, yaml.YAMLError):
        return True


# What the documents leave to the reader: the machines' own addresses.
ADDRESSES = {f"controller-{n}": f"10.240.0.1{n}" for n in range(3)}
ADDRESSES |= {"master-1": "192.168.5.11", "master-2": "192.168.5.12", "loadbalancer": "192.168.5.30"}

if __name__ == "__main__":
    main()
