"""What the pipeline of NSLS-II CHX exports: ``uid=…_Res.h5``, everything at the root of the file.

Settings are attributes of ``/md``, the q (and φ) of each bin attributes of ``/qval_dict``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import SchemaError
from xpcs_dash.hdf5.access import Reader, decode, parse_time
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts.legacy_common import make_geometry, stored_shape
from xpcs_dash.hdf5.layouts.tables import table_from_labels, whole_frames
from xpcs_dash.hdf5.records import BinTable, OpenFile, RawResult, StoredMatrix, TwoTimeRecord
from xpcs_dash.hdf5.schemas import HC_KEV_ANGSTROM

NAME = "chx"
TITLE = "NSLS-II CHX result"

#: Directions of anisotropic results: the whole ring, or two sets of sectors.
_DIRECTIONS = ("", "_v", "_p")
#: Longest text of an attribute that the metadata show.
_LONGEST = 300


def recognise(h5: Handle) -> bool:
    """True where g2, or a two-time correlation, stands at the root beside its delays or its q."""
    if any(f"/g2{way}" in h5 and f"/taus{way}" in h5 for way in _DIRECTIONS):
        return True
    return "/g12b" in h5 and ("/tausb" in h5 or "/qval_dict" in h5)


def read(source: OpenFile) -> RawResult:
    """Read header and 1-D data; see `xpcs_dash.hdf5.layouts.aps_nexus.read`."""
    reader = Reader(source)
    md = _attributes(reader, "/md")
    ways = [way for way in _DIRECTIONS if reader.has(f"/g2{way}") and reader.has(f"/taus{way}")]
    way = ways[0] if ways else ""
    dynamic = _bins(reader, way, md)
    frame_time = _number(md, "frame_time", "acquire period", "acquire_period", "cam_acquire_period")
    roi = next((n for n in (f"/roi_mask{way}", "/roi_mask") if reader.has(n)), "/roi_mask")
    dqmap = reader.stored(roi, "int32")
    saxs_2d = reader.stored("/avg_img", "float32", stored_shape(dqmap))
    shape = stored_shape(dqmap) or stored_shape(saxs_2d)
    geometry, complaints = make_geometry(_geometry(md), shape)
    delays, g2, g2_err, dropped = _g2(reader, way, dynamic.n) if ways else (None, None, None, ())
    static, saxs_1d = _static(reader)
    twotime = _twotime(reader, dynamic.n, frame_time) if reader.has("/g12b") else None
    left = [f"g2{other}" for other in ways[1:]] + (["g4"] if reader.has("/g4") else [])
    text = (f"the file also holds {' and '.join(left)}, which are not shown",) if left else ()
    return RawResult(
        layout=NAME,
        kinds=(("multitau",) if ways else ()) + (("twotime",) if twotime is not None else ()),
        dynamic=dynamic,
        static=static,
        geometry=geometry,
        energy_kev=_energy(md),
        detector_shape=shape,
        delay_frames=None if delays is None else whole_frames(delays, frame_time),
        delay_s=delays,
        g2=g2,
        g2_err=g2_err,
        saxs_1d=saxs_1d,
        saxs_2d=saxs_2d,
        mask=reader.stored("/mask", "bool", shape),
        blemish=reader.stored("/pixel_mask", "bool", shape),
        dqmap=dqmap,
        twotime=twotime,
        frame_time_s=frame_time,
        exposure_s=_number(md, "count_time", "cam_acquire_time", "exposure time", "exposure_time"),
        n_frames=_frames(reader),
        start_time=parse_time(_text(md, "start_time")),
        end_time=parse_time(_text(md, "stop_time")),
        sample=_text(md, "sample"),
        scan=_text(md, "scan_id"),
        metadata={f"/md/{name}": (value, "") for name, value in md.items()},
        warnings=(*complaints, *dropped, *text),
    )


def _attributes(reader: Reader, name: str) -> dict[str, Any]:
    """Numbers and short texts among the attributes of an object."""
    try:
        found = reader.h5[name].attrs
        names = list(found)
    except (KeyError, OSError, RuntimeError):
        return {}
    out: dict[str, Any] = {}
    for key in names:
        try:
            value = found[key]
        except (KeyError, OSError, RuntimeError, TypeError, ValueError):
            continue
        array = np.asarray(value)
        if array.size != 1:
            continue
        if array.dtype.kind in "biuf":
            out[key] = array.reshape(-1)[0].item()
        elif array.dtype.kind in "OSU" and len(decode(value)) <= _LONGEST:
            out[key] = decode(value)
    return out


def _number(md: Mapping[str, Any], *names: str) -> float | None:
    """The first of ``names`` that is a number above 0; texts of numbers count."""
    for name in names:
        try:
            value = float(md[name])
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite(value) and value > 0:
            return value
    return None


def _text(md: Mapping[str, Any], name: str) -> str | None:
    value = md.get(name)
    return None if value is None else str(value).strip() or None


def _energy(md: Mapping[str, Any]) -> float | None:
    wavelength = _number(md, "wavelength", "incident_wavelength")
    if wavelength is not None:
        return HC_KEV_ANGSTROM / wavelength
    energy = _number(md, "eiger4m_single_photon_energy", "photon_energy", "energy")
    return energy / 1e3 if energy is not None and energy > 500 else energy  # eV, or keV


def _geometry(md: Mapping[str, Any]) -> dict[str, float | None]:
    return {
        "energy": _energy(md),
        "distance": _number(md, "det_distance", "detector_distance", "Ldet"),
        "pixel_size": _number(md, "x_pixel_size", "dpix"),
        "bcx": _number(md, "beam_center_x"),
        "bcy": _number(md, "beam_center_y"),
    }


def _bins(reader: Reader, way: str, md: Mapping[str, Any]) -> BinTable:
    """The bins: attribute "0" of the list belongs to label 1."""
    name = f"/qval_dict{way}"
    if not reader.has(name):
        raise reader.missing(name)
    listed = dict(reader.h5[name].attrs)
    keys = sorted((key for key in listed if re.fullmatch(r"\d+", key)), key=int)
    rows = [np.ravel(np.asarray(listed[key])) for key in keys]
    if not rows or any(row.size == 0 or row.dtype.kind not in "biuf" for row in rows):
        raise reader.wrong(name, "an attribute with the q of each bin", "none")
    q = np.array([row[0] for row in rows], dtype=np.float64)
    second = np.array([row[1] for row in rows], dtype=np.float64) if all(r.size > 1 for r in rows) else None
    if not np.all(np.isfinite(q)):
        raise reader.wrong(name, "a finite q for each bin", "NaN or infinity")
    grazing = "beam_refl_center_x" in md
    names, units = (("qr", "qz"), ("Å⁻¹", "Å⁻¹")) if grazing else (("q", "phi"), ("Å⁻¹", "deg"))
    try:
        return table_from_labels(q, second, names, units)
    except SchemaError as err:
        raise reader.wrong(name, err.expected, err.found) from None


_Curves = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None, tuple[str, ...]]


def _g2(reader: Reader, way: str, n_q: int) -> _Curves:
    """Delays, g2, its errors, and what was left out: at the delay 0 each photon meets itself."""
    name = f"/taus{way}"
    delays = reader.vector(name)
    if delays.size == 0 or not np.all(np.isfinite(delays)) or np.any(np.diff(delays) <= 0) or delays[0] < 0:
        raise reader.wrong(name, "rising delays in s", "none, or delays that repeat or fall")
    g2 = reader.shaped(f"/g2{way}", (delays.size, n_q))
    error = reader.first(f"/g2_err{way}", f"/g2_stderr{way}")
    g2_err = None if error is None else reader.shaped(error, (delays.size, n_q))
    assert g2 is not None  # it is required
    if delays[0] > 0 or delays.size == 1:
        return delays, g2, g2_err, ()
    said = "g2 at the delay 0 is left out, because there each photon is correlated with itself"
    return delays[1:].copy(), g2[1:].copy(), None if g2_err is None else g2_err[1:].copy(), (said,)


def _static(reader: Reader) -> tuple[BinTable | None, NDArray[np.float64] | None]:
    """I(q) of the whole image, where q and intensity are numbers."""
    q, intensity = reader.optional_vector("/q_saxs"), reader.optional_vector("/iq_saxs")
    if q is None or intensity is None or q.size != intensity.size:
        return None, None
    good = np.isfinite(q) & np.isfinite(intensity)
    if not good.any():
        return None, None
    return table_from_labels(q[good]), intensity[good]


def _frames(reader: Reader) -> int | None:
    """Frames that were correlated: one value each in the list of sums, less those that were thrown out."""
    shape = reader.shape("/imgsum")
    if shape is None or len(shape) != 1 or shape[0] == 0:
        return None
    bad = reader.optional_vector("/bad_frame_list")
    return max(1, shape[0] - (0 if bad is None else int(np.unique(bad).size)))


def _twotime(reader: Reader, n_q: int, frame_time: float | None) -> TwoTimeRecord:
    """Full matrices along the last axis: (t, t, q)."""
    name = "/g12b"
    shape = reader.shape(name) or ()
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] == 0 or not 1 <= shape[2] <= n_q:
        raise reader.wrong(name, f"square matrices of up to {n_q} q-bins, (t, t, q)", f"shape {shape}")
    n, count = shape[0], shape[2]
    single = len(reader.shape(name) or ()) == 2
    delays = reader.optional_vector("/tausb")
    step = float(delays[1] - delays[0]) if delays is not None and delays.size > 1 else frame_time
    stored = reader.optional("/g2b")
    fits = stored is not None and stored.shape == (n, count)
    return TwoTimeRecord(
        bins=tuple(range(1, count + 1)),
        matrices=tuple(StoredMatrix(name, None if single else (k,), last=True) for k in range(count)),
        shape=(n, n),
        dt_s=step if step is not None and step > 0 else None,
        g2=stored if fits else None,
        populated="all",
    )
