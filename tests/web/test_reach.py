"""What a crafted result shows through the web: nothing that lies outside the watched directory."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from h5py import h5f

from tests.hdf5 import synthetic
from tests.web.filling import add_file
from xpcs_dash.pages.metadata.callbacks import search_rows, tree_rows
from xpcs_dash.services import Services
from xpcs_dash.web import create_app

IMAGE = "/xpcs/temporal_mean/scattering_2d"
SECRET = b"root:secret:0:0:/root\n" * 2000


def crafted(root: Path, how: str) -> Path:
    """A result whose image and whose mean intensity lie outside ``root``."""
    (root.parent / "passwd").write_bytes(SECRET)
    path = root / "crafted_results.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5:
        shapes = {name: h5[name].shape for name in (IMAGE, "/xpcs/temporal_mean/scattering_1d")}
        with h5py.File(root.parent / "secret.h5", "w") as other:
            for i, shape in enumerate(shapes.values()):
                other[f"x{i}"] = np.full(shape, 4711.0)
        for i, (name, shape) in enumerate(shapes.items()):
            del h5[name]
            if how == "raw":
                h5.create_dataset(name, shape=shape, dtype="u1", external=[("../passwd", 0, h5f.UNLIMITED)])
            elif how == "link":
                h5[name] = h5py.ExternalLink(str(root.parent / "secret.h5"), f"/x{i}")
            else:
                layout = h5py.VirtualLayout(shape, "f8")
                layout[...] = h5py.VirtualSource("../secret.h5", f"x{i}", shape)
                h5.create_virtual_dataset(name, layout)
    return path


@pytest.mark.parametrize("how", ["raw", "link", "virtual"])
def test_exports_tree_and_header_show_nothing_from_outside(services: Services, how: str) -> None:
    assert services.settings.root is not None
    ref = add_file(services.catalogue, crafted(services.settings.root, how))
    client = create_app(services, pages=()).server.test_client()
    for name in ("detector.h5", "detector.csv", "saxs.csv"):
        answer = client.get(f"/export/{ref}/{name}")
        if answer.status_code == 200 and name.endswith("h5"):
            with h5py.File(io.BytesIO(answer.data)) as h5:
                values = [h5[f"tables/{t}/{c}"][()] for t in h5["tables"] for c in h5[f"tables/{t}"]]
            assert not any(np.any(v == 4711.0) for v in values if v.dtype.kind == "f")
        assert b"4711" not in answer.data
        assert SECRET[:20] not in answer.data
        assert bytes(str(list(SECRET[:4]))[1:-1], "ascii") not in answer.data
    assert client.get(f"/export/{ref}/detector.h5").status_code != 200
    shown = str(tree_rows(services, ref, frozenset({"/xpcs", "/xpcs/temporal_mean"})))
    assert "lies outside the watched directory, and is not read" in shown
    shown += str(search_rows(services, ref, "scattering"))
    assert "4711" not in shown
    assert "114" not in shown  # the r of root
    xf = services.kernel.open(ref)
    assert xf.saxs_2d is None
    assert sum("is not read" in text for text in xf.warnings) == 2


def test_links_to_a_sibling_directory_of_the_root_are_shown(services: Services) -> None:
    root = services.settings.root
    assert root is not None
    (root / "raw").mkdir()
    (root / "results").mkdir()
    path = root / "results" / "a_results.hdf"
    synthetic.aps(path)
    with h5py.File(path, "r+") as h5, h5py.File(root / "raw" / "image.h5", "w") as other:
        other["x"] = h5[IMAGE][()]
        del h5[IMAGE]
        h5[IMAGE] = h5py.ExternalLink("../raw/image.h5", "/x")
    ref = add_file(services.catalogue, path)
    assert services.kernel.open(ref).saxs_2d is not None
    client = create_app(services, pages=()).server.test_client()
    answer = client.get(f"/export/{ref}/detector.h5")
    assert answer.status_code == 200


def test_inspect_says_what_it_does_not_read(services: Services, capsys: Callable[..., Any]) -> None:
    from xpcs_dash.cli import main

    assert services.settings.root is not None
    path = crafted(services.settings.root, "raw")
    with pytest.raises(SystemExit):
        main(["inspect", str(path), "--json"])
    said = capsys.readouterr().out  # type: ignore[attr-defined]
    assert "keeps its values in ../passwd, which lies outside the directory of the file" in said
    assert "secret" not in said
