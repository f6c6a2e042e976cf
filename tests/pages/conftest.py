"""Services of a page without a catalogue on disk: files named by a number, in the place of a public name."""

from base64 import b64decode
from types import SimpleNamespace

import dash
import flask
import numpy as np
import pytest

from tests.conftest import A001, A002, A003, E0173, LLPS_STRONG
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.components.views import look
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings

FILES = {1: A001, 2: A002, 3: A003, 4: LLPS_STRONG, 5: E0173}


def numbers(values):
    """Values of a trace, packed or not, as an array."""
    if not isinstance(values, dict):
        return np.asarray(values)
    return np.frombuffer(b64decode(values["bdata"]), values["dtype"])


def plain(text):
    """Text with ordinary blanks."""
    return str(text).replace("\N{NO-BREAK SPACE}", " ")


def selected(*ids, q=None):
    """Content of the store ``shell-current``."""
    return {"files": [{"ref": str(i), "key": "k"} for i in ids], "follow": False, "q": q}


@pytest.fixture
def viewed(sample, tmp_path):
    """Pages' services, with ``look(*ids, q=…)`` and ``client(page)`` for a page's routes and callbacks."""
    door = Door(Settings(state_dir=tmp_path), lambda name: sample(FILES[int(name)]))
    kernel = ViewerKernel(door)
    row = lambda i: SimpleNamespace(  # noqa: E731
        ref=str(i),
        name=FILES[int(i)].removesuffix("_results.hdf"),
        kinds=("multitau",),
        summary=None,
        mtime_ns=0,
        size=0,
        version="v",
        flags=(),
    )
    catalogue = SimpleNamespace(
        get=row, find=row, files=lambda **_: [row(i) for i in (1, 2, 3)], newest=lambda: None
    )
    services = SimpleNamespace(door=door, kernel=kernel, settings=kernel.settings, catalogue=catalogue)

    def client(page):
        app = flask.Flask("pages")
        app.register_blueprint(page.routes(services))
        return app.test_client()

    def callbacks(page):
        app = dash.Dash("pages", suppress_callback_exceptions=True)
        page.register(app, services)
        return app

    services.look = lambda *ids, q=None: look(services, selected(*ids, q=q))
    services.client = client
    services.numbers = numbers
    services.plain = plain
    services.callbacks = callbacks
    return services
