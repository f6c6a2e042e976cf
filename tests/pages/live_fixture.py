"""Services with a real catalogue of the small samples, as ingest would have filled it."""

import shutil
import time

from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.reading import make_reader
from xpcs_dash.acquisition.rows import Change
from xpcs_dash.analysis.quality import fit_summary
from xpcs_dash.results.identity import FileRef
from xpcs_dash.results.opening import open_result
from xpcs_dash.rules.table import flags_beside
from xpcs_dash.services import build_services
from xpcs_dash.settings import load_settings


def fill(folder, paths, fit=True):
    """Services of a new directory that holds copies of ``paths``."""
    root = folder / "data"
    root.mkdir()
    services = build_services(load_settings(root=root, state_dir=folder / "state"))
    for path in paths:
        add(services, path, fit=fit)
    return services


def ref(name):
    """Public name of a file of the directory that `fill` makes."""
    return str(FileRef("data", name))


def add(services, path, name=None, fit=True):
    """Copy one file in and enter it as ingest does; returns its public name."""
    target = services.settings.root / (name or path.name)
    shutil.copy(path, target)
    reading = make_reader()(str(target))
    change = Change("ready", str(target), reading.stat, time.time(), reading.columns)
    rows.apply(services.catalogue, [change], flags_beside)
    if fit:
        add_fit(services, target, reading.stat)
    return services.catalogue.by_path(target).ref


def add_fit(services, target, stat):
    """Enter the batched fit, which arrives after the file."""
    rows.apply(
        services.catalogue, [Change("fit", str(target), stat, values=fit_summary(open_result(target)))]
    )


def current(*ids, q=None, key="k"):
    """Content of the store ``shell-current``."""
    return {"files": [{"ref": i, "key": key} for i in ids], "follow": False, "q": q}
