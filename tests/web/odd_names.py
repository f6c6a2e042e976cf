"""File names as people and programs make them, and every route that takes a file."""

from __future__ import annotations

from typing import Any

from flask import Flask

#: Stems; every one of them can lie in a directory.
ODD = (
    "试样 α",
    "two  blanks",
    "quo\"te's",
    "new\nline",
    "tab\tand\x07bell",
    "semi;colon, comma",
    "50%20 #1 ?a=b&c",
    "back\\slash",
    "<script>alert(1)",
    "-rf --out",
    "$(touch x) `x`",
    "e\u0301 \u202eabc",
    "x" * 180,
)

#: What stands for the other parts of an address.
PARTS: dict[str, tuple[Any, ...]] = {
    "token": ("0123456789abcdef",),
    "view": ("g2",),
    "suffix": ("csv",),
    "label": (1,),
    "kind": ("dynamic", "q", "mask"),
    "which": ("dynamic", "static"),
    "name": ("static", "intensity"),
}
#: Names under which a rule takes a file.
FILE = ("ref",)
#: What some routes need besides.
QUERY = {"part": {"r0": 0, "r1": 8, "c0": 0, "c1": 8, "lo": 1, "hi": 2}}


def file_addresses(server: Flask, file: Any) -> list[tuple[str, str]]:
    """(method, address) of every route that takes a file, with ``file`` in the file's place."""
    found = []
    with server.test_request_context():
        adapter = server.url_map.bind("localhost")
        for rule in server.url_map.iter_rules():
            taken = [name for name in FILE if name in rule.arguments]
            if not taken:
                continue
            others = sorted(rule.arguments - set(taken))
            for k in range(max([len(PARTS[name]) for name in others], default=1)):
                values = {name: PARTS[name][k % len(PARTS[name])] for name in others}
                values |= dict.fromkeys(taken, file)
                values |= QUERY.get(rule.endpoint.rpartition(".")[2], {})
                values |= {"other": file} if rule.endpoint.endswith("difference") else {}
                method = "POST" if "POST" in (rule.methods or ()) else "GET"
                found.append((method, adapter.build(rule.endpoint, values, method=method)))
    return sorted(set(found))
