"""``xpcs-dash fit``: fit g2 of one file from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpcs_dash.cli.in_force import Given

if TYPE_CHECKING:
    from xpcs_dash.fitting.results import FitConfig, FitResult
    from xpcs_dash.fitting.statements import Place
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit")(fit)


def fit(
    file: Annotated[Path, typer.Argument(help="result file")],
    model: Annotated[str, typer.Option(help="a model of g2 by its name; a wrong one lists all")] = "single",
    q_bins: Annotated[
        str | None,
        typer.Option("--q-bins", help="1-based labels of the dynamic map: 1,4 or 2-7; default all"),
    ] = None,
    sigma: Annotated[str, typer.Option(help="errors: counting, or file as it stands")] = "counting",
    fix: Annotated[
        list[str] | None, typer.Option("--fix", metavar="NAME=VALUE", help="hold a parameter")
    ] = None,
    bounds: Annotated[
        list[str] | None, typer.Option("--bounds", metavar="NAME=LO,HI", help="bounds of a parameter")
    ] = None,
    start: Annotated[
        list[str] | None, typer.Option("--start", metavar="NAME=VALUE", help="start value")
    ] = None,
    delay_range: Annotated[
        str | None, typer.Option("--delay-range", metavar="LO,HI", help="delays to use, in s")
    ] = None,
    bayes: Annotated[bool, typer.Option("--bayes", help="sample the posterior with NUTS as well")] = False,
    chains: Annotated[int, typer.Option(min=2, max=16, help="NUTS chains")] = 4,
    samples: Annotated[int, typer.Option(min=50, help="NUTS draws per chain")] = 1000,
    warmup: Annotated[int, typer.Option(min=50, help="NUTS warm-up steps per chain")] = 500,
    seed: Annotated[
        int | None, typer.Option(min=0, help="seed; default: a new one, which is reported")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="keep the fit in this directory")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="where compiled programs are kept")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    settings_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file with settings, as for serve")
    ] = None,
    given: Given = None,
) -> None:
    """Fit g2 of FILE: least squares of every bin, and NUTS with --bayes.

    The parameters are those of the model: contrast, baseline, and tau (s) of the single exponential.
    """
    from xpcs_dash.cli.in_force import settings_in_force
    from xpcs_dash.cli.values import delays, labels, number_pairs, numbers
    from xpcs_dash.fitting.results import FitConfig

    settings = settings_in_force(settings_file, given, state_dir=state_dir)
    config = FitConfig(
        model=model,
        sigma=sigma,
        labels=labels(q_bins),
        delay_range=delays(delay_range),
        fixed=numbers("--fix", fix),
        bounds=number_pairs("--bounds", bounds),
        start=numbers("--start", start),
        chains=chains,
        samples=samples,
        warmup=warmup,
        seed=seed,
    )
    result, warnings, place = run(file, config, bayes, settings)
    if save is not None:
        from xpcs_dash.fits.store import save_fit

        name = f"{file.stem}-{config.model}-{result.created.replace(':', '').replace('+0000', 'Z')}"
        saved: str | None = str(save_fit(save, name, result))
    else:
        saved = None
    if as_json:
        said = document(result, warnings, settings, saved, place)
        print(json.dumps(said, ensure_ascii=False, allow_nan=False))
    else:
        print_table(result, warnings, saved)


def run(file: Path, config: Any, bayes: bool, settings: Settings) -> tuple[FitResult, tuple[str, ...], Place]:
    """Read the file and fit it; the warnings are those of the file and of its errors."""
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.fits.store import content_hash
    from xpcs_dash.fitting.data import fit_data
    from xpcs_dash.fitting.results import Source
    from xpcs_dash.fitting.sampling import fit_g2, sample_g2

    xf = open_given(file, settings)
    data = fit_data(xf, config.sigma, config.labels, config.delay_range)
    source = Source(str(xf.path), xf.key.token, content_hash(data), xf.map_hash or "")
    warnings = (*xf.warnings, *data.warnings)
    place = place_of(xf, config, settings)
    if not bayes:
        # one file of a few dozen curves is fitted sooner than JAX is imported
        return fit_g2(data, config, source, backend="numpy"), warnings, place
    from xpcs_dash.fitting.runtime import configure_jax

    configure_jax(settings.state_dir)
    return sample_g2(data, config, source=source), warnings, place


def place_of(xf: XpcsFile, config: FitConfig, settings: Settings) -> Place:
    """What the fit does not know of its bins: where they are, and what was asked for."""
    from xpcs_dash.fitting.statements import Place
    from xpcs_dash.results.fingerprint import fingerprint
    from xpcs_dash.results.identity import ref_of

    asked = {"delay": config.delay_range, "fixed": config.fixed, "bounds": config.bounds}
    made = Place.of(xf, config.labels, config.sigma, {name: value for name, value in asked.items() if value})
    return replace(made, ref=str(ref_of(xf.path, settings.roots)), version=fingerprint(xf))


def document(
    result: FitResult, warnings: tuple[str, ...], settings: Settings, saved: str | None, place: Place
) -> dict[str, Any]:
    """What ``--json`` prints."""
    from xpcs_dash.fitting.results import HDI_PROB

    out: dict[str, Any] = {
        "file": result.source.path,
        "model": result.config.model,
        "formula": result.spec.formula,
        "units": dict(zip(result.spec.names, result.spec.units, strict=True)),
        "sigma": result.config.sigma,
        "settings": settings.numbers,
        "bins": result.rows(place),
        "warnings": list(warnings),
        "seconds": result.seconds,
    }
    if result.bayesian:
        out |= {
            "hdi_prob": HDI_PROB,
            "seed": result.seed,
            "stopped_early": result.stopped_early,
            "versions": result.versions,
        }
    if saved:
        out["saved"] = saved
    return out


def print_table(result: FitResult, warnings: tuple[str, ...], saved: str | None) -> None:
    """Print one line per bin, for people."""
    names = result.spec.names
    heads = [f"{n} ({u})" if u else n for n, u in zip(names, result.spec.units, strict=True)]
    print("\t".join(["bin", "q (Å⁻¹)", *heads, "χ²/dof", "points", "verdict"]))
    for k, row in enumerate(result.rows()):
        cells = [f"{_show(row['params'][n])} ± {_show(row['errors'][n], 2)}" for n in names]
        verdict = result.verdict(k).sentence
        lead = [str(row["bin"]), _show(row["q"], 5)]
        print("\t".join([*lead, *cells, _show(row["chi2_red"], 3), str(row["n_points"]), verdict]))
    for warning in warnings:
        print(f"warning: {warning}")
    if saved:
        print(f"saved: {saved}")


def _show(value: float | None, digits: int = 5) -> str:
    return "?" if value is None else f"{value:.{digits}g}"
