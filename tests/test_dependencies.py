"""What is promised has an effect: dependencies, settings, documented addresses, variables of containers."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from flask import Flask

from xpcs_dash.services import build_services
from xpcs_dash.settings import Settings
from xpcs_dash.web import create_app

HOUSE = Path(__file__).parents[1]
PRODUCT = HOUSE / "xpcs_dash"


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the product, parsed."""
    return {path: ast.parse(path.read_text()) for path in sorted(PRODUCT.rglob("*.py"))}


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level names that a module imports, by statement, by name, or through xarray's ``engine=``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            named = [word.value for word in node.keywords if word.arg == "engine"]
            for value in [*node.args[:1], *named] if called == "import_module" else named:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value.partition(".")[0]


def plain(name: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, object]:
    return tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> list[str]:
    return [plain(re.match(r"[\w.-]+", text)[0]) for text in requirements]  # type: ignore[index]


def test_the_product_imports_every_dependency() -> None:
    brought = {name for tree in trees().values() for name in imported(tree)}
    modules: dict[str, set[str]] = {}
    for module, distributions in packages_distributions().items():
        for distribution in distributions:
            modules.setdefault(plain(distribution), set()).add(module)
    idle = [name for name in names(project()["dependencies"]) if not modules.get(name, set()) & brought]
    assert idle == [], "import them or take them out of pyproject.toml"


def test_what_is_optional_is_reached_by_an_address_that_compose_shows() -> None:
    shown = (HOUSE / "compose.yaml").read_text()
    schemes = {part for scheme in re.findall(r"([\w+]+)://", shown) for part in scheme.split("+")}
    assert set(names(project()["optional-dependencies"]["cluster"])) <= schemes


def reads(tree: ast.Module) -> set[str]:
    """Names of attributes that a module reads."""
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}


def of_settings(tree: ast.Module) -> Iterator[str]:
    """Attributes that are read of something called settings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if name.strip("_") == "settings":
                yield node.attr


def test_every_setting_is_read() -> None:
    ours = PRODUCT / "settings.py"
    used = {name for path, tree in trees().items() if path != ours for name in of_settings(tree)}
    (settings,) = [n for n in trees()[ours].body if isinstance(n, ast.ClassDef) and n.name == "Settings"]
    properties = {n.name: reads(ast.Module([n], [])) for n in settings.body if isinstance(n, ast.FunctionDef)}
    waiting = list(used)
    while waiting:  # a property that is read stands for what it reads
        for name in properties.get(waiting.pop(), set()) - used:
            used.add(name)
            waiting.append(name)
    assert sorted(set(Settings.model_fields) - used) == [], "settings without effect"


def variables(name: str) -> set[str]:
    return set(re.findall(r"\bXPCS_DASH_([A-Z0-9_]+)", (HOUSE / name).read_text()))


#: Read by the tests and the benchmarks.
NOT_SETTINGS = {"CHROMIUM", "PEERS_PYTHON"}


def test_what_is_no_setting_is_read_by_tests_or_benchmarks() -> None:
    code = [
        p.read_text()
        for d in ("tests", "benchmarks", "scripts")
        for p in (HOUSE / d).rglob("*.*")
        if p.suffix in (".py", ".sh")
    ]
    for name in NOT_SETTINGS:
        assert any(f"XPCS_DASH_{name}" in text for text in code), name


@pytest.mark.parametrize(
    "name",
    [
        "compose.yaml",
        "Dockerfile",
        "README.md",
        *(f"docs/{p.name}" for p in sorted((HOUSE / "docs").glob("*.md"))),
    ],
)
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    known = {field.upper() for field in Settings.model_fields} | NOT_SETTINGS
    assert {found.rstrip("_") for found in variables(name)} - known - {""} == set()


def test_compose_and_dockerfile_set_nothing_that_nobody_reads() -> None:
    compose = (HOUSE / "compose.yaml").read_text()
    given = set(re.findall(r"^\s+(?:environment: \{)?([A-Z][A-Z0-9_]+):", compose, re.M))
    given |= set(re.findall(r"^ENV (\w+)", (HOUSE / "Dockerfile").read_text(), re.M))
    known = {f"XPCS_DASH_{field.upper()}" for field in Settings.model_fields}
    known |= {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}  # read by the image of PostgreSQL
    assert given - known == set()
    assert "XPCS_DASH_STATE_DIR" in given


#: Addresses that the documentation names, in backquotes: ``/health``, ``POST /api/files/<ref>/retry``.
ADDRESS = re.compile(
    r"`(?:GET |POST |DELETE )?(/(?:api|health|metrics|export|img|map|mask|fit)[\w/<>.-]*)(?:\?[^`]*)?`"
)


def documented() -> Iterator[tuple[str, str]]:
    for path in [HOUSE / "README.md", *sorted((HOUSE / "docs").rglob("*.md"))]:
        if "_build" not in path.parts:
            yield from ((path.name, found) for found in ADDRESS.findall(path.read_text()))
    probed = re.findall(r"127\.0\.0\.1:\d+(/[\w/]+)", (HOUSE / "Dockerfile").read_text())
    yield from (("Dockerfile", found) for found in probed)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Flask]:
    """The whole application on an empty directory."""
    (tmp_path / "data").mkdir()
    services = build_services(Settings(root=tmp_path / "data", state_dir=tmp_path / "state"))
    yield create_app(services).server
    services.close()


def answers(server: Flask, address: str) -> bool:
    """Whether a route, or a page of the application, answers an address with ``<names>`` in it."""
    tried = re.sub(r"<[^>]*>", "x", address)
    adapter = server.url_map.bind("localhost")
    return any(
        adapter.test(tried, method=method)
        and adapter.match(tried, method=method)[0] not in ("/<path:path>", "_dash_assets.static")
        for method in ("GET", "POST", "DELETE")
    )


def test_every_documented_address_is_answered(server: Flask) -> None:
    from xpcs_dash.shell.registry import all_pages

    pages = {page.path for page in all_pages()}
    found = set(documented())
    assert len(found) > 5, "the documentation names addresses"
    lost = {
        (where, address) for where, address in found if address not in pages and not answers(server, address)
    }
    assert lost == set()
