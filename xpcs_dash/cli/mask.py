"""``xpcs-dash mask``: masks and partitions from the command line."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xpcs_dash.cli.in_force import Config, Given
from xpcs_dash.errors import FileError, SchemaError, UsageError

if TYPE_CHECKING:
    from xpcs_dash.hdf5.schemas import GeometryMetadata
    from xpcs_dash.settings import Settings
    from xpcs_dash.simplemask.geometry import Setting
    from xpcs_dash.simplemask.kernel import SimpleMaskKernel

GEOMETRY = ("energy_kev", "distance_m", "pixel_m", "bcx", "bcy")
SETTING = ("mode", "legacy_q", "swing_h", "swing_v", "incidence", "orientation")


def add_to(app: typer.Typer) -> None:
    """Add ``mask build``, ``mask show`` and ``mask regroup``."""
    group = typer.Typer(help="Make and look at masks and partition files.", no_args_is_help=True)
    group.command("build")(build)
    group.command("show")(show)
    group.command("regroup")(regroup)
    app.add_typer(group, name="mask")


def build(
    out: Annotated[Path, typer.Option(help="partition file to write; replaced if it exists")],
    result: Annotated[
        Path | None, typer.Option("--from", help="result file: image, geometry and mask")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="detector image or raw frames, with --geometry")] = None,
    geometry: Annotated[
        Path | None,
        typer.Option(
            help="TOML with energy_kev, distance_m, pixel_m, bcx, bcy [, mode, swing_h, swing_v, …]"
        ),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="mask to apply: HDF5, TIFF, NPY, EDF or CBF")] = None,
    invert_mask: Annotated[bool, typer.Option(help="1 means masked in --mask")] = False,
    threshold_low: Annotated[float | None, typer.Option(help="mask pixels below")] = None,
    threshold_high: Annotated[float | None, typer.Option(help="mask pixels from here on")] = None,
    q_range: Annotated[tuple[float, float] | None, typer.Option(help="keep lo to hi, Å⁻¹")] = None,
    dq: Annotated[int, typer.Option(help="dynamic bins along q")] = 10,
    sq: Annotated[int, typer.Option(help="static bins along q")] = 100,
    dp: Annotated[int, typer.Option(help="dynamic bins along φ")] = 1,
    sp: Annotated[int, typer.Option(help="static bins along φ")] = 1,
    log: Annotated[bool, typer.Option("--log", help="logarithmic q-bins")] = False,
    phi_offset: Annotated[float, typer.Option(help="degrees added to φ before it is cut")] = 0.0,
    phi_fold: Annotated[int, typer.Option(help="sectors of φ laid over each other")] = 1,
    axes: Annotated[str, typer.Option(help="the two maps to cut, such as q,phi or x,y")] = "q,phi",
    legacy_q: Annotated[bool, typer.Option("--legacy-q", help="q = k sin α, as older maps")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="report as JSON")] = False,
    config: Config = None,
    given: Given = None,
) -> None:
    """Cut a detector into bins and write the partition file that the correlator takes."""
    from xpcs_dash.cli.in_force import settings_in_force
    from xpcs_dash.simplemask.files import save_partition
    from xpcs_dash.simplemask.partition import Axis

    settings = settings_in_force(config, given)
    if (result is None) == (image is None):
        raise UsageError("give either --from RESULT_FILE, or --image FILE with --geometry FILE.")
    kernel = _start(result, image, geometry, legacy_q, settings)
    kernel = _masked(kernel, mask, invert_mask, threshold_low, threshold_high, q_range)
    names = [name.strip() for name in axes.split(",")]
    if len(names) != 2:
        raise UsageError(f"--axes takes two maps with a comma between, such as q,phi; found {axes!r}.")
    axis0 = Axis(names[0], dq, sq, "log" if log else "linear")
    axis1 = Axis(names[1], dp, sp)
    if names[1] == "phi":
        axis1 = Axis("phi", dp, sp, offset=phi_offset, fold=phi_fold)
    partition = kernel.partition(axis0, axis1)
    assert kernel.geometry is not None
    save_partition(out, partition, kernel.geometry, _blemish(kernel), str(result or image))
    facts = {"file": str(out), **describe(out), "checks": list(partition.checks)}
    _print(facts, as_json)


def show(
    path: Annotated[Path, typer.Argument(help="partition, result or mask file")],
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Say what a mask or partition file holds."""
    _print({"file": str(path), **describe(path)}, as_json)


def regroup(
    path: Annotated[Path, typer.Argument(help="result file with the per-pixel G2 (save_G2)")],
    partition: Annotated[Path, typer.Option(help="partition file with the new bins")],
    out: Annotated[Path, typer.Option(help="result file to write; replaced if it exists")],
    as_json: Annotated[bool, typer.Option("--json", help="report as JSON")] = False,
    config: Config = None,
    given: Given = None,
) -> None:
    """Recompute g2 and its error for other bins, as the correlator would, without the raw frames."""
    from xpcs_dash.analysis.regroup import regroup_result
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.cli.in_force import settings_in_force
    from xpcs_dash.hdf5.aps_writer import write_aps
    from xpcs_dash.hdf5.partition_file import read_partition

    settings = settings_in_force(config, given)
    file = open_given(path, settings)
    if out.exists() and out.resolve() in (file.path.resolve(), partition.resolve()):
        raise UsageError(f"{out.name}: choose another name; the file that is read is not replaced.")
    made = regroup_result(file, read_partition(partition))
    write_aps(out, made)
    _print({"file": str(out), "bins": made.dynamic.n, "delays": file.n_delay}, as_json)


def describe(path: Path) -> dict[str, Any]:
    """Facts of a partition or mask file: shape, valid pixels, bins, pixels per bin, geometry, checks."""
    import numpy as np

    from xpcs_dash.simplemask.files import read_mask_or_partition
    from xpcs_dash.simplemask.partition import check_nesting

    valid, record = read_mask_or_partition(path)
    facts: dict[str, Any] = {
        "shape": list(valid.shape),
        "valid_pixels": int(np.count_nonzero(valid)),
        "valid_share": round(float(valid.mean()), 6),
    }
    if record is None:
        return facts
    for kind, table, labels in (
        ("dynamic", record.dynamic, record.dynamic_map),
        ("static", record.static, record.static_map),
    ):
        counts = np.bincount(labels.ravel(), minlength=table.n + 1)[1:]
        facts[kind] = {
            "bins": table.n,
            "grid": list(table.num_pts),
            "pixels_min": int(counts.min()),
            "pixels_median": float(np.median(counts)),
            "pixels_max": int(counts.max()),
            "first": float(table.q[0]),
            "last": float(table.q[-1]),
        }
    g = record.geometry
    facts["axes"] = [
        f"{n} ({u})" if u else n for n, u in zip(record.dynamic.names, record.dynamic.units, strict=True)
    ]
    facts["geometry"] = None if g is None else {name: getattr(g, name) for name in GEOMETRY}
    facts["hash"], facts["version"] = record.hash, record.version
    facts["source_file"] = record.source_file
    checks = check_nesting(record.dynamic_map, record.static_map, record.mask)
    facts["warnings"] = [*record.warnings, *checks]
    return facts


def _start(
    result: Path | None, image: Path | None, geometry: Path | None, legacy_q: bool, settings: Settings
) -> SimpleMaskKernel:
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.simplemask.files import from_result, read_image
    from xpcs_dash.simplemask.geometry import Setting
    from xpcs_dash.simplemask.kernel import SimpleMaskKernel
    from xpcs_dash.simplemask.operations import Operation

    if result is not None:
        opened = from_result(open_given(result, settings))
    else:
        assert image is not None
        if geometry is None:
            raise UsageError("--image needs --geometry: an image does not say where the beam hits it.")
        opened = read_image(image, lambda path: open_given(path, settings))
    kernel = SimpleMaskKernel.start(opened).changed(setting=Setting(legacy_q=legacy_q))
    if geometry is not None:
        found, setting = read_geometry(geometry, opened.shape, legacy_q)
        kernel = kernel.changed(geometry=found, setting=setting)
    if opened.mask is not None:
        own = Operation("import", {"array": "file"}, name="Mask of the file")
        kernel = kernel.changed(area=kernel.area.add(own), arrays={"file": opened.mask})
    return kernel


def _masked(
    kernel: SimpleMaskKernel,
    mask: Path | None,
    invert: bool,
    low: float | None,
    high: float | None,
    q_range: tuple[float, float] | None,
) -> SimpleMaskKernel:
    from xpcs_dash.simplemask.files import read_mask
    from xpcs_dash.simplemask.operations import Operation

    area, arrays = kernel.area, dict(kernel.arrays)
    if mask is not None:
        arrays["given"] = read_mask(mask)
        area = area.add(Operation("import", {"array": "given", "invert": invert}, name=mask.name))
    if low is not None or high is not None:
        area = area.add(Operation("threshold", {"low": low, "high": high}))
    if q_range is not None:
        condition = {"map": "q", "low": q_range[0], "high": q_range[1]}
        area = area.add(Operation("range", {"conditions": [condition]}, name="q range"))
    return kernel.changed(area=area, arrays=arrays)


def _blemish(kernel: SimpleMaskKernel) -> Any:
    """What the detector itself spoils: the masks of files, without ranges of q."""
    area = kernel.area.with_operations(o for o in kernel.area.operations if o.kind != "range")
    return area.product(kernel.context)


def read_geometry(
    path: Path, shape: tuple[int, int], legacy_q: bool = False
) -> tuple[GeometryMetadata, Setting]:
    """Geometry and setting from a TOML file.

    Raises
    ------
    FileError
        Where the file cannot be read, lacks a number, or has one that makes no sense.
    """
    from xpcs_dash.hdf5.schemas import GeometryMetadata
    from xpcs_dash.simplemask.geometry import Setting

    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise FileError(path, f"not a geometry that can be read ({err})", "give a TOML file") from None
    data = data.get("geometry", data)
    missing = [name for name in GEOMETRY if name not in data]
    unknown = sorted(set(data) - set(GEOMETRY) - set(SETTING))
    if missing or unknown:
        what = f"it lacks {', '.join(missing)}" if missing else f"it has unknown names: {', '.join(unknown)}"
        raise FileError(path, what, f"it takes {', '.join((*GEOMETRY, *SETTING))}")
    given = {name: data[name] for name in SETTING if name in data}
    given["legacy_q"] = bool(given.get("legacy_q", False)) or legacy_q
    try:
        found = GeometryMetadata.from_metres(**{n: data[n] for n in GEOMETRY}, shape=shape)
        return found, Setting(**given)
    except (SchemaError, TypeError) as err:
        raise FileError(path, str(err), "check the numbers and their units") from None


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, indent=1, ensure_ascii=False))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(
                f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in value.items()
            )
        if isinstance(value, list):
            joint = " × " if name == "shape" else "\n  " if name in ("checks", "warnings") else ", "
            value = joint.join(map(str, value)) or "none"
        print(f"{name.replace('_', ' ')}: {value}")
