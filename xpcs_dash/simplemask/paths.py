"""SVG paths as Plotly writes them, read into vertices and written back."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

Vertices = NDArray[np.float64]

# a number may carry an exponent (1e-5, 1.2E+03) and may follow another one without a separator ("1-2",
# "1.5.5")
_TOKEN = re.compile(r"([MLHVCQSTZmlhvcqstz])|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|([\s,]+)|(.)")
_ARGUMENTS = {"M": 2, "L": 2, "T": 2, "H": 1, "V": 1, "C": 6, "Q": 4, "S": 4, "Z": 0}


def parse_path(path: str) -> list[tuple[Vertices, bool]]:
    """Read an SVG path into its sub-paths.

    Every command that Plotly accepts is understood (M L H V C Q S T Z, and the relative lower-case ones),
    repeated arguments without a repeated letter, and numbers with exponents. Curves are flattened to chords
    shorter than half a pixel.

    Parameters
    ----------
    path : text of a shape's ``path``.

    Returns
    -------
    list of (vertices (n, 2) float64 as x, y in pixels; closed) for each sub-path with at least one vertex.

    Raises
    ------
    UsageError
        Where the text is not such a path.
    """
    tokens = _tokenise(path)
    reader = _PathReader()
    position = 0
    while position < len(tokens):
        command = tokens[position]
        if not isinstance(command, str):
            raise UsageError(f"path {_short(path)}: a number stands where a command letter is expected.")
        position += 1
        count = _ARGUMENTS[command.upper()]
        if count == 0:
            reader.close()
            continue
        first = True
        while first or (position < len(tokens) and not isinstance(tokens[position], str)):
            values = tokens[position : position + count]
            if len(values) < count or any(isinstance(v, str) for v in values):
                raise UsageError(f"path {_short(path)}: {command} needs {count} numbers.")
            # further pairs after a move are lines
            letter = command if first else {"M": "L", "m": "l"}.get(command, command)
            reader.step(letter, [float(v) for v in values])
            position += count
            first = False
    return reader.finish()


def format_path(vertices: Vertices, closed: bool = True, decimals: int = 2) -> str:
    """Write vertices (n, 2) as a Plotly path."""
    points = "L".join(
        f"{_trim(x, decimals)},{_trim(y, decimals)}" for x, y in np.asarray(vertices, dtype=float)
    )
    return f"M{points}{'Z' if closed else ''}"


def _trim(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _short(path: str) -> str:
    return repr(path if len(path) <= 40 else path[:37] + "…")


def _tokenise(path: str) -> list[str | float]:
    tokens: list[str | float] = []
    for match in _TOKEN.finditer(path):
        letter, number, _, stray = match.groups()
        if letter:
            tokens.append(letter)
        elif number:
            value = float(number)
            if not math.isfinite(value):
                raise UsageError(f"path {_short(path)}: {number} is not a finite number.")
            tokens.append(value)
        elif stray:
            raise UsageError(
                f"path {_short(path)}: {stray!r} is not part of a path (arcs are not supported)."
            )
    return tokens


class _PathReader:
    """Walks the commands of one path and collects its sub-paths."""

    def __init__(self) -> None:
        self.done: list[tuple[Vertices, bool]] = []
        self.points: list[tuple[float, float]] = []
        self.at = (0.0, 0.0)
        self.control: tuple[float, float] | None = None
        self.previous = ""

    def step(self, letter: str, values: list[float]) -> None:
        upper = letter.upper()
        if letter.islower():
            offset = {"H": [self.at[0]], "V": [self.at[1]]}.get(upper, list(self.at) * (len(values) // 2))
            values = [v + o for v, o in zip(values, offset, strict=True)]
        if upper == "M":
            self._flush(closed=False)
            self._add(values[0], values[1])
        else:
            if not self.points:  # after Z, a path goes on from where it started
                self.points.append(self.at)
            if upper in "LHV":
                self._add(
                    values[0] if upper != "V" else self.at[0], values[-1] if upper != "H" else self.at[1]
                )
            else:
                self._curve(upper, values)
        if upper not in "CQST":
            self.control = None
        self.previous = upper

    def _curve(self, upper: str, values: list[float]) -> None:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if upper in "ST":
            smooth = self.control is not None and self.previous in ("CS" if upper == "S" else "QT")
            mirror = (
                (2 * self.at[0] - self.control[0], 2 * self.at[1] - self.control[1])
                if smooth and self.control is not None
                else self.at
            )
            pairs = [mirror, *pairs]
        controls = np.array([self.at, *pairs])
        self.control = (float(controls[-2, 0]), float(controls[-2, 1]))
        for x, y in _flatten(controls)[1:]:
            self._add(float(x), float(y))

    def _add(self, x: float, y: float) -> None:
        self.points.append((x, y))
        self.at = (x, y)

    def close(self) -> None:
        start = self.points[0] if self.points else self.at
        self._flush(closed=True)
        self.at = start
        self.control = None

    def _flush(self, closed: bool) -> None:
        if self.points:
            self.done.append((np.array(self.points, dtype=np.float64), closed))
        self.points = []

    def finish(self) -> list[tuple[Vertices, bool]]:
        self._flush(closed=False)
        return self.done


def _flatten(controls: Vertices) -> Vertices:
    """Points on a Bézier curve of degree 2 or 3, chords shorter than half a pixel (at most 512 of them)."""
    length = float(np.linalg.norm(np.diff(controls, axis=0), axis=1).sum())
    count = int(np.clip(math.ceil(2 * length), 8, 512)) if math.isfinite(length) else 8
    t = np.linspace(0.0, 1.0, count + 1)[:, None]
    points = [controls[i][None, :] * np.ones_like(t) for i in range(len(controls))]
    while len(points) > 1:  # de Casteljau
        points = [(1 - t) * a + t * b for a, b in pairwise(points)]
    curve: Vertices = points[0]
    return curve
