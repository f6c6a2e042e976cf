"""What the mask page's buttons do with a real catalogue: quick answers, comparison, the job for g2."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace

import flask
import h5py
import numpy as np
import pytest

from tests.analysis.test_regroup import write_source
from tests.conftest import A001, A001_QMAP
from tests.pages.live_fixture import add, fill, ref
from xpcs_dash.access import open_access
from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.reading import beside
from xpcs_dash.acquisition.rows import Change
from xpcs_dash.acquisition.scan import stat_of
from xpcs_dash.analysis import made
from xpcs_dash.errors import NotFoundError, UsageError, XpcsDashError
from xpcs_dash.jobs.context import JobContext
from xpcs_dash.pages.mask import bench_of
from xpcs_dash.pages.mask.compare import differing, keep_upload
from xpcs_dash.pages.mask.layout import notices, page_layout
from xpcs_dash.pages.mask.regroup import availability, folder, job_line, panels_of, submit
from xpcs_dash.pages.mask.routes import blueprint
from xpcs_dash.pages.mask.session import open_linked, start
from xpcs_dash.pages.mask.work import import_mask, perform, save_version, swiftly
from xpcs_dash.results.fingerprint import fingerprint
from xpcs_dash.shell.allow import CONFIG_KEY
from xpcs_dash.simplemask.files import mask_bytes, write_mask
from xpcs_dash.simplemask.versions import new_key

PIXELS = "pixels_results.hdf"
RECT = {"type": "rect", "x0": 1.0, "y0": 2.0, "x1": 5.0, "y1": 6.0}


@pytest.fixture
def at_work(tmp_path, sample, monkeypatch):
    """A workbench on two result files (`PIXELS` with the per-pixel G2, and A001), inside a request."""
    monkeypatch.setattr("xpcs_dash.pages.mask.work.notify", lambda *_: None)  # it needs a running callback
    source = tmp_path / PIXELS
    planes, _ = write_source(source)
    services = fill(tmp_path, [source, sample(A001)], fit=False)
    app = flask.Flask("mask")
    app.testing = True  # errors of routes reach the test
    app.config[CONFIG_KEY] = open_access(services.settings)
    bench, session = bench_of(services), new_key()
    app.register_blueprint(blueprint(bench))

    def opened(name):
        with bench.store.editing(session) as held:
            held[0] = start(bench, session, held[0], {"kind": "result", "file": ref(name)})
        return bench.store.load(session)

    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "127.0.0.1"}):
        yield SimpleNamespace(bench=bench, session=session, opened=opened, planes=planes, app=app)
    services.close()


def draw(work, shape=RECT):
    count = len([o for o in work.bench.store.load(work.session).area.operations if o.kind == "shape"])
    return {"act": "draw", "event": {f"shapes[{count}]": shape}, "mode": "out"}


def test_a_drawing_answers_with_its_count_and_overlay_at_once(at_work):
    at_work.opened(A001)
    whole = swiftly(at_work.bench, at_work.session, {"act": "undo"})
    made = swiftly(at_work.bench, at_work.session, draw(at_work, {**RECT, "x1": 40.0, "y1": 40.0}))
    mask, _ = at_work.bench.mask(at_work.session, at_work.bench.store.load(at_work.session))
    assert made["count"].startswith(f"{np.count_nonzero(mask):,} of 49,152 px valid")
    assert made["overlay"].startswith("/mask-data/overlay.png?k=")
    assert (made["overlay"], made["count"]) != (whole["overlay"], whole["count"])
    assert made["state"]["geometry"] is True


def test_before_anything_is_open_only_the_state_comes(at_work):
    assert set(swiftly(at_work.bench, at_work.session, {"act": "undo"})) == {"state"}


def test_a_pulled_turned_ellipse_is_sent_back_and_a_moved_rectangle_is_not(at_work):
    at_work.opened(A001)
    perform(at_work.bench, at_work.session, draw(at_work))
    moved = {"act": "draw", "event": {"shapes[0].x0": 3.0, "shapes[0].x1": 7.0}}
    assert perform(at_work.bench, at_work.session, moved)["shapes"] is False
    turned = {"type": "circle", "x0": 60.0, "x1": 140.0, "y0": 80.0, "y1": 120.0, "angle": 30.0}
    perform(at_work.bench, at_work.session, draw(at_work, turned))
    pulled = {"act": "draw", "event": {"shapes[1].path": "M0,0L5,0L5,5Z"}}
    assert perform(at_work.bench, at_work.session, pulled)["shapes"] is False  # a polygon now, as it looks
    perform(at_work.bench, at_work.session, {"act": "undo"})
    from xpcs_dash.simplemask.shapes import drawn

    same = {"act": "draw", "event": {"shapes[1].path": drawn(turned)["path"]}}
    assert perform(at_work.bench, at_work.session, same)["shapes"] is True


def test_a_restored_draft_is_told_on_the_page_and_at_the_next_step(at_work, monkeypatch):
    bench, session = at_work.bench, at_work.session
    at_work.opened(A001)
    perform(bench, session, draw(at_work))
    perform(bench, session, draw(at_work))
    (bench.store.directory / "drafts" / f"{session}.json").write_text("half a dra")
    assert "was restored" in str(notices(bench.store.load(session), "/"))
    said = []
    monkeypatch.setattr("xpcs_dash.pages.mask.work.notify", lambda text, _: said.append(text))
    perform(bench, session, draw(at_work))
    assert "was restored" in said[0]
    perform(bench, session, draw(at_work))
    assert len(said) == 1, "told once"
    assert notices(bench.store.load(session), "/") == []


def test_an_upload_of_the_same_name_and_length_changes_no_earlier_step(at_work):
    bench, session = at_work.bench, at_work.session
    shape = at_work.opened(A001).area.shape
    masks = []
    for row in (3, 9):
        mask = np.ones(shape, np.int32)
        mask[row] = 0
        import_mask(bench, session, content_of(mask_bytes(mask, "tif")), "mask.tif")
        masks.append(bench.mask(session, bench.store.load(session))[0].copy())
    assert not np.array_equal(*masks)
    perform(bench, session, {"act": "undo"})
    assert np.array_equal(bench.mask(session, bench.store.load(session))[0], masks[0])


def test_a_partition_opens_with_its_bins_mask_and_geometry_and_makes_the_same_again(at_work, sample):
    bench, session = at_work.bench, at_work.session
    name = add(bench.services, sample(A001_QMAP), fit=False)
    draft = open_linked(bench, session, {"open": name, "at": "1"})
    assert draft.geometry["bcx"] == pytest.approx(120.7)
    assert (draft.axes[0]["name"], draft.axes[0]["dynamic"], draft.axes[0]["static"]) == ("q", 12, 120)
    same = differing(bench, session, draft, "own")
    assert "The mask is the same as that of" in same.sentences[0]
    assert not same.of("dynamic").any()
    assert not same.of("static").any()
    assert "mask-graph" in str(page_layout(bench, {"open": name, "at": "1"}))


def test_a_link_opens_its_file_once_for_each_click(at_work, sample):
    bench, session = at_work.bench, at_work.session
    name = add(bench.services, sample(A001_QMAP), fit=False)
    open_linked(bench, session, {"open": name, "at": "1"})
    at_work.opened(A001)
    assert open_linked(bench, session, {"open": name, "at": "1"}).source["file"] == ref(A001), "a reload"
    assert open_linked(bench, session, {"open": name, "at": "2"}).source["file"] == name
    with pytest.raises(NotFoundError):
        open_linked(bench, session, {"open": "nothing~0123456789", "at": "3"})


def test_raw_frames_and_masks_open_as_pictures(at_work):
    bench, session = at_work.bench, at_work.session
    root = bench.services.settings.root
    frames = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
    mask = np.ones((6, 8), np.int32)
    mask[2] = 0
    with h5py.File(root / "raw.h5", "w") as h5:
        h5["/entry/data/data"] = frames
    write_mask(root / "mask.hdf", mask)
    with h5py.File(root / "plain.hdf", "w") as h5:
        h5["/mask"] = mask
    for path, what in (
        (root / "plain.hdf", "mask"),
        (root / "raw.h5", "raw data"),
        (root / "mask.hdf", "mask"),
    ):
        change = Change("ready", str(path), stat_of(path), 1.0, beside(what, "x"))
        rows.apply(bench.services.catalogue, [change])
    draft = open_linked(bench, session, {"open": ref("raw.h5")})
    assert np.allclose(bench.image(session, draft).image, frames.mean(axis=0))
    for name in ("mask.hdf", "plain.hdf"):
        draft = open_linked(bench, session, {"open": ref(name)})
        assert np.array_equal(bench.mask(session, draft)[0], mask > 0)


def test_a_draft_of_another_detector_is_kept_when_its_picture_is_replaced(at_work):
    bench, session = at_work.bench, at_work.session
    at_work.opened(A001)
    perform(bench, session, draw(at_work))
    before = bench.store.load(session)
    draft = at_work.opened(PIXELS)
    assert draft.area.shape != before.area.shape
    assert "the one you had before" in str(notices(draft, "/"))
    assert bench.store.adopt(new_key(), draft.own).area.operations == before.area.operations


def content_of(body: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(body).decode()


def test_comparing_with_the_file_a_version_and_an_upload(at_work):
    bench, session = at_work.bench, at_work.session
    at_work.opened(A001)
    save_version(bench, session, "before")
    key = bench.store.versions()[0].key
    perform(bench, session, draw(at_work, {**RECT, "x0": 60.0, "x1": 80.0, "y0": 60.0, "y1": 80.0}))
    draft = bench.store.load(session)
    mask, _ = bench.mask(session, draft)
    differ = int(np.count_nonzero(mask != bench.image(session, draft).mask))
    assert differ > 100
    own = differing(bench, session, draft, "own")
    assert own.sentences[0].startswith(f"{differ:,} pixels of the mask differ")
    assert "10 dynamic bins here, 12 in A001" in own.sentences[1]
    version = differing(bench, session, draft, f"version:{key}")
    assert version.mask.sum() == differ
    assert "10 dynamic bins here and in before" in version.sentences[1]
    other = keep_upload(bench, session, content_of(mask_bytes(mask, "tif")), "mine.tif")
    assert other == "upload:mine.tif"
    same = differing(bench, session, draft, other)
    assert same.sentences == ("The mask is the same as that of mine.tif, pixel for pixel.",)
    with pytest.raises(UsageError, match=r"mine.txt"):
        keep_upload(bench, session, content_of(b"no mask"), "mine.txt")
    with pytest.raises(UsageError, match=r"^notes.tif: ") as refused:
        keep_upload(bench, session, content_of(b"no mask"), "notes.tif")
    assert "/tmp" not in str(refused.value)
    with pytest.raises(UsageError, match="no longer there"):
        differing(bench, session, draft, "version:nothing")


def test_g2_of_new_bins_is_submitted_with_its_partition_and_shown(at_work):
    bench, session = at_work.bench, at_work.session
    draft = at_work.opened(PIXELS)
    assert availability(bench, draft) == (True, "pixels_results.hdf holds the per-pixel G2 of 5 delays.")
    fields = {"name0": "q", "dynamic0": "3", "static0": "6", "name1": "phi"}
    perform(bench, session, {"act": "partition", "fields": fields})
    row = bench.services.jobs.get(submit(bench, session))
    assert (row.kind, row.state, row.title) == ("regroup", "queued", "g2 of 3 new bins of pixels_results.hdf")
    assert (row.ref, row.version) == (ref(PIXELS), fingerprint(bench.services.door.open(ref(PIXELS))))
    assert Path(row.params["partition"]).parent == folder(bench)
    reports: list[str] = []
    given = made.prepare_regroup(row.params, bench.services.settings)
    answer = made.regroup(given, JobContext(row.id, 1, reports.append, lambda: False))
    figure = panels_of(bench.services.door.open(Path(answer["path"])), "dark").to_plotly_json()
    assert len({trace["xaxis"] for trace in figure["data"]}) == 3
    done = SimpleNamespace(state="done", result=answer)
    name = Path(answer["path"]).name
    assert f"/mask-data/regrouped/{name}" in str(job_line(done, "/"))
    client = at_work.app.test_client()
    with client.get(f"/mask-data/regrouped/{name}") as sent:
        assert sent.data == Path(answer["path"]).read_bytes()
    with pytest.raises(UsageError, match="no recomputed file"):
        client.get("/mask-data/regrouped/other_results.hdf")


def test_g2_of_a_file_without_the_pixels_is_refused_with_the_reason(at_work):
    draft = at_work.opened(A001)
    possible, reason = availability(at_work.bench, draft)
    assert not possible
    with pytest.raises(UsageError) as refused:
        submit(at_work.bench, at_work.session)
    assert reason in str(refused.value)
    assert "save_G2" in reason


def test_frames_and_pictures_are_opened_within_the_roots(at_work):
    root = at_work.bench.services.settings.root
    (root / "raw").mkdir()
    (root / "masters").mkdir()
    frames = np.ones((3, 20, 30), np.uint16)
    for path in (root / "raw" / "data.h5", root.parent / "outside.h5"):
        with h5py.File(path, "w") as h5:
            h5["x"] = frames
    for name, target in (("in", "../raw/data.h5"), ("out", "../../outside.h5")):
        with h5py.File(root / "masters" / f"{name}.h5", "w") as h5:
            h5["/entry/data/data_000001"] = h5py.ExternalLink(target, "/x")
    np.save(root.parent / "outside.npy", frames[0])
    (root / "linked.npy").symlink_to(root.parent / "outside.npy")

    def opened(name):
        draft = at_work.bench.store.load(at_work.session)
        return at_work.bench.image(at_work.session, draft.changed(source={"kind": "file", "path": name}))

    assert opened("masters/in.h5").frames == 3
    with pytest.raises(XpcsDashError, match=r"outside\.h5, which lies outside the watched directory"):
        opened("masters/out.h5")
    with pytest.raises(XpcsDashError):
        opened("linked.npy")
