"""One browser's draft: found by a cookie that cannot be guessed, kept on the server, worked on by the
kernel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flask import after_this_request, has_request_context, request

from xpcs_dash.components.scope import COOKIE, browser_scope
from xpcs_dash.database.files import FileRow
from xpcs_dash.database.kinds import MASK, RAW
from xpcs_dash.errors import FileError, NotFoundError, SchemaError, UnknownLayout, UsageError
from xpcs_dash.hdf5.records import file_key
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.door import Door
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.services import Services
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import DetectorImage, from_result, read_image, read_mask
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.kernel import SimpleMaskKernel
from xpcs_dash.simplemask.partition import Axis, Partition, generate_partition
from xpcs_dash.simplemask.store import DraftStore
from xpcs_dash.simplemask.versions import new_key

#: Frames of raw data that are averaged for a picture.
FRAMES = 100
NUMBERS = ("energy_kev", "distance_m", "pixel_m", "bcx", "bcy")


def _one(_value: Any) -> int:
    """A kernel does not know its bytes: the last few are kept by number."""
    return 1


class Workbench:
    """Turns drafts into images, masks and partitions, and remembers the last few."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.store = DraftStore(services.settings.state_dir / "mask")
        self._images, self._kernels, self._masks, self._partitions = (
            DataCache(count, measure=_one) for count in (3, 3, 8, 3)
        )

    # -- what is drawn on ------------------------------------------------------------------------------------
    def token(self, draft: Draft, session: str) -> str:
        """Short text that changes when the picture does.

        Raises
        ------
        UsageError
            Before anything was opened.
        """
        source = draft.source
        kind = source.get("kind")
        if kind == "result":
            mark = self.services.door.key(str(source["file"])).token
        elif kind == "file":
            key = file_key(self.inside(str(source["path"])))
            mark = f"{key.token}{source.get('how')}{source.get('count')}"
        elif kind == "upload":
            mark = session + str(source.get("array"))
        else:
            raise UsageError("Nothing is open yet: choose a file, or drop an image.")
        return hashlib.blake2b(mark.encode(), digest_size=8).hexdigest()

    def image(self, session: str, draft: Draft) -> DetectorImage:
        """The picture of a draft."""
        token = self.token(draft, session)
        opened: DetectorImage = self._images.get(token, lambda: self._open(session, draft.source))
        return opened

    def _open(self, session: str, source: Mapping[str, Any]) -> DetectorImage:
        if source["kind"] == "result":
            return self._of_file(str(source["file"]))
        if source["kind"] == "file":
            count = source.get("count")
            path = self.inside(str(source["path"]))
            how = str(source.get("how") or "mean")
            door = self.services.door
            return read_image(path, door.open, how, int(count) if count else None, door.pool)
        arrays = self.store.load_arrays(session)
        name = str(source.get("array"))
        if name not in arrays:
            raise NotFoundError("the uploaded image is no longer there; upload it again.")
        return DetectorImage(np.asarray(arrays[name], dtype=np.float32), str(source.get("name") or name))

    def _of_file(self, ref: str) -> DetectorImage:
        try:
            return from_result(self.services.door.open(ref))
        except UnknownLayout as err:
            if err.known != MASK:
                raise
            path = self.services.door.path(ref)
            valid = read_mask(path) > 0
            return DetectorImage(valid.astype(np.float32), path.name, mask=valid)

    def inside(self, name: str) -> Path:
        """Path of a file below the watched directory, or of one that lists show; nothing else can be named.

        Raises
        ------
        UsageError
            Where no directory is watched.
        NotFoundError
            Where there is no such file, with the nearest names.
        """
        root = self.services.settings.root
        if root is None:
            raise UsageError("no directory is watched, so files cannot be opened by name.")
        path = root / name
        with suppress(FileError, ValueError):
            if self.services.door.path(path).is_file():
                return path
        return self.services.door.path(name)  # the name of a file, as lists and addresses show it

    def door_for(self, path: Path) -> Door:
        """A door to a file that a browser sent: it leads to that file and to nothing else."""
        return Door(self.services.settings, roots={"upload": path.parent})

    # -- what is made of it ----------------------------------------------------------------------------------
    def kernel(self, session: str, draft: Draft) -> SimpleMaskKernel:
        """Image, geometry and operations as one."""
        image = self.image(session, draft)
        geometry, setting = geometry_of(draft, image.shape), Setting(**dict(draft.setting))
        uploads = self.store.load_arrays(session)
        key = (self.token(draft, session), geometry, setting, tuple(sorted(uploads)))
        arrays: dict[str, Any] = dict(uploads)
        if image.mask is not None:
            arrays["file"] = image.mask
        base: SimpleMaskKernel = self._kernels.get(
            key, lambda: SimpleMaskKernel(image, draft.area, geometry, setting, arrays)
        )
        return base.changed(area=draft.area)

    def digest(self, session: str, draft: Draft) -> str:
        """Text that changes when the mask does."""
        enabled = [(o.kind, dict(o.params)) for o in draft.area.operations if o.enabled]
        parts = [self.token(draft, session), enabled, dict(draft.geometry), dict(draft.setting)]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=8).hexdigest()

    def mask(self, session: str, draft: Draft) -> tuple[Any, dict[str, str]]:
        """(H, W) bool mask, and what went wrong by operation."""
        kernel = self.kernel(session, draft)
        found: tuple[Any, dict[str, str]] = self._masks.get(
            self.digest(session, draft), lambda: kernel.area.compute(kernel.context)
        )
        wrong = {o.id for o in draft.area.operations} & set(found[1])
        return found[0], {key: found[1][key] for key in wrong}

    def partition(self, session: str, draft: Draft) -> Partition:
        """The partition that the draft's form asks for."""
        axes = [dict(a) for a in draft.axes]
        key = (self.digest(session, draft), json.dumps(axes, sort_keys=True))

        def make() -> Partition:
            kernel = self.kernel(session, draft)
            if kernel.geometry is None:
                raise UsageError("Give the geometry first: energy, distance, pixel and beam centre.")
            mask, problems = self.mask(session, draft)
            if problems:
                raise UsageError(next(iter(problems.values())))
            return generate_partition(kernel.maps, mask, Axis(**axes[0]), Axis(**axes[1]))

        made: Partition = self._partitions.get(key, make)
        return made

    def partition_key(self, session: str, draft: Draft) -> str:
        """Text that changes when the partition does."""
        text = self.digest(session, draft) + json.dumps([dict(a) for a in draft.axes], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def geometry_of(draft: Draft, shape: tuple[int, int]) -> GeometryMetadata | None:
    """The draft's geometry, or None while a number is missing or makes no sense."""
    if any(draft.geometry.get(name) is None for name in NUMBERS):
        return None
    try:
        return GeometryMetadata.from_metres(**{n: draft.geometry[n] for n in NUMBERS}, shape=shape)
    except SchemaError:
        return None


def result_of(bench: Workbench, draft: Draft) -> XpcsFile | None:
    """The result file that a draft's picture comes from; None where it comes from something else."""
    source = draft.source
    if source.get("kind") == "result":
        return bench.services.door.open(str(source["file"]))
    if source.get("kind") == "file":
        try:
            return bench.services.door.open(bench.inside(str(source["path"])))
        except FileError:
            return None
    return None


def current_session() -> str:
    """Key of the browser's session; a new one is set as a cookie with this answer."""
    if not has_request_context():
        return new_key()
    given = browser_scope()
    if given:
        return given
    key = new_key()

    @after_this_request
    def remember(answer: Any) -> Any:
        answer.set_cookie(
            COOKIE, key, max_age=365 * 86400, httponly=True, samesite="Lax", secure=request.is_secure
        )
        return answer

    return key


def start(bench: Workbench, session: str, draft: Draft, source: Mapping[str, Any]) -> Draft:
    """The draft with another picture; steps on a detector of the same shape stay, others are kept apart."""
    from xpcs_dash.simplemask.area_mask import AreaMask
    from xpcs_dash.simplemask.operations import Operation

    moved = draft.changed(source=dict(source))
    image = bench.image(session, moved)
    fits = draft.area.shape == image.shape
    area = draft.area if fits else AreaMask(image.shape)
    own = bench.store.keep(session, draft) if draft.area.operations and not fits else draft.own
    imported = [o for o in area.operations if o.params.get("array") == "file"]
    if image.mask is not None and not imported:
        first = Operation("import", {"array": "file"}, name="Mask of the file")
        area = area.with_operations((first, *area.operations))
    elif image.mask is None and imported:
        area = area.with_operations(o for o in area.operations if o.params.get("array") != "file")
    if not draft.source:
        area = AreaMask(area.shape, area.operations)  # opening is not a step to undo
    geometry, origins = dict(draft.geometry), dict(draft.origins)
    if image.geometry is not None:
        g = image.geometry
        geometry = {name: float(getattr(g, name)) for name in NUMBERS}
        origins = dict.fromkeys(NUMBERS, image.source)
    axes = (image.axes[0], image.axes[1]) if len(image.axes) == 2 else draft.axes
    return moved.changed(area=area, geometry=geometry, origins=origins, axes=axes, own=own)


def open_linked(bench: Workbench, session: str, query: Mapping[str, str]) -> Draft:
    """The file that a link opens on the page, once for each click: a partition, a mask, or raw frames."""
    click = f"{query['open']}@{query.get('at', '')}"
    with bench.store.editing(session) as held:
        if held[0].copied != click:
            source = source_of(bench, bench.services.catalogue.find(query["open"]))
            held[0] = replace(start(bench, session, held[0], source), copied=click)
        return held[0]


def source_of(bench: Workbench, row: FileRow) -> dict[str, Any]:
    """Where the picture of a file comes from: of raw data, the mean of its first frames."""
    if RAW not in row.kinds:
        return {"kind": "result", "file": row.ref}
    root, path = bench.services.settings.root, Path(row.path)
    name = str(path.relative_to(root)) if root is not None and path.is_relative_to(root) else row.path
    return {"kind": "file", "path": name, "how": "mean", "count": FRAMES}
