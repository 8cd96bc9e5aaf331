"""Parts a release into one part a machine, as `build --node` would have written them: parts.py RELEASE DIRECTORY."""

import hashlib
import json
import os
import sys
import uuid

release, target = sys.argv[1:]


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"


def name_of(document, field):
    """The document's name: a UUID of version 8 with the bits of a SHA-256 over all else."""
    document[field] = ""
    digest = bytearray(hashlib.sha256(text(document).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    document[field] = "urn:uuid:" + str(uuid.UUID(bytes=bytes(digest)))
    return text(document)


def read(path):
    with open(os.path.join(release, path), encoding="utf-8") as file:
        return json.load(file)


def reached(start, below):
    found, todo = {start}, [start]
    while todo:
        for other in below.get(todo.pop(), []):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


manifest, provenance = read("public/manifest.json"), read("public/provenance.json")
spdx, cdx = read("public/sbom.spdx.json"), read("public/sbom.cdx.json")
sums = {}
for part in ("public", "secrets"):
    with open(os.path.join(release, part, "SHA256SUMS"), encoding="utf-8") as file:
        sums[part] = [line.rstrip("\n").split("  ", 1) for line in file]
machines = [node["name"] for node in manifest["nodes"]]
of_machine = {part: {name: [] for name in machines} for part in sums}
shared = {part: [] for part in sums}
for part, lines in sums.items():
    for digest, path in lines:
        first = path.split("/")[0]
        if first in of_machine[part]:
            of_machine[part][first].append((digest, path))
        elif "." not in path or "/" in path or path == "verify.sh":
            shared[part].append((digest, path))
artifacts = {}
for artifact in manifest["artifacts"]:
    artifacts.setdefault(artifact.get("node"), []).append(artifact)
root = next(r["relatedSpdxElement"] for r in spdx["relationships"] if r["relationshipType"] == "DESCRIBES")
of_kind = {p["name"]: p["SPDXID"] for p in spdx["packages"] if p["SPDXID"].startswith("SPDXRef-machine-")}

for place, node in enumerate(manifest["nodes"]):
    name = node["name"]
    out = os.path.join(target, str(place))
    # What belongs to no other machine: all but the other machines. That all have the same sources is the caller's promise.
    others = {reference for other, reference in of_kind.items() if other != name}
    without = dict(spdx)
    without["packages"] = [p for p in spdx["packages"] if p["SPDXID"] not in others]
    without["relationships"] = [r for r in spdx["relationships"] if r["spdxElementId"] not in others and r["relatedSpdxElement"] not in others]
    bare = {reference.removeprefix("SPDXRef-") for reference in others}
    components = dict(cdx)
    components["components"] = [c for c in cdx["components"] if c["bom-ref"] not in bare]
    components["dependencies"] = [
        {"ref": d["ref"], "dependsOn": [on for on in d["dependsOn"] if on not in bare]} for d in cdx["dependencies"] if d["ref"] not in bare
    ]
    provenance["buildDefinition"]["externalParameters"]["nodes"] = [name]
    whole = {key: value for key, value in manifest.items() if key not in ("nodes", "artifacts")}
    whole["part"] = {"of": len(machines), "places": [place]}
    whole["nodes"] = [node]
    mine = set(node["artifacts"])
    whole["artifacts"] = sorted((a for a in artifacts.get(None, []) + artifacts.get(name, []) if a["path"] in mine), key=lambda a: a["path"])
    made = {
        "manifest.json": text(whole),
        "sbom.spdx.json": name_of(without, "documentNamespace"),
        "sbom.cdx.json": name_of(components, "serialNumber"),
        "provenance.json": text(provenance),
    }
    for part in sums:
        listed = list(of_machine[part][name])
        for digest, path in shared[part]:
            if not path.startswith("layers/") or any(path.rsplit("-", 1)[1][:12] in one for one in mine):
                listed.append((digest, path))
        for _, path in listed:
            there = os.path.join(out, part, path)
            os.makedirs(os.path.dirname(there), exist_ok=True)
            os.link(os.path.join(release, part, path), there)
        if part == "public":
            for path, words in made.items():
                with open(os.path.join(out, part, path), "w", encoding="utf-8") as file:
                    file.write(words)
                listed.append((hashlib.sha256(words.encode()).hexdigest(), path))
        os.makedirs(os.path.join(out, part), exist_ok=True)
        with open(os.path.join(out, part, "SHA256SUMS"), "w", encoding="utf-8") as file:
            file.writelines(f"{digest}  {path}\n" for digest, path in sorted(listed, key=lambda one: one[1]))
