"""Where compiled programs are kept."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

from xpcs_dash.fitting.runtime import configure_jax

NAMES = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture(autouse=True)
def as_before():
    before = {name: getattr(jax.config, name) for name in NAMES}
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_in_the_state_directory_or_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert configure_jax(tmp_path / "state") == tmp_path / "state" / "jax-cache"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "state" / "jax-cache")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "mine"))
    assert configure_jax(tmp_path / "other") == tmp_path / "mine"
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "mine")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("asked", "kept"), [(1.0, 0.1), (0.01, 0.01)])
def test_programs_that_compile_quickly_are_kept_too(tmp_path: Path, asked: float, kept: float) -> None:
    jax.config.update(NAMES[1], asked)
    configure_jax(tmp_path)
    assert jax.config.jax_persistent_cache_min_compile_time_secs == kept
