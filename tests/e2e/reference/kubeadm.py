#!/usr/bin/env python3
"""Compares what kubeadm leaves with what a bundle holds, by value.

kubeadm.py files THEIRS OURS     two roots, of which /etc/kubernetes and /var/lib/kubelet are compared: names, modes, contents
kubeadm.py objects THEIRS OURS   two outputs of `kubectl get ... -o json`
kubeadm.py component THEIRS OURS two configurations of a component

Prints what differs, one difference a line, and what of EXPECTED was not found; nothing and 0 if only what is expected differs.
Each expected difference has its reason.
"""
import base64
import fnmatch
import json
import os
import re
import subprocess
import sys

import yaml

EXPECTED = {
    "files": [
        # (file, difference as fnmatch has it, reason)
        ("/etc/kubernetes/cluster-manifests*", "absent -> present", "kubeadm writes into the cluster itself"),
        ("/etc/kubernetes/encryption-config.yaml", "absent -> present", "the test's profile encrypts; the guide does not"),
        ("/etc/kubernetes/manifests/etcd.yaml", "* --initial-cluster: *", "members start together here, and join one by one there"),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "*encryption-*", "the test's profile encrypts; the guide does not"),
        ("*.crt", "X509v3 Basic Constraints: absent -> critical CA:FALSE", "kubeadm says since 1.21 that a leaf is no authority, and we always do"),
        ("*.conf", "X509v3 Basic Constraints: absent -> critical CA:FALSE", "kubeadm says since 1.21 that a leaf is no authority, and we always do"),
        ("/etc/kubernetes/pki/sa.pub", "mode: 600 -> 644", "it is the public key"),
        ("/var/lib/kubelet/config.yaml", "mode: 644 -> 600", "nobody but kubelet reads it"),
        ("/var/lib/kubelet/kubeadm-flags.env", "mode: 644 -> 600", "nobody but kubelet reads it"),
    ],
    "objects": [
        ("ConfigMap kube-system/kube-proxy", "metadata annotations kubeadm.kubernetes.io/component-config.hash: sha256:* -> absent",
         "kubeadm tells by it what it generated from what a person wrote; this was written"),
        ("ConfigMap kube-system/kubeadm-config", "data ClusterStatus apiEndpoints control-plane-[12]: absent -> present",
         "three machines are there, where kubeadm has made one"),
        ("Secret kube-system/bootstrap-token", "data expiration: *", "kubeadm's is a day from now, and a release has no clock"),
        ("Node control-plane-0", "metadata labels kubernetes.io/hostname: control-plane-0 -> absent",
         "kubelet says so when it registers, as the test did for kubeadm alone"),
        ("Node control-plane-[12]", "absent -> present", "three machines are there, where kubeadm has made one"),
    ],
    "component": [],
}


def between(where, theirs, ours):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys(), key=str):
            inner = f"{where} {key}".strip()
            if key not in theirs or key not in ours:
                yield f"{inner}: {told(theirs.get(key, Missing))} -> {told(ours.get(key, Missing))}"
            else:
                yield from between(inner, theirs[key], ours[key])
    elif theirs != ours or type(theirs) is not type(ours):
        yield f"{where}: {told(theirs)} -> {told(ours)}".lstrip(": ")


class Missing:
    """What one side does not have."""


def told(value):
    if value is Missing:
        return "absent"
    if isinstance(value, dict):
        return "present"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def by_name(value):
    """Lists of named things as maps, and what says nothing left out."""
    if isinstance(value, dict):
        return {key: by_name(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        if value and all(isinstance(one, dict) and "name" in one for one in value):
            return {one["name"]: by_name(one) for one in value}
        return [by_name(one) for one in value]
    return value


def flags(words):
    return {word.partition("=")[0]: word.partition("=")[2] for word in words}


def pod(text):
    value = yaml.safe_load(text)
    if value.get("status") == {}:
        del value["status"]
    for container in value["spec"]["containers"]:
        container["command"] = flags(container["command"])
    return by_name(value)


def component(value):
    """A component's configuration without fields that are zero or empty: those stand for the default."""
    if isinstance(value, dict):
        kept = {key: component(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", "0s", 0, {}) or inner is False and key not in ZERO}
    return value


# kubeadm prints these, and false is what they are if they are not there.
ZERO = {"bindAddressHardFail", "enableProfiling", "masqueradeAll", "strictARP", "enableDSR"}


def certificate(pem):
    text = subprocess.run(["openssl", "x509", "-noout", "-subject", "-issuer", "-nameopt", "RFC2253", "-dates", "-dateopt", "iso_8601",
                           "-ext", "keyUsage,extendedKeyUsage,subjectAltName,basicConstraints", "-text", "-certopt",
                           "no_header,no_version,no_serial,no_signame,no_validity,no_subject,no_issuer,no_pubkey,no_sigdump,no_aux"],
                          input=pem, capture_output=True, check=True).stdout.decode()
    said = {}
    for key, critical, value in re.findall(r"(?m)^ *(X509v3 [^:\n]+):( critical)? ?\n +(.+)$", text.replace("X509v3 extensions:", "")):
        said[key] = ("critical " if critical else "") + (", ".join(sorted(value.split(", "))) if "Alternative" in key else value)
    # Hashes of keys, which are others.
    for name in ("X509v3 Authority Key Identifier", "X509v3 Subject Key Identifier"):
        said.pop(name, None)
    for name in ("subject", "issuer"):
        said[name] = ",".join(sorted(re.search(rf"(?m)^{name}=(.*)$", text)[1].split(",")))
    import datetime
    start, end = (datetime.datetime.fromisoformat(re.search(rf"(?m)^{name}=(.*)Z$", text)[1]) for name in ("notBefore", "notAfter"))
    said["days"] = (end - start).days
    return said


def kubeconfig(text):
    value = by_name(yaml.safe_load(text))
    for cluster in value["clusters"].values():
        cluster["cluster"]["certificate-authority-data"] = certificate(base64.b64decode(cluster["cluster"]["certificate-authority-data"]))
    for user in value["users"].values():
        value.update(certificate(base64.b64decode(user["user"].pop("client-certificate-data"))))
        user["user"]["client-key-data"] = key_kind(base64.b64decode(user["user"]["client-key-data"]))
    if value.get("preferences") == {}:
        del value["preferences"]
    return value


def key_kind(pem):
    return pem.decode().splitlines()[0] + subprocess.run(["openssl", "pkey", "-noout", "-text"], input=pem, capture_output=True,
                                                        check=True).stdout.decode().splitlines()[0]


def env(text):
    import shlex
    return {name: flags(value.split()) for name, value in (word.split("=", 1) for word in shlex.split(text))}


def read(path):
    data = open(path, "rb").read()
    if path.endswith(".crt"):
        return certificate(data)
    if path.endswith(".key"):
        return key_kind(data)
    if path.endswith(".pub"):
        return data.decode().splitlines()[0]
    if "/manifests/" in path:
        return pod(data)
    if path.endswith(".conf"):
        return kubeconfig(data)
    if path.endswith("/config.yaml"):
        return component(yaml.safe_load(data))
    return env(data.decode())


def files(theirs, ours):
    def there(root):
        return {os.path.join(at, name)[len(root):] for top in ("/etc/kubernetes", "/var/lib/kubelet")
                for at, _, names in os.walk(root + top) for name in names}
    for path in sorted(there(theirs) | there(ours)):
        if path not in there(theirs) or path not in there(ours):
            yield path, f"{'present' if path in there(theirs) else 'absent'} -> {'present' if path in there(ours) else 'absent'}"
            continue
        modes = [oct(os.stat(root + path).st_mode & 0o7777)[2:] for root in (theirs, ours)]
        if modes[0] != modes[1]:
            yield path, f"mode: {modes[0]} -> {modes[1]}"
        one, other = read(theirs + path), read(ours + path)
        if isinstance(one, dict):
            yield from ((path, difference.replace('"', "")) for difference in between("", one, other))
        elif one != other:
            yield path, f"{one} -> {other}"


def thing(value):
    value = by_name({key: inner for key, inner in value.items() if key not in ("apiVersion", "status")})
    data = value["metadata"]
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink"):
        data.pop(key, None)
    for key in ("kubectl.kubernetes.io/last-applied-configuration", "deprecated.daemonset.template.generation"):
        data.setdefault("annotations", {}).pop(key, None)
    if value["kind"] == "ConfigMap":
        # A token's signature is made with its secret.
        value["data"] = {key: text for key, text in value.get("data", {}).items() if not key.startswith("jws-kubeconfig-")}
        for key, text in value["data"].items():
            if key != "Corefile":
                value["data"][key] = component(yaml.safe_load(text))
    if value["kind"] == "Secret" and data["name"].startswith("bootstrap-token-"):
        for key, shape in (("token-id", "[a-z0-9]{6}"), ("token-secret", "[a-z0-9]{16}")):
            text = base64.b64decode(value["data"][key]).decode()
            value["data"][key] = bool(re.fullmatch(shape, text)) and (key != "token-id" or data["name"] == "bootstrap-token-" + text)
        data["name"] = "bootstrap-token"
    if value["kind"] == "ServiceAccount":
        value.pop("secrets", None)
    if value["kind"] == "Node":
        value["spec"]["taints"] = sorted(json.dumps(taint, sort_keys=True) for taint in value["spec"].get("taints", []))
    return value


def objects(theirs, ours):
    def those(path):
        found = [thing(one) for one in json.load(open(path))["items"]]
        return {" ".join((one["kind"], one["metadata"].get("namespace", "") + "/" + one["metadata"]["name"])).replace(" /", " "): one for one in found}
    one, other = those(theirs), those(ours)
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            yield name, f"{'present' if name in one else 'absent'} -> {'present' if name in other else 'absent'}"
        else:
            yield from ((name, difference) for difference in between("", one[name], other[name]))


def components(theirs, ours):
    one, other = (component(yaml.safe_load(open(path))) for path in (theirs, ours))
    yield from ((ours, difference) for difference in between("", one, other))


def main():
    what, theirs, ours = sys.argv[1:]
    found, seen, amiss = list({"files": files, "objects": objects, "component": components}[what](theirs, ours)), set(), 0
    for name, difference in found:
        for expected in EXPECTED[what]:
            if fnmatch.fnmatchcase(name, expected[0]) and fnmatch.fnmatchcase(difference, expected[1]):
                seen.add(expected)
                break
        else:
            amiss += 1
            print(f"not expected: {name}: {difference}")
    for expected in EXPECTED[what]:
        if expected not in seen:
            amiss += 1
            print(f"expected and not found: {expected[0]}: {expected[1]}")
    if not amiss:
        print(f"{len(found)} differences, each expected for a reason")
    sys.exit(amiss > 0)


main()
