#!/usr/bin/env python3
"""Reads the document static-pods-1.23.md, whose line breaks were lost, and compares what it writes with what a bundle has.

  static_pods.py MODE DOCUMENT PLAN TREE NODE ADDRESSES

MODE is issued or key-keeper; PLAN is what `mastermold --format json plan` prints; TREE is the machine NODE (master-N) with its
layers unpacked; ADDRESSES are those of all masters, with commas, which the API's name has too. Every difference that is found
is printed, and so is what is amiss against the [[differences]] of the profile.
"""
import fnmatch
import glob
import json
import os
import re
import shlex
import subprocess
import sys

import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import meaning

PRESENT, ABSENT = "present", "absent"


class Document:
    """What the document tells its reader to do, with the reader's variables filled in for one machine."""

    def __init__(self, text, node, address, count):
        self.text = text
        self.values = {"MASTER_NAME": node, "ADVERTISE_ADDRESS": address}
        self.exports(count)
        # The shell's own: the document's prompts and its list of nodes show what it is there.
        self.values["HOSTNAME"] = f"{node}-{self.values['CLUSTER_NAME']}"
        assert f"root@master-1-{self.values['CLUSTER_NAME']}:" in text, "the document's prompt"
        self.files = self.written(node)

    def exports(self, count):
        block = next(line for line in self.text.split("\n") if "export BASE_DOMAIN=" in line)
        for name, value in re.findall(r"export (\w+)=(\$\(.*?g\"\)|\$\(.*?'\)|\S+)", block):
            loop = re.search(r"echo (https?://\S+|\S+=https?://\S+) ;", value)
            if name == "MASTER_COUNT":
                value = str(count)
            elif loop:
                value = ",".join(loop.group(1).replace("${INDEX}", str(number)) for number in range(count))
            elif "sed -r" in value:  # of crictl: the minor version of Kubernetes
                value = re.sub(r"^(v\d+\.\d+)\.\d+$", r"\1.0", self.values["KUBERNETES_VERSION"])
            self.values[name] = self.filled(value.strip('"'))

    def filled(self, text):
        """As an unquoted here-document: variables, and \\$ for a dollar."""

        def value(match):
            if match.group(0) == "\\$":
                return "$"
            return self.values[match.group(1) or match.group(2)]

        return re.sub(r"\\\$|\$\{(\w+)\}|\$(\w+)", value, text)

    def written(self, node):
        files = {}
        for line in self.text.split("\n"):
            if not line.startswith("## RUN ON EACH MASTER") and not (line.startswith("## RUN ON MASTER-0") and node == "master-0"):
                continue
            for path, body in re.findall(r"cat <<EOF >>? (\S+) (.*?) EOF(?= |$)", line):
                path = self.filled(path)
                if path.startswith("/"):
                    files[path] = f"{files[path]} {body}" if path in files else body
        return {path: rebuilt(kind(path), self.filled(body)) for path, body in files.items()}

    def applied(self):
        """What it applies to the cluster."""
        body = re.search(r"cat <<EOF \| kubectl apply -f - (.*?) EOF", self.text).group(1)
        return rebuilt("yaml", self.filled(body))

    def programs(self):
        """What it puts into /usr/bin, and the address of each download."""
        block = next(line for line in self.text.split("\n") if line.startswith("## RUN ON EACH MASTER. wget"))
        urls = {to: self.filled(url) for to, url in re.findall(r"wget -O (\S+)\s+\"?(https://[^\s\"]+)", block)}
        programs = [to for to in urls if to.startswith("/usr/bin/")] + ["/usr/bin/crictl", "/usr/bin/etcdctl", "/usr/bin/containerd"]
        return programs, urls

    def enabled(self):
        line = next(line for line in self.text.split("\n") if "systemctl enable --now" in line)
        return re.findall(r"[\w-]+\.service", line.split("systemctl enable --now", 1)[1])


def kind(path):
    if path.endswith(("/kubeconfig", "/vault-config")):
        return "yaml"
    return meaning.kind_of(path)


def rebuilt(how, text):
    """Lines again, from the tokens of a text and the spaces between them."""
    if how == "unit":
        return re.sub(r" +(?=\[\w+\](?: |$)|[A-Z]\w*=)", "\n", re.sub(r"\\ +", "", text)) + "\n"
    if how == "env":
        return re.sub(r" +(?=KUBELET_\w+=)", "\n", re.sub(r'=" +', '="', text)) + "\n"
    if how in ("modules", "sysctl"):
        return "\n".join(text.split()) + "\n"
    return rebuilt_yaml(text) if how == "yaml" else text + "\n"


def rebuilt_yaml(text):
    """A line feed is one space now, indentation the spaces after it, and spaces at a line's end or an empty line make them odd
    or too many. One space is a line feed without indentation if what follows starts an item or is a key, and no dash precedes.
    """
    lines, column, last = [], 0, ""
    for spaces, token in re.findall(r"( *)((?:\"[^\"]*\"|[^\s\"])+)", text.strip()):
        is_key = re.fullmatch(r"[\w.\-]+:", token) is not None
        starts = is_key or token in ("-", "---")
        if lines and len(spaces) == 1 and not (starts and last != "-"):
            lines[-1] += " " + token
            last = token
            continue
        indent = (len(spaces) - 1) // 2 * 2 if lines else 0
        # A key is inside the key before it, two columns further in, or not further in at all.
        if is_key:
            indent = min(indent, column + 2 if last.endswith(":") else column)
        lines.append(" " * indent + token)
        column, last = indent + (2 if token == "-" else 0), token
    return "\n".join(lines) + "\n"


def by_name(text):
    """A pod with its volumes in the order of their names: theirs says nothing."""
    pod = yaml.safe_load(text)
    for one in [pod["spec"], *pod["spec"]["containers"]]:
        for key in {"volumes", "volumeMounts"} & one.keys():
            one[key].sort(key=lambda volume: volume["name"])
    return yaml.safe_dump(pod)


def told(command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def certificate(path):
    """What OpenSSL reads in it, in the words of the document's list."""
    text = told(["openssl", "x509", "-in", path, "-noout", "-subject", "-nameopt", "multiline,utf8,-esc_msb", "-startdate", "-enddate",
                 "-ext", "subjectAltName,extendedKeyUsage,basicConstraints"])  # fmt: skip
    subject = {}
    for name, value in re.findall(r"^ {4}(\w+) *= (.*)$", text, re.M):
        subject.setdefault(name, []).append(value)
    usages = {"TLS Web Server Authentication": "server auth", "TLS Web Client Authentication": "client auth"}
    extended = re.search(r"Extended Key Usage:.*\n +(.*)", text)
    names = re.search(r"Subject Alternative Name:.*\n +(.*)", text)
    names = names.group(1).split(", ") if names else []
    dates = [told(["date", "-u", "-d", value, "+%s"]) for value in re.findall(r"not(?:Before|After)=(.*)", text)]
    return {
        "subject": subject,
        "usage": sorted(usages.get(usage, usage) for usage in extended.group(1).split(", ")) if extended else [],
        "hostnames": sorted(name[4:] for name in names if name.startswith("DNS:")),
        "addresses": sorted(name[11:] for name in names if name.startswith("IP Address:")),
        "authority": "CA:TRUE" in text,
        "minutes": (int(dates[1]) - int(dates[0])) // 60,
    }


def ordered(spec, address, lookup):
    """The same of an entry of the document's list."""
    subject = {name: [value] if isinstance(value, str) else value for name, value in spec["subject"].items()}
    subject = {{"organization": "organizationName", "organizationalUnit": "organizationalUnitName"}.get(name, name): value for name, value in subject.items()}
    where = spec.get("ipAddresses", {})
    interfaces = {"lo": ["127.0.0.1"], "eth*": [address]}
    addresses = set(where.get("static", []))
    for name in where.get("interfaces", []):
        addresses.update(interfaces[name])
    for _ in where.get("dnsLookup", []):
        addresses.update(lookup)
    return {
        "subject": subject,
        "usage": sorted(spec["usage"]),
        "hostnames": sorted(spec.get("hostnames", [])),
        "addresses": sorted(addresses),
        "authority": False,
        "minutes": int(re.fullmatch(r"(\d+)m", spec["ttl"]).group(1)),
    }


def certificates(document, tree, address, lookup):
    """Every difference between the document's list and the certificates in the tree; and how many of them there are."""
    config = yaml.safe_load(document.files["/etc/kubernetes/pki/vault-config"])
    issuers = {issuer["name"]: issuer["vault"]["resource"] for issuer in config["issuers"]}
    authorities = {issuers[one["issuerRef"]["name"]]["CAPath"]: f"{one['hostPath']}/{one['name']}.pem" for one in config["certificates"] if one.get("isCa")}
    for one in config["certificates"]:
        path = f"{one['hostPath']}/{one['name']}.pem"
        ours = certificate(tree + path)
        if one.get("isCa"):
            if not ours["authority"]:
                yield path, "isCa: true -> false"
            if one["ca"]["exportedKey"] is False and glob.glob(f"{tree}{one['hostPath']}/*key*"):
                yield path, "exportedKey: false -> true"
            continue
        theirs = ordered(one["spec"], address, lookup)
        yield from ((path, difference) for difference in meaning.between("", theirs, ours))
        authority = authorities[issuers[one["issuerRef"]["name"]]["CAPath"]]
        if subprocess.run(["openssl", "verify", "-no_check_time", "-CAfile", tree + authority, tree + path], capture_output=True).returncode:
            yield path, f"issuer: {authority} -> another"
        yield from key(path, tree, one["spec"]["privateKey"])
    for one in config["secrets"]:
        text = open(tree + one["hostPath"], encoding="ascii").read()
        if ("PRIVATE KEY" in text) != (one["key"] == "private"):
            yield one["hostPath"], f"key: {one['key']} -> another"
    private, public = (tree + one["hostPath"] for one in sorted(config["secrets"], key=lambda one: one["key"]))
    if told(["openssl", "pkey", "-in", private, "-pubout"]) != told(["openssl", "pkey", "-pubin", "-in", public, "-pubout"]):
        yield public[len(tree) :], "pair: the private key's -> another"


def key(path, tree, wanted):
    mine = path.removesuffix(".pem") + "-key.pem"
    text = open(tree + mine, encoding="ascii").read()
    if ("BEGIN RSA PRIVATE KEY" in text) != (wanted["encoding"] == "PKCS1"):
        yield mine, f"encoding: {wanted['encoding']} -> another"
    if os.stat(tree + mine).st_mode & 0o777 != 0o600:
        yield mine, "mode: 0600 -> wider"
    size = re.search(r"\((\d+) bit", told(["openssl", "rsa", "-in", tree + mine, "-noout", "-text"])).group(1)
    if size != (SMALLER if SMALLER and os.path.basename(path) not in AS_SHIPPED else str(wanted["size"])):
        yield mine, f"size: {wanted['size']} -> {size}"
    if told(["openssl", "pkey", "-in", tree + mine, "-pubout"]) != told(["openssl", "x509", "-in", tree + path, "-noout", "-pubkey"]):
        yield mine, "pair: the certificate's -> another"


def found(mode, document, plan, tree, address, lookup):
    """Every difference between the document and the tree, as (path, difference)."""
    for path, theirs in sorted(document.files.items()):
        if not os.path.lexists(tree + path):
            yield path, f"file: {PRESENT} -> {ABSENT}"
        elif path.endswith("/bootstrap.token"):
            # The reader's own; what counts is that nobody else reads it.
            if os.stat(tree + path).st_mode & 0o777 != 0o600 or not open(tree + path, encoding="ascii").read().strip():
                yield path, "token: private -> not"
        else:
            ours = open(tree + path, encoding="utf-8").read()
            if path.startswith("/etc/kubernetes/manifests/"):
                theirs, ours = by_name(theirs), by_name(ours)
            yield from ((path, difference) for difference in meaning.differences(path, theirs, ours, kind(path)))
    programs, urls = document.programs()
    for path in programs:
        if not os.path.exists(tree + path):
            yield path, f"file: {PRESENT} -> {ABSENT}"
        elif not os.stat(tree + path).st_mode & 0o111:
            yield path, "program: runs -> does not"
    ours = {one["from"].removeprefix("url ") for source in plan["sources"].values() for one in source}
    for path, url in sorted(urls.items()):
        if url not in ours and (path.startswith("/tmp/") or os.path.exists(tree + path)):
            yield path, f"url: {url} -> {ABSENT}"
    for unit in document.enabled():
        at_boot = os.path.lexists(f"{tree}/etc/systemd/system/multi-user.target.wants/{unit}")
        if not at_boot and (unit == "systemd-resolved.service" or os.path.exists(f"{tree}/etc/systemd/system/{unit}")):
            yield f"/etc/systemd/system/{unit}", "enabled: true -> false"
    applied = glob.glob(f"{tree}/etc/kubernetes/cluster-manifests/*.yaml")
    if len(applied) != 1:
        yield "/etc/kubernetes/cluster-manifests", f"applied: 1 -> {len(applied)}"
    for path in applied:
        theirs, ours = document.applied(), open(path, encoding="utf-8").read()
        yield from ((path[len(tree) :], difference) for difference in meaning.differences(path, theirs, ours, "yaml"))
    pems = [name for _, _, names in os.walk(tree + "/etc/kubernetes/pki") for name in names if name.endswith(".pem") and "key" not in name]
    if mode == "issued":
        # `tree /etc/kubernetes/pki/ | grep -v key | grep pem | wc -l`
        wanted = int(re.search(r"(\d+) сертификатов", document.text).group(1))
        if len(pems) != wanted:
            yield "/etc/kubernetes/pki", f"certificates: {wanted} -> {len(pems)}"
        yield from certificates(document, tree, address, lookup)
        listed = set(re.findall(r"[\w-]+\.(?:pem|pub)", document.text.split("tree  /etc/kubernetes/pki/", 1)[1].split("\n", 1)[0]))
        ours = {name for _, _, names in os.walk(tree + "/etc/kubernetes/pki") for name in names}
        yield from (("/etc/kubernetes/pki", f"{name}: {PRESENT} -> {ABSENT}") for name in sorted(listed - ours))
        yield from (("/etc/kubernetes/pki", f"{name}: {ABSENT} -> {PRESENT}") for name in sorted(ours - listed))
    elif pems:
        yield "/etc/kubernetes/pki", f"certificates: 0 -> {len(pems)}"


def main():
    mode, path, plan, tree, node, addresses = sys.argv[1:]
    plan = json.load(open(plan, encoding="utf-8"))
    addresses = addresses.split(",")
    address = addresses[int(node.removeprefix("master-"))]
    document = Document(open(path, encoding="utf-8").read(), node, address, len(addresses))
    differences = list(found(mode, document, plan, tree, address, addresses))
    for path, difference in differences:
        print(f"{path}: {difference}")
    # What the document does on one master is missed on that one alone.
    declared = [one for one in plan["differences"] if node == "master-0" or not fnmatch.fnmatchcase("/etc/systemd/system/vault.service", one["path"])]
    amiss = meaning.judge(differences, declared)
    print(f"{len(document.files)} files, {len(differences)} differences, {len(amiss)} amiss")
    for one in amiss:
        print(one)
    sys.exit(1 if amiss else 0)


# The size of keys that a test made smaller than the profile does, and the certificates whose keys it left as they are.
SMALLER = os.environ.get("SMALLER")
AS_SHIPPED = os.environ.get("AS_SHIPPED", "").split()
if __name__ == "__main__":
    main()
