"""The jobs behind the buttons *Fit* and *Sample*.

`prepare` and `finish` run in the dispatcher, which sees the data and the state directory; `run_nlsq` and
`run_nuts` run on a worker, which needs neither: arrays go in, plain data come out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.context import JobContext
from xpcs_dash.jobs.kinds.fit_request import FitRequest, clip_bounds, select, state_of

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings


def warm() -> None:
    """Import and set up what fits need; a new worker does it before its first job."""
    from xpcs_dash.fitting import batch, nlsq, runtime

    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if cache:
        runtime.configure_jax(Path(cache).parent)
    else:
        runtime.require_x64()
    # one small fit compiles what every fit with few bins uses
    t = np.geomspace(1e-5, 1.0, 40)
    g2 = 1.0 + 0.2 * np.exp(-2.0 * t / 1e-2)
    nlsq.nlsq_optimize(t, g2, np.full(t.size, 0.01))
    _ = batch


def prepare(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Read the data of a request from its file.

    Returns
    -------
    ``request`` as `FitRequest.to_params`, ``data`` the arrays of `Selected`, and what the store keeps of the
    source: ``source`` with path, token, sample, map hash.

    Raises
    ------
    UsageError
        Where the file lies outside the watched directory, or holds no g2.
    FileError
        Where it cannot be read.
    """
    from xpcs_dash.hdf5.xpcs_file import open_result

    path = Path(params["path"])
    if settings.root is not None and not path.resolve().is_relative_to(settings.root):
        raise UsageError(f"{path.name} lies outside the watched directory.")
    xf = open_result(path, min_coincidences=settings.min_coincidences)
    request = FitRequest.from_params(params)
    data = select(xf, request)
    return {
        "request": request.to_params(),
        "data": {
            "t": data.t,
            "g2": data.g2,
            "sigma": data.sigma,
            "used": data.used,
            "labels": list(data.labels),
            "q": data.q,
            "phi": data.phi,
        },
        "bounds": clip_bounds(request, data.t, data.used),
        "source": {
            "path": str(path),
            "token": xf.key.token,
            "name": params.get("name", path.stem),
            "sample": xf.sample or "",
            "map_hash": xf.map_hash or "",
            "owner": params.get("owner", ""),
        },
    }


def run_nlsq(payload: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
    """Fit every bin with NLSQ on the worker.

    Raises
    ------
    JobCancelled
        When somebody asked to stop; looked at between bins.
    """
    from xpcs_dash.fitting.nlsq import nlsq_optimize

    warm_up_once()
    began = time.perf_counter()
    request, data = FitRequest.from_params(payload["request"]), payload["data"]
    bins = []
    for k in range(len(data["labels"])):
        ctx.check()
        result = nlsq_optimize(
            data["t"],
            data["g2"][:, k],
            data["sigma"][:, k],
            data["used"][:, k],
            request.model,
            dict(request.fixed),
            payload["bounds"],
            dict(request.start),
        )
        bins.append(nlsq_bin(data, k, result))
        ctx.progress((k + 1) / len(data["labels"]), f"{k + 1} of {len(data['labels'])} bins fitted")
    return {
        "bins": bins,
        "seconds": time.perf_counter() - began,
        "source": payload["source"],
        "facts": versions(),
    }


def nlsq_bin(data: Mapping[str, Any], k: int, result: Any) -> dict[str, Any]:
    """One bin of the list of stored fits, from an `NLSQResult`."""
    return {
        "label": int(data["labels"][k]),
        "q": float(data["q"][k]),
        "phi": float(data["phi"][k]),
        "state": state_of(result.flags),
        "reasons": list(result.reasons),
        "flags": list(result.flags),
        "chi2": result.chi2_red,
        "n_points": result.n_points,
        "r2": result.r2,
        "aic": result.aic,
        "bic": result.bic,
        "values": {name: [result.values[name], None, None, result.errors[name]] for name in result.names},
    }


def warm_up_once() -> None:
    """Set JAX up where `warm` has not run, as on a cluster of another machine."""
    from xpcs_dash.fitting.runtime import require_x64

    require_x64()


def versions() -> dict[str, Any]:
    """Versions of what computed the result."""
    from importlib.metadata import version

    import xpcs_dash

    packages = {name: version(name) for name in ("jax", "numpyro", "nlsq", "optimistix", "numpy")}
    return {"versions": {"xpcs-dash": xpcs_dash.__version__, **packages}}


def finish(params: Mapping[str, Any], answer: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Keep the result and enter it in the list of stored fits.

    Returns
    -------
    ``{"fit": number as text}``, what the Fit page shows when the job is done.
    """
    import sqlalchemy as sa

    from xpcs_dash.jobs.fit_index import FitIndex, overall

    bins, source = list(answer["bins"]), answer["source"]
    store_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{source['token'][:8]}-{os.urandom(3).hex()}"
    chi2 = [b["chi2"] for b in bins if b["chi2"] is not None and np.isfinite(b["chi2"])]
    request = FitRequest.from_params(params)
    engine = sa.create_engine(settings.catalogue, poolclass=sa.NullPool)
    try:
        number = FitIndex(engine).add(
            store_id=store_id,
            kind="nuts" if answer.get("arrays") else "nlsq",
            file_id=int(params["file_id"]),
            file_token=source["token"],
            name=source["name"],
            sample=source["sample"],
            model=request.model,
            sigma=request.sigma,
            state=overall([b["state"] for b in bins]),
            n_q=len(bins),
            n_good=sum(b["state"] == "ok" for b in bins),
            chi2=float(np.median(chi2)) if chi2 else None,
            request=request.to_params(),
            bins=bins,
            facts=answer.get("facts", {}),
            owner=source["owner"],
            seconds=answer["seconds"],
        )
    finally:
        engine.dispose()
    return {"fit": str(number)}
