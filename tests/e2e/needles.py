#!/usr/bin/env python3
"""Every secret of a release in every encoding, searched for in files and in what archives hold.

  needles.py search  SEED CLUSTER SECRETS... -- PLACE...   0 hits expected; prints what was searched
  needles.py control SEED CLUSTER SECRETS...               plants each needle in turn, and finds it
  needles.py kept    SEED CLUSTER SECRETS... -- PLACE...   every secret but the authorities' keys is found

SECRETS are directories with unpacked secrets layers and admin files. The private numbers of keys are what OpenSSL says,
those of the authorities are derived from the seed by the documented HKDF, with this file's own code, and compared with
the authorities' certificates by OpenSSL.
"""
import base64, glob, gzip, hashlib, hmac, io, lzma, os, re, subprocess, sys, tarfile, zipfile

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-5)


def run(*words, stdin=b""):
    return subprocess.run(words, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def hkdf(seed, purpose, cluster, scope, name, generation, length):
    info = b"mastermold/1"
    for field in (purpose.encode(), cluster.encode(), scope.encode(), name.encode(), generation.to_bytes(4, "big")):
        info += len(field).to_bytes(8, "big") + field
    extracted, out, block = hmac.digest(bytes(32), seed, "sha256"), b"", b""
    for count in range(1, -(-length // 32) + 1):
        block = hmac.digest(extracted, block + info + bytes([count]), "sha256")
        out += block
    return out[:length]


def authority(seed, cluster, name):
    """The private number of an authority's key."""
    number = int.from_bytes(hkdf(seed, "authority/ecdsa-p256", cluster, "cluster", name, 1, 48), "big")
    return (number % (ORDER - 1) + 1).to_bytes(32, "big")


def sec1(scalar):
    body = bytes.fromhex("0201010420") + scalar + bytes.fromhex("a00a06082a8648ce3d030107")
    return bytes([0x30, len(body)]) + body


def aligned(data):
    """What base64 of anything with this data in it has in it: one text for each place that it can start at."""
    texts = []
    for before in range(3):
        text = base64.b64encode(bytes(before) + data)
        # Digits that also have bits of what is before or behind are left out.
        texts.append(text[-(-before * 8 // 6):(before + len(data)) * 8 // 6])
    return texts


def encodings(data):
    forms = [data, data.hex().encode(), data.hex().upper().encode(), *aligned(data)]
    return [(kind, form) for kind, form in zip(("raw", "hex", "HEX", "base64 0", "base64 1", "base64 2"), forms)]


def of_text(text):
    """A secret that is text: as it is and as what it says."""
    found = encodings(text)
    for decode in (lambda one: bytes.fromhex(one.decode()), lambda one: base64.b64decode(one, validate=True)):
        try:
            said = decode(text)
        except ValueError:
            continue
        if len(said) >= 12:
            found += [("decoded " + kind, form) for kind, form in encodings(said)]
    return found


def of_key(pem):
    """A private key: its text, its body, its DER, and the numbers that OpenSSL calls private."""
    pem = pem.strip() + b"\n"
    body = b"".join(line for line in pem.splitlines() if b"-----" not in line)
    found = [("PEM " + kind, form) for kind, form in encodings(pem)] + [("body", body)]
    found += [("DER " + kind, form) for kind, form in encodings(base64.b64decode(body))]
    text = run("openssl", "pkey", "-noout", "-text", stdin=pem).decode()
    numbers = re.findall(r"^(?:priv|privateExponent|prime1|prime2):\n((?: {4}[0-9a-f:]+\n)+)", text, re.M)
    assert numbers, "OpenSSL does not know this key"
    for number in numbers:
        digits = bytes.fromhex(re.sub(r"[\s:]", "", number)).lstrip(b"\0")
        found += [("number " + kind, form) for kind, form in encodings(digits)]
    return found


def keys_in(data):
    """Private keys in a file: as text, and behind a kubeconfig's base64."""
    pattern = rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    texts = [data] + [base64.b64decode(one) for one in re.findall(rb"client-key-data: ?\"?([A-Za-z0-9+/=]+)", data)]
    return [key for text in texts for key in re.findall(pattern, text, re.S)]


def needles(seed_file, cluster, secrets):
    line = open(seed_file, "rb").read().strip()
    seed = bytes.fromhex(line.split(b":")[1].decode())
    found = {"seed": encodings(line) + encodings(seed)}
    for certificate in authorities:
        name = certificate[0]
        scalar = authority(seed, cluster, name)
        public = run("openssl", "ec", "-inform", "DER", "-pubout", stdin=sec1(scalar))
        wanted = run("openssl", "x509", "-in", certificate[1], "-noout", "-pubkey")
        assert public and public == wanted, f"the key of the authority {name} is not derived as documented"
        pem = run("openssl", "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", stdin=sec1(scalar))
        found[f"authority {name}"] = of_key(pem) + [("SEC1 " + kind, form) for kind, form in encodings(sec1(scalar))]
    for root in secrets:
        for path in sorted(glob.glob(root + "/**", recursive=True)):
            if not os.path.isfile(path) or "/usr/lib/mastermold/" in path:
                continue
            data, name = open(path, "rb").read(), os.path.relpath(path, root)
            keys = keys_in(data)
            for index, key in enumerate(keys):
                found[f"{root}:{name} key {index}"] = of_key(key)
            words = re.findall(rb"^(?:value-\w+[:=] ?\"?)?([A-Za-z0-9+/=.]{23,})\"?$", data, re.M) if not keys else []
            for index, word in enumerate(words):
                found[f"{root}:{name} value {index}"] = of_text(word)
    return {name: [(kind, form) for kind, form in forms if len(form) >= 12] for name, forms in found.items()}


def unpacked(name, data, depth=0):
    """A file's bytes, and those of all that is packed in it."""
    yield name, data
    if depth > 3:
        return
    inner = None
    if data[:2] == b"\x1f\x8b":
        inner = gzip.decompress(data)
    elif data[:4] == b"\x28\xb5\x2f\xfd":
        inner = run("zstd", "-dcq", stdin=data)
    elif data[:6] == b"\xfd7zXZ\0":
        inner = lzma.decompress(data)
    elif data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inner = b"\n".join(archive.read(one) for one in archive.namelist())
    if inner is not None:
        yield from unpacked(name + " (unpacked)", inner, depth + 1)
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                if member.isfile():
                    yield from unpacked(f"{name}:{member.name}", archive.extractfile(member).read(), depth + 1)


def places(paths):
    for root in paths:
        files = [root] if os.path.isfile(root) else (
            os.path.join(folder, file) for folder, _, names in os.walk(root) for file in names)
        for path in files:
            # Names are public too.
            yield path, os.fsencode(path)
            if os.path.islink(path):
                yield path, os.fsencode(os.readlink(path))
            elif os.path.isfile(path):
                yield from unpacked(path, open(path, "rb").read())


def hits(all_needles, name, data):
    views = [data]
    if b"\n" in data or b"\\n" in data:
        # Folded over lines, indented, or as a string's escapes.
        views.append(re.sub(rb"\\n|\s", b"", data))
    for secret, forms in all_needles.items():
        for kind, form in forms:
            joined = re.sub(rb"\s", b"", form) if b"PRIVATE" in form or kind == "body" else form
            if form in views[0] or (len(views) > 1 and joined in views[1]):
                yield f"{name}: {secret}: {kind}"


def search(all_needles, paths):
    found, count, size = [], 0, 0
    for name, data in places(paths):
        count, size = count + 1, size + len(data)
        found += hits(all_needles, name, data)
    return found, count, size


def control(all_needles):
    """Plants each form of each secret in noise: plain, and folded where it is text; and all of them in each packing."""
    noise = hashlib.shake_256(b"noise").digest(3000)
    assert not list(hits(all_needles, "noise", noise)), "noise has a secret"
    planted, missed = 0, []
    forms = [(secret, kind, form) for secret, forms in all_needles.items() for kind, form in forms]
    for secret, kind, form in forms:
        ways = [noise + form + noise]
        if form.isascii() and b"\n" not in form:
            lines = [form[at:at + 60] for at in range(0, len(form), 60)]
            ways += [b"x: |\n  " + b"\n  ".join(lines) + b"\n", b"\\n".join(lines)]
        planted += len(ways)
        missed += [f"{secret}: {kind}" for way in ways if not list(hits({secret: [(kind, form)]}, "x", way))]
    every = noise + noise.join(form for _, _, form in forms)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("x")
        member.size = len(every)
        archive.addfile(member, io.BytesIO(every))
    for way in (gzip.compress(every), run("zstd", "-qc", stdin=every), lzma.compress(every), packed.getvalue()):
        planted += len(forms)
        found = {hit.split(": ", 1)[1] for name, view in unpacked("x", way) for hit in hits(all_needles, "x", view)}
        missed += [f"{secret}: {kind}, packed" for secret, kind, _ in forms if f"{secret}: {kind}" not in found]
    assert not missed, missed[:5]
    return planted


act, words = sys.argv[1], sys.argv[2:]
arguments, paths = (words[:words.index("--")], words[words.index("--") + 1:]) if "--" in words else (words, [])
# The authorities, as NAME=CERTIFICATE in the environment: the script knows where they are.
authorities = [one.split("=", 1) for one in os.environ["AUTHORITIES"].split()]
known = needles(arguments[0], arguments[1], arguments[2:])
total = sum(len(forms) for forms in known.values())
assert len(known) >= int(os.environ.get("LEAST", "1")), f"only {len(known)} secrets: {list(known)}"
if act == "control":
    print(f"{control(known)} needles planted and found: {len(known)} secrets, {total} forms of them")
elif act == "search":
    found, count, size = search(known, paths)
    print(f"{len(known)} secrets in {total} forms: {len(found)} hits in {count} files and members, {size} bytes")
    print("\n".join(found[:20]))
    sys.exit(bool(found) or not count)
elif act == "kept":
    found, count, _ = search(known, paths)
    missing = [name for name in known if not name.startswith(("authority", "seed")) and not any(f": {name}: " in hit for hit in found)]
    extra = [hit for hit in found if ": authority" in hit or ": seed: " in hit]
    print(f"missing: {missing[:9]}; not to be there: {extra[:9]}")
    sys.exit(bool(missing or extra))
