"""ViewerKernel: what the pages ask for, by public name; every answer remembered under the file's own key."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from numpy.typing import NDArray

from xpcs_dash.analysis.applied import Applied, AppliedStore, intensity_with
from xpcs_dash.analysis.g2 import Combined, combine_delays
from xpcs_dash.results.door import Door

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["SharedStore", "ViewerKernel"]

T = TypeVar("T")

#: Results that took less time are computed in every process rather than shared.
WORTH_SHARING_S = 0.01


class SharedStore(Protocol):
    """A store of derived results that several web processes share; `SharedCache` is one."""

    def get(self, key: str) -> Any:
        """The value, or None."""

    def set(self, key: str, value: Any, timeout: int | None = None) -> Any:
        """Keep the value."""


class ViewerKernel:
    """Opens files of the catalogue and remembers what was derived from them.

    Nothing here knows of figures or of the web: NumPy in, NumPy out.

    Parameters
    ----------
    door : the only way to a file, so that nothing outside the watched directory can be asked for.
    store : a second level for derived results, shared between processes; None keeps them in this process.
    """

    def __init__(self, door: Door, store: SharedStore | None = None) -> None:
        self.door = door
        self.settings = door.settings
        self.store = store
        self.pool, self.cache = door.pool, door.cache
        self._applied = AppliedStore(self.settings.state_dir / "applied")

    def open(self, ref: str) -> XpcsFile:
        """The result with this public name, as it is on disk now; see `xpcs_dash.results.door.Door.open`.

        Raises
        ------
        NotFoundError
            For a name that no file has.
        FileError
            Where the file is gone or cannot be read.
        """
        return self.door.open(ref)

    def derived(
        self, ref: str, name: str, params: tuple[Hashable, ...], compute: Callable[[XpcsFile], T]
    ) -> T:
        """A result computed from one file, remembered by (file key, name, parameters).

        Parameters
        ----------
        ref : public name of the file.
        name : what is computed, such as ``"g2.combined"``.
        params : everything that changes the result, hashable scalars and tuples only: arrays are refused,
            because their text is abbreviated and two of them would share a key.
        compute : called with the open file when nothing is remembered; several requests for the same key
            wait for one computation.

        Raises
        ------
        TypeError
            Where ``params`` holds something that cannot be a key.
        """
        hash(params)
        xf = self.open(ref)
        key = ("derived", xf.key.token, name, params)

        def load() -> T:
            if self.store is None:
                return compute(xf)
            text = repr(key[1:])
            found = self.store.get(text)
            if found is None:
                began = time.perf_counter()
                found = compute(xf)
                if time.perf_counter() - began >= WORTH_SHARING_S:
                    self.store.set(text, found)
            return cast("T", found)

        return self.cache.get(key, load)

    def combined(self, ref: str, minimum: float | None = None) -> tuple[Combined, ...]:
        """g2 of every q-bin with neighbouring delays combined until points hold ``minimum`` coincidences.

        By default as many as the settings ask of a point that counts.
        """
        minimum = self.settings.min_coincidences if minimum is None else float(minimum)

        def compute(xf: XpcsFile) -> tuple[Combined, ...]:
            return tuple(
                combine_delays(xf.t_el, xf.g2[:, k], xf.g2_sigma[:, k], xf.coincidences[:, k], minimum)
                for k in range(xf.n_q if xf.n_delay else 0)
            )

        return self.derived(ref, "g2.combined", (minimum,), compute)

    def apply_mask(self, mask: NDArray[Any], scope: str = "") -> None:
        """Take a mask, (H, W) int32, 0 masked and 1 valid, into the views of one browser (``scope``)."""
        self._applied.put_mask(mask, scope)

    def apply_qmap_result(self, result: Mapping[str, Any], scope: str = "") -> None:
        """Take a partition (partition_map, num_pts, val_list, num_list) into the views of ``scope``."""
        self._applied.put_partition(result, scope)

    def applied(self, scope: str = "") -> Applied | None:
        """The mask and partition in use in ``scope``, or None."""
        return self._applied.get(scope)

    def forget_applied(self, scope: str = "") -> None:
        """Use no mask of one's own any more."""
        self._applied.clear(scope)

    def intensity_with(self, ref: str, applied: Applied) -> tuple[NDArray[Any], NDArray[Any], str]:
        """I(q) of a file with an applied mask: position and intensity of each bin, and the kind of bins.

        Without a partition of its own the mask is laid over the file's static bins. Bins without pixels are
        left out.

        Raises
        ------
        UsageError
            Where the file has no image or map, or its detector has another shape.
        """
        return self.derived(ref, "applied.iq", (applied.token,), lambda xf: intensity_with(xf, applied))
