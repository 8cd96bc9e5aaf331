#!/usr/bin/env python3
"""Another implementation of docs/reference/derivation.md, without any library and without code of mastermold's: it makes
the test vectors beside it, and checks them.

    derive.py FILE              prints derivation.json, certificates.json or certificates.pem
    derive.py --check           makes all three and compares; --quick believes derivation.json which candidates of RSA
                                keys above 2048 bits are the first primes: it tests those, and none before them

It is for checking, not for use: its arithmetic takes a time that depends on the keys.
"""

import base64
import datetime
import functools
import hashlib
import hmac
import ipaddress
import json
import math
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
SEED_FILE = "mastermold-seed-1:" + bytes(range(32)).hex() + "\n"
SEED = bytes(range(32))


# Derived bytes


def hkdf(ikm, info, length):
    """RFC 5869 with SHA-256 and no salt."""
    prk = hmac.digest(bytes(32), ikm, "sha256")
    okm, block, count = b"", b"", 0
    while len(okm) < length:
        count += 1
        block = hmac.digest(prk, block + info + bytes([count]), "sha256")
        okm += block
    return okm[:length]


def field(content):
    return len(content).to_bytes(8, "big") + content


def info(purpose, cluster, node, name, generation):
    scope = "cluster" if node is None else "node/" + node
    fields = [text.encode() for text in (purpose, cluster, scope, name)] + [generation.to_bytes(4, "big")]
    return b"mastermold/1" + b"".join(map(field, fields))


# Elliptic curves: y^2 = x^3 - 3 x + b over the numbers modulo p, with the base point g of order n (SP 800-186)


class Curve:
    def __init__(self, oid, hash, p, b, n, gx, gy):
        self.oid, self.hash, self.p, self.n, self.g = oid, hash, p, n, (gx, gy)
        self.size = (p.bit_length() + 7) // 8
        assert (gy * gy - (gx**3 - 3 * gx + b)) % p == 0 and self.times(n, self.g) is None

    def add(self, one, other):
        if one is None or other is None:
            return other or one
        (x1, y1), (x2, y2) = one, other
        if x1 == x2 and (y1 + y2) % self.p == 0:
            return None
        if one == other:
            slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, self.p)
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, self.p)
        x = (slope * slope - x1 - x2) % self.p
        return x, (slope * (x1 - x) - y1) % self.p

    def times(self, number, point):
        total = None
        while number:
            if number & 1:
                total = self.add(total, point)
            point, number = self.add(point, point), number >> 1
        return total

    def bytes_of(self, number):
        return number.to_bytes(self.size, "big")

    def sign(self, private, message):
        """RFC 6979, 3.2. Hash and order have the same number of bits, so nothing is cut."""
        digest = hashlib.new(self.hash, message).digest()
        number = int.from_bytes(digest, "big") % self.n
        key, value = bytes(len(digest)), b"\1" * len(digest)
        for separator in (b"\0", b"\1"):
            seed = value + separator + self.bytes_of(private) + self.bytes_of(number)
            key = hmac.digest(key, seed, self.hash)
            value = hmac.digest(key, value, self.hash)
        while True:
            value = hmac.digest(key, value, self.hash)
            k = int.from_bytes(value, "big")
            if 0 < k < self.n:
                r = self.times(k, self.g)[0] % self.n
                s = pow(k, -1, self.n) * (number + r * private) % self.n
                if r and s:
                    return sequence(integer(r), integer(s))
            key = hmac.digest(key, value + b"\0", self.hash)
            value = hmac.digest(key, value, self.hash)


P256 = Curve(
    "1.2.840.10045.3.1.7",
    "sha256",
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    gx=0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    gy=0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
P384 = Curve(
    "1.3.132.0.34",
    "sha384",
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    gx=0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
    gy=0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
)


# Ed25519 (RFC 8032, 5.1), by the book and slowly

ED_P = 2**255 - 19
ED_L = 2**252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P


def ed_add(one, other):
    (x1, y1), (x2, y2) = one, other
    product = ED_D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, ED_P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, ED_P)
    return x % ED_P, y % ED_P


def ed_base():
    y = 4 * pow(5, -1, ED_P) % ED_P
    square = (y * y - 1) * pow(ED_D * y * y + 1, -1, ED_P) % ED_P
    x = pow(square, (ED_P + 3) // 8, ED_P)
    if x * x % ED_P != square:
        x = x * pow(2, (ED_P - 1) // 4, ED_P) % ED_P
    assert x * x % ED_P == square
    return (x if x % 2 == 0 else ED_P - x), y


def ed_times(number):
    total, point = (0, 1), ed_base()
    while number:
        if number & 1:
            total = ed_add(total, point)
        point, number = ed_add(point, point), number >> 1
    x, y = total
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed_scalar(private):
    digest = hashlib.sha512(private).digest()
    scalar = int.from_bytes(digest[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    return scalar, digest[32:]


def ed_sign(private, message):
    scalar, prefix = ed_scalar(private)
    public = ed_times(scalar)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % ED_L
    commitment = ed_times(r)
    k = int.from_bytes(hashlib.sha512(commitment + public + message).digest(), "little")
    return commitment + ((r + k * scalar) % ED_L).to_bytes(32, "little")


# RSA

SMALL = [n for n in range(3, 20000, 2) if all(n % d for d in range(3, math.isqrt(n) + 1, 2))]
PRODUCT = math.prod(SMALL)


def is_prime(number):
    """Miller-Rabin with 12 fixed bases: for numbers that nobody chose. The numbers here are odd and large."""
    if math.gcd(number, PRODUCT) != 1:
        return False
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    for base in [2] + SMALL[:11]:
        power = pow(base, (number - 1) >> twos, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def rsa(okm, bits, believed):
    """p, q, d, and which candidates the primes are. Of `believed` candidates those before them are not tested."""

    def candidate(count):
        found = hkdf(okm, b"mastermold/1 rsa prime" + count.to_bytes(4, "big"), bits // 16)
        return int.from_bytes(found, "big") | 3 << (bits // 2 - 2) | 1

    def will_do(number):
        return (number - 1) % 65537 != 0 and is_prime(number)

    found = []
    for count in believed or range(2**32):
        number = candidate(count)
        alike = found and number >> (bits // 2 - 100) == found[0][1] >> (bits // 2 - 100)
        if not alike and will_do(number):
            found.append((count, number))
        if len(found) == 2:
            break
    counts, primes = [count for count, _ in found], sorted(number for _, number in found)
    q, p = primes
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    return {"candidates": counts, "p": p, "q": q, "d": d, "n": p * q, "bits": bits}


def rsa_sign(key, message):
    """RFC 8017, 8.2.1 and 9.2."""
    digest = sequence(sequence(oid("2.16.840.1.101.3.4.2.1"), NULL), octets(hashlib.sha256(message).digest()))
    size = key["bits"] // 8
    padded = b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest
    return pow(int.from_bytes(padded, "big"), key["d"], key["n"]).to_bytes(size, "big")


# DER


def element(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 128:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(size)]) + size + content


def sequence(*elements):
    return element(0x30, *elements)


def integer(number):
    return element(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(content):
    return element(4, content)


def bits(content, unused=0):
    return element(3, bytes([unused]), content)


def oid(text):
    first, second, *rest = map(int, text.split("."))
    content = b""
    for arc in [first * 40 + second] + rest:
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(arc & 127 | 128)
        content += bytes(reversed(groups))
    return element(6, content)


NULL = element(5)


# Keys

ALGORITHMS = {"ecdsa-p256": 48, "ecdsa-p384": 64, "ed25519": 32, "rsa-2048": 32, "rsa-3072": 32, "rsa-4096": 32}
BELIEVED = {}


class Key:
    def __init__(self, purpose, algorithm, cluster, node, name, generation):
        self.algorithm = algorithm
        self.info = info(purpose + "/" + algorithm, cluster, node, name, generation)
        self.okm = okm = hkdf(SEED, self.info, ALGORITHMS[algorithm])
        if algorithm.startswith("ecdsa"):
            self.curve = {"ecdsa-p256": P256, "ecdsa-p384": P384}[algorithm]
            self.private = int.from_bytes(okm, "big") % (self.curve.n - 1) + 1
            x, y = self.curve.times(self.private, self.curve.g)
            self.key_bits = b"\4" + self.curve.bytes_of(x) + self.curve.bytes_of(y)
            self.kind = sequence(oid("1.2.840.10045.2.1"), oid(self.curve.oid))
            self.signs = sequence(oid({P256: "1.2.840.10045.4.3.2", P384: "1.2.840.10045.4.3.3"}[self.curve]))
        elif algorithm == "ed25519":
            self.key_bits = ed_times(ed_scalar(okm)[0])
            self.kind = self.signs = sequence(oid("1.3.101.112"))
        else:
            self.rsa = rsa(okm, int(algorithm[4:]), BELIEVED.get(self.info))
            self.key_bits = sequence(integer(self.rsa["n"]), integer(65537))
            self.kind = sequence(oid("1.2.840.113549.1.1.1"), NULL)
            self.signs = sequence(oid("1.2.840.113549.1.1.11"), NULL)
        self.public = sequence(self.kind, bits(self.key_bits))
        self.key_id = hashlib.sha256(self.key_bits).digest()[:20]

    def sign(self, message):
        if self.algorithm.startswith("ecdsa"):
            return self.curve.sign(self.private, message)
        return ed_sign(self.okm, message) if self.algorithm == "ed25519" else rsa_sign(self.rsa, message)

    def vector(self):
        if self.algorithm.startswith("ecdsa"):
            return {"private": self.curve.bytes_of(self.private).hex()}
        if self.algorithm == "ed25519":
            return {"private": self.okm.hex()}
        numbers = {name: f"{self.rsa[name]:x}" for name in "pqd"}
        return {"candidates": self.rsa["candidates"], **numbers}


# Secrets


def secret_purpose(shape, size):
    return "secret/" + shape if size is None else f"secret/{shape}/{size}"


def secret(shape, size, okm):
    """The secret as its file holds it; a raw one in hexadecimal."""

    def places(alphabet, count):
        limit = 256 - 256 % len(alphabet)
        found = [alphabet[byte % len(alphabet)] for byte in okm if byte < limit][:count]
        assert len(found) == count
        return "".join(found)

    digits, lower = "0123456789", "abcdefghijklmnopqrstuvwxyz"
    if shape == "bootstrap-token":
        token = places(digits + lower, 22)
        return token[:6] + "." + token[6:]
    if shape == "alphanumeric":
        return places(digits + lower.upper() + lower, size)
    return base64.b64encode(okm).decode() if shape == "base64" else okm.hex()


# Fingerprints


def fingerprint():
    return hkdf(SEED, info("fingerprint", "", None, "", 0), 16).hex()


def imports_fingerprint(files):
    salt = hkdf(SEED, info("imports", "", None, "", 0), 32)
    files = sorted((name.encode(), content) for name, content in files)
    fields = b"".join(field(name) + field(content) for name, content in files)
    return hashlib.sha256(salt + fields).hexdigest()[:32]


# Certificates

KEY_USAGES = [
    "digital-signature",
    "content-commitment",
    "key-encipherment",
    "data-encipherment",
    "key-agreement",
    "cert-sign",
    "crl-sign",
]
USAGES = {"server-auth": 1, "client-auth": 2, "code-signing": 3}
PRINTABLE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?")


def once(values):
    return list(dict.fromkeys(values))


def distinguished_name(subject):
    pairs = [("2.5.4.10", o) for o in subject.get("o", [])] + [("2.5.4.11", ou) for ou in subject.get("ou", [])]
    sets = []
    for kind, text in pairs + [("2.5.4.3", subject["cn"])]:
        tag = 0x13 if set(text) <= PRINTABLE else 0x0C
        sets.append(element(0x31, sequence(oid(kind), element(tag, text.encode()))))
    return sequence(*sets)


def instant(text, days):
    at = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ") + datetime.timedelta(days=days)
    text = f"{at:%Y%m%d%H%M%S}Z".zfill(15).encode()
    return element(0x17, text[2:]) if at.year < 2050 else element(0x18, text)


def address(text):
    ip = ipaddress.ip_address(text)
    return (getattr(ip, "ipv4_mapped", None) or ip).packed


def key_usage(names, is_authority):
    usual = ["digital-signature", "key-encipherment"] + ["cert-sign"] * is_authority
    places = [KEY_USAGES.index(name) for name in names or usual]
    # A list of named bits has no zeros at its end (X.690, 11.2.2).
    return bits(bytes([sum(1 << (7 - place) for place in set(places))]), 7 - max(places))


def extension(number, is_critical, content):
    critical = element(1, b"\xff") if is_critical else b""
    return sequence(oid("2.5.29." + str(number)), critical, octets(content))


def extensions(request, key_id, issuer_key_id):
    found, is_authority = [], "usages" not in request
    if issuer_key_id is not None:
        found.append(extension(35, False, sequence(element(0x80, issuer_key_id))))
    names = [element(0x82, name.encode()) for name in once(request.get("dns", []))]
    names += [element(0x87, ip) for ip in once(map(address, request.get("ip", [])))]
    names += [element(0x86, uri.encode()) for uri in once(request.get("uri", []))]
    if names:
        found.append(extension(17, False, sequence(*names)))
    found.append(extension(15, True, key_usage(request.get("key-usages"), is_authority)))
    if not is_authority:
        usages = [oid("1.3.6.1.5.5.7.3." + str(USAGES[usage])) for usage in once(request["usages"])]
        found.append(extension(37, False, sequence(*usages)))
    found.append(extension(14, False, octets(key_id)))
    length = integer(request["path-length"]) if "path-length" in request else b""
    found.append(extension(19, True, sequence(element(1, b"\xff"), length) if is_authority else sequence()))
    return element(0xA3, sequence(*found))


def certificate(request, key, issuer, issuer_key):
    subject = distinguished_name(request["subject"])
    validity = sequence(instant(request["not-before"], 0), instant(request["not-before"], request["days"]))
    issuer_key_id = None if issuer_key is key else issuer_key.key_id
    named = issuer_key.signs + distinguished_name(issuer["subject"]) + validity + subject + key.public
    named += extensions(request, key.key_id, issuer_key_id)
    serial = bytearray(hashlib.sha256(b"mastermold serial 1" + named).digest()[:16])
    serial[0] = serial[0] & 0x3F | 0x40
    serial = bytes.fromhex(request["serial"]) if "serial" in request else bytes(serial)
    body = sequence(element(0xA0, integer(2)), element(2, serial), named)
    return serial, sequence(body, issuer_key.signs, bits(issuer_key.sign(body)))


# The cases

PROD = {"cluster": "prod", "node": None, "generation": 1}
NODE = {**PROD, "node": "master-0"}


ZEROS = {"ecdsa-p256": [606, 82, 290], "ecdsa-p384": [2, 46, 16], "ed25519": [22, 23], "rsa-2048": [1]}


def key_cases():
    for algorithm in ALGORITHMS:
        yield "authority", algorithm, {**PROD, "name": "ca"}
        yield "certificate", algorithm, {**NODE, "name": "leaf"}
        yield "key-pair", algorithm, {**PROD, "name": "sa"}
    # The other scope, the other generation.
    for algorithm in ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-2048"]:
        yield "key-pair", algorithm, {**NODE, "name": "sa"}
        yield "key-pair", algorithm, {**PROD, "name": "sa", "generation": 2}
    # Fields that are easily mistaken for others.
    yield "key-pair", "ecdsa-p256", {**PROD, "node": "cluster", "name": "sa"}
    yield "key-pair", "ecdsa-p256", {**PROD, "generation": 2**32 - 1, "name": "sa"}
    yield "key-pair", "ecdsa-p256", {**PROD, "cluster": "prod/a", "node": "b/c", "name": "d/e f"}
    yield "key-pair", "ecdsa-p256", {**PROD, "cluster": "Zürich", "node": "мастер-0", "name": "鍵 🔑"}
    # The same to the eye: é as one character and as two.
    yield "key-pair", "ecdsa-p256", {**PROD, "name": "caf\u00e9"}
    yield "key-pair", "ecdsa-p256", {**PROD, "name": "cafe\u0301"}
    # Numbers whose first byte is zero: private keys, then x, then y; private and public key; d.
    for algorithm, counts in ZEROS.items():
        for count in counts:
            yield "key-pair", algorithm, {**PROD, "name": f"zero-{count}"}


def secret_cases():
    for shape, size in [
        ("raw", 16),
        ("raw", 32),
        ("base64", 16),
        ("base64", 17),
        ("base64", 32),
        ("base64", 33),
        ("hex", 16),
        ("hex", 32),
        ("hex", 1024),
        ("alphanumeric", 8),
        ("alphanumeric", 32),
        ("alphanumeric", 1024),
        ("bootstrap-token", None),
    ]:
        yield shape, size, {**PROD, "name": "secret"}
    yield "bootstrap-token", None, {**NODE, "name": "secret"}
    yield "bootstrap-token", None, {**PROD, "name": "secret", "generation": 2}
    yield "base64", 32, {**PROD, "node": "cluster", "name": "secret"}
    yield "hex", 16, {"cluster": "Zürich", "node": "мастер-0", "name": "секрет", "generation": 2**32 - 1}
    # The salt of a secrets layer.
    yield "raw", 32, {**NODE, "name": "layer-salt"}


IMPORTS = [
    [("secret/a/1", b"")],
    [("secret/token/1", b"abcdef.0123456789abcdef\n"), ("authority/ca/2", b"a key"), ("key pair/sa/10", b"\0\xff")],
    # Sorted by bytes: "10" before "2", Z before a, all of them before é.
    [("secret/é/1", b"5"), ("secret/a/2", b"4"), ("secret/a/10", b"3"), ("secret/Z/1", b"2"), ("authority/z/1", b"1")],
]


def certificate_cases():
    """Names of issuers, and what is asked of the certificates. An authority without an issuer signs itself."""
    start, dates = "2026-01-01T00:00:00Z", {"not-before": "2026-11-01T00:00:00Z", "days": 365}
    for algorithm in ALGORITHMS:
        yield {
            "name": "ca",
            "algorithm": algorithm,
            "subject": {"cn": f"authority {algorithm}"},
            "not-before": start,
            "days": 3650,
        }
        yield {
            "name": "leaf",
            "algorithm": algorithm,
            "issuer": {"name": "ca", "algorithm": algorithm},
            "subject": {"cn": "system:node:master-0", "o": ["system:nodes"]},
            "usages": ["server-auth", "client-auth"],
            "dns": ["master-0.prod.example"],
            "ip": ["192.168.5.11"],
            **dates,
        }
    # Everything that can be said, some of it twice.
    yield {
        "name": "between",
        "algorithm": "ecdsa-p384",
        "issuer": {"name": "ca", "algorithm": "ecdsa-p256"},
        "subject": {"cn": "Zwischenstelle für Züge", "o": ["a", "b", "c_d"], "ou": ["x", "y"]},
        "dns": ["between"],
        "key-usages": ["crl-sign", "cert-sign"],
        "path-length": 0,
        "generation": 2,
        "not-before": start,
        "days": 3000,
    }
    yield {
        "name": "everything",
        "algorithm": "ed25519",
        "issuer": {"name": "between", "algorithm": "ecdsa-p384"},
        "subject": {"cn": "everything's (name) +,-./:=?", "o": ["system:masters", "второй"], "ou": ["z", "a"]},
        "usages": ["code-signing", "client-auth", "server-auth", "client-auth"],
        "key-usages": ["digital-signature", "content-commitment", "data-encipherment", "key-agreement"],
        "dns": ["b.example", "a.example", "*.c.example", "b.example"],
        "ip": ["::1", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"],
        "uri": ["spiffe://prod.example/everything", "urn:a", "urn:a"],
        "serial": "7f00000000000000000000000000000000000001",
        **dates,
    }
    yield {
        "name": "long",
        "algorithm": "ecdsa-p256",
        "subject": {"cn": "of the next century"},
        "path-length": 255,
        "not-before": "2049-12-31T23:59:59Z",
        "days": 36525,
    }


# The files


def derivation():
    keys, secrets = [], []
    for purpose, algorithm, scope in key_cases():
        key = made(purpose, algorithm, scope["cluster"], scope["node"], scope["name"], scope["generation"])
        vector = {"purpose": purpose, "algorithm": algorithm, **scope, "info": key.info.hex(), "okm": key.okm.hex()}
        keys.append({**vector, **key.vector(), "public": key.public.hex()})
    for shape, size, scope in secret_cases():
        asked = info(secret_purpose(shape, size), scope["cluster"], scope["node"], scope["name"], scope["generation"])
        length = {"bootstrap-token": 64, "alphanumeric": 2 * (size or 0) + 64}.get(shape, size)
        text = secret(shape, size, hkdf(SEED, asked, length))
        secrets.append({"shape": shape, **({"size": size} if size else {}), **scope, "info": asked.hex(), "secret": text})
    imports = [
        {"files": {name: content.hex() for name, content in files}, "fingerprint": imports_fingerprint(files)}
        for files in IMPORTS
    ]
    return written({"seed": SEED_FILE, "fingerprint": fingerprint(), "imports": imports, "secrets": secrets, "keys": keys})


@functools.cache
def made(purpose, algorithm, cluster, node, name, generation):
    return Key(purpose, algorithm, cluster, node, name, generation)


def key_of(request):
    purpose, scope = ("certificate", NODE) if "usages" in request else ("authority", PROD)
    generation = request.get("generation", 1)
    return made(purpose, request["algorithm"], scope["cluster"], scope["node"], request["name"], generation)


@functools.cache
def certificates():
    """Each with its request, serial, key identifier and DER."""
    requests, found = {}, []
    for request in certificate_cases():
        issuer = request
        if "issuer" in request:
            issuer = requests[request["issuer"]["name"], request["issuer"]["algorithm"]]
        requests[request["name"], request["algorithm"]] = request
        serial, der = certificate(request, key_of(request), issuer, key_of(issuer))
        found.append((request, serial, key_of(request).key_id, der))
    return found


def certificates_json():
    found = [
        {**request, "key-id": key_id.hex(), "serial-number": serial.hex(), "sha256": hashlib.sha256(der).hexdigest()}
        for request, serial, key_id, der in certificates()
    ]
    return written({"seed": SEED_FILE, "authorities-in": PROD["cluster"], "others-in": NODE, "certificates": found})


def certificates_pem():
    text = ""
    for request, _, _, der in certificates():
        body = base64.b64encode(der).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        text += "\n".join([f"{request['name']} {request['algorithm']}", "-----BEGIN CERTIFICATE-----", *lines])
        text += "\n-----END CERTIFICATE-----\n"
    return text


def written(document):
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


FILES = {"derivation.json": derivation, "certificates.json": certificates_json, "certificates.pem": certificates_pem}


def check(is_quick):
    if is_quick:
        for vector in json.loads((HERE / "derivation.json").read_text(encoding="utf-8"))["keys"]:
            if vector["algorithm"] in ("rsa-3072", "rsa-4096"):
                BELIEVED[bytes.fromhex(vector["info"])] = vector["candidates"]
    wrong = [name for name, make in FILES.items() if make() != (HERE / name).read_text(encoding="utf-8")]
    for name in wrong:
        print(f"{name} is not what {pathlib.Path(__file__).name} makes: compare with `derive.py {name}`")
    return 1 if wrong else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--check", *rest] if rest in ([], ["--quick"]):
            sys.exit(check(bool(rest)))
        case [name] if name in FILES:
            sys.stdout.reconfigure(encoding="utf-8")
            sys.stdout.write(FILES[name]())
        case _:
            sys.exit(__doc__)
