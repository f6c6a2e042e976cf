"""Where stored fits lie: one directory of the state directory, never the acquisition directory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.fitting.results import FitResult


def folder(state_dir: Path) -> Path:
    """Directory of the stored fits."""
    return state_dir / "fits"


def save(state_dir: Path, store_id: str, result: FitResult, plots: Mapping[str, np.ndarray] | None) -> None:
    """Keep a fit: the result for good, and beside it the arrays that the plots of the page read."""
    from xpcs_dash.fits.store import save_fit

    place = folder(state_dir)
    save_fit(place, _checked(store_id), result)
    if plots is not None:
        target = place / f"{store_id}.plots.npz"
        part = target.with_suffix(".part")
        with part.open("wb") as stream:
            arrays: Any = {name.replace("/", "."): array for name, array in plots.items()}
            np.savez_compressed(stream, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)


def load_plots(state_dir: Path, store_id: str) -> dict[str, np.ndarray] | None:
    """The arrays of `plot_arrays`; None where the fit was not sampled or its file is gone."""
    path = folder(state_dir) / f"{_checked(store_id)}.plots.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as found:
        return {name.replace("draws.", "draws/"): found[name] for name in found.files}


def _checked(store_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{4,100}", store_id):
        raise UsageError("this is not the name of a stored fit.")
    return store_id
