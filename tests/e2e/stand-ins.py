#!/usr/bin/env python3
"""Writes a profile that extends a shipped one and takes every source from a stand-in on this disk, so that its bundles can
be built and judged without what they would fetch. `stand-ins.py MASTERMOLD PROFILE DIRECTORY` is run in a project; PROFILE
is a name below profiles/. It prints the new profile's path.

A stand-in of a program is a script; of an archive, one with a member for every glob that the profile takes. What a source
must really hold (a unit, an image) comes from the functions below.
"""
import io, itertools, json, os, re, subprocess, sys, tarfile

PROGRAM = b"#!/bin/sh\nexit 0\n"
# What a glob for a whole directory takes: programs that units of the shipped overlays start.
DIRECTORY = ["a", "containerd", "ctr"]


def unit(name):
    program = "/usr/bin/" + name.rsplit(".", 1)[0]
    return f"[Unit]\nDescription=stand-in\n[Service]\nExecStart={program}\n[Install]\nWantedBy=multi-user.target\n".encode()


def names(glob, several):
    """Names that a glob takes: every alternative where several may be taken, else the first."""
    parts = [part.split(",") if index % 2 else [part] for index, part in enumerate(re.split(r"[{}]", glob))]
    found = ["".join(one) for one in itertools.product(*parts)]
    last = DIRECTORY if several else DIRECTORY[:1]
    return [name.replace("**", "a").replace("*", one) for name in (found if several else found[:1]) for one in (last if "*" in name else [""])]


def archive(path, globs, targets):
    with tarfile.open(path, "w") as tar:
        for name in sorted({name for glob in globs for name in names(glob, targets.get(glob, "").endswith("/"))}):
            content = unit(os.path.basename(name)) if name.endswith(".service") else PROGRAM
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755 if content is PROGRAM else 0o644, len(content)
            tar.addfile(member, io.BytesIO(content))


def main():
    program, profile, directory = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    plan = subprocess.run([program, "--quiet", "plan", f"profiles/{profile}.toml", "--format", "json"], capture_output=True, text=True)
    if plan.returncode != 0:
        sys.exit(plan.stderr)
    plan = json.loads(plan.stdout)
    targets = {}
    for node in plan["nodes"]:
        for one in node["pending"]:
            targets.setdefault(one["source"], {})[one.get("pattern", "")] = one["path"]
    text = f'extends = "{profile}.toml"\n'
    for name, wanted in plan["sources"].items():
        globs = sorted({glob for source in wanted for glob in source["members"]})
        path = os.path.abspath(os.path.join(directory, name))
        if globs:
            archive(path, globs, targets.get(name, {}))
        else:
            with open(path, "wb") as file:
                file.write(PROGRAM)
        text += f'\n[sources.{name}]\nurl = "file://{path}"\n'
    written = "profiles/stand-in-" + profile.replace("/", "-") + ".toml"
    with open(written, "w") as file:
        file.write(text)
    print(written)


main()
