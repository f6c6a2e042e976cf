"""The jobs behind the buttons *Fit* and *Sample*.

`prepare` and `finish` run in the dispatcher, which sees the data and the state directory; `run_nlsq` and
`run_nuts` run on a worker, which needs neither: arrays go in, plain data come out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.fits import bins as bins_of
from xpcs_dash.fits import files
from xpcs_dash.fits.request import FitRequest, clip_bounds, select

if TYPE_CHECKING:
    from xpcs_dash.analysis.made import Context
    from xpcs_dash.settings import Settings

SLOW_IMPORTS = ("xpcs_dash.fitting.nlsq", "xpcs_dash.fitting.sampling", "numpyro.infer", "arviz_stats.base")
"""What takes seconds to import; only a worker does."""

PHASES = {
    "compiling": "compiling",
    "warm-up": "warming up",
    "sampling": "sampling",
    "done": "checking the draws",
}
"""What the page says of each phase of the sampler."""


def warm() -> None:
    """Import what fits need and say where compiled programs are kept; a new worker begins with it.

    The sampler of the usual request is compiled, or taken from the cache, on a thread of its own: a job that
    comes meanwhile starts at once, and waits only for a program that it needs itself.
    """
    from xpcs_dash.fitting import runtime

    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if cache:
        runtime.configure_jax(Path(cache).parent)
    else:
        runtime.require_x64()
    for name in SLOW_IMPORTS:
        import_module(name)
    from xpcs_dash.fitting.sampling import compile_usual

    threading.Thread(target=compile_usual, name="compile the usual sampler", daemon=True).start()


def prepare(params: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Read the data of a request from its file.

    Returns
    -------
    ``data`` the `FitData`, ``config`` the `FitConfig`, ``origin`` the `Source`, which travel to the worker,
    and ``source`` for the list of stored fits.

    Raises
    ------
    UsageError
        Where the file lies outside the watched directory, or holds no g2.
    FileError
        Where it cannot be read.
    """
    from xpcs_dash.fits.store import content_hash
    from xpcs_dash.fitting.data import fit_data
    from xpcs_dash.fitting.models import PriorSpec
    from xpcs_dash.fitting.results import FitConfig, Source
    from xpcs_dash.results.door import open_file
    from xpcs_dash.results.fingerprint import fingerprint

    path = Path(params["path"])
    xf = open_file(path, settings)
    request = FitRequest.from_params(params)
    picked = select(xf, request)
    delay = None if request.delay is None else (request.delay[0], min(request.delay[1], 1e300))
    sigma: Any = request.sigma
    config = FitConfig(
        model=request.model,
        sigma=request.sigma,
        labels=picked.labels,
        delay_range=delay,
        fixed=dict(request.fixed),
        bounds=clip_bounds(request, picked.t),
        start=dict(request.start),
        priors={name: PriorSpec(kind, loc, scale) for name, (kind, loc, scale) in request.priors.items()},  # type: ignore[arg-type]
        chains=request.chains,
        samples=request.draws,
        warmup=request.warmup,
        seed=request.seed,
    )
    data = fit_data(xf, sigma, picked.labels, delay)
    return {
        "data": data,
        "config": config,
        "origin": Source(str(path), xf.key.token, content_hash(data), xf.map_hash or ""),
        "source": {
            "token": xf.key.token,
            "version": fingerprint(xf),
            "name": params.get("name", path.stem),
            "sample": xf.sample or "",
            "owner": params.get("owner", ""),
            "settings": settings.numbers,
        },
    }


def run_nlsq(payload: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Fit every bin with NLSQ on the worker.

    Raises
    ------
    JobCancelled
        When somebody asked to stop; looked at between bins.
    """
    from xpcs_dash.fitting.nlsq import nlsq_optimize
    from xpcs_dash.fitting.sampling import fit_g2

    began = time.perf_counter()
    data, config = payload["data"], payload["config"]
    bins = []
    for k in range(data.n_q):
        ctx.check()
        result = nlsq_optimize(
            data.t,
            data.g2[:, k],
            None if data.sigma is None else data.sigma[:, k],
            data.trusted[:, k],
            config.model,
            fixed=config.fixed,
            bounds=config.bounds,
            start=config.start,
        )
        bins.append(bins_of.of_nlsq(data, k, result))
        ctx.progress((k + 1) / data.n_q, f"{k + 1} of {data.n_q} bins fitted")
    # one file: compiling the batch would take longer than NumPy takes for all of it
    kept = fit_g2(data, config, payload["origin"], backend="numpy")
    return {
        "kind": "nlsq",
        "bins": bins,
        "result": kept,
        "seconds": time.perf_counter() - began,
        "source": payload["source"],
        "facts": {"versions": kept.versions},
    }


def run_nuts(payload: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Sample every bin with NUTS on the worker, started from least squares.

    Raises
    ------
    JobCancelled
        When somebody asked to stop; looked at between chunks of draws.
    """
    from xpcs_dash.fitting.sampling import FitCancelled, NutsProgress, sample_g2

    config = payload["config"]
    seen: dict[str, Any] = {}

    def report(state: NutsProgress) -> None:
        known = [b.r_hat for b in state.bins if np.isfinite(b.r_hat)]
        sizes = [b.ess for b in state.bins if np.isfinite(b.ess)]
        told = state.to_dict()
        seen.update(draws=state.draws, total=config.samples, chains=told["chains"])
        if state.bins:
            seen.update(
                r_hat=max(known, default=None),
                ess=min(sizes, default=None),
                divergences=sum(b.divergences for b in state.bins),
                bins=told["bins"],
            )
        ctx.progress(0.98 * state.fraction, PHASES.get(state.phase, state.phase), force=True, **seen)

    try:
        result = sample_g2(payload["data"], config, report, ctx.cancelled, payload["origin"])
    except FitCancelled:
        ctx.check()  # says it in the words of the job list
        raise
    worst = [max(d.r_hat.values(), default=np.nan) for d in result.diagnostics]
    seen.update(r_hat=float(np.max(worst)), divergences=sum(d.divergences for d in result.diagnostics))
    ctx.progress(0.99, "storing the draws", force=True, **seen)
    return {
        "kind": "nuts",
        "bins": [bins_of.of_sampled(result, k) for k in range(payload["data"].n_q)],
        "result": result,
        "plots": bins_of.plot_arrays(result),
        "seconds": result.seconds,
        "source": payload["source"],
        "facts": {
            "versions": result.versions,
            "seed": result.seed,
            "stopped_early": result.stopped_early,
            "priors": [{n: asdict(p) for n, p in priors.items()} for priors in result.priors],
        },
    }


def finish(params: Mapping[str, Any], answer: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Keep the result in the state directory and enter it in the list of stored fits.

    Returns
    -------
    ``{"fit": number as text, "good": bins that passed, "bins": all}``: what the Fit page shows when the job
    is done, and what the job list says of it.
    """
    from xpcs_dash.database.record import open_record
    from xpcs_dash.database.record.fits import FitIndex, overall

    bins, source = list(answer["bins"]), answer["source"]
    store_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{source['token'][:8]}-{os.urandom(3).hex()}"
    files.save(settings.state_dir, store_id, answer["result"], answer.get("plots"))
    chi2 = [b["chi2"] for b in bins if b["chi2"] is not None and np.isfinite(b["chi2"])]
    request = FitRequest.from_params(params)
    record = open_record(settings)
    try:
        number = FitIndex(record).add(
            store_id=store_id,
            kind=answer["kind"],
            ref=str(params["ref"]),
            version=source["version"],
            name=source["name"],
            sample=source["sample"],
            model=request.model,
            sigma=request.sigma,
            state=overall([b["state"] for b in bins]),
            n_q=len(bins),
            n_good=sum(b["state"] == "ok" for b in bins),
            chi2=float(np.median(chi2)) if chi2 else None,
            request={**request.to_params(), "labels": [b["label"] for b in bins]},
            bins=bins,
            facts={**answer["facts"], "settings": source.get("settings", {})},
            owner=source["owner"],
            seconds=answer["seconds"],
        )
    finally:
        record.close()
    return {"fit": str(number), "good": sum(b["state"] == "ok" for b in bins), "bins": len(bins)}
