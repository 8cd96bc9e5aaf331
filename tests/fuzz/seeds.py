#!/usr/bin/env python3
"""Makes the hand-made part of corpus/: a few small inputs for each target. Keys and times in them are new each time,
so it is run when a format changes, not in the tests: seeds.py MASTERMOLD [KIND]. What a run of the fuzzer found interesting
stands beside them, named by its SHA-1; a crash that was mended by what was wrong."""

import gzip
import io
import lzma
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.path.abspath(sys.argv[1])


def put(target, name, data):
    path = HERE / "corpus" / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def run(*words, data=None, cwd=None):
    return subprocess.run(words, input=data, cwd=cwd, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


def files(**contents):
    """The form of `plan` and `image`: PATH LF CONTENTS, NUL between."""
    return files_of(contents.items())


def files_of(items):
    return b"\0".join(path.encode() + b"\n" + (body if isinstance(body, bytes) else body.encode()) for path, body in items)


# --- tar

def tar(entries, kind=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, type, body in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode = type, 0o755
            if type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname, body = body, b""
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    whole = out.getvalue().rstrip(b"\0")
    return whole + b"\0" * (-len(whole) % 512 + 1024)


FILE, DIR, SYM, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
PLAIN = tar([("d", DIR, b""), ("d/want", FILE, b"good"), ("want", SYM, "d/want")])
LONG = "long/" + "x" * 120


def foreign_tars():
    shapes = {
        "plain": PLAIN,
        "links": tar([("want", FILE, b"x"), ("h", HARD, "want"), ("s", SYM, "../want"), ("l", SYM, "l")]),
        "pax": tar([(LONG, FILE, b"x"), ("é", FILE, b"y")], tarfile.PAX_FORMAT),
        "gnu": tar([(LONG, FILE, b"x"), ("s", SYM, LONG)], tarfile.GNU_FORMAT),
        "devices": tar([("c", tarfile.CHRTYPE, b""), ("f", tarfile.FIFOTYPE, b"")]),
        "empty": b"\0" * 1024,
    }
    for name, data in shapes.items():
        put("unpack-tar", name, b"\1" + data)
        put("unpack-compressed", name, b"\0\0\0" + data)
    for index, kind in enumerate(["gzip", "zstd", "xz"]):
        put("unpack-compressed", f"{kind}-flipped", bytes([0x80 + index, 100, 4]) + PLAIN)
    for kind, data in [("gzip", gzip.compress(PLAIN, mtime=0)), ("xz", lzma.compress(PLAIN)), ("zstd", zstd(PLAIN)),
                       ("gzip-twice", gzip.compress(PLAIN, mtime=0) * 2), ("skippable", b"\x50\x2a\x4d\x18\1\0\0\0x" + zstd(PLAIN))]:
        put("unpack-compressed", f"raw-{kind}", b"\3\0\0" + data)


def zstd(data):
    return run("zstd", "-q", "-c", data=data)


def ar(members):
    out = b"!<arch>\n"
    for name, body in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(body):<10}`\n".encode() + body + b"\n" * (len(body) % 2)
    return out


def debs():
    control = tar([("control", FILE, b"Package: a\n")])
    for name, packed in [("plain", (".tar", lambda data: data)), ("gz", (".tar.gz", lambda data: gzip.compress(data, mtime=0))),
                         ("xz", (".tar.xz", lzma.compress)), ("zst", (".tar.zst", zstd))]:
        end, pack = packed
        put("unpack-deb", name, ar([("debian-binary", b"2.0\n"), ("control" + end, pack(control)), ("data" + end, pack(PLAIN))]))
    put("unpack-deb", "reserved", ar([("debian-binary", b"2.0\n"), ("_x", b"odd"), ("control.tar", control), ("data.tar", PLAIN)]))
    put("unpack-deb", "static-library", ar([("a.o/", b"\x7fELF")]))


def zips():
    for name, method in [("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)]:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for path, mode, body in [("d/", 0o040755, b""), ("d/want", 0o100755, b"good" * 20), ("s", 0o120777, b"d/want")]:
                info = zipfile.ZipInfo(path)
                info.create_system, info.external_attr, info.compress_type = 3, mode << 16, method
                archive.writestr(info, body)
        put("unpack-zip", name, out.getvalue())
    class Pipe(io.RawIOBase):  # What cannot be sought is written with data descriptors.
        def __init__(self): self.data = b""
        def writable(self): return True
        def write(self, data): self.data += bytes(data); return len(data)
    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("want", b"good" * 20)
    put("unpack-zip", "descriptor", out.data)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("want", "w", force_zip64=True) as entry:
        entry.write(b"good")
    put("unpack-zip", "zip64", out.getvalue())
    put("unpack-zip", "nothing", b"PK\5\6" + b"\0" * 18)


def cpio(entries):
    out = b""
    for number, (name, mode, body) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = [number, mode, 0, 0, 1, 315532800, len(body), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + body
        out += b"\0" * (-len(out) % 4)
    return out


def initrds():
    system = cpio([("etc", 0o040755, b""), ("etc/passwd", 0o100644, b"root:x:0:0::/:/bin/sh\na:x:7:7::/:/\n"),
                   ("bin", 0o120777, b"usr/bin"), ("init", 0o100755, b"#!/bin/sh\n")])
    put("initrd", "plain", system)
    put("initrd", "several", system + b"\0" * 8 + gzip.compress(system, mtime=0))
    put("initrd", "gzip", gzip.compress(system, mtime=0))
    put("initrd", "zstd", zstd(system))
    put("initrd", "xz", lzma.compress(system, check=lzma.CHECK_CRC32))
    put("initrd", "rootfs", tar([("etc/", DIR, b""), ("etc/passwd", FILE, b"root:x:0:0::/:/bin/sh\n"), ("bin", SYM, "usr/bin")]))


# --- documents

PROFILE = """overlays = ["o"]
[cluster]
name = "prod"
version = "1.0.0"
epoch = 2026-11-01T00:00:00Z
domain = "prod.example"
[vars.o]
port = 7
text = "{{ cluster.name }} 'a' \\"b\\""
[args.tool]
flag = "{{ nodes | map(attribute='name') | join(',') }}"
list = { add = ["a"] }
[sysctl]
"vm.max_map_count" = "1"
[modules]
load = ["overlay"]
options = { a = "b=1" }
[[nodes]]
name = "m0"
address = "10.0.0.1"
mac = "52:54:00:00:05:0b"
roles = ["a"]
[[outputs]]
format = "cpio.zst"
"""

OVERLAY = """summary = "all of it"
when = "'a' in node.roles"
[vars]
port = 1
text = "x"
[args.tool]
name = "{{ node.name }}"
on = true
off = false
many = ["a", "b"]
[command.tool]
prefix = "--"
words = ["server"]
[[files]]
path = "/etc/*.yaml"
mode = "0600"
[[directories]]
path = "/var/lib/o"
mode = "0700"
[[symlinks]]
path = "/etc/l"
target = "../o"
[[units]]
enable = ["o.service"]
[[authorities]]
name = "ca"
subject = { cn = "ca" }
cert = "/etc/ca.crt"
[[certificates]]
name = "c"
authority = "ca"
subject = { cn = "{{ node.name }}" }
usages = ["server-auth"]
dns = ["{{ node.fqdn }}"]
ip = ["{{ node.address }}"]
cert = "/etc/c.crt"
key = "/etc/c.key"
[sources.tool]
url = "https://example.org/{{ cluster.version }}/tool.tgz"
members = { "*/tool" = "/usr/bin/tool" }
"""

UNIT = "[Unit]\nDescription={{ vars.text }}\n[Service]\nExecStart=/usr/bin/tool {{ args.tool | join(' ') }}\nEnvironment=\"A={{ vars.text }}\"\n[Install]\nWantedBy=multi-user.target\nAlso=p.socket\n"
YAML = "a: {{ vars.text }}\nb:\n{% for n in nodes %}\n- {{ n.name }}: \"x {{ n.address }}\"\n{% endfor %}\nc: {{ [1, 'a'] }}\n"


def projects():
    put("profile", "all", PROFILE)
    put("profile", "extends", 'extends = "q.toml"\n[cluster]\nname = "{{ cluster.version }}"\n')
    put("profile", "expression", PROFILE.replace('roles = ["a"]', 'roles = { expr = "[\'a\'] + nodes[0].roles" }'))
    put("profile", "round", PROFILE.replace('name = "prod"', 'name = "{{ cluster.domain }}"\nx = 1').replace('"prod.example"', '"{{ cluster.name }}"'))
    put("overlay", "all", OVERLAY)
    for path in sorted((HERE / "../../overlays").glob("*/overlay.toml"))[:4]:
        put("overlay", path.parent.name, path.read_bytes())
    project = {"profiles/p.toml": PROFILE, "overlays/o/overlay.toml": OVERLAY.split("[[authorities]]")[0],
               "overlays/o/root/usr/lib/systemd/system/o.service.j2": UNIT,
               "overlays/o/root/usr/lib/systemd/system/p.socket": "[Install]\nWantedBy=sockets.target\n",
               "overlays/o/root/etc/a.yaml.j2": YAML, "overlays/o/root/etc/b.json.j2": '{"a": {{ vars.text }}}\n',
               "overlays/o/root/etc/c.env.j2": "A={{ vars.text }}\n", "overlays/o/root/etc/plain": "x\n"}
    put("plan", "all", files_of(project.items()))
    small = dict(project)
    small["overlays/o/overlay.toml"] = OVERLAY
    put("plan", "keys", files_of(list(small.items())[:3]))
    put("plan", "sources", files_of([("profiles/p.toml", PROFILE.replace('["o"]', "[]").replace("[vars.o]\nport = 7\ntext", "[x]\ntext"))]))


TEMPLATES = {
    "loop": "{% for x in cluster.list %}{{ loop.index }}: {{ x }}\n{% endfor %}",
    "macro": "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(odd.quote) }}{{ m(1) }}\n",
    "filters": "{{ cluster.list | join(',') | upper | replace('a', 'b') }} {{ odd.lines | indent(2) | trim }} {{ 'a,b' | split(',') | json }}\n",
    "set": "{% set x = odd.quote %}{% if x %}a: \"{{ x }}\"{% else %}b{% endif %}\n{{ x[1:3] }}",
    "numbers": "{{ cluster.number * 3 // 2 ** 2 % 5 }} {{ 1.5 }} {{ -7 | abs }} {{ true }}\n",
    "network": "{{ '10.96.0.0/16' | host(10) }} {{ 'fd00::/64' | host(1) | url_host }} {{ '10.0.0.0/8' | prefix }}",
    "raw": "{{ odd.lines | raw }}{% raw %}{{ x }}{% endraw %}{{ {'a': [1, 'b']} }}",
    "namespace": "{% set ns = namespace(a=1) %}{% for x in cluster.list %}{% set ns.a = ns.a + 1 %}{% endfor %}{{ ns.a }}",
    "version": "{{ '1.10' is at_least('1.9') }} {{ fail('x') if false else 'y' }}",
    "unit": "[Service]\nExecStart=/bin/x {{ odd.quote }} --a={{ odd.empty }}\nEnvironment=\"A={{ odd.quote }}\"\n",
    "yaml": "a: {{ odd.quote }}\nb: |\n  {{ odd.lines | indent(2) }}\nc: [{{ cluster.name }}, '{{ odd.quote }}']\n",
}

VALUES = {"plain": "abc", "quotes": "a\"b'c`d", "shell": "$(x) ${y} $z ; | & > < * ? [a] ~ ! #", "unit": "%i %% \\x41 \\ $X ${X}",
          "yaml": "- a: b #c", "yaml-words": "on", "number": "0o17", "lines": "a\nb\r\n\tc", "marks": "\1sx\2", "controls": "\0\x1b[2J\x7f\x85",
          "unicode": "é\u202e\u2028\ufeff\U0001f600", "empty": "", "spaces": "  a  ", "backslash": "a\\", "toml": "'''\"\"\"]]"}


def templates():
    for name, text in TEMPLATES.items():
        put("template", name, text)
    for name, text in VALUES.items():
        for target in ["escape-json", "escape-toml", "escape-lines"]:
            put(target, name, text)
    marked = {"unit": UNIT, "yaml": "a: \1sx\2\nb: |\n  \1sy\2\nc: [\1n1\2, '\1sz\2', &a {d: \1j[1]\2}]\n", "json": '{"a": \1sx\2, "b\1sy\2": [\1n1\2, \1j{}\2]}',
              "toml": "a = \1sx\2\nb = '''\1sy\2'''\n[\1sz\2]\nc = [\1n1\2, \1j[1]\2]\n", "sysctl": "a.b = \1sx\2\n# \1sy\2\n", "env": "A=\1sx\2\nB='\1sy\2'\n",
              "shell": "a \1sx\2 \"b \1sy\2\" 'c' $(d \1sz\2) <<E\n\1sw\2\nE\n", "text": "a \1sx\2\n"}
    for index, (name, text) in enumerate(marked.items()):
        put("escape", name, bytes([index]) + text.encode())


# --- what a release holds

def releases():
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        project, out = work / "p", work / "out"
        (project / "profiles").mkdir(parents=True)
        (project / "overlays/o/root/etc").mkdir(parents=True)
        (project / "overlays/o/root/etc/a").write_text("a\n")
        (project / "overlays/o/root/etc/l").symlink_to("a")
        (project / "overlays/o/root/etc" / ("n" * 120)).write_text("long\n")
        (project / "overlays/o/overlay.toml").write_text('summary = "o"\n[[secrets]]\nname = "k"\nshape = "hex"\npath = "/etc/k"\n')
        (project / "source").write_text("source\n")
        outputs = "".join(f'[[outputs]]\nformat = "{kind}"\n' for kind in ["tar", "tar.gz", "tar.zst", "cpio", "cpio.gz", "cpio.zst"])
        (project / "profiles/p.toml").write_text(
            'overlays = ["o"]\n[cluster]\nname = "p"\nversion = "1.0.0"\nepoch = 2026-11-01T00:00:00Z\n[pki]\nsince = 2026-01-01T00:00:00Z\n'
            '[[nodes]]\nname = "m0"\n[[nodes]]\nname = "m1"\n[sources.s]\npath = "source"\ninstall = { path = "/etc/s", mode = "0644" }\n' + outputs)
        environment = dict(os.environ, XDG_CACHE_HOME=str(work / "cache"))
        profile, seed = str(project / "profiles/p.toml"), str(work / "seed")
        for words in [["pki", "init", profile, "--seed", seed], ["lock", profile, "--seed", seed], ["build", profile, "--seed", seed, "-o", str(out)]]:
            subprocess.run([PROGRAM, "-q", *words], env=environment, check=True, stdout=subprocess.DEVNULL)
        release = out / "p/1.0.0"
        put("lock", "release", (project / "profiles/p.lock").read_bytes())
        put("seed", "plain", (work / "seed").read_bytes())
        put("manifest", "release", (release / "public/manifest.json").read_bytes())
        put("manifest", "node", (release / "public/m0/manifest.json").read_bytes())
        for path in sorted((release / "public/layers").glob("*.json"))[:1]:
            put("manifest", "common", path.read_bytes())
        put("sums", "public", (release / "public/SHA256SUMS").read_bytes())
        for path in sorted(release.rglob("*")):
            layer = path.name.split(".")[0].split("-")[0]
            name = path.name.split(".", 1)[-1]
            if not path.is_file() or "m1" in path.parts:
                continue
            if name == "tar":
                put("tar", layer, b"\1" + path.read_bytes())
            if name == "cpio":
                put("cpio", layer, path.read_bytes())
            order = ["tar.gz", "tar.zst", "cpio.gz", "cpio.zst"]
            if name in order:
                put("compressed", f"{layer}-{name}", bytes([order.index(name)]) + path.read_bytes())
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    put("lock", "all", f"""version = 1
seed = "x"
imports = "y"
[[files]]
path = "pki/ca.crt"
sha256 = "{digest}"
[[overlays]]
name = "etcd"
sha256 = "{digest}"
[[sources]]
name = "etcd"
from = "url https://example.org/etcd.tar.gz"
sha256 = "{digest}"
size = 17
version = "1"
[[sources.members]]
pattern = "*/etcd"
path = "e/etcd"
sha256 = "{digest}"
size = 17
executable = true
[[sources.images]]
name = "r.example/etcd:1"
arch = "amd64"
recipe = "{digest}"
id = "{digest}"
sha256 = "{digest}"
size = 17
[[sources.packages]]
name = "a"
version = "1"
arch = "all"
""")
    put("checksum", "bare", digest)
    put("checksum", "gnu", f"{digest}  a/etcd.tgz\n{digest} *other\n")
    put("checksum", "bsd", f"SHA256 (etcd.tgz) = {digest}\n")
    put("package-list", "status", "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\nDescription: x\n y\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n")
    put("package-list", "offered", f"Package: a\nVersion: 1\nFilename: pool/a.deb\nSize: 7\nSHA256: {digest}\n")
    for index, text in enumerate(["https://example.org/a/b?c#d\n../x/./y?z", "http://[::1]:80\n//other/a", "file:///a%20b\n/../..//", "https://u:p@h/\nfile:///etc/passwd", "HTTPS://H\n?q"]):
        put("url", str(index), text)


def signatures():
    with tempfile.TemporaryDirectory() as work:
        message = pathlib.Path(work) / "m"
        message.write_text("what was signed\n")
        run("minisign", "-S", "-s", str(HERE / "known.key"), "-m", str(message), "-t", "mastermold cluster=prod version=1 epoch=x")
        put("signature", "minisign", (pathlib.Path(work) / "m.minisig").read_bytes())
        run("minisign", "-S", "-l", "-s", str(HERE / "known.key"), "-m", str(message), "-t", "legacy")
        put("signature", "legacy", (pathlib.Path(work) / "m.minisig").read_bytes())
        run("minisign", "-R", "-s", str(HERE / "known.key"), "-p", f"{work}/k.pub")
        public = (pathlib.Path(work) / "k.pub").read_text()
        put("public-key", "file", public)
        put("public-key", "line", public.split("\n")[1])
        for name, words in [("ed25519", ["-t", "ed25519"]), ("ecdsa", ["-t", "ecdsa"]), ("rsa", ["-t", "rsa", "-b", "2048"])]:
            run("ssh-keygen", "-q", *words, "-N", "", "-C", "x", "-f", f"{work}/{name}")
            put("public-key", name, pathlib.Path(f"{work}/{name}.pub").read_bytes())
            put("ssh-signature", name, run("ssh-keygen", "-Y", "sign", "-f", f"{work}/{name}", "-n", "mastermold cluster=prod", data=b"what was signed\n"))
    put("dsse", "payload", '{"_type":"https://in-toto.io/Statement/v1"}')
    put("dsse", "envelope", '{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"x","sig":"AAAA"}]}\n')
    put("secret-key", "known", (HERE / "known.key").read_bytes())
    sealed = "RWRTY0Iy" + "A" * 203 + "="
    put("secret-key", "protected", f"untrusted comment: minisign encrypted secret key\n{sealed}\n")


def certificates():
    with tempfile.TemporaryDirectory() as work:
        kinds = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
                 "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"], "ed25519": ["ed25519"], "rsa": ["rsa", "-pkeyopt", "rsa_keygen_bits:2048"]}
        pems = []
        for name, words in kinds.items():
            key = f"{work}/{name}.key"
            run("openssl", "genpkey", "-algorithm", *words, "-out", key)
            pem = run("openssl", "req", "-x509", "-new", "-key", key, "-days", "900", "-subj", f"/O=o/CN={name}",
                      "-addext", "subjectAltName=DNS:a.example,IP:10.0.0.1,IP:::1,URI:spiffe://a", "-addext", "extendedKeyUsage=serverAuth,clientAuth,1.2.3",
                      "-addext", "basicConstraints=critical,CA:TRUE,pathlen:1", "-addext", "keyUsage=critical,keyCertSign")
            put("certificate", f"{name}.der", run("openssl", "x509", "-outform", "DER", data=pem))
            put("key", f"{name}.pub", run("openssl", "pkey", "-in", key, "-pubout"))
            if name != "rsa":
                put("key", name, pathlib.Path(key).read_bytes())
            pems.append(pem)
        put("certificate", "two", b"text\n" + pems[0] + pems[3])
        put("certificate", "kubeconfig", b"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " + __import__("base64").b64encode(pems[3]) + b"\n")
        put("key", "rsa", run("openssl", "rsa", "-in", f"{work}/rsa.key", "-traditional"))
        put("key", "sec1", run("openssl", "ec", "-in", f"{work}/p256.key"))
        put("key", "encrypted", run("openssl", "pkey", "-in", f"{work}/ed25519.key", "-aes256", "-passout", "pass:x"))
        identity = (HERE / "known.identity").read_text()
        recipient = identity.split("public key: ")[1].split("\n")[0]
        seed = (HERE / "corpus/seed/plain").read_bytes()
        put("seed", "armored", run("age", "-a", "-r", recipient, data=seed))
        put("seed", "binary", run("age", "-r", recipient, data=seed))
        put("seed", "scrypt", "age-encryption.org/v1\n-> scrypt 9vzJ7rqjhHFUqUDWWQ2fDw 60\nfMwTOZqmz0VoKkS2HZkQPwcVPc2kzgvA0Q2SmbJm3Tk\n--- 4RRgZBhXFyOWGFEHuHyVYcB7aK2pZHKPnkDRPTBlnk4\n")
        put("seed", "recipients", f"# all\n{recipient}\n")
        put("seed", "identities", identity)


def boot_signatures():
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "m").write_text("what was signed\n")
        run("openssl", "req", "-x509", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{work}/ca.key", "-out", f"{work}/ca.crt",
            "-days", "900", "-subj", "/CN=known", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{work}/leaf.key", "-out", f"{work}/leaf.csr", "-subj", "/CN=leaf")
        pathlib.Path(work, "ext").write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\nbasicConstraints=critical,CA:FALSE\n")
        run("openssl", "x509", "-req", "-in", f"{work}/leaf.csr", "-CA", f"{work}/ca.crt", "-CAkey", f"{work}/ca.key", "-CAcreateserial", "-days", "800", "-sha256",
            "-extfile", f"{work}/ext", "-out", f"{work}/leaf.crt")
        (HERE / "known.authority").write_bytes(pathlib.Path(work, "ca.crt").read_bytes())
        for name, words in [("plain", ["-noattr"]), ("attributes", [])]:
            put("cms", name, run("openssl", "cms", "-sign", "-binary", *words, "-md", "sha256", "-in", f"{work}/m", "-signer", f"{work}/leaf.crt", "-inkey", f"{work}/leaf.key",
                                 "-outform", "DER"))


def programs():
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "x.c").write_text("void _start(void) { for (;;); }\n")
        base = ["gcc", "-nostdlib", "-s", "-Os", "-Wl,-z,noseparate-code,--build-id=none,-z,norelro", f"{work}/x.c", "-o", f"{work}/x"]
        for name, words in [("static", ["-static"]), ("dynamic", ["-pie", "-fPIE", "-Wl,-dynamic-linker,/lib/ld.so"])]:
            run(*base, *words)
            put("program", name, pathlib.Path(work, "x").read_bytes())
    put("document", "yaml", "---\na: &x [1, 'b', \"c\\n\", ~]\nb: {d: *x, <<: *x}\nc: |-\n  text\n? e\n: !!str 7\n...\n---\n- on\n")
    put("document", "json", '{"a": [1, 2.5e3, null, true, {"b": "\\u00e9"}], "a": 1}')
    put("document", "toml", "a = 1\n[[b]]\nc = 'x'\nd = 2026-01-01T00:00:00Z\n")
    put("document", "aliases", "a: &a [x, x]\n" + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)))


def requests():
    heads = {"get": "GET /boot/vmlinuz HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\nIf-Range: \"x\"\r\nIf-None-Match: *\r\n\r\n", "head": "HEAD /SHA256SUMS HTTP/1.0\n\n",
             "absolute": "GET http://10.0.2.2:80/m0/node.cpio?x#y HTTP/1.1\r\n\r\n", "dots": "GET /%2e%2e/secrets/admin/admin.conf HTTP/1.1\r\n\r\n",
             "secrets": "GET /secrets/m0/secrets.cpio HTTP/1.1\r\nrange: bytes=-5\r\n\r\n", "post": "POST / HTTP/1.1\r\n\r\n", "hidden": "GET /not-in-the-sums HTTP/1.1\r\n\r\n",
             "cut": "GET /boot/vmlinuz HTTP/1.1\r\nHo"}
    for name, head in heads.items():
        put("request", name, head)


def images():
    config = '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:@1"]}}'
    manifest = ('{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",'
                '"digest":"sha256:@2","size":#2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:@1","size":#1}]}')
    index = ('{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:@3","size":#3,'
             '"annotations":{"io.containerd.image.name":"registry.example/etcd:3.6.5"},"platform":{"architecture":"amd64","os":"linux"}}]}')
    layout = [("oci-layout", '{"imageLayoutVersion":"1.0.0"}'), ("blobs/sha256/@", "layer"), ("blobs/sha256/@", config), ("blobs/sha256/@", manifest)]
    put("image", "layout", files_of([*layout, ("index.json", index)]))
    nested = '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:@4","size":#4,"annotations":{"io.containerd.image.name":"registry.example/etcd:3.6.5"}}]}'
    put("image", "nested", files_of([*layout, ("blobs/sha256/@", index), ("index.json", nested)]))
    put("image", "saved", files_of([("x", "x"), ("a/layer.tar", "layer"), ("@.json", config), ("l -> a/layer.tar", ""),
                                    ("manifest.json", '[{"Config":"@2.json","RepoTags":["registry.example/etcd:3.6.5"],"Layers":["l"]}]')]))


def control():
    put("control", "start", "a")


KINDS = [foreign_tars, debs, zips, initrds, projects, templates, releases, signatures, certificates, boot_signatures, programs, requests, images, control]
for make in KINDS:
    # A second word takes one kind alone.
    if make.__name__ in sys.argv[2:] or not sys.argv[2:]:
        make()
