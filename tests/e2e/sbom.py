"""Judges of what a release says it is made of: lines of `ok WHAT` or `FAIL WHAT`.

    spdx FILE | cyclonedx FILE                  validators that are not ours
    provenance PUBLIC                           in-toto's own reader, and the digests against the files
    contents PUBLIC LOCK BLOBS                  every source, member and image of the lock, and the graph
    packages PUBLIC STATUS                      Debian packages against dpkg's list
    modules PUBLIC MACHINE PROGRAM FILE         Go modules against another reader of the same program
    go PUBLIC MACHINE PROGRAM FILE TEXT         the same, against what `go version -m` printed
    book PUBLIC PAGE                            the page's jq program, for each module, against a walk of the other document
    unknown LICENSE                             that spdx-tools does not take it
    statement PUBLIC PUBLIC-KEY WORK            the signed envelope: openssl over DSSE's own encoding, and in-toto's reader
"""

import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote

FAILED = []


def say(fine, what, detail=""):
    print(("ok " if fine else "FAIL ") + what + (f": {str(detail)[:600]}" if detail and not fine else ""))
    if not fine:
        FAILED.append(what)


def spdx(path):
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    document = parse_file(path)
    messages = validate_full_spdx_document(document, "SPDX-2.3")
    say(not messages, "spdx-tools accepts the SPDX document", [m.validation_message for m in messages][:3])
    say(len(document.packages) > 10 and len(document.relationships) > 10, "and reads packages and relations in it")


def cyclonedx(path):
    from cyclonedx.model.bom import Bom
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = Path(path).read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    say(error is None, "CycloneDX's own schema accepts the CycloneDX document", error)
    bom = Bom.from_json(json.loads(text))
    say(bom.validate(), "and its library reads it, with a whole graph of dependencies")
    say(len(bom.components) > 10, "and finds components in it")


def provenance(public):
    public = Path(public)
    predicate = json.loads((public / "provenance.json").read_text())
    manifest = json.loads((public / "manifest.json").read_text())
    definition, run = predicate["buildDefinition"], predicate["runDetails"]
    say(set(predicate) == {"buildDefinition", "runDetails"}, "the predicate has the parts that SLSA names")
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor

    resources = definition["resolvedDependencies"]
    for one in resources:
        ResourceDescriptor(name=one["name"], uri=one.get("uri", ""), digest=one["digest"]).validate()
    say(resources, "in-toto's reader accepts each of its dependencies")
    external = definition["externalParameters"]
    names = [node["name"] for node in manifest["nodes"]]
    same = (external["cluster"], external["version"], external["epoch"], external["profile"]["sha256"], external["nodes"])
    expected = (manifest["cluster"], manifest["version"], manifest["epoch"], manifest["profile"], names)
    say(same == expected, "its parameters are those of the manifest", same)
    say(definition["internalParameters"]["lock"]["sha256"] == manifest["lock"], "it names the lock")
    version = " ".join(next(iter(run["builder"]["version"].items())))
    say(version == manifest["tool"] and run["builder"]["id"].startswith("https://"), "it names the builder", version)
    say(re.match("https://.*/v1$", definition["buildType"]), "it names the type of build")


class Inventories:
    """Both documents as one graph each: components by id, and what is reached."""

    def __init__(self, public):
        public = Path(public)
        self.spdx = json.loads((public / "sbom.spdx.json").read_text())
        self.cdx = json.loads((public / "sbom.cdx.json").read_text())
        self.packages = {p["SPDXID"].removeprefix("SPDXRef-"): p for p in self.spdx["packages"]}
        self.components = {c["bom-ref"]: c for c in self.cdx["components"] + [self.cdx["metadata"]["component"]]}
        self.depends = {d["ref"]: set(d["dependsOn"]) for d in self.cdx["dependencies"]}
        self.relations = {}
        for one in self.spdx["relationships"]:
            source = one["spdxElementId"].removeprefix("SPDXRef-")
            to = one["relatedSpdxElement"].removeprefix("SPDXRef-")
            self.relations.setdefault((source, one["relationshipType"]), set()).add(to)

    def digest(self, id):
        return next((c["checksumValue"] for c in self.packages[id].get("checksums", []) if c["algorithm"] == "SHA256"), None)

    def purl(self, id):
        return next((r["referenceLocator"] for r in self.packages[id].get("externalRefs", [])), None)

    def contained(self, id):
        """Everything that a component contains, at any depth."""
        found, new = set(), {id}
        while new:
            new = set().union(*(self.relations.get((one, "CONTAINS"), set()) for one in new)) - found
            found |= new
        return found

    def machine(self, name):
        return next(id for id, p in self.packages.items() if p["name"] == name and p.get("primaryPackagePurpose") == "DEVICE")


def contents(public, lock, blobs):
    of = Inventories(public)
    say(set(of.packages) == set(of.components), "both documents have the same components")
    ids = [p["SPDXID"] for p in of.spdx["packages"]]
    say(len(set(ids)) == len(ids) and len(of.components) == len(of.cdx["components"]) + 1, "each of them once")
    pairs = {(a, b) for (a, kind), all in of.relations.items() for b in all if kind != "DESCRIBES"}
    say(pairs == {(a, b) for a, all in of.depends.items() for b in all}, "and the same relations")
    say(all(b in of.packages for _, b in pairs), "between components that are there")
    for id, package in of.packages.items():
        component = of.components[id]
        same = (
            component["name"] == package["name"]
            and component.get("version") == package.get("versionInfo")
            and component.get("purl") == of.purl(id)
            and next((h["content"] for h in component.get("hashes", [])), None) == of.digest(id)
            and next((l["expression"] for l in component.get("licenses", [])), "NOASSERTION") == package["licenseDeclared"]
        )
        if not same:
            say(False, "both documents say the same of each", (component, package))
            return
    say(True, "both documents say the same of each: name, version, digest, license, package URL")

    manifest = json.loads((Path(public) / "manifest.json").read_text())
    names = [node["name"] for node in manifest["nodes"]]
    placed = set()
    for name in names:
        files = json.loads((Path(public) / name / "manifest.json").read_text())
        common = json.loads((Path(public) / files["common"]).read_text())["files"] if files.get("common") else []
        ours = {f["sha256"] for f in files["files"] + common if f["origin"].startswith("source ") and f.get("sha256")}
        held = {of.digest(id) for id in of.contained(of.machine(name))}
        say(ours and ours <= held, f"{name} has every file that its manifest has from a source", ours - held)
        placed |= ours
    locked = tomllib.loads(Path(lock).read_text())
    wanted = 0
    for source in locked["sources"]:
        parts = [m["sha256"] for m in source.get("members", [])] + [i["sha256"] for i in source.get("images", [])]
        in_it = [digest for digest in parts + [source["sha256"]] if digest in placed]
        if not in_it and not source["name"].startswith("base."):
            continue
        wanted += 1
        match = [id for id in of.packages if of.digest(id) == source["sha256"]]
        if not match:
            say(False, f"the source {source['name']} is in it", source["sha256"])
        for digest in in_it:
            there = [id for id in of.packages if of.digest(id) == digest]
            blob = Path(blobs) / digest[:2] / digest
            if not there or hashlib.sha256(blob.read_bytes()).hexdigest() != digest:
                say(False, f"a part of {source['name']} is in it", digest)
        if source.get("version") and of.packages[match[0]].get("versionInfo") != source["version"]:
            say(False, f"{source['name']} has its version", of.packages[match[0]])
    say(wanted >= 5, f"{wanted} sources of the lock are in it, with digests, parts and versions")
    predicate = json.loads((Path(public) / "provenance.json").read_text())
    resolved = {(r["name"], r["digest"]["sha256"]) for r in predicate["buildDefinition"]["resolvedDependencies"]}
    say(resolved == {(s["name"], s["sha256"]) for s in locked["sources"]}, "the provenance has every source of the lock")
    say(sum(p["licenseDeclared"] == "Apache-2.0" for p in of.packages.values()) >= 3, "licenses that were said are in it")


def packages(public, status):
    of = Inventories(public)
    listed = set()
    for paragraph in Path(status).read_text().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed"):
            listed.add((fields["Package"], fields["Version"], fields["Architecture"]))
    system = next(id for id, p in of.packages.items() if p.get("primaryPackagePurpose") == "OPERATING-SYSTEM")
    from packageurl import PackageURL

    ours = set()
    for id in of.contained(system):
        purl = PackageURL.from_string(of.purl(id))
        say(purl.to_string() == of.purl(id), "a package URL is canonical", of.purl(id)) if purl.to_string() != of.purl(id) else None
        if (purl.type, purl.namespace, purl.qualifiers.get("distro")) == ("deb", "debian", "bookworm"):
            ours.add((purl.name, purl.version, purl.qualifiers["arch"]))
    say(listed and ours == listed, f"the system's {len(listed)} packages are those that its dpkg lists", ours ^ listed)


def build_information(path):
    """Go's build information as `go version -m` finds it: another reader, by readelf's tables."""
    text = subprocess.run(["readelf", "-SlW", path], check=True, capture_output=True, text=True).stdout
    section = re.search(r"\.go\.buildinfo\s+\w+\s+(\w+)\s+(\w+)\s+(\w+)", text)
    segments = [
        tuple(int(n, 16) for n in (found[1], found[2], found[3]))
        for found in re.finditer(r"^\s+LOAD\s+(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)", text, re.M)
    ]
    data = Path(path).read_bytes()

    def at(address):
        # Without modules there is nothing in the file that is pointed to, but a place in memory that starts as zero.
        return next((offset + address - start for offset, start, size in segments if start <= address < start + size), None)

    start = int(section[2], 16)
    assert data[start:].startswith(b"\xff Go buildinf:")
    if data[start + 15] & 2:
        place, texts = start + 32, []
        for _ in range(2):
            length = shift = 0
            while True:
                byte = data[place]
                length |= (byte & 127) << shift
                place, shift = place + 1, shift + 7
                if byte < 128:
                    break
            texts.append(data[place : place + length])
            place += length
    else:
        texts = []
        for pointer in struct.unpack_from("<QQ", data, start + 16):
            place = at(pointer)
            to, length = struct.unpack_from("<QQ", data, place) if place is not None else (0, 0)
            texts.append(data[at(to) : at(to) + length] if length else b"")
    version, modules = texts[0].decode(), texts[1]
    return version, modules[16:-16].decode() if len(modules) > 33 else ""


def compared(public, machine, program, version, lines):
    of = Inventories(public)
    held = of.contained(of.machine(machine))
    digest = hashlib.sha256(Path(compared.file).read_bytes()).hexdigest()
    ids = [id for id in held if of.digest(id) == digest]
    if not ids:
        say(False, f"{machine} has {program}")
        return
    expected, rows = set(), [line.split("\t") for line in lines]
    for index, row in enumerate(rows):
        if row[0] not in ("mod", "dep"):
            continue
        replaced = rows[index + 1] if index + 1 < len(rows) and rows[index + 1][0] == "=>" else row
        if replaced[1].startswith(("./", "../", "/")):  # a directory of who made it: the module, in no version
            replaced = ["dep", row[1], ""]
        expected.add((replaced[1], None if replaced[2] in ("", "(devel)") else replaced[2]))
    expected.add(("stdlib", version.split()[0].removeprefix("go")))
    ours = {(of.packages[id]["name"], of.packages[id].get("versionInfo")) for id in of.relations.get((ids[0], "DEPENDS_ON"), set())}
    say(ours == expected, f"{machine}: {program} is made of {len(expected)} Go modules, as another reader says", ours ^ expected)
    purls = {of.purl(id) for id in of.relations.get((ids[0], "DEPENDS_ON"), set())}
    from packageurl import PackageURL

    wrong = [p for p in purls if PackageURL.from_string(p).to_string() != p or not p.startswith("pkg:golang/")]
    say(not wrong, f"and their package URLs are canonical", wrong)


def modules(public, machine, program, file):
    compared.file = file
    version, text = build_information(file)
    compared(public, machine, program, version, text.splitlines())


def go(public, machine, program, file, text):
    compared.file = file
    first, *lines = text.splitlines()
    compared(public, machine, program, first.rsplit(": ", 1)[1], [line.removeprefix("\t") for line in lines if line.strip()])


def book(public, page):
    command = re.search(r"^```\n(jq .*?)^```", Path(page).read_text(), re.M | re.S)[1]
    of = Inventories(public)
    machines = [p["name"] for p in of.packages.values() if p.get("primaryPackagePurpose") == "DEVICE"]
    held = {name: of.contained(of.machine(name)) for name in machines}
    depends = lambda ids: set().union(*(of.relations.get((one, "DEPENDS_ON"), set()) for one in ids))
    made_of = {name: {of.packages[id]["name"] for id in depends(held[name])} for name in machines}
    direct = {name: of.relations.get((of.machine(name), "CONTAINS"), set()) for name in machines}
    shallow = {name: {of.packages[id]["name"] for id in depends(direct[name])} for name in machines}
    inside = [(name, module) for name in machines for module in made_of[name] - shallow[name]]
    say(inside, "a machine has a module only in a program of an image")
    wrong, modules = [], set().union(*made_of.values())
    for module in sorted(modules) + ["no/such/module"]:
        asked = command.replace("golang.org/x/net", module)
        run = subprocess.run(["bash", "-c", asked], cwd=Path(public).parent, capture_output=True, text=True, timeout=60)
        expected = sorted(name for name in machines if module in made_of[name])
        if run.returncode or sorted(run.stdout.split()) != expected:
            wrong.append((module, expected, run.stdout, run.stderr))
    say("golang.org/x/net" in command and not wrong, f"the book's jq finds the machines of each of {len(modules)} modules", wrong[:3])


def unknown(license):
    from spdx_tools.common.spdx_licensing import spdx_licensing

    say(spdx_licensing.validate(license).errors, f"spdx-tools knows no `{license}`")


def statement(public, key, work):
    public, work = Path(public), Path(work)
    path = public / "SHA256SUMS.intoto.jsonl"
    if not path.exists():
        say(False, "sign writes a statement")
        return
    lines = path.read_text().splitlines()
    say(len(lines) == 1, "one envelope for one key")
    envelope = json.loads(lines[0])
    payload = base64.b64decode(envelope["payload"], validate=True)
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement
    from securesystemslib.dsse import Envelope

    raw = base64.b64decode(Path(key).read_text().splitlines()[1])
    public_key = raw[10:]
    encoded = Envelope.from_dict(json.loads(lines[0])).pae()  # it takes its dictionary apart
    (work / "pae").write_bytes(encoded)
    (work / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"], validate=True))
    der = bytes.fromhex("302a300506032b6570032100") + public_key
    (work / "key.pem").write_text("-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der).decode() + "\n-----END PUBLIC KEY-----\n")

    def openssl():
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", work / "key.pem", "-rawin", "-in", work / "pae", "-sigfile", work / "signature"]
        return subprocess.run(command, capture_output=True).returncode == 0

    say(openssl(), "openssl accepts the signature over what securesystemslib encodes")
    (work / "pae").write_bytes(encoded[:-2] + b"x\n")
    say(not openssl(), "and refuses it over other bytes")
    said = json.loads(payload)
    subjects = [ResourceDescriptor(name=s["name"], digest=s["digest"]).pb for s in said["subject"]]
    Statement(subjects, said["predicateType"], said["predicate"]).validate()
    say(said["_type"] == "https://in-toto.io/Statement/v1", "in-toto's reader accepts the statement")
    sums = [line.split("  ") for line in (public / "SHA256SUMS").read_text().splitlines()]
    say([(s["digest"]["sha256"], s["name"]) for s in said["subject"]] == [tuple(l) for l in sums], "its subjects are the files of the release")
    say(said["predicate"] == json.loads((public / "provenance.json").read_text()), "its predicate is the provenance of the release")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
    sys.exit(1 if FAILED else 0)
