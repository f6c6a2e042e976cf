"""Results of Xana gathered into HDF5 by users of ESRF ID10: ``/xpcs/g2s``, ``/xpcs/ttcs``, ``/saxs``.

Xana itself keeps its results in pickles, which are never opened. The first axis of the arrays may be
repetitions on the same spot of the sample.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import SchemaError, UsageError
from xpcs_dash.hdf5.access import Reader
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts.aps_entry import name_parts
from xpcs_dash.hdf5.layouts.tables import table_from_labels
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.units import to_inverse_angstrom, to_seconds

NAME = "xana_export"
TITLE = "results of Xana in HDF5 (ESRF ID10)"

_G2 = "/xpcs/g2s"
_TWO = "/xpcs/ttcs"
#: Filtered curves are those that the users went on with.
_CURVES = tuple(f"{_G2}/{name}" for name in ("g2s_filtered", "g2s", "g2"))
_ERRORS = tuple(f"{_G2}/{name}" for name in ("g2s_err", "g2s_filtered_err", "g2_err", "dg2s"))
_MATRICES = tuple(f"{_TWO}/{name}" for name in ("ttc_rep_qs_avg_filtered", "ttc_rep_qs_avg", "ttcs"))


def recognise(h5: Handle) -> bool:
    """True for curves or two-time matrices under the users' names."""
    curves = f"{_G2}/delay" in h5 and any(name in h5 for name in _CURVES)
    return curves or any(name in h5 for name in _MATRICES)


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    warnings: list[str] = []
    curves, matrices = reader.first(*_CURVES), reader.first(*_MATRICES)
    listed = reader.first(f"{_G2}/q", f"{_TWO}/q")
    if listed is None:
        raise reader.missing(f"{_G2}/q")
    q = _q(reader, listed, warnings)
    dynamic = _table(reader, listed, q)
    delays = None if curves is None else _delays(reader)
    g2 = g2_err = None
    if curves is not None and delays is not None:
        g2 = _first_repetition(reader, curves, q.size, delays.size, warnings)
        error = reader.first(*_ERRORS)
        g2_err = None if error is None else _first_repetition(reader, error, q.size, delays.size, [])
    twotime = None if matrices is None else _twotime(reader, matrices, q)
    static, saxs_1d = _saxs(reader)
    scan, sample = name_parts(source.path.stem)
    return RawResult(
        layout=NAME,
        kinds=(("multitau",) if g2 is not None else ()) + (("twotime",) if twotime is not None else ()),
        dynamic=dynamic,
        static=static,
        delay_s=delays,
        g2=g2,
        g2_err=g2_err,
        saxs_1d=saxs_1d,
        twotime=twotime,
        sample=sample,
        scan=scan,
        temperature_k=_temperature(reader),
        metadata_groups=("/elog",),
        intensity_unit="arb. u.",
        warnings=("no geometry: the file holds none, and no label maps", *warnings),
    )


def _unit(reader: Reader, name: str) -> str | None:
    return reader.attribute(name, "units") or reader.attribute(name, "unit")


def _q(reader: Reader, name: str, warnings: list[str]) -> NDArray[np.float64]:
    """The q of each bin in Å⁻¹; Xana works in 1/nm."""
    values = reader.vector(name)
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise reader.wrong(name, "at least one finite q", "none, or NaN")
    unit = _unit(reader, name)
    if unit is None:
        warnings.append(f"{name} names no unit: 1/nm is assumed, in which Xana works")
    try:
        return values * to_inverse_angstrom(1.0, unit or "1/nm")
    except UsageError:
        raise reader.wrong(name, "a unit like 1/nm", repr(unit)) from None


def _table(reader: Reader, name: str, q: NDArray[np.float64]) -> BinTable:
    try:
        return table_from_labels(q)
    except SchemaError as err:
        raise reader.wrong(name, err.expected, err.found) from None


def _delays(reader: Reader) -> NDArray[np.float64]:
    name = f"{_G2}/delay"
    values = reader.vector(name)
    try:
        values = values * to_seconds(1.0, _unit(reader, name) or "s")
    except UsageError:
        raise reader.wrong(name, "a unit like s", repr(_unit(reader, name))) from None
    if values.size == 0 or not np.all(np.isfinite(values)) or values[0] < 0 or np.any(np.diff(values) <= 0):
        raise reader.wrong(name, "rising delays in s", "none, or delays that repeat or fall")
    return values


def _first_repetition(
    reader: Reader, name: str, n_q: int, n_delay: int, warnings: list[str]
) -> NDArray[np.float64]:
    """(n_delay, n_q) of the first repetition, which met the freshest sample."""
    stored = reader.numbers(name)
    if stored.ndim == 3:
        if stored.shape[0] > 1:
            warnings.append(
                f"the file holds {stored.shape[0]} repetitions on each spot: the first one is shown, "
                "in which the sample had seen the least beam"
            )
        if stored.shape[0] > 0:
            stored = stored[0]
    if stored.shape == (n_q, n_delay):
        return stored.T.copy()
    if stored.shape == (n_delay, n_q):
        return stored
    wanted = f"shape ({n_q}, {n_delay}), or one such array for each repetition"
    raise reader.wrong(name, wanted, f"shape {stored.shape}")


def _twotime(reader: Reader, name: str, q: NDArray[np.float64]) -> TwoTimeRecord:
    shape = reader.shape(name) or ()
    if len(shape) not in (3, 4) or shape[-1] != shape[-2] or 0 in shape:
        raise reader.wrong(name, "square matrices, one for each q-bin", f"shape {shape}")
    count = shape[-3]
    labels = _labels(reader, name, q, count)
    first = (0,) if len(shape) == 4 else ()
    times = reader.optional_vector(f"{_TWO}/times", shape[-1])
    return TwoTimeRecord(
        bins=labels,
        matrices=tuple(StoredMatrix(name, (*first, k)) for k in range(count)),
        shape=(shape[-2], shape[-1]),
        dt_s=_step(reader, times),
        populated="all",
    )


def _labels(reader: Reader, name: str, q: NDArray[np.float64], count: int) -> tuple[int, ...]:
    """The q-bin of each matrix: by its number, else by its q."""
    numbers = f"{_TWO}/twotime_par"
    if reader.has(numbers):
        found = reader.integers(numbers, count)
        labels = tuple(int(k) + 1 for k in found)
    elif reader.has(f"{_TWO}/q"):
        values = _q(reader, f"{_TWO}/q", [])
        labels = tuple(int(np.argmin(np.abs(q - value))) + 1 for value in values)
    else:
        labels = tuple(range(1, count + 1))
    if len(labels) != count or len(set(labels)) != count or min(labels) < 1 or max(labels) > q.size:
        raise reader.wrong(name, f"a q-bin of 1 to {q.size} for each of {count} matrices", f"{labels[:8]}")
    return labels


def _step(reader: Reader, times: NDArray[np.float64] | None) -> float | None:
    """Seconds from row to row, where the rows are evenly spaced."""
    if times is None or times.size < 2:
        return None
    steps = np.diff(times)
    mean = float(np.mean(steps))
    if not np.isfinite(mean) or mean <= 0 or np.any(np.abs(steps - mean) > 0.01 * mean):
        return None
    unit = _unit(reader, f"{_TWO}/times") or "s"
    try:
        return to_seconds(mean, unit)
    except UsageError:
        raise reader.wrong(f"{_TWO}/times", "a unit like s", repr(unit)) from None


def _saxs(reader: Reader) -> tuple[BinTable | None, NDArray[np.float64] | None]:
    name = reader.first("/saxs/I_reps_filtered", "/saxs/I_reps", "/saxs/I")
    if name is None or not reader.has("/saxs/q"):
        return None, None
    q = _q(reader, "/saxs/q", [])
    stored = np.atleast_2d(reader.numbers(name))
    if stored.ndim != 2 or stored.shape[1] != q.size:
        raise reader.wrong(name, f"{q.size} intensities for each repetition", f"shape {stored.shape}")
    # repetitions: the first, as for g2; spots of the sample: their mean
    values = stored.mean(axis=0) if name == "/saxs/I" else stored[0]
    return _table(reader, "/saxs/q", q), values


def _temperature(reader: Reader) -> float | None:
    """The temperature of the users' log, whose column says K."""
    text = reader.text("/elog/Temperature, K")
    found = None if text is None else re.match(r"\s*([0-9]+(?:\.[0-9]+)?)\s*K?\s*$", text)
    return None if found is None else float(found[1])
