"""``xpcs-dash inspect``: what a file is and holds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpcs_dash.cli.in_force import Config, Given

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.settings import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", help="Say what a result file is and holds, with everything odd about it.")(inspect)


def inspect(
    file: Annotated[Path, typer.Argument(help="result file of any layout that we read")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for scripts")] = False,
    config: Config = None,
    given: Given = None,
) -> None:
    """Print a description of one file."""
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.cli.in_force import settings_in_force

    settings = settings_in_force(config, given)
    result = open_given(file, settings)
    facts = describe(result)
    if not as_json:
        print(as_text(facts, result))
        return
    print(json.dumps({**facts, **said(result, settings)}, ensure_ascii=False, allow_nan=False, indent=2))


def said(result: XpcsFile, settings: Settings) -> dict[str, Any]:
    """What is said of the file and of its bins, in the form of ``/api/files/<ref>``."""
    from xpcs_dash.analysis.quality import state
    from xpcs_dash.results.fingerprint import fingerprint
    from xpcs_dash.results.identity import ref_of
    from xpcs_dash.results.said import table_of

    found = state(result, str(ref_of(result.path, settings.roots)), fingerprint(result))
    assert found.file is not None
    summary = {**found.file.to_json(), "fit": table_of(found.bins) if found.bins else None}
    return {"summary": summary, "bins": [one.to_json() for one in found.bins]}


def describe(result: XpcsFile) -> dict[str, Any]:
    """The facts about a file as JSON-able values; None where the file does not say."""
    geometry = result.geometry
    delays = result.t_el
    return {
        "layout": result.layout,
        "kinds": list(result.kinds),
        "n_delay": result.n_delay,
        "n_q": result.n_q,
        "delay_s": [_number(delays[0]), _number(delays[-1])] if delays.size else None,
        "q": [_number(q) for q in result.q],
        "phi": [_number(phi) for phi in result.phi],
        "q_unit": result.q_unit,
        "detector_shape": None if result.detector_shape is None else list(result.detector_shape),
        "frame_time_s": _number(result.frame_time_s),
        "energy_kev": _number(result.energy_kev),
        "distance_m": _number(result.distance_m),
        "beam_center": None if geometry is None else [_number(geometry.bcx), _number(geometry.bcy)],
        "start_time": None if result.start_time is None else result.start_time.isoformat(),
        "sample": result.sample,
        "zero_points": result.zero_points,
        "starved_points": result.starved_points,
        "averaged_from": list(result.averaged_from),
        "geometry_mismatch": list(result.geometry_mismatch),
        "warnings": list(result.warnings),
    }


def _number(value: float | None) -> float | None:
    """A finite number at the precision it has; lengths and energies came through a change of unit."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{float(value):.15g}")


def as_text(facts: dict[str, Any], result: XpcsFile) -> str:
    """The same facts for a person, one a line, with units."""
    rows: list[tuple[str, str]] = [
        ("layout", f"{facts['layout']}: {' and '.join(facts['kinds']) or 'no correlation'}"),
        ("sample", facts["sample"] or "not said"),
        ("started", facts["start_time"] or "not said"),
    ]
    if facts["detector_shape"]:
        rows.append(("detector", "{} rows × {} columns".format(*facts["detector_shape"])))
    rows.append(("frame time", _with_unit(facts["frame_time_s"], "s")))
    if result.n_frames:
        rows.append(("frames", f"{result.n_frames}"))
    if result.temperature_k is not None:
        rows.append(("temperature", f"{result.temperature_k:.2f} K ({result.temperature_k - 273.15:.2f} °C)"))
    rows += [
        ("energy", _with_unit(facts["energy_kev"], "keV")),
        ("distance", _with_unit(facts["distance_m"], "m")),
    ]
    if facts["beam_center"]:
        rows.append(("beam centre", "x {:g}, y {:g} px".format(*facts["beam_center"])))
    if facts["n_q"]:
        unit, q = facts["q_unit"], facts["q"]
        rows.append(("q-bins", f"{facts['n_q']}, {q[0]:.5g} to {q[-1]:.5g} {unit}"))
    if facts["delay_s"]:
        rows.append(("delays", "{}, {:.4g} to {:.4g} s".format(facts["n_delay"], *facts["delay_s"])))
        starved = facts["starved_points"]
        total = facts["n_delay"] * facts["n_q"]
        few = "unknown" if starved is None else f"{starved} of {total} ({100 * starved / total:.0f} %)"
        rows.append(
            ("starved points", f"{few} with fewer than {result.min_coincidences:g} expected coincidences")
        )
        rows.append(("zero points", f"{facts['zero_points']} without any coincidence"))
    if result.twotime_bins and result.twotime_shape:
        n = result.twotime_shape[0]
        rows.append(("two-time", f"{len(result.twotime_bins)} matrices of {n} × {n}"))
    if facts["averaged_from"]:
        rows.append(("averaged from", f"{len(facts['averaged_from'])} files"))
    rows += [("warning", text) for text in facts["warnings"]]
    width = max(len(name) for name, _ in rows)
    return "\n".join([str(result.path), *(f"{name:<{width}}  {text}" for name, text in rows)])


def _with_unit(value: float | None, unit: str) -> str:
    return "not said" if value is None else f"{value:.6g} {unit}"
