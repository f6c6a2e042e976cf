"""The mean intensity over time: smoothing, decimation for a screen, and its spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

Floats = NDArray[np.float64]
#: Periods in the run from which a modulation counts as a line of the spectrum.
SLOWEST = 5


@dataclass(frozen=True)
class Decimated:
    """A long curve in as many intervals as a screen can show.

    Attributes
    ----------
    x : (m,) middle of each interval.
    low, high, mean : (m,) extreme and mean values of each interval: no spike is lost.
    width : samples per interval (the last one may hold fewer).
    """

    x: Floats
    low: Floats
    high: Floats
    mean: Floats
    width: int


@dataclass(frozen=True)
class Spectrum:
    """Amplitude spectrum.

    Attributes
    ----------
    frequency : (m,) Hz, above zero.
    amplitude : (m,) relative to the mean intensity: a modulation of 3 % shows as 0.03.
    noise : median amplitude, the level of an even background.
    """

    frequency: Floats
    amplitude: Floats
    noise: float


def moving_average(values: NDArray[np.floating], window: int) -> Floats:
    """Centred mean over ``window`` samples (n,); at the ends over the samples that exist.

    Raises
    ------
    UsageError
        For a window below 1.
    """
    if window < 1:
        raise UsageError("The averaging window must be 1 frame or more.")
    y = np.asarray(values, dtype=np.float64)
    if window == 1 or y.size == 0:
        return y.copy()
    running = np.concatenate([[0.0], np.cumsum(y)])
    index = np.arange(y.size)
    low = np.maximum(index - (window - 1) // 2, 0)
    high = np.minimum(index + window // 2 + 1, y.size)
    return np.asarray((running[high] - running[low]) / (high - low))


def decimate(x: NDArray[np.floating], y: NDArray[np.floating], intervals: int = 1000) -> Decimated:
    """Minimum, maximum and mean of at most ``intervals`` equal stretches of a curve (n,)."""
    places = np.asarray(x, dtype=np.float64)
    values = np.asarray(y, dtype=np.float64)
    width = max(1, -(-values.size // max(intervals, 1)))
    if width == 1:
        return Decimated(places, values, values, values, 1)
    starts = np.arange(0, values.size, width)
    counts = np.diff(np.append(starts, values.size))
    last = starts + counts - 1
    return Decimated(
        x=0.5 * (places[starts] + places[last]),
        low=np.minimum.reduceat(values, starts),
        high=np.maximum.reduceat(values, starts),
        mean=np.add.reduceat(values, starts) / counts,
        width=width,
    )


def spectrum(values: NDArray[np.floating], dt_s: float) -> Spectrum:
    """Relative amplitude 2·|FFT|/(N·mean) at k/(N·dt), for k from 1 to N/2.

    Parameters
    ----------
    values : (n,) intensity.
    dt_s : seconds between samples; the axis ends at 1/(2·dt).

    Raises
    ------
    UsageError
        For fewer than four samples, no intensity at all or a time step that is not above zero.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.size < 4:
        raise UsageError("A spectrum needs at least four frames.")
    if not dt_s > 0:
        raise UsageError("A spectrum needs the frame time, which this file does not give.")
    mean = float(y.mean())
    if not mean > 0:
        raise UsageError("A spectrum needs intensity; the mean of I(t) is zero.")
    transform = np.fft.rfft(y - mean)[1:]
    amplitude = 2.0 * np.abs(transform) / (y.size * mean)
    frequency = np.arange(1, transform.size + 1) / (y.size * dt_s)
    return Spectrum(frequency, amplitude, float(np.median(amplitude)))


def decimate_spectrum(found: Spectrum, intervals: int = 800) -> Spectrum:
    """The highest line of each of ``intervals`` equal steps of log frequency: no peak is lost."""
    n = found.frequency.size
    if n <= intervals:
        return found
    edges = np.unique(np.geomspace(1, n, intervals + 1).astype(np.int64)) - 1
    starts = edges[:-1] if edges[-1] >= n - 1 else edges
    stops = np.append(starts[1:], n)
    best = np.array([a + int(np.argmax(found.amplitude[a:b])) for a, b in zip(starts, stops, strict=True)])
    return Spectrum(found.frequency[best], found.amplitude[best], found.noise)


def lines(found: Spectrum, limit: int = 3, factor: float = 8.0) -> list[tuple[float, float]]:
    """The strongest lines as (Hz, relative amplitude), strongest first.

    A line is a local maximum above ``factor`` times the median amplitude of its surroundings (±200 samples);
    counting noise alone passes 8 medians once in about 10¹⁹ samples. Fewer than `SLOWEST` periods in the
    whole run are drift, not a line.
    """
    amplitude = found.amplitude
    if amplitude.size < 8:
        return []
    order = np.argsort(amplitude[SLOWEST - 1 :])[::-1][: 20 * limit] + SLOWEST - 1
    chosen: list[int] = []
    for k in order:
        around = amplitude[max(0, k - 200) : k + 201]
        if amplitude[k] < factor * float(np.median(around)):
            continue
        if all(abs(int(k) - other) > 3 for other in chosen):
            chosen.append(int(k))
        if len(chosen) == limit:
            break
    return [(float(found.frequency[k]), float(amplitude[k])) for k in chosen]
