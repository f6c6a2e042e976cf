"""Stored fits: an HDF5 file with everything, and a NetCDF file of the DataTree for ArviZ, side by side.

    save_fit(state_dir / "fits", "20261122-a1b2", result)
    load_fit(state_dir / "fits", "20261122-a1b2") == result

Both appear whole or not at all. The NetCDF file is for other programs; the HDF5 file alone gives back an
equal `FitResult`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.fitting.batch import BatchFit
from xpcs_dash.fitting.data import FitData
from xpcs_dash.fitting.diagnostics import FitDiagnostics
from xpcs_dash.fitting.models import PriorSpec
from xpcs_dash.fitting.results import FitConfig, FitResult, Source
from xpcs_dash.hdf5.fit_file import read_fit_file, write_fit_file

__all__ = ["content_hash", "delete_fit", "fit_path", "load_fit", "save_fit"]

#: Fields of `BatchFit` that are not arrays.
_PLAIN = ("model", "names", "units", "sigma_known", "engine", "seconds")


def content_hash(data: FitData) -> str:
    """SHA-256 (hex) of the numbers that were fitted: delays, g2, errors, used points, labels."""
    digest = hashlib.sha256()
    for array in (data.t, data.g2, data.sigma, data.trusted, data.labels):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fit_path(directory: Path, name: str) -> Path:
    """Path of the HDF5 file of a stored fit; the NetCDF file has the suffix ``.nc``."""
    return Path(directory) / f"{name}.h5"


def save_fit(directory: Path, name: str, result: FitResult, netcdf: bool = True) -> Path:
    """Keep a fit as ``<name>.h5`` and ``<name>.nc``; an existing one is replaced.

    Raises
    ------
    WriteError
        The directory is not writable or full.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = fit_path(directory, name)
    if netcdf:
        _write_netcdf(path.with_suffix(".nc"), result)
    write_fit_file(path, *_pack(result))
    return path


def load_fit(directory: Path, name: str) -> FitResult:
    """The fit kept under ``name``, equal to what was saved.

    Raises
    ------
    FileError
        Gone, damaged, or not a stored fit.
    """
    path = fit_path(directory, name)
    groups, texts = read_fit_file(path)
    try:
        return _unpack(groups, texts)
    except (KeyError, TypeError, ValueError) as err:
        raise IncompleteFile(
            path, f"the stored fit is damaged ({err})", "run the fit again from its file"
        ) from None


def delete_fit(directory: Path, name: str) -> None:
    """Remove a stored fit; one that is gone already is no error."""
    path = fit_path(directory, name)
    path.unlink(missing_ok=True)
    path.with_suffix(".nc").unlink(missing_ok=True)


def _write_netcdf(path: Path, result: FitResult) -> None:
    temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}.temp")
    tree = result.datatree()
    # NetCDF has no bool; ArviZ writes them as int8 too
    tree = tree.map_over_datasets(
        lambda ds: ds.assign({n: v.astype("int8") for n, v in ds.data_vars.items() if v.dtype == bool})
    )
    tree.attrs = dict(result.datatree().attrs)
    try:
        tree.to_netcdf(temp, engine="h5netcdf")
        with temp.open("rb") as stream:
            os.fsync(stream.fileno())
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)


def _pack(result: FitResult) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, str]]:
    data, fit = result.data, result.warm_start
    arrays = {
        "t": data.t,
        "g2": data.g2,
        "trusted": data.trusted,
        "q": data.q,
        "phi": data.phi,
        "labels": data.labels,
    }
    if data.sigma is not None:
        arrays["sigma"] = data.sigma
    groups = {
        "data": arrays,
        "warm_start": {f.name: getattr(fit, f.name) for f in fields(BatchFit) if f.name not in _PLAIN},
        "samples": dict(result.samples),
        "stats": dict(result.stats),
    }
    record = {
        "config": result.config.to_dict(),
        "warm_start": {name: getattr(fit, name) for name in _PLAIN},
        "warnings": data.warnings,
        "diagnostics": [asdict(d) for d in result.diagnostics],
        "priors": [{n: asdict(p) for n, p in priors.items()} for priors in result.priors],
        "seed": result.seed,
        "stopped_early": result.stopped_early,
        "seconds": result.seconds,
        "source": asdict(result.source),
        "created": result.created,
        "user": result.user,
        "versions": result.versions,
        "formula": result.spec.formula,
    }
    return groups, {"record": json.dumps(record, ensure_ascii=False)}


def _unpack(groups: dict[str, dict[str, NDArray[Any]]], texts: dict[str, str]) -> FitResult:
    record = json.loads(texts["record"])
    arrays = groups["data"]
    plain: dict[str, Any] = record["warm_start"] | groups["warm_start"]
    plain["names"], plain["units"] = tuple(plain["names"]), tuple(plain["units"])
    return FitResult(
        data=FitData(
            t=arrays["t"],
            g2=arrays["g2"],
            sigma=arrays.get("sigma"),
            trusted=arrays["trusted"],
            q=arrays["q"],
            phi=arrays["phi"],
            labels=arrays["labels"],
            warnings=tuple(record["warnings"]),
        ),
        config=FitConfig.from_dict(record["config"]),
        warm_start=BatchFit(**plain),
        samples=groups.get("samples", {}),
        stats=groups.get("stats", {}),
        diagnostics=tuple(
            FitDiagnostics(**{**d, "reasons": tuple(d["reasons"])}) for d in record["diagnostics"]
        ),
        priors=tuple({n: PriorSpec(**p) for n, p in priors.items()} for priors in record["priors"]),
        seed=record["seed"],
        stopped_early=record["stopped_early"],
        seconds=record["seconds"],
        source=Source(**record["source"]),
        created=record["created"],
        user=record["user"],
        versions=record["versions"],
    )
