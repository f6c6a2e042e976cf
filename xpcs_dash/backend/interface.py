"""What a backend offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

__all__ = ["Backend", "BackendName"]

BackendName = Literal["auto", "jax", "numpy"]
F = TypeVar("F", bound=Callable[..., Any])


@runtime_checkable
class Backend(Protocol):
    """A small set of operations that both implementations carry out alike, to 1e-10 in float64.

    Elementwise formulas use ``xp`` as they would NumPy. What the two libraries spell differently, or need a
    length for, are methods.
    """

    @property
    def name(self) -> str:
        """``"numpy"`` or ``"jax"``."""

    @property
    def xp(self) -> Any:
        """The namespace of elementwise functions and reductions: ``numpy`` or ``jax.numpy``."""

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """An array of this backend; Python floats become float64."""

    def jit(self, function: F, static: tuple[str, ...] = ()) -> F:
        """Compile ``function`` where the backend compiles; ``static`` names arguments that are no arrays."""

    def bincount(self, labels: Any, weights: Any = None, length: int = 0) -> Any:
        """(length,) float64 sum of ``weights`` (1 where None) for each label.

        Parameters
        ----------
        labels : whole numbers of any shape; those outside 0 … length − 1 count nothing.
        weights : same shape, or None.
        length : number of labels.
        """

    def segment_mean(self, values: Any, labels: Any, length: int) -> Any:
        """(length,) mean of ``values`` for each label; NaN where a label has none."""

    def digitize(self, values: Any, edges: Any) -> Any:
        """Bin of each value: i where edges[i−1] <= value < edges[i]; 0 below, len(edges) from the last edge
        up.

        NaN goes to len(edges).
        """

    def to_numpy(self, values: Any) -> Any:
        """The values as a NumPy array that may be written to by nobody else."""
