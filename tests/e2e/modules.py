"""Writes what Go needs to make a program of modules without a network: modules.py DIR makes DIR/proxy (GOPROXY=file://) with a
module in two versions, and DIR/program, which needs one of them as it is, one replaced by another version, and one replaced by
a directory."""

import json
import sys
import zipfile
from pathlib import Path

to = Path(sys.argv[1])


def module(path, version, escaped=None):
    at = to / "proxy" / (escaped or path) / "@v"
    at.mkdir(parents=True, exist_ok=True)
    mod = f"module {path}\n\ngo 1.21\n"
    (at / f"{version}.mod").write_text(mod)
    (at / f"{version}.info").write_text(json.dumps({"Version": version}))
    with zipfile.ZipFile(at / f"{version}.zip", "w") as archive:
        archive.writestr(f"{path}@{version}/go.mod", mod)
        archive.writestr(f"{path}@{version}/it.go", f'package it\n\nconst It = "{version}"\n')


module("example.org/Upper", "v1.2.0", "example.org/!upper")
module("example.org/old", "v0.1.0")
module("example.org/new", "v2.0.0+incompatible")
module("example.org/gone", "v0.3.0")
program = to / "program"
(program / "here").mkdir(parents=True)
(program / "here/go.mod").write_text("module example.org/gone\n\ngo 1.21\n")
(program / "here/it.go").write_text('package it\n\nconst It = "here"\n')
(program / "go.mod").write_text(
    """module example.org/program

go 1.21

require (
	example.org/Upper v1.2.0
	example.org/old v0.1.0
	example.org/gone v0.3.0
)

replace example.org/old => example.org/new v2.0.0+incompatible

replace example.org/gone => ./here
"""
)
(program / "main.go").write_text(
    """package main

import (
	gone "example.org/gone"
	old "example.org/old"
	upper "example.org/Upper"
)

func main() { println(upper.It, old.It, gone.It) }
"""
)
