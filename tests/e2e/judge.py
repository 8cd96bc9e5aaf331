#!/usr/bin/env python3
"""What a release says of its archives, and what others read in them, in one form that `diff` compares.

  judge.py archives RELEASE                 PATH FORMAT LAYER NODE of every archive
  judge.py expect RELEASE ARCHIVE           what the manifests say that the archive holds
  judge.py node RELEASE NODE                what a machine has when its common, node and secrets layers are applied
  judge.py boot RELEASE NODE                what a machine has that starts as the release's manifest says, its base included
  judge.py tree DIRECTORY [--no-times KIND,...]   what was extracted there
  judge.py listing FILE                     what a machine listed: stat's `%f|%u|%g|%Y|%s|%n`, sha256sum, links, each under its mark
  judge.py tar FILE                         what Python's tarfile reads
  judge.py cpio FILE                        what a reader of newc written from the kernel's description reads

One line an entry: path, type, mode, uid, gid, mtime, size, SHA-256, target; `-` where a type has none.
"""
import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile


def line(path, kind, mode, uid, gid, mtime, size="-", digest="-", target="-"):
    return "\t".join(map(str, (path, kind, "-" if mode is None else f"{mode:04o}", uid, gid, mtime, size, digest, target)))


def load(release, *path):
    with open(os.path.join(release, "public", *path), "rb") as file:
        return json.load(file)


def records(release, archive):
    """The records of one archive, with the manifest's mtime, in the archive's order."""
    manifest = load(release, "manifest.json")
    artifact = next(a for a in manifest["artifacts"] if a["path"] == archive)
    if artifact["layer"] in ("common", "base"):
        directory = {"common": "layers", "base": "boot"}[artifact["layer"]]
        common = load(release, directory, os.path.basename(archive).split(".")[0] + ".json")
        return common["mtime"], common["files"]
    node = load(release, artifact["node"], "manifest.json")
    merged = ["node"] + ["secrets"] * artifact["secret"] + ["guard"] * artifact["format"].startswith("tar")
    layers = merged if artifact["layer"] == "merged" else [artifact["layer"]]
    own = [r for r in node["files"] if r["layer"] in layers]
    if artifact["layer"] == "merged" and "common" in node:
        own = load(release, node["common"])["files"] + own
    return node["mtime"], own


def in_order(found):
    """By path; of what is given twice (a directory that two layers need), the last counts."""
    entries = {}
    for record in found:
        entries[record["path"]] = record
    return [entries[path] for path in sorted(entries, key=lambda p: p[1:].encode())]


def secret_digests(release, node):
    """The digests that the secrets layer itself carries: the manifests have none."""
    manifest = load(release, "manifest.json")
    mine = [a for a in manifest["artifacts"] if a.get("node") == node and a["secret"]] if node else []
    for artifact in mine:
        path = os.path.join(release, artifact["path"])
        members = read_tar(path) if artifact["format"].startswith("tar") else read_cpio(path)
        contents = {name: body for name, _, _, body in members if body is not None}
        listed = contents.get("usr/lib/mastermold/secrets.sha256", b"").decode()
        # What is listed is compared with the bytes here; the list itself is the one thing that it does not list.
        digests = {"usr/lib/mastermold/secrets.sha256": hashlib.sha256(listed.encode()).hexdigest()}
        for entry in listed.splitlines():
            digest, name = entry.split("  ", 1)
            digests[name] = digest
        return digests
    return {}


def expected(release, mtime, found, node):
    secrets = secret_digests(release, node)
    for r in in_order(found):
        digest = r.get("sha256") or (secrets.get(r["path"][1:], "missing") if r["type"] == "file" else "-")
        mode = None if r["type"] == "symlink" else int(r["mode"], 8)
        yield line(r["path"][1:], r["type"], mode, r["uid"], r["gid"], mtime, r.get("size", "-"), digest, r.get("target", "-"))


def tree(root, no_times):
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            s = os.lstat(path)
            shown = os.path.relpath(path, root)
            if stat.S_ISLNK(s.st_mode):
                rest, kind, mode = ("-", "-", os.readlink(path)), "symlink", None
            elif stat.S_ISDIR(s.st_mode):
                rest, kind, mode = ("-", "-", "-"), "directory", stat.S_IMODE(s.st_mode)
            else:
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read())
                rest, kind, mode = (s.st_size, digest.hexdigest(), "-"), "file", stat.S_IMODE(s.st_mode)
            mtime = "-" if kind in no_times else int(s.st_mtime)
            yield line(shown, kind, mode, s.st_uid, s.st_gid, mtime, *rest)


def listing(path):
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        lines = file.read().replace("\r\n", "\n").split("\n")
    at = [lines.index(mark) for mark in ("--- digests", "--- links", "--- done")]
    digests = dict(reversed(l.split("  ", 1)) for l in lines[at[0] + 1 : at[1]] if l)
    links = dict(l.split(" -> ", 1) for l in lines[at[1] + 1 : at[2]] if l)
    kinds = {0o4: "directory", 0o10: "file", 0o12: "symlink"}
    for entry in sorted((l for l in lines[: at[0]] if l), key=lambda l: l.split("|", 5)[5][1:].encode("utf-8", "surrogateescape")):
        mode, uid, gid, mtime, size, name = entry.split("|", 5)
        kind = kinds.get(int(mode, 16) >> 12, mode)
        shown = None if kind == "symlink" else int(mode, 16) & 0o7777
        rest = (size, digests.get(name, "no digest"), "-") if kind == "file" else ("-", "-", links.get(name, "-"))
        yield line(name[1:], kind, shown, uid, gid, mtime, *rest)


def opened(path):
    if path.endswith(".zst"):
        return io.BytesIO(subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout)
    return gzip.open(path) if path.endswith(".gz") else open(path, "rb")


def read_tar(path):
    with tarfile.open(fileobj=opened(path)) as archive:
        for m in archive:
            assert m.uname == "" and m.gname == "", f"{m.name} names its owner"
            kind = "directory" if m.isdir() else "symlink" if m.issym() else "file" if m.isreg() else f"type {m.type}"
            body = archive.extractfile(m).read() if m.isreg() else None
            yield m.name, kind, (m.mode, m.uid, m.gid, int(m.mtime), m.linkname), body


def read_cpio(path):
    stream = opened(path)
    inodes = set()
    while True:
        magic = stream.read(1)
        if magic in (b"", b"\0"):
            assert not stream.read().strip(b"\0"), f"{path}: something follows the padding"
            return
        header = magic + stream.read(109)
        assert header[:6] == b"070701", f"{path}: bad magic {header[:6]!r}"
        ino, mode, uid, gid, nlink, mtime, size, _, _, _, _, namesize, checksum = (
            int(header[6 + 8 * i : 14 + 8 * i], 16) for i in range(13)
        )
        assert header[6:].upper() == header[6:], f"{path}: lower-case hexadecimal"
        name = stream.read(namesize)
        assert name[-1:] == b"\0" and b"\0" not in name[:-1], f"{path}: {name!r}"
        assert not stream.read(-(110 + namesize) % 4).strip(b"\0")
        body = stream.read(size)
        assert len(body) == size, f"{path}: {name!r} is cut"
        assert not stream.read(-size % 4).strip(b"\0")
        name = name[:-1].decode()
        if name == "TRAILER!!!":
            assert not stream.read().strip(b"\0"), f"{path}: something follows the trailer"
            return
        kind = {0o4: "directory", 0o10: "file", 0o12: "symlink"}[mode >> 12]
        assert checksum == 0 and (kind == "directory" or nlink == 1), f"{path}: {name} nlink {nlink}"
        assert kind == "directory" or ino not in inodes, f"{path}: {name} shares inode {ino}"
        inodes.add(ino)
        target = body.decode() if kind == "symlink" else ""
        yield name, kind, (mode & 0o7777, uid, gid, mtime, target), body if kind == "file" else None


def read_lines(members):
    entries = {}
    order = []
    for name, kind, (mode, uid, gid, mtime, target), body in members:
        name = name.rstrip("/")
        assert name not in entries, f"{name} is there twice"
        order.append(name)
        assert os.path.dirname(name) in entries or "/" not in name, f"{name} comes before its directory"
        rest = (len(body), hashlib.sha256(body).hexdigest(), "-") if kind == "file" else ("-", "-", target or "-")
        entries[name] = line(name, kind, None if kind == "symlink" else mode, uid, gid, mtime, *rest)
    assert order == sorted(order, key=str.encode), "not sorted by path"
    return [entries[name] for name in sorted(entries, key=str.encode)]


def main(verb, *args):
    if verb == "archives":
        return [f"{a['path']} {a['format']} {a['layer']} {a.get('node', '-')}" for a in load(args[0], "manifest.json")["artifacts"]]
    if verb == "expect":
        release, archive = args
        artifact = next(a for a in load(release, "manifest.json")["artifacts"] if a["path"] == archive)
        return expected(release, *records(release, archive), artifact.get("node"))
    if verb == "node":
        release, node = args
        own = load(release, node, "manifest.json")
        common = load(release, own["common"])["files"] if "common" in own else []
        return expected(release, own["mtime"], common + own["files"], node)
    if verb == "boot":
        release, node = args
        boot = next(n for n in load(release, "manifest.json")["nodes"] if n["name"] == node)["boot"]
        found = [records(release, path) for path in boot["initrds"]]
        return expected(release, found[0][0], [record for _, files in found for record in files], node)
    if verb == "tree":
        no_times = args[2].split(",") if len(args) > 1 else []
        return sorted(tree(args[0], no_times), key=lambda l: l.split("\t")[0].encode())
    if verb == "listing":
        return listing(args[0])
    if verb == "tar":
        return read_lines(read_tar(args[0]))
    if verb == "cpio":
        return read_lines(read_cpio(args[0]))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    # Long listings into a closed pipe are no fault of ours.
    for text in main(*sys.argv[1:]):
        print(text)
