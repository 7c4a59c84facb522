"""Reads exports with the parsers that Python comes with, for the tests.

Standard input is a JSON list of files: {"path", "kind", "delimiter", "encoding"}. Standard output is a JSON list with
the rows of each: of "csv" lists of texts, the header's among them; of "json" and "ndjson" lists of [key, type, text], in
the order of the file, numbers with their digits; of "xml" lists of [element, value of the attribute null, text].
"""

import csv
import json
import sys
import xml.etree.ElementTree as ElementTree


class Number(str):
    """The digits of a number, as they stand in the file."""


def refuse(constant):
    raise ValueError(f"{constant} is not JSON")


def cell(key, value):
    if value is None:
        return [key, "null", ""]
    if isinstance(value, bool):
        return [key, "boolean", "true" if value else "false"]
    return [key, "number" if isinstance(value, Number) else "string", str(value)]


def parse(text):
    return json.loads(text, object_pairs_hook=list, parse_int=Number, parse_float=Number, parse_constant=refuse)


def read_csv(file):
    csv.field_size_limit(1 << 30)
    with open(file["path"], encoding=file["encoding"], newline="") as lines:
        return list(csv.reader(lines, delimiter=file["delimiter"], strict=True))


def read_json(file):
    with open(file["path"], encoding="utf-8", newline="") as whole:
        return [[cell(*pair) for pair in row] for row in parse(whole.read())]


def read_ndjson(file):
    with open(file["path"], "rb") as lines:
        return [[cell(*pair) for pair in parse(line.decode("utf-8"))] for line in lines]


def read_xml(file):
    root = ElementTree.parse(file["path"]).getroot()
    assert root.tag == "cdrs", root.tag
    rows = []
    for row in root:
        assert row.tag == "cdr", row.tag
        rows.append([[value.tag, value.get("null", ""), value.text or ""] for value in row])
    return rows


readers = {"csv": read_csv, "json": read_json, "ndjson": read_ndjson, "xml": read_xml}
json.dump([readers[file["kind"]](file) for file in json.load(sys.stdin)], sys.stdout)
