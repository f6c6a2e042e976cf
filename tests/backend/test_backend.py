"""Both backends give the same numbers, and NumPy stays alone where nobody asks for JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpcs_dash.backend import Backend, ensure_numpy, get_backend
from xpcs_dash.errors import UsageError

# the first call of each shape compiles
RELAXED = settings(max_examples=25, deadline=None)
SIZE = 40
# XLA takes subnormal numbers for zero
reals = st.floats(-1e6, 1e6, allow_subnormal=False)
values = hnp.arrays(np.float64, SIZE, elements=reals)
labels = hnp.arrays(np.int64, SIZE, elements=st.integers(-2, 9))


@pytest.fixture(params=["numpy", "jax"])
def backend(request) -> Backend:
    return get_backend(request.param)


def both(compute) -> None:
    """``compute`` gives the same to 1e-10 in float64 on both backends."""
    left, right = (ensure_numpy(compute(get_backend(name))) for name in ("numpy", "jax"))
    assert left.dtype == right.dtype
    assert np.allclose(left, right, rtol=1e-10, atol=1e-10, equal_nan=True)


def test_interface(backend):
    assert isinstance(backend, Backend)
    assert backend.asarray(1.5).dtype == np.float64


@RELAXED
@given(x=values)
def test_formulas(x):
    def formula(b: Backend):
        def inner(v):
            return b.xp.sin(v) ** 2 + b.xp.sqrt(b.xp.abs(v)) * b.xp.exp(-b.xp.abs(v) / 1e5)

        return b.jit(inner)(b.asarray(x))

    both(formula)


@RELAXED
@given(which=labels, weight=values)
def test_bincount(which, weight):
    both(lambda b: b.bincount(which, weight, 8))
    both(lambda b: b.bincount(which, None, 8))
    inside = (which >= 0) & (which < 8)
    expected = np.bincount(which[inside], weight[inside], minlength=8)
    assert np.allclose(get_backend("numpy").bincount(which, weight, 8), expected)


@RELAXED
@given(which=labels, x=values)
def test_segment_mean(which, x):
    both(lambda b: b.segment_mean(x, which, 8))


def test_segment_mean_of_nothing_is_nan(backend):
    mean = ensure_numpy(backend.segment_mean(np.array([1.0, 3.0]), np.array([1, 1]), 3))
    assert mean[1] == 2
    assert np.isnan(mean[[0, 2]]).all()


@RELAXED
@given(x=values, edges=hnp.arrays(np.float64, 6, elements=reals, unique=True))
def test_digitize(x, edges):
    edges = np.sort(edges)
    both(lambda b: b.digitize(x, edges))
    both(lambda b: b.digitize(edges, edges))
    assert np.array_equal(get_backend("numpy").digitize(x, edges), np.digitize(x, edges))


def test_digitize_nan(backend):
    assert ensure_numpy(backend.digitize(np.array([np.nan]), np.array([0.0, 1.0])))[0] == 2


def test_jit_with_static_arguments(backend):
    def scale(x, *, power):
        return x**power

    assert ensure_numpy(
        backend.jit(scale, static=("power",))(backend.asarray([2.0, 3.0]), power=3)
    ).tolist() == [8, 27]


def test_ensure_numpy():
    jnp = get_backend("jax").xp
    pair = namedtuple("pair", "a b")
    found = ensure_numpy(
        {"x": jnp.ones(2), "y": [jnp.zeros(1), 3], "z": pair(jnp.ones(1), "text"), "n": None}
    )
    assert type(found["x"]) is np.ndarray
    assert type(found["y"][0]) is np.ndarray
    assert type(found["z"].a) is np.ndarray
    assert found["y"][1] == 3
    assert found["z"].b == "text"
    array = np.ones(3)
    assert ensure_numpy(array) is array
    found["x"][0] = 5  # what leaves is writable


def test_unknown_backend():
    with pytest.raises(UsageError, match="choose auto, jax or numpy"):
        get_backend("torch")


def test_environment_decides_for_auto(monkeypatch):
    monkeypatch.setenv("XPCS_DASH_BACKEND", "numpy")
    assert get_backend("auto").name == "numpy"
    assert get_backend("jax").name == "jax"
    monkeypatch.setenv("XPCS_DASH_BACKEND", "banana")
    with pytest.raises(UsageError, match="banana"):
        get_backend("auto")


def test_auto_leaves_jax_alone_on_an_ordinary_machine(monkeypatch):
    """In a fresh process without an accelerator, auto is NumPy, and JAX is not even imported."""
    code = (
        "import sys; from xpcs_dash.backend import select, get_backend; "
        "select._has_accelerator = lambda: False; "
        "print(get_backend().name, 'jax' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "XPCS_DASH_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.stdout.split() == ["numpy", "False"], done.stderr
