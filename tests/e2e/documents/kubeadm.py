#!/usr/bin/env python3
"""Holds the machines of reference/kubeadm-stacked and reference/kubeadm-external-etcd against kubeadm's guide, and prints a line for
each thing that the guide tells its reader to write, to copy or to expect: "ok WHAT" or "FAIL WHAT".

kubeadm.py GUIDE stacked|external-etcd MACHINES PLAN     MACHINES has a folder for each node; PLAN is `mastermold plan --format json`
kubeadm.py GUIDE extra-args                              what section 4 gives as extraArgs, as a profile's [args.*]
kubeadm.py GUIDE extra-args BEFORE AFTER                 two machines, without and with them
"""
import glob
import json
import os
import re
import subprocess
import sys

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from meaning import differences, judge  # noqa: E402

PKI = "/etc/kubernetes/pki/"
FAILED = []


def tell(ok, what, amiss=""):
    print(f"{'ok' if ok else 'FAIL'} {what}" + (f": {amiss}" if not ok and amiss else ""))
    if not ok:
        FAILED.append(what)


def one(pattern, text, flags=re.S):
    found = re.search(pattern, text, flags)
    if not found:
        sys.exit(f"the guide was not understood: no {pattern}")
    return found


class Guide:
    """What a reader is told, as data. The copy lost line breaks in places, and indentation everywhere."""

    def __init__(self, text):
        # 1: files written with a here-document; of the two packagings Debian's.
        self.written = {found[2]: found[3] for found in re.finditer(
            r"^cat <<EOF (> |\| sudo tee )(/etc/(?:sysctl\.d|apt)\S+)\n(.*?)^EOF$", text, re.S | re.M)}
        self.written["/etc/default/kubelet"] = one(r"^(KUBELET_EXTRA_ARGS=--cgroup-driver=)<value>$", text, re.M)[1] + "systemd\n"
        # 7: the same, on one line.
        unit = one(r"cat << EOF > (/etc/systemd/system/kubelet\.service\.d/20\S+) (.*?) EOF ", text)
        self.manager = (unit[1], re.sub(r" (?=ExecStart=|Restart=|# )", "\n", unit[2]))
        # 8: the drop-in of the packages; a line that is none goes on from the one before.
        drop = one(r"(/etc/systemd/system/kubelet\.service\.d/10-kubeadm\.conf).*?\n(\[Service\]\n.*?\nExecStart=\n[^\n]*)\n", text)
        self.packages = (drop[1], re.sub(r"\n(?![#\[]|[A-Z][A-Za-z]+=)", " ", drop[2]))
        # 7: what kubeadm is told for every host.
        hosts = dict(re.findall(r"export (HOST\d)=(\S+)", text))
        names = re.findall(r'"(\w+)"', one(r"NAMES=\(([^)]*)\)", text)[1])
        self.hosts = dict(zip(names, (hosts[f"HOST{number}"] for number in range(3))))
        body = one(r"extraArgs: (initial-cluster: .*?) EOF done", text)[1]
        self.etcd = {}
        for name, address in self.hosts.items():
            filled = re.sub(r"\$\{NAMES\[(\d)\]\}", lambda found: names[int(found[1])], body)
            filled = re.sub(r"\$\{ETCDHOSTS\[(\d)\]\}", lambda found: hosts["HOST" + found[1]], filled)
            filled = filled.replace("${NAME}", name).replace("${HOST}", address)
            self.etcd[name] = dict(re.findall(r"([a-z-]+): (\S+)", filled))
        # 7: the files that every host must have.
        trees = re.findall(r"\n?/etc/kubernetes/pki ((?:[├└]── \S+ ?)+)", text)
        self.trees = {}
        for name, tree in zip(names, trees):
            below, paths = PKI, set()
            for entry in re.findall(r"[├└]── (\S+)", tree):
                if "." in entry:
                    paths.add(below + entry)
                else:
                    below = PKI + entry + "/"
            self.trees[name] = paths
        # 6: what is copied to every control plane, and what from an etcd of its own.
        self.copied = set(re.findall(r"scp (/etc/kubernetes/pki/\S+)", one(r"CONTROL_PLANE_IPS=.*?done", text)[0]))
        self.client = set(re.findall(r"scp (/etc/kubernetes/pki/\S+)", one(r"export CONTROL_PLANE=.*?\n", text)[0]))
        self.external = dict(re.findall(r"(caFile|certFile|keyFile): (\S+)", one(r"external: endpoints:.*?\n", text)[0]))
        self.pods = one(r"podSubnet: (\S+)", text)[1]
        # 3: what kubeadm says that it does.
        self.certificates = set(re.findall(r'\[certs\] Generating "(\S+)" certificate and key', text))
        self.names = {name: (dns.split(), ips.split()) for name, dns, ips in re.findall(
            r"\[certs\] (\S+) serving cert is signed for DNS names \[([^]]*)\] and IPs \[([^]]*)\]", text)}
        self.kubeconfigs = set(re.findall(r'\[kubeconfig\] Writing "(\S+)" kubeconfig file', text))
        self.manifests = set(re.findall(r'\[control-plane\] Creating static Pod manifest for "(\S+)"', text)) | {"etcd"}
        self.label = one(r"by adding the label \"(\S+)=''\"", text)[1]
        self.taint = one(r"by adding the taints \[(\S+)\]", text)[1]
        # 8: the name servers of kubelet.
        self.dns = one(r"kind: KubeletConfiguration\nclusterDNS:\n- (\S+)", text)[1]
        # 4
        self.extra, section = {}, one(r"\n4 - kubeadm.*?\n5 - ", text)[0]
        for component, key in (("kube-apiserver", "apiServer"), ("kube-controller-manager", "controllerManager"), ("kube-scheduler", "scheduler")):
            block = one(rf"\n{key}:\nextraArgs:\n((?:[a-z-]+: \S+\n)+)", section)[1]
            self.extra[component] = {name: value.strip('"') for name, value in re.findall(r"([a-z-]+): (\S+)", block)}
        if not (len(self.written) == 3 and len(trees) == 3 and self.copied and self.client and len(self.names) == 3 and len(self.certificates) == 10 and all(len(extra) >= 3 for extra in self.extra.values())):
            sys.exit("the guide was not understood")


class Machine:
    def __init__(self, root):
        self.root = root

    def has(self, path):
        return os.path.lexists(self.root + path)

    def text(self, path):
        return open(self.root + path, encoding="utf-8").read()

    def pki(self):
        below = self.root + PKI
        return {PKI + os.path.relpath(os.path.join(at, name), below) for at, _, names in os.walk(below) for name in names}

    def flags(self, component):
        words = yaml.safe_load(self.text(f"/etc/kubernetes/manifests/{component}.yaml"))["spec"]["containers"][0]["command"]
        return {word[2:].partition("=")[0]: word.partition("=")[2] for word in words[1:]}

    def sans(self, path):
        said = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", self.root + path], capture_output=True, check=True)
        return {entry.strip().partition(":")[2] for entry in said.stdout.decode().splitlines()[1].split(",")}


def authority_keys(machine):
    return {path for path in machine.pki() if path.endswith("ca.key")}


def same_everywhere(guide, machines, paths):
    for path in sorted(paths):
        contents = {machine.text(path) if machine.has(path) else None for machine in machines.values()}
        tell(len(contents) == 1 and None not in contents, f"6: {path} is on every control plane, and the same")


def compare(guide, profile, machines, plan):
    found = []
    planes = {name: machine for name, machine in machines.items() if machine.has("/etc/kubernetes/manifests/kube-apiserver.yaml")}
    infra = {name: machine for name, machine in machines.items() if name not in planes}
    address = {name: line.split()[0] for line in next(iter(machines.values())).text("/etc/hosts").splitlines() for name in line.split()[1:]}

    def held(path, text, where):
        for name, machine in where.items():
            if not machine.has(path):
                found.append((path, "all: present -> absent"))
            else:
                found.extend((path, difference) for difference in differences(path, text, machine.text(path)))
        tell(True, f"{path} is compared on {' '.join(where)}")
    for path, text in guide.written.items():
        held(path, text, planes if path == "/etc/default/kubelet" else machines)
    held(*guide.packages, planes)
    if infra:
        held(*guide.manager, infra)

    # 3: what kubeadm leaves on a control plane.
    local = profile == "stacked"
    for name, machine in planes.items():
        certificates = {one for one in guide.certificates if local or one not in ("etcd/server", "etcd/peer", "etcd/healthcheck-client")}
        missing = [one for one in sorted(certificates) if not machine.has(f"{PKI}{one}.crt")]
        missing += [one for one in ("sa.key", "sa.pub") if not machine.has(PKI + one)]
        extra = {path for path in machine.pki() if path.endswith(".crt")} - {f"{PKI}{one}.crt" for one in certificates}
        tell(not missing and not extra, f"3: {name} has the certificates of kubeadm's output", f"{missing} {extra}")
        missing = [one for one in guide.kubeconfigs if not machine.has("/etc/kubernetes/" + one)]
        tell(not missing, f"3: {name} has its kubeconfigs", missing)
        pods = {os.path.basename(path)[:-5] for path in glob.glob(machine.root + "/etc/kubernetes/manifests/*")}
        expected = guide.manifests - (set() if local else {"etcd"})
        tell(pods == expected, f"3: {name} has its static pods", pods ^ expected)
        for certificate, (dns, ips) in guide.names.items():
            path = f"{PKI}{certificate}.crt"
            if not machine.has(path):
                continue
            expected = {{"kubeadm-cp": name, "10.138.0.4": address[name], "::1": "0:0:0:0:0:0:0:1"}.get(one, one) for one in dns + ips}
            expected |= {plan_endpoint(machine)} if certificate == "apiserver" else set()
            tell(machine.sans(path) == expected, f"3: {name}: {certificate} is for the names that kubeadm says", machine.sans(path) ^ expected)
    kubelet = yaml.safe_load(next(iter(planes.values())).text("/var/lib/kubelet/config.yaml"))
    tell(kubelet["clusterDNS"] == [guide.dns], "8: kubelet's name server is the guide's")
    tell(kubelet["cgroupDriver"] == "systemd", "1: kubelet and runtime have one driver of control groups")
    tell(all(machine.flags("kube-controller-manager")["cluster-cidr"] == guide.pods for machine in planes.values()), "6: pods have the guide's range")
    nodes = [node for path in glob.glob(machines[min(planes)].root + "/etc/kubernetes/cluster-manifests/*.yaml")
             for node in yaml.safe_load_all(open(path, encoding="utf-8")) if node and node["kind"] == "Node"]
    marked = {node["metadata"]["name"] for node in nodes if guide.label in node["metadata"]["labels"]
              and guide.taint in [f"{taint['key']}:{taint['effect']}" for taint in node["spec"]["taints"]]}
    tell(marked == set(planes), "3: the control planes are marked with kubeadm's label and taint", marked)
    for name, machine in planes.items():
        tell(os.path.islink(machine.root + "/etc/systemd/system/multi-user.target.wants/kubelet.service"), f"1: {name}: kubelet is enabled")

    # 6: what is copied.
    copied = guide.copied if local else guide.copied - {PKI + "etcd/ca.key"}
    same_everywhere(guide, planes, copied)
    for name, machine in planes.items():
        tell(authority_keys(machine) == {path for path in copied if path.endswith("ca.key")}, f"6: {name} has no other authority's key", authority_keys(machine))
    if not local:
        for name, machine in planes.items():
            tell(guide.client <= machine.pki(), f"6: {name} has what is copied from an etcd machine")
            flags = machine.flags("kube-apiserver")
            told = {"caFile": flags["etcd-cafile"], "certFile": flags["etcd-certfile"], "keyFile": flags["etcd-keyfile"]}
            tell(told == guide.external, f"6: {name}: the API server is etcd's client with them", told)
            endpoints = [f"https://{one}:2379" for one in guide.hosts.values()]
            tell(flags["etcd-servers"].split(",") == endpoints, f"6: {name}: the API server asks every etcd machine", flags["etcd-servers"])

    # 7: the machines with etcd alone.
    if infra:
        tell({name: address.get(name) for name in infra} == guide.hosts, "7: the etcd machines have the guide's names and addresses")
        found.append(("/tmp/*/kubeadmcfg.yaml", "all: present -> absent"))
    for name, machine in infra.items():
        for path in sorted(guide.trees[name] ^ machine.pki()):
            found.append((path, f"{name}: {'present -> absent' if path in guide.trees[name] else 'absent -> present'}"))
        flags = machine.flags("etcd")
        amiss = {flag: flags.get(flag) for flag, value in guide.etcd[name].items() if flags.get(flag) != value}
        tell(not amiss and len(guide.etcd[name]) == 7, f"7: {name}: etcd has the flags of kubeadmcfg.yaml", amiss)
        for certificate in ("server", "peer"):
            tell(guide.hosts[name] in machine.sans(f"{PKI}etcd/{certificate}.crt"), f"7: {name}: the {certificate} certificate is for its address")
        config = [path for path in ("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf") if machine.has(path)]
        tell(not config, f"7: {name}: kubelet knows no cluster", config)

    declared = [one for one in plan["differences"] if one["document"] == "kubeadm-guide.md"]
    amiss = judge(sorted(set(found)), declared)
    tell(not amiss, f"{len(set(found))} differences, each declared in the profile", "; ".join(amiss))


def plan_endpoint(machine):
    server = yaml.safe_load(machine.text("/etc/kubernetes/admin.conf"))["clusters"][0]["cluster"]["server"]
    return re.fullmatch(r"https://(.*):6443", server)[1]


def extra_args(guide, before, after):
    for component, extra in guide.extra.items():
        one, other = before.flags(component), after.flags(component)
        tell(other == {**one, **extra}, f"4: {component} has the extraArgs, and nothing else changed",
             {flag: other.get(flag) for flag in one.keys() | other.keys() if other.get(flag) != {**one, **extra}.get(flag)})
        tell(other != one, f"4: they change the flags of {component}")


def main():
    guide = Guide(open(sys.argv[1], encoding="utf-8").read())
    what, *more = sys.argv[2:]
    if what == "extra-args" and not more:
        for component, extra in guide.extra.items():
            print(f"[args.{component}]")
            for flag, value in extra.items():
                print(f"{flag} = {json.dumps(value)}")
        return
    if what == "extra-args":
        extra_args(guide, *map(Machine, more))
    else:
        machines = {name: Machine(os.path.join(more[0], name)) for name in sorted(os.listdir(more[0]))}
        compare(guide, what, machines, json.load(open(more[1], encoding="utf-8")))
    sys.exit(bool(FAILED))


main()
