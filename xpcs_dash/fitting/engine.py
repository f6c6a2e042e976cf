"""Compiled NUTS: independent chains of many problems at once, in chunks.

Each chain belongs to one problem (a curve, say) and has a step size and a mass matrix of its own, so a
divergence or a bad BFMI belongs to a bin, and a hopeless bin costs the others of its block time but not
quality. The chains move in coordinates whitened by the curvature of the posterior at its mode: nearly all
posteriors are then close to a unit sphere, trees are short, and chains that advance in lockstep wait little
for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from xpcs_dash.fitting.coordinates import Coordinates
from xpcs_dash.fitting.models import get_model
from xpcs_dash.fitting.probabilistic import CurveData, PriorNumbers, Structure, g2_model
from xpcs_dash.fitting.runtime import require_x64

__all__ = ["CHUNK", "Draws", "Sampler", "g2_sampler", "make_sampler"]

#: Transitions per compiled call: short enough that a cancel is answered within a second.
CHUNK = 25


class Sampler(NamedTuple):
    """Compiled functions; leading axes (problem, chain) or (problem, chain, draw)."""

    begin: Callable[..., Any]  # (keys, data, whitening) -> state
    advance: Callable[..., Any]  # (state, data, whitening) -> (state, Draws)


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

    ``whitening`` is (mode (problem, dim), root (problem, dim, dim)); ``data`` any tree with a leading problem
    axis.
    """
    jax = require_x64()
    import jax.numpy as jnp
    from numpyro.infer.hmc import hmc

    def whitened(data: Any, whitening: Any) -> Callable[[Any], Any]:
        mode, root = whitening
        return lambda eps: potential(mode + root @ eps, data)

    init_kernel, sample_kernel = hmc(potential_fn_gen=whitened, algo="NUTS")

    def begin_chain(key: Any, data: Any, whitening: Any) -> Any:
        key, jitter = jax.random.split(key)
        # jittered by a posterior's width about the mode
        eps = jax.random.normal(jitter, (whitening[0].size,))
        return init_kernel(
            eps,
            num_warmup,
            step_size=0.5,
            target_accept_prob=target_accept,
            max_tree_depth=max_tree_depth,
            model_args=(data, whitening),
            rng_key=key,
        )

    def begin(keys: Any, data: Any, whitening: Any) -> Any:
        chains = jax.vmap(begin_chain, in_axes=(0, None, None))
        return jax.vmap(chains)(keys, data, whitening)

    def advance(state: Any, data: Any, whitening: Any) -> Any:
        one = jax.vmap(lambda s, d, m: sample_kernel(s, (d, m)), in_axes=(0, None, None))
        every = jax.vmap(one)

        def step(state: Any, _: Any) -> Any:
            new = every(state, data, whitening)
            kept = (new.z, new.diverging, new.energy, new.potential_energy, new.num_steps, new.accept_prob)
            return new, Draws(*kept)

        state, draws = jax.lax.scan(step, state, None, length=CHUNK)
        return state, jax.tree.map(lambda a: jnp.moveaxis(a, 0, 2), draws)

    return Sampler(jax.jit(begin), jax.jit(advance))


@lru_cache(maxsize=32)
def g2_sampler(structure: Structure, num_warmup: int, target_accept: float, max_tree_depth: int) -> Sampler:
    """The sampler of g2 curves with this structure; ``data`` is ``(CurveData, PriorNumbers)``."""
    require_x64()
    from numpyro.infer.util import potential_energy

    spec = get_model(structure.model)
    model, sites = g2_model(spec, structure), Coordinates(spec, structure).sites

    def potential(u: Any, data: tuple[CurveData, PriorNumbers]) -> Any:
        return potential_energy(model, data, {}, {name: u[i] for i, name in enumerate(sites)})

    return make_sampler(potential, num_warmup, target_accept, max_tree_depth)
