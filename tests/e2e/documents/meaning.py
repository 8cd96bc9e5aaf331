#!/usr/bin/env python3
"""Compares two texts of one file by what they mean: order, quoting, comments and line breaks are free.

differences(path, theirs, ours) is a list of "what: theirs -> ours", empty if both mean the same. The kind follows from
the path; `kind=` says it where the path does not. What one side does not have is "absent".

unit     sections and keys; a command as its program, its words and the set of its flags (--a b is --a=b, --a is --a=true)
yaml     the value, of the last one of equal keys; a list of flags below `command` or `args` as a command
json     the value, of the last one of equal keys
toml     the value
sysctl   parameters and values, the last one of each        modules  names
env      variables; a value that is flags as flags          haproxy  sections and their directives
nginx    directives and their blocks                        text     lines
"""
import collections
import fnmatch
import json
import re
import shlex
import sys

import yaml

ABSENT = "absent"


def kind_of(path):
    name = path.rsplit("/", 1)[-1]
    if re.search(r"\.(service|socket|timer|mount|path|target|slice)(\.d/[^/]+\.conf)?$", path):
        return "unit"
    if "/sysctl.d/" in path or name == "sysctl.conf":
        return "sysctl"
    if "/modules-load.d/" in path:
        return "modules"
    if name == "haproxy.cfg" or "/haproxy/" in path:
        return "haproxy"
    if "/nginx/" in path:
        return "nginx"
    if name.endswith(".env") or "/etc/default/" in path:
        return "env"
    if name.endswith((".json", ".conflist")):
        return "json"
    if name.endswith(".toml"):
        return "toml"
    if name.endswith((".yaml", ".yml", ".kubeconfig")) or (path.startswith("/etc/kubernetes/") and name.endswith(".conf")):
        return "yaml"
    return "text"


def differences(path, theirs, ours, kind=None):
    read = READ[kind or kind_of(path)]
    return list(between("", read(theirs), read(ours)))


def between(where, theirs, ours):
    """Every place at which two values differ. A Counter is a set of words, and each that is amiss is told."""
    if isinstance(theirs, collections.Counter) and isinstance(ours, collections.Counter):
        for word in sorted((theirs - ours).elements(), key=str):
            yield f"{under(where, word)}: present -> {ABSENT}"
        for word in sorted((ours - theirs).elements(), key=str):
            yield f"{under(where, word)}: {ABSENT} -> present"
    elif isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys(), key=str):
            yield from between(under(where, key), theirs.get(key, Missing), ours.get(key, Missing))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, (one, other) in enumerate(zip(theirs, ours)):
            yield from between(where if len(theirs) == 1 else f"{where}[{number}]", one, other)
    # true and 1 are equal in Python, and not in a file.
    elif theirs is Missing or ours is Missing or theirs != ours or type(theirs) is not type(ours):
        one, other = told(theirs), told(ours)
        if one == other:  # 1 and "1"
            one, other = (json.dumps(value, default=str) for value in (theirs, ours))
        yield f"{where or 'all'}: {one} -> {other}"


class Missing:
    """What one side does not have; null is a value."""


def under(where, key):
    return f"{where} {key}" if where else str(key)


def told(value):
    if value is Missing:
        return ABSENT
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def command(words):
    """The set of flags, and what is no flag in its order. Two dashes or one is a difference: pflag minds it."""
    words, plain, flags = list(words), [], {}
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, given, value = word.partition("=")
        if not given:
            value = words.pop(0) if words and not words[0].startswith(("-", "$")) else "true"
        flags.setdefault(name, []).append(value)
    return {"command": plain, **flags}


def logical(text):
    """Lines with those that a backslash continues joined."""
    return re.sub(r"[ \t]*\\\n[ \t]*", " ", text.replace("\r\n", "\n")).split("\n")


def unit(text):
    sections, section = {}, {}
    # A comment between continued lines does not end them.
    text = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(("#", ";")))
    for line in logical(text):
        line = line.strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line, {})
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"no unit's line: {line}")
        key, value = key.strip(), value.strip()
        if key.startswith("Exec"):
            value = command(shlex.split(value))
        elif key in ("Environment", "After", "Before", "Wants", "Requires", "WantedBy", "RequiredBy", "Alias"):
            value = collections.Counter(shlex.split(value))
        section.setdefault(key, []).append(value)
    return sections


def flags_apart(value, key=None):
    if isinstance(value, dict):
        return {name: flags_apart(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        if key in ("command", "args") and any(isinstance(word, str) and word.startswith("--") for word in value):
            return command(str(word) for word in value)
        return [flags_apart(inner) for inner in value]
    return value


def of_yaml(text):
    return [flags_apart(value) for value in yaml.safe_load_all(text) if value is not None]


def toml(text):
    import tomllib

    return tomllib.loads(text)


def lines(text, marks="#"):
    for line in text.split("\n"):
        line = line.strip()
        if line and not line.startswith(tuple(marks)):
            yield line


def sysctl(text):
    parameters = {}
    for line in lines(text, "#;"):
        key, equals, value = line.partition("=")
        parameters[key.strip().replace("/", ".")] = " ".join(value.split()) if equals else Missing
    return parameters


def modules(text):
    return collections.Counter(lines(text, "#;"))


def env(text):
    variables = {}
    for line in logical("\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))):
        if not line.strip():
            continue
        name, _, value = line.strip().partition("=")
        value = " ".join(shlex.split(value))
        variables[name] = command(value.split()) if value.startswith("-") else value
    return variables


HAPROXY = ("global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "program", "cache", "mailers")


def haproxy(text):
    sections, section = {}, collections.Counter()
    for line in text.split("\n"):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] in HAPROXY:
            section = sections.setdefault(" ".join(words), collections.Counter())
        else:
            section[" ".join(words)] += 1
    return sections


def nginx(text):
    tokens = re.findall(r"""\#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:[^\s{};"'\\]|\\.)+""", text)
    tokens = [token for token in tokens if not token.startswith("#")]

    def block():
        inside, words = {}, []
        while tokens:
            token = tokens.pop(0)
            if token == "}":
                break
            if token == ";":
                inside.setdefault(words[0], collections.Counter())[" ".join(words[1:])] += 1
                words = []
            elif token == "{":
                inside.setdefault(" ".join(words), []).append(block())
                words = []
            else:
                words.append(token[1:-1] if token[0] in "\"'" else token)
        if words:
            raise ValueError(f"a directive of nginx without its end: {' '.join(words)}")
        return inside

    return block()


def text_lines(text):
    return [line.rstrip() for line in text.strip("\n").split("\n")]


READ = {
    "unit": unit,
    "yaml": of_yaml,
    "json": json.loads,
    "toml": toml,
    "sysctl": sysctl,
    "modules": modules,
    "env": env,
    "haproxy": haproxy,
    "nginx": nginx,
    "text": text_lines,
}


def judge(found, declared):
    """What is amiss when `found`, a list of (path, difference), should be what a profile declares in its [[differences]].

    A declared `path` may be a glob; its `what` is a whole difference, or the part of one before its first ": ".
    """
    amiss, seen = [], set()
    for path, difference in found:
        for number, one in enumerate(declared):
            if fnmatch.fnmatchcase(path, one["path"]) and one["what"] in (difference, difference.split(": ", 1)[0]):
                seen.add(number)
                break
        else:
            amiss.append(f"not declared: {path}: {difference}")
    for number, one in enumerate(declared):
        if number not in seen:
            amiss.append(f"declared and not found: {one['path']}: {one['what']}")
    return amiss


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: meaning.py PATH THEIRS OURS")
    found = differences(sys.argv[1], open(sys.argv[2], encoding="utf-8").read(), open(sys.argv[3], encoding="utf-8").read())
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
