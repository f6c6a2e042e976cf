"""A dashboard with something of every kind that can be changed, and what of it lasts."""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from pathlib import Path

import numpy as np

from tests.pages.live_fixture import fill
from tests.pages.test_fits import add as add_stored_fit
from tests.small_result import DELAYS, SHAPE, write_small
from tests.web.plain_browser import PlainBrowser
from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.services import Services
from xpcs_dash.shell.registry import all_pages
from xpcs_dash.simplemask.files import mask_bytes
from xpcs_dash.web import create_app


def snapshot(folder: Path) -> dict[str, str]:
    """Everything that lasts: rows of the databases, other files by their digest; results that are only kept
    at hand, in ``cache``, do not.
    """
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if name.startswith("cache/"):
            continue
        if path.suffix == ".sqlite":
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
                found[name] = "\n".join(db.iterdump())
            db.close()
        elif ".sqlite" not in path.name:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Names of what differs."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


class World:
    """A dashboard with something of every kind that can be changed, and browsers that look at it."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(1)
        planes = rng.uniform(0.5, 2, (DELAYS.size, 3, *SHAPE)).astype(np.float32)
        paths = [
            write_small(folder / "a_results.hdf", seed=1, unnormalized_g2=planes),
            write_small(folder / "b_results.hdf", seed=2),
        ]
        self.services: Services = fill(folder, paths)
        self.state = folder / "state"
        rows = self.services.catalogue.files()
        self.refs = sorted(row.ref for row in rows)
        self.fits = FitIndex(self.services.record)
        self.app = create_app(self.services)
        self.server = self.app.server
        self.made = 0

    def browser(self, address: str, *paths: str) -> PlainBrowser:
        """A browser that has chosen both files and opened these pages, by default every one."""
        seen = PlainBrowser(self.server.test_client(), address)
        seen.put("shell-current", "data", {
            "files": [{"ref": ref, "key": "k"} for ref in self.refs], "follow": False, "q": None,
        })  # fmt: skip
        for path in paths or [page.path for page in all_pages()]:
            seen.open(path)
        return seen

    def prepare(self, seen: PlainBrowser) -> None:
        """Put on the screen what a person would have there who is about to press a button."""
        self.made += 1
        waiting = self.services.jobs.submit("sleep", {"seconds": 0.0}, "waits")
        ended = self.services.jobs.submit("sleep", {"seconds": 0.0}, "ended")
        self.services.jobs.cancel(ended)
        fit = add_stored_fit(self.fits, f"fit-{self.made}", ref=self.refs[0])
        deleted = add_stored_fit(self.fits, f"deleted-{self.made}", ref=self.refs[0])
        self.fits.delete([deleted])
        image = mask_bytes(np.ones(SHAPE, np.int32), "npy")
        content = "data:application/octet-stream;base64," + base64.b64encode(image).decode()
        for id_, prop, value in (
            ("fits-chosen", "data", str(fit)),
            ("fits-deleted", "data", [deleted]),
            ("fit-job", "data", str(waiting)),
            ("average-job", "data", waiting),
            ("mask-regroup-job", "data", waiting),
            ("average-grid", "rowData", [{"id": ref, "ref": ref, "taken": True} for ref in self.refs]),
            ("average-name", "value", f"mean {self.made}"),
            ("fits-name", "value", "ada"),
            ("mask-name", "value", f"version {self.made}"),
            ("mask-path", "value", "a_results.hdf"),
            ("mask-action", "data", {
                "act": "draw", "mode": "out", "n": self.made,
                "event": {"shapes": [{"type": "rect", "x0": 1, "y0": 1, "x1": 5, "y1": 4 + self.made % 20}]},
            }),
            *((id_, "filename", "mask.npy") for id_ in ("mask-upload", "mask-import", "mask-compare-file")),
            *((id_, "contents", content) for id_ in ("mask-upload", "mask-import", "mask-compare-file")),
            ("average-grid", "cellValueChanged", [{"data": {"ref": self.refs[0], "taken": False}}]),
        ):  # fmt: skip
            seen.put(id_, prop, value)
        jobs = seen.callback("jobs-list.children")
        seen.put("jobs-stamp", "data", None)
        seen.take(seen.fire(jobs, jobs.inputs[0]))
        for id_, props in seen.shown.items():
            if "n_clicks" in props or id_.startswith("{") or "button" in id_:
                props["n_clicks"] = 1
        for callback in seen.callbacks:
            for id_, prop in callback.inputs:
                if prop == "n_clicks" and not id_.startswith("{"):
                    seen.put(id_, prop, 1)
