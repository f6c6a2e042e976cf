"""create_app: structure, prefix, several apps in one process, and what it imports."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import Dash
from dash.development.base_component import Component

import xpcs_dash
from xpcs_dash.figures.config import GRAPH_CONFIG
from xpcs_dash.services import Services
from xpcs_dash.shell.registry import all_pages
from xpcs_dash.web import assets_folder, create_app

HEAVY = ("jax", "numpyro", "nlsq", "arviz", "arviz_stats", "matplotlib", "distributed")


def walk(component: Any) -> Iterator[Component]:
    """Every component of a layout."""
    if isinstance(component, Component):
        yield component
        for child in component._traverse():
            yield from (c for c in (child,) if isinstance(c, Component))
    elif isinstance(component, list | tuple):
        for child in component:
            yield from walk(child)


def text_id(id_: Any) -> str:
    """An element id as Dash writes it in its map of callbacks."""
    import json

    return json.dumps(id_, sort_keys=True, separators=(",", ":")) if isinstance(id_, dict) else str(id_)


def layouts(app: Dash, services: Services) -> dict[str, list[Component]]:
    """Components of the shell and of every page, by the page's path; inside a request, as in life."""
    with app.server.test_request_context("/"):
        found = {page.path: list(walk(page.layout(services, {}))) for page in all_pages()}
        found["shell"] = list(walk(app.layout()))
    return found


@pytest.fixture
def app(services: Services) -> Dash:
    """The whole application on an empty catalogue."""
    return create_app(services)


def test_layouts__ids_are_unique_within_a_page_and_never_the_shells(app: Dash, services: Services) -> None:
    found = layouts(app, services)
    shell = [text_id(c.id) for c in found["shell"] if getattr(c, "id", None) is not None]
    assert len(shell) == len(set(shell))
    for path, components in found.items():
        ids = [text_id(c.id) for c in components if getattr(c, "id", None) is not None]
        assert len(ids) == len(set(ids)), path
        if path != "shell":
            assert not set(ids) & set(shell), path


def test_graphs__all_have_the_shared_configuration(app: Dash, services: Services) -> None:
    for path, components in layouts(app, services).items():
        for graph in (c for c in components if type(c).__name__ == "Graph"):
            config = getattr(graph, "config", None) or {}
            for key in ("showSendToCloud", "plotlyServerURL", "displaylogo"):
                assert config.get(key) == GRAPH_CONFIG[key], (path, graph.id, key)


def test_params__name_controls_that_exist(app: Dash, services: Services) -> None:
    found = layouts(app, services)
    for page in all_pages():
        ids = {text_id(c.id): c for c in found[page.path] if getattr(c, "id", None) is not None}
        for name, (id_, prop) in page.params.items():
            assert id_ in ids, f"{page.path}: parameter {name} names {id_}, which is not in the layout"
            assert prop in ids[id_]._prop_names, (page.path, name)


def test_callbacks__name_elements_that_exist(app: Dash, services: Services) -> None:
    found = layouts(app, services).values()
    ids = {text_id(c.id) for components in found for c in components if getattr(c, "id", None) is not None}
    app._setup_server()
    named = {
        str(part["id"])
        for entry in app.callback_map.values()
        for part in [*entry["inputs"], *entry["state"]]
        if not str(part["id"]).startswith("{")
    }
    assert {name for name in named - ids if not made_later(name)} == set()


def made_later(name: str) -> bool:
    """True for an element that a callback makes: its id stands in a call other than Input, Output, State."""
    call = re.compile(rf'(?:\bid=|(\w+)\(\s*)"{re.escape(name)}"')
    sources = Path(xpcs_dash.__file__).parent.rglob("*.py")
    found = [m.group(1) for path in sources for m in call.finditer(path.read_text())]
    return any(maker not in ("Input", "Output", "State") for maker in found)


def test_pages__have_their_own_paths_and_icons() -> None:
    pages = all_pages()
    assert len({page.path for page in pages}) == len(pages)
    icons = (assets_folder() / "vendor/bootstrap-icons/bootstrap-icons.min.css").read_text()
    for page in pages:
        assert page.path.startswith("/")
        assert f".{page.icon}::before" in icons, f"{page.path}: there is no icon {page.icon}"


def test_two_apps__live_in_one_process(make_services: Any) -> None:
    one, two = make_services(url_prefix="/one/"), make_services(url_prefix="/two")
    first, second = create_app(one), create_app(two)
    assert first.server.test_client().get("/one/files").status_code == 200
    assert first.server.test_client().get("/two/api/revision").status_code == 404
    assert second.server.test_client().get("/two/api/revision").json["counts"]["ready"] == 0
    page = second.server.test_client().get("/two/").text
    assert 'href="/two/assets/vendor/bootstrap/bootstrap.min.css' in page
    assert "/one/" not in page


@pytest.mark.parametrize(
    "path", ["", "files", "health", "metrics", "api/revision", "api/files", "_dash-layout"]
)
def test_prefix__everything_is_below_it(make_services: Any, path: str) -> None:
    client = create_app(make_services(url_prefix="/beamline/xpcs")).server.test_client()
    assert client.get(f"/beamline/xpcs/{path}").status_code in (200, 503)
    assert client.get(f"/{path}").status_code == 404


def test_index__comes_in_the_theme_of_the_cookie(app: Dash) -> None:
    client = app.server.test_client()
    assert '<html lang="en" data-bs-theme="dark" data-kiosk="0">' in client.get("/").text
    client.set_cookie("xd-theme", "light")
    assert 'data-bs-theme="light" data-kiosk="1"' in client.get("/?kiosk=1").text
    client.set_cookie("xd-theme", '"><script>')
    assert 'data-bs-theme="dark"' in client.get("/").text


def test_assets__no_style_or_script_asks_another_host() -> None:
    for path in assets_folder().rglob("*"):
        if path.suffix in (".css", ".js"):
            asked = re.findall(r"(?:url\(|import |fetch\(|src=)['\"]?(https?:)?//", path.read_text())
            assert not asked, path


def test_assets__stay_small_and_carry_their_licences() -> None:
    files = [p for p in assets_folder().rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 1_500_000
    for vendor in (assets_folder() / "vendor").iterdir():
        assert (vendor / "LICENSE").is_file(), vendor


def test_import__is_light() -> None:
    """Fit and plotting libraries cost seconds and memory; JAX must not be there before a fork."""
    assert heavy_after("import xpcs_dash.web; xpcs_dash.web.all_pages()") == ""


def test_wsgi_entry__is_light_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    env = {"XPCS_DASH_STATE_DIR": str(tmp_path / "state"), "XPCS_DASH_ROOT": str(tmp_path / "data")}
    assert heavy_after("import app; assert app.server", **env) == ""


def heavy_after(statement: str, **env: str) -> str:
    """Names of the heavy modules that a statement brings in, in a new interpreter."""
    code = f"import sys; {statement}; print(','.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=assets_folder().parent,
        env={"PATH": "/usr/bin:/bin", **env},
    )
    return done.stdout.strip()
