"""What the buttons of the mask page do: changes of the draft, files in and out, use in the viewer."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from dash import dcc

from xpcs_dash.components.errors import notify
from xpcs_dash.components.scope import browser_scope
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.theme import current_theme
from xpcs_dash.database.record.masks import MaskList, MaskRow
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.pages.mask.actions import apply_action
from xpcs_dash.pages.mask.layout import stage
from xpcs_dash.pages.mask.routes import mask_file
from xpcs_dash.pages.mask.session import Workbench, start
from xpcs_dash.pages.mask.show import count_text, listed_versions, overlay_url, state_of
from xpcs_dash.pages.mask.uploads import decoded, uploaded
from xpcs_dash.shell.allow import user_name
from xpcs_dash.simplemask.centre import calibrate, centre_by_rings, centre_by_symmetry
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import read_image, read_mask, save_own, save_partition
from xpcs_dash.simplemask.operations import Operation
from xpcs_dash.simplemask.pixels import read_pixel_list


def session_of() -> str:
    """The browser's session.

    Raises
    ------
    UsageError
        Where the browser refused the cookie.
    """
    session = browser_scope()
    if not session:
        raise UsageError(
            "this page needs a cookie to know your draft again; allow it and load the page anew."
        )
    return session


def perform(bench: Workbench, session: str, action: dict[str, Any]) -> Any:
    """Apply one action to a session's draft and say what to repaint."""
    act = action.get("act")
    more: dict[str, Any] = {"shapes": act != "view" and not _only_moves(action)}
    try:
        with bench.store.editing(session) as held:
            if held[0].note:
                notify(held[0].note, "warning")
            if act == "restore":
                held[0] = restored(bench, str(action.get("id")), held[0])
                more["forms"] = True
            elif act == "compare":
                more["compare"] = str(action.get("id"))
            else:
                held[0] = apply_action(held[0], action)
            more["shapes"] = more["shapes"] or _redrawn(action, held[0])
            more["forms"] = more.get("forms") or act in ("geometry", "partition")
            draft = held[0]
    except XpcsDashError as err:
        notify(str(err), "warning")
        draft, more["shapes"] = bench.store.load(session), True
    return state_of(bench, session, draft, n=action.get("n"), **more)


def swiftly(bench: Workbench, session: str, action: dict[str, Any]) -> dict[str, Any]:
    """Apply one action; beside the state what a person waits for: the count and the overlay's address.

    The rest of the page (the list of steps, the figure) is repainted when these two are on the screen.
    """
    state = perform(bench, session, action)
    try:
        draft = bench.store.load(session)
        mask, _ = bench.mask(session, draft)
        overlay = overlay_url(bench, session, draft, current_theme())
    except XpcsDashError:  # the repaint says why
        return {"state": state}
    return {"state": state, "count": count_text(mask), "overlay": overlay}


def _only_moves(action: dict[str, Any]) -> bool:
    # the browser already shows what was moved there; sending it back would end the drag's selection
    return action.get("act") == "draw" and "shapes" not in (action.get("event") or {})


def _redrawn(action: dict[str, Any], draft: Any) -> bool:
    # the browser knows a turned ellipse as a path: what it pulled may not be what the ellipse has become
    pulled = any(str(key).endswith(".path") for key in action.get("event") or ())
    return pulled and any(o.params["shape"].get("angle") for o in draft.area.operations if o.kind == "shape")


def restored(bench: Workbench, key: str, draft: Any) -> Any:
    """The draft as it was when a version was saved; undo leads back."""
    saved = bench.store.version_draft(key)
    if saved.area.shape != draft.area.shape:
        raise UsageError("the version is for another detector; open its image first.")
    mask = bench.store.version_mask(key)
    name = bench.store.put_array(session_of(), f"version-{key[:8]}", mask)
    known = set(bench.store.load_arrays(session_of())) | {"file"}
    operations = saved.area.operations
    if any(o.kind == "import" and o.params.get("array") not in known for o in operations):
        operations = (Operation("import", {"array": name}, name="Saved mask"),)
    return draft.changed(
        area=draft.area.with_operations(operations),
        geometry=saved.geometry,
        origins=saved.origins,
        setting=saved.setting,
        axes=saved.axes,
    )


def find_geometry(bench: Workbench, session: str, how: str) -> Any:
    """Find the centre, or calibrate, and take the result into the draft with its uncertainty."""
    draft = bench.store.load(session)
    kernel = bench.kernel(session, draft)
    mask, _ = bench.mask(session, draft)
    image = kernel.image.image
    if how == "calibrate":
        if kernel.geometry is None:
            raise UsageError("Give a rough geometry first: energy, distance, pixel and beam centre.")
        c = calibrate(image, mask, kernel.geometry)
        g = c.geometry
        fields = {"bcx": g.bcx, "bcy": g.bcy, "distance_m": g.distance_m}
        words = (
            f"x {g.bcx:.2f} ± {c.sigma_x:.2f} px, y {g.bcy:.2f} ± {c.sigma_y:.2f} px, "
            f"distance {g.distance_m:.5g} ± {c.sigma_distance / 1e3:.2g} m "
            f"({c.points} points on rings {', '.join(map(str, c.rings))}; {c.residual:.2f} px off)"
        )
        origin = "silver behenate"
    else:
        if how == "centre-rings":
            x, y = draft.geometry.get("bcx"), draft.geometry.get("bcy")
            if x is None or y is None:
                raise UsageError("Give a rough beam centre first.")
            found = centre_by_rings(image, mask, (float(x), float(y)))
        else:
            found = centre_by_symmetry(image, mask)
        fields = {"bcx": found.x, "bcy": found.y}
        words = f"x {found.x:.2f} ± {found.sigma_x:.2f} px, y {found.y:.2f} ± {found.sigma_y:.2f} px"
        words += f" by {found.method}"
        origin = f"{found.method}, ±{max(found.sigma_x, found.sigma_y):.2f} px"
    action = {"act": "geometry", "fields": fields, "origin": origin, "display": False}
    return perform(bench, session, action), f"Found {words}."


def chosen(
    bench: Workbench,
    session: str,
    trigger: str,
    content: Any,
    current: Any,
    path: Any,
    how: Any,
    frames: Any,
    name: Any,
) -> dict[str, Any]:
    """Which picture a person asked for."""
    if trigger == "mask-open-path":
        if not str(path or "").strip():
            raise UsageError("Give the name of a file in the watched directory.")
        return {
            "kind": "file",
            "path": str(path).strip(),
            "how": how,
            "count": int(frames) if frames else None,
        }
    if trigger == "mask-upload":
        image = uploaded(content, str(name), lambda path: read_image(path, bench.door_for(path).open))
        array = bench.store.put_array(session, named("image", name, content), image.image)
        return {"kind": "upload", "array": array, "name": str(name)}
    primary = Selection.parse(current).primary
    if primary is None:
        raise UsageError("There is no result file yet.")
    return {"kind": "result", "file": primary}


def open_source(bench: Workbench, session: str, source: dict[str, Any]) -> Any:
    """Make a picture the draft's picture; the graph is made anew for it."""
    with bench.store.editing(session) as held:
        held[0] = start(bench, session, held[0], source)
        draft = held[0]
    return state_of(bench, session, draft, forms=True), stage(bench, session, draft)


def named(kind: str, name: Any, content: str) -> str:
    """Name of an uploaded array; another content has another one, so that no step of the past changes."""
    digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
    return f"{kind}-{digest}-{Path(str(name)).stem}"


def import_mask(bench: Workbench, session: str, content: str, name: str) -> Any:
    """Add an uploaded mask or pixel list as a step."""
    if Path(name).suffix.lower() in (".txt", ".csv", ".json"):
        pixels = read_pixel_list(decoded(content).decode("utf-8", "replace"), name)
        operation = Operation("pixels", {"pixels": pixels}, name=name)
    else:
        mask = uploaded(content, name, read_mask)
        array = bench.store.put_array(session, named("mask", name, content), mask.astype(np.uint8))
        operation = Operation("import", {"array": array}, name=name)
    with bench.store.editing(session) as held:
        held[0] = held[0].changed(area=held[0].area.add(operation))
        return state_of(bench, session, held[0], shapes=False)


def save_version(bench: Workbench, session: str, name: str) -> Any:
    """Keep the mask, with its partition where there is a geometry, under a name."""
    draft = bench.store.load(session)
    kernel = bench.kernel(session, draft)
    mask = kernel.mask()
    stamp = name or f"{Path(kernel.image.name).stem} {draft.revision}"
    with tempfile.TemporaryDirectory(dir=_made(bench.store.directory)) as folder:
        path = Path(folder) / "qmap.hdf"
        made = None
        if kernel.geometry is not None:
            partition = bench.partition(session, draft)
            made = save_partition(path, partition, kernel.geometry, source_file=kernel.image.name)
        ref, version = origin(bench, draft)
        saved = bench.store.save_version(stamp, user_name(), draft, mask, made, ref=ref, of_version=version)
    MaskList(bench.services.record).saved(
        MaskRow(
            saved.key, saved.name, saved.owner, saved.saved, ref, version, saved.valid_pixels,
            *saved.shape, saved.has_partition,
        )
    )  # fmt: skip
    notify(f"Saved as {saved.name}.", "ok")
    return listed_versions(bench)


def origin(bench: Workbench, draft: Draft) -> tuple[str, str]:
    """Public name and version of the result file that a draft's picture comes from; empty where none."""
    ref = str(draft.source.get("file", "")) if draft.source.get("kind") == "result" else ""
    return ref, bench.services.catalogue.versions([ref]).get(ref, "") if ref else ""


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def apply_to_viewer(bench: Workbench, session: str) -> str:
    """Send the mask, and the partition where there is a geometry, to the viewer of this browser."""
    draft = bench.store.load(session)
    kernel = bench.kernel(session, draft)
    kernel.export_mask(session, bench)
    kind = "mask"
    if kernel.geometry is not None:
        kernel.export_qmap(bench.partition(session, draft), session, bench)
        kind = "partition"
    MaskList(bench.services.record).used(session, kind, *origin(bench, draft), user_name())
    notify("In use: the SAXS page now shows I(q) with this mask too.", "ok")
    return "in use; press again after a change"


def file_of(bench: Workbench, session: str, kind: str) -> Any:
    """A file to download."""
    draft = bench.store.load(session)
    kernel = bench.kernel(session, draft)
    stem = Path(kernel.image.name).stem
    if kind not in ("partition", "own"):
        return dcc.send_bytes(mask_file(kernel.mask(), kind), f"{stem}_mask.{kind}")
    if kernel.geometry is None:
        raise UsageError("A partition needs the geometry: energy, distance, pixel and beam centre.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "qmap.hdf"
        partition = bench.partition(session, draft)
        if kind == "own":
            save_own(path, kernel.mask(), partition, kernel.qmap(), kernel.geometry)
        else:
            save_partition(path, partition, kernel.geometry, source_file=kernel.image.name)
        body = path.read_bytes()
    return dcc.send_bytes(body, f"{stem}_{'mask' if kind == 'own' else 'qmap'}.hdf")
