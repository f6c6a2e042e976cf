"""Make tests/data/multitau_golden.npz: what the facility's program, boost_corr 0.1.7, makes of small frames.

    pip install --no-deps --target boost boost-corr==0.1.7
    python scripts/golden_multitau.py boost tests/data/multitau_golden.npz

torch is not needed: NumPy does what the program asks of it, in double precision, so that a test can compare
to 12 digits. The steps are the program's own, with its smallest queue, which is flushed many times.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

FRAMES, PIXELS = 301, 60


class Tensor(np.ndarray):
    """An array with the methods of torch that are used."""

    def view(self, *shape: Any, **more: Any) -> Any:
        whole = bool(shape) and all(isinstance(n, (int, np.integer)) for n in shape)
        return self.reshape(shape) if whole else super().view(*shape, **more)

    def float(self) -> Tensor:
        return self.astype(np.float64)

    def long(self) -> Tensor:
        return self.astype(np.int64)

    def clone(self) -> Tensor:
        return self.copy()

    def detach(self) -> Tensor:
        return self

    def to(self, *_: Any, **__: Any) -> Tensor:
        return self

    cpu = to

    def numpy(self) -> np.ndarray:
        return np.asarray(self)

    def unique(self) -> np.ndarray:
        return np.unique(np.asarray(self))


def tensor(values: Any) -> Tensor:
    return np.asarray(values).view(Tensor)


def stand_in() -> types.ModuleType:
    """A module that is taken for torch."""
    torch = types.ModuleType("torch")

    def zeros(size: Any, dtype: Any = None, device: Any = None) -> Tensor:  # noqa: ARG001
        return tensor(np.zeros(size))

    def plain_zeros(*size: int, **_: Any) -> Tensor:
        return tensor(np.zeros(size))

    torch.Tensor = Tensor
    torch.zeros = lambda *args, **more: zeros(**more) if more.get("size") else plain_zeros(*args)
    torch.zeros_like = lambda x, **_: tensor(np.zeros(x.shape))
    torch.sum = lambda x, dim=None: tensor(np.sum(np.asarray(x), axis=dim))
    torch.mean = lambda x, dim=None, axis=None: tensor(
        np.mean(np.asarray(x), axis=dim if axis is None else axis)
    )
    torch.std = lambda x, axis: tensor(np.std(np.asarray(x), axis=axis, ddof=1))
    torch.bincount = lambda x, weights=None, minlength=0: tensor(
        np.bincount(np.asarray(x), None if weights is None else np.asarray(weights), minlength)
    )
    torch.tensor, torch.from_numpy = tensor, tensor
    torch.stack = lambda parts: tensor(np.stack(parts))
    torch.hstack = lambda parts: tensor(np.hstack(parts))
    torch.vstack = lambda parts: tensor(np.vstack(parts))
    torch.unsqueeze = lambda x, axis: tensor(np.expand_dims(x, axis))
    torch.arange = lambda n, **_: tensor(np.arange(n))
    for name in ("bfloat16", "float32", "float64", "uint8", "int16", "int32"):
        setattr(torch, name, name)
    data = types.ModuleType("torch.utils.data")
    data.DataLoader = None
    sys.modules.update(
        {"torch": torch, "torch.utils": types.ModuleType("torch.utils"), "torch.utils.data": data}
    )
    progress = types.ModuleType("tqdm")
    progress.tqdm = progress.trange = None
    sys.modules.setdefault("tqdm", progress)
    return torch


def load(folder: Path, name: str) -> types.ModuleType:
    """One module of boost_corr, without what its packages import besides."""
    for package in ("boost_corr", "boost_corr.xpcs_aps_8idi"):
        if package not in sys.modules:
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = [str(folder / package.replace(".", "/"))]
    __import__(name)
    return sys.modules[name]


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    stand_in()
    multitau = load(folder, "boost_corr.multitau")
    maps = load(folder, "boost_corr.xpcs_aps_8idi.xpcs_qpartitionmap")

    rng = np.random.default_rng(17)
    static = np.repeat(np.arange(7), [4, 8, 10, 12, 9, 10, 7])
    dynamic = np.array([0, 1, 1, 2, 2, 2, 3])[static]
    bright = np.array([1.0, 3.0, 2.0, 1.5, 0.2, 0.02, 0.0])[static]
    slow = np.repeat(rng.gamma(4.0, 0.25, (FRAMES // 7 + 1, PIXELS)), 7, axis=0)[:FRAMES]
    frames = rng.poisson(bright * slow).astype(np.uint8)

    used = np.flatnonzero(static > 0)
    correlator = multitau.MultitauCorrelator(
        (1, PIXELS), FRAMES, queue_size=8, max_memory=1e-9, mask_crop=tensor(used)
    )
    for start in range(0, FRAMES, 8):
        correlator.process(tensor(frames[start : start + 8, used].astype(np.float64)))
    correlator.post_process()
    scattering, found = correlator.get_results()

    partition = maps.XpcsQPartitionMap.__new__(maps.XpcsQPartitionMap)
    partition.device, partition.flag_sort, partition.qinfo = "cpu", False, None
    partition.sqmap, partition.dqmap, partition.mask = static[None], dynamic[None], static[None] > 0
    partition.sq_dim, partition.dq_dim = int(static.max()), int(dynamic.max())
    partition.group_qmap(None)
    g2, g2_err = partition.compute_g2(found["G2"], True)
    np.savez_compressed(
        target,
        frames=frames,
        static=static,
        dynamic=dynamic,
        delays=found["tau"],
        G2=np.asarray(found["G2"]),
        g2=np.asarray(g2),
        g2_err=np.asarray(g2_err),
        mean=np.asarray(scattering["saxs_2d"]),
        segments=np.asarray(scattering["saxs_2d_par"]),
        intensity=np.asarray(scattering["intensity_vs_time"])[1],
    )


if __name__ == "__main__":
    main()
