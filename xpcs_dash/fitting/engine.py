"""Compiled NUTS: independent chains of many problems at once, in chunks.

Each chain belongs to one problem (a curve, say) and has a step size and a mass matrix of its own, so a
divergence or a bad BFMI belongs to a bin, and a hopeless bin costs the others of its block time but not
quality. The chains move in coordinates whitened by the curvature of the posterior at its mode: nearly all
posteriors are then close to a unit sphere, trees are short, and chains that advance in lockstep wait little
for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from xpcs_dash.fitting.coordinates import Coordinates
from xpcs_dash.fitting.models import get_model
from xpcs_dash.fitting.probabilistic import CurveData, PriorNumbers, Structure
from xpcs_dash.fitting.runtime import require_x64

__all__ = ["CHUNK", "Draws", "Sampler", "g2_sampler", "make_sampler"]

#: Transitions per compiled call: short enough that a cancel is answered within a second.
CHUNK = 25


#: Held while a sampler is looked for, so that two threads share one.
_making = threading.Lock()


class Sampler(NamedTuple):
    """Compiled functions. Starts and draws have the leading axes problem and chain; in the state, which is
    opaque to others, both are one.
    """

    begin: Callable[..., Any]  # (eps, keys, potential, slope) -> state
    advance: Callable[..., Any]  # (state, data, whitening) -> (state, Draws)
    compiling: Any  # lock to hold around the first call, so that no two threads compile the same


class Draws(NamedTuple):
    """One chunk of draws and their statistics, (problem, chain, draw)."""

    eps: Any  # (..., dim)
    diverging: Any
    energy: Any
    potential: Any
    steps: Any
    accept: Any


def make_sampler(
    potential: Callable[[Any, Any], Any], num_warmup: int, target_accept: float, max_tree_depth: int
) -> Sampler:
    """Compile-ready NUTS for ``potential(u, data)``, u being one problem's unconstrained vector.

    ``begin`` takes the start ``eps`` (problem, chain, dim), ``keys`` (problem, chain, 2) uint32, the raw keys
    of each chain's randomness, and potential (problem, chain) and its slope (problem, chain, dim)
    there. ``whitening`` is (mode (problem, dim), root (problem, dim, dim));
    ``data`` any tree with a leading problem axis.

    What a cold start costs is the compilation of ``advance``, so the program is kept small: one vmap over all
    chains, the potential traced once, and no potential at all in ``begin``.
    """
    jax = require_x64()
    import jax.numpy as jnp
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import ParamInfo

    traced_once = jax.jit(potential)

    def whitened(data: Any, whitening: Any) -> Callable[[Any], Any]:
        mode, root = whitening
        return lambda eps: traced_once(mode + root @ eps, data)

    init_kernel, sample_kernel = hmc(potential_fn_gen=whitened, algo="NUTS")

    def begin_chain(eps: Any, key: Any, energy: Any, slope: Any) -> Any:
        state = init_kernel(
            ParamInfo(eps, energy, slope),
            num_warmup,
            step_size=0.5,
            target_accept_prob=target_accept,
            max_tree_depth=max_tree_depth,
            model_args=(None, (None, None)),
            rng_key=jax.random.wrap_key_data(key, impl="threefry2x32"),
        )
        return state._replace(energy=energy)  # not that of a momentum, which is drawn anew anyway

    def begin(eps: Any, keys: Any, energy: Any, slope: Any) -> Any:
        flat = [a.reshape(-1, *a.shape[2:]) for a in (eps, keys, energy, slope)]
        return jax.vmap(begin_chain)(*flat)

    def advance(state: Any, data: Any, whitening: Any) -> Any:
        problems = whitening[0].shape[0]
        chains = state.z.shape[0] // problems
        data, whitening = jax.tree.map(lambda a: jnp.repeat(a, chains, axis=0), (data, whitening))

        every = jax.vmap(lambda s, d, m: sample_kernel(s, (d, m)))

        def step(state: Any, _: Any) -> Any:
            new = every(state, data, whitening)
            kept = (new.z, new.diverging, new.energy, new.potential_energy, new.num_steps, new.accept_prob)
            return new, Draws(*kept)

        state, draws = jax.lax.scan(step, state, None, length=CHUNK)

        def by_problem(a: Any) -> Any:
            return jnp.moveaxis(a.reshape(CHUNK, problems, chains, *a.shape[2:]), 0, 2)

        return state, jax.tree.map(by_problem, draws)

    return Sampler(jax.jit(begin), jax.jit(advance), threading.Lock())


def g2_sampler(structure: Structure, num_warmup: int, target_accept: float, max_tree_depth: int) -> Sampler:
    """The sampler of g2 curves with this structure; ``data`` is ``(CurveData, PriorNumbers)``.

    The density is that of `probabilistic.g2_model`, in straightened coordinates; NumPyro's own way from model
    to density compiles longer, and a test holds both together.
    """
    with _making:
        return _made(structure, num_warmup, target_accept, max_tree_depth)


@lru_cache(maxsize=32)
def _made(structure: Structure, num_warmup: int, target_accept: float, max_tree_depth: int) -> Sampler:
    require_x64()
    import jax.numpy as jnp

    coordinates = Coordinates(get_model(structure.model), structure)

    def potential(v: Any, data: tuple[CurveData, PriorNumbers]) -> Any:
        return coordinates.potential(v, *data, jnp)

    return make_sampler(potential, num_warmup, target_accept, max_tree_depth)
