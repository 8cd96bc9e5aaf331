#!/usr/bin/env python3
"""The rows of tests/broken/manifests.toml that break an object. `manifests.py TABLE DIRECTORY` lists them, a number, what
each finds and its name; with a NUMBER behind, it makes that row's edits in the project in DIRECTORY."""
import os, sys, tomllib

OBJECTS = {"object-field", "object-value", "object-name"}


def main():
    table, project, *number = sys.argv[1:]
    with open(table, "rb") as file:
        rows = [row for row in tomllib.load(file)["rows"] if row["finds"] in OBJECTS and row.get("profile", "pods") == "pods" and "manifests" in row["edits"][0]["file"]]
    if not number:
        for index, row in enumerate(rows):
            print(index, row["finds"], row["name"], sep="\t")
        return
    for edit in rows[int(number[0])]["edits"]:
        path = os.path.join(project, edit["file"])
        with open(path) as file:
            text = file.read()
        assert "append" in edit or edit["from"] in text, path
        with open(path, "w") as file:
            file.write(text + edit["append"] if "append" in edit else text.replace(edit["from"], edit["to"], 1))


main()
