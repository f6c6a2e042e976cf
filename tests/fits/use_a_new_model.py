"""What `test_add_a_model` runs in a copy of the package that has the cumulant model: not a test by itself.

    python use_a_new_model.py FOLDER [--only-file]

Prints a line of JSON with what each way of using the model gave.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[2]))  # last: the package is the copy

from tests.small_result import DELAYS, FRAME_TIME_S, small

PDI, DIFFUSION, CONTRAST = 0.25, 4.0e7, 0.25


def rates(q: np.ndarray) -> np.ndarray:
    return DIFFUSION * q**2


def write(folder: Path) -> Path:
    """A result whose rates have a variance of a quarter of their squared mean."""
    from xpcs_dash.hdf5.aps_writer import write_aps

    made = small(3, photons=2.0, n_q=3)
    x = DELAYS[:, None] * FRAME_TIME_S * rates(made.dynamic.axis0)
    model = 1 + CONTRAST * (np.exp(-x) * (1 + 0.5 * PDI * x * x)) ** 2
    rng = np.random.default_rng(8)
    g2 = model + made.g2_err * rng.standard_normal(model.shape)
    return write_aps(folder / "cumulant_results.hdf", replace(made, g2=g2))


def main(folder: Path) -> None:
    path = write(folder)
    if "--only-file" in sys.argv:
        return
    import xpcs_dash
    from tests.pages.live_fixture import fill
    from tests.web.plain_browser import PlainBrowser
    from xpcs_dash.database.record.fits import FitIndex
    from xpcs_dash.fits import run
    from xpcs_dash.fits.request import FitRequest
    from xpcs_dash.fitting.batch import fit_all_q
    from xpcs_dash.jobs.context import JobContext
    from xpcs_dash.web import create_app

    assert Path(__file__).parents[2] / "xpcs_dash" != Path(xpcs_dash.__path__[0])
    services = fill(folder, [path])
    ref = services.catalogue.files()[0].ref
    xf = services.kernel.open(ref)
    said: dict = {"truth": {"rate": float(rates(xf.q)[0]), "pdi": PDI, "diffusion": DIFFUSION}}
    for engine in ("numpy", "jax"):
        fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, "cumulant", backend=engine)
        said[f"batch {engine}"] = {n: [float(fit[n][0]), float(fit.error(n)[0])] for n in ("rate", "pdi")}
    request = FitRequest(model="cumulant", labels=(1,), chains=2, draws=100, warmup=100, seed=1)
    asked = {
        **request.to_params(),
        "path": str(services.door.path(ref)),
        "ref": ref,
        "name": "c",
        "owner": "ada",
    }
    shown = ""
    for kind, work in (("nlsq", run.run_nlsq), ("nuts", run.run_nuts)):
        answer = work(run.prepare(asked, services.settings), JobContext(1, 1, lambda _: None, lambda: False))
        values = answer["bins"][0]["values"]
        said[kind] = {n: [values[n][0], values[n][3]] for n in ("rate", "pdi")}
        shown = run.finish(asked, answer, services.settings)["fit"]
    row = FitIndex(services.record).get(shown)
    said["stored"] = {n: [row.bins[0]["values"][n][0], row.bins[0]["values"][n][3]] for n in ("rate", "pdi")}
    seen = PlainBrowser(create_app(services).server.test_client())
    seen.put("shell-current", "data", {"files": [{"ref": ref, "key": "k"}], "follow": False, "q": None})
    said["figures"] = {}
    seen.open("/fit", {"model": "cumulant"})
    said["offered"] = [o["value"] for o in seen.shown["fit-model"]["options"]]
    said["figures"]["fit"] = drawn(seen, "fit-graph.figure")
    seen.open("/fit", {"model": "cumulant", "fit": shown})
    said["figures"]["fit"] &= drawn(seen, "fit-graph.figure") and drawn(seen, "fit-plot-graph.figure")
    seen.open("/fits", {"fits": shown})
    said["figures"]["fits"] = drawn(seen, "fits-graph.figure") and "Γ" in text(seen, "fits-detail.children")
    seen.open("/diffusion", {"model": "cumulant"})
    said["figures"]["diffusion"] = drawn(seen, "diffusion-graph.figure")
    said["diffusion"] = diffusion_of(services, ref)
    answer = seen.get(f"/export/{ref}/fit.csv?model=cumulant")
    assert answer.status_code == 200, answer.text
    said["columns"] = [
        column.partition(" ")[0]
        for line in answer.text.splitlines()
        if line.startswith("q_bin")
        for column in line.split(",")
    ]
    services.close()
    print(json.dumps(said))


def text(seen, output: str) -> str:
    callback = seen.callback(output)
    answer = seen.fire(callback, callback.inputs[0])
    assert answer.status_code == 200, answer.text
    seen.take(answer)
    return json.dumps(answer.json, ensure_ascii=False)


def drawn(seen, output: str) -> bool:
    """Whether a callback draws points, and no sentence in their place."""
    said = text(seen, output)
    return '"scatter"' in said and "bdata" in said


def diffusion_of(services, ref: str) -> float:
    """D from the page's own power law."""
    from xpcs_dash.components.views import look
    from xpcs_dash.pages.diffusion import views

    looked = look(services, {"files": [{"ref": ref, "key": "k"}], "follow": False, "q": None})
    law = views.series(services, looked, "cumulant", "tau")[0].law
    return float(law.d)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
