"""Health, metrics, the JSON API and images as a script or a browser sees them."""

from __future__ import annotations

import gzip
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from dash import Dash
from flask.testing import FlaskClient

from tests.web.filling import add_file, beat, change_file
from xpcs_dash.components.views import ARRAY, answer
from xpcs_dash.results.statement import FileStatement
from xpcs_dash.services import Services
from xpcs_dash.web import create_app


@pytest.fixture
def app(services: Services) -> Dash:
    """The application on an empty directory."""
    return create_app(services, pages=())


@pytest.fixture
def client(app: Dash) -> FlaskClient:
    """A browser or script without cookies, on the machine itself."""
    return app.server.test_client()


def root_of(services: Services) -> Path:
    """The watched directory."""
    assert services.settings.root is not None
    return services.settings.root


def test_revision__rises_and_names_the_newest_ready_file(services: Services, client: FlaskClient) -> None:
    before = client.get("/api/revision").json
    assert before["newest"] is None
    assert before["state"] == "nodata"
    old = add_file(services.catalogue, root_of(services) / "a_results.hdf", arrived=time.time() - 60)
    add_file(
        services.catalogue, root_of(services) / "b.hdf", state="failed", reason="b.hdf: it is truncated."
    )
    after = client.get("/api/revision").json
    assert int(after["revision"].split(".")[1]) > int(before["revision"].split(".")[1])
    assert after["newest"]["ref"] == old
    assert after["newest"]["name"] == "a"
    assert after["counts"] == {"ready": 1, "waiting": 0, "failed": 1}
    assert after["state"] == "warning"
    assert abs(after["server_time"] - time.time()) < 5


def test_revision__changes_only_when_something_did(services: Services, client: FlaskClient) -> None:
    """The browser takes a changed answer for news, so nothing in it may tick."""
    add_file(services.catalogue, root_of(services) / "a_results.hdf")
    for age in (0.0, 40.0):
        beat(services.catalogue, root_of(services), age_s=age)
        time.sleep(0.6)  # the report is read at most twice a second
        first = client.get("/api/revision").json
        time.sleep(0.6)
        second = client.get("/api/revision").json
        first.pop("server_time"), second.pop("server_time")
        assert first == second
        assert first["watch"]["alive"] is (age == 0.0)
        assert first["state"] == ("ok" if age == 0.0 else "alarm")


def test_revision__a_replaced_file_has_another_key(services: Services, client: FlaskClient) -> None:
    ref = add_file(services.catalogue, root_of(services) / "a_results.hdf")
    before = client.get(f"/api/revision?refs={ref}").json["pinned"]
    change_file(services.catalogue, ref, mtime_ns=5)
    after = client.get(f"/api/revision?refs={ref}").json["pinned"]
    assert [f["ref"] for f in before] == [f["ref"] for f in after] == [ref]
    assert before[0]["key"] != after[0]["key"]


def test_revision__counts_files_that_came_after_the_pin(services: Services, client: FlaskClient) -> None:
    for k in range(4):
        add_file(services.catalogue, root_of(services) / f"f{k}.hdf", arrived=1000.0 + k)
    assert client.get("/api/revision?after=1001").json["n_new"] == 2
    assert client.get("/api/revision?after=1003").json["n_new"] == 0
    assert "n_new" not in client.get("/api/revision?after=nonsense").json


def test_files__lists_states_with_reasons_newest_first(services: Services, client: FlaskClient) -> None:
    root = root_of(services)
    add_file(services.catalogue, root / "old_results.hdf", arrived=10.0, sample="silica", n_q=27)
    add_file(
        services.catalogue, root / "sub" / "bad.hdf", state="failed", arrived=20.0, reason="it is truncated."
    )
    add_file(services.catalogue, root / "new.hdf", state="waiting", arrived=30.0, reason="it still grows.")
    answer = client.get("/api/files").json
    assert [f["state"] for f in answer["files"]] == ["waiting", "failed", "ready"]
    assert answer["files"][1]["reason"] == "it is truncated."
    assert answer["files"][1]["folder"] == "sub"
    assert answer["files"][2]["sample"] == "silica"
    only = client.get("/api/files?state=failed,waiting&limit=1").json["files"]
    assert [f["name"] for f in only] == ["new"]


def test_files__since_a_revision_sends_only_what_changed(services: Services, client: FlaskClient) -> None:
    ids = [add_file(services.catalogue, root_of(services) / f"f{k}.hdf") for k in range(5)]
    revision = client.get("/api/files").json["revision"]
    assert client.get(f"/api/files?since={revision}").json["files"] == []
    change_file(services.catalogue, ids[1], state="gone")
    change_file(services.catalogue, ids[3], flags=["drift"])
    changed = client.get(f"/api/files?since={revision}").json["files"]
    assert {f["ref"]: f["state"] for f in changed} == {ids[1]: "gone", ids[3]: "ready"}
    assert {f["ref"] for f in client.get("/api/files").json["files"]} == set(ids) - {ids[1]}


@pytest.mark.parametrize(
    "query", ["since=x", "limit=-1", "state=lost", "since=1e9", "since=ab.x", "limit=" + "9" * 400]
)
def test_files__bad_questions_get_a_sentence(client: FlaskClient, query: str) -> None:
    answer = client.get(f"/api/files?{query}")
    assert answer.status_code == 400
    assert answer.json["error"].endswith(".")


def test_file__one_with_its_summary(services: Services, client: FlaskClient) -> None:
    ref = add_file(
        services.catalogue, root_of(services) / "a.hdf", summary=FileStatement(intensity=1.5).to_json()
    )
    assert client.get(f"/api/files/{ref}").json["summary"]["intensity"] == 1.5
    assert client.get("/api/files/77").status_code == 404
    assert "77" in client.get("/api/files/77").json["error"]


def test_retry__asks_ingest(services: Services, client: FlaskClient) -> None:
    path = root_of(services) / "a.hdf"
    ref = add_file(services.catalogue, path, state="failed")
    assert client.post(f"/api/files/{ref}/retry").status_code == 202
    assert services.catalogue.take_retries() == [str(path)]
    assert client.post("/api/files/99/retry").status_code == 404


def test_health__200_while_data_can_arrive_503_otherwise(services: Services, client: FlaskClient) -> None:
    good = client.get("/health")
    assert good.status_code == 200
    assert good.json["checks"]["ingest"]["ok"] is True
    beat(services.catalogue, root_of(services), age_s=120.0)
    time.sleep(0.6)
    silent = client.get("/health")
    assert silent.status_code == 503
    assert silent.json["checks"]["ingest"]["age_s"] > 100


def test_health__503_where_the_catalogue_is_gone(make_services: Callable[..., Services]) -> None:
    services = make_services()
    client = create_app(services, pages=()).server.test_client()
    services.close()
    database = services.settings.state_dir / "catalogue.sqlite"
    for path in database.parent.glob("catalogue.sqlite*"):
        path.unlink()
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json["checks"]["catalogue"]["ok"] is False


def test_metrics__have_what_an_operator_watches(services: Services, client: FlaskClient) -> None:
    add_file(services.catalogue, root_of(services) / "a.hdf", arrived=time.time() - 100, mtime_ns=0)
    client.get("/api/revision")
    text = client.get("/metrics").text
    for name in (
        'xpcs_dash_files{state="ready"} 1.0',
        "xpcs_dash_revision ",
        "xpcs_dash_newest_age_seconds ",
        "xpcs_dash_resident_memory_bytes ",
        "xpcs_dash_cache_bytes ",
        "xpcs_dash_ingest_up 1.0",
        'xpcs_dash_request_duration_seconds_count{kind="api"} 1.0',
    ):
        assert name in text


def test_headers__of_every_answer(client: FlaskClient) -> None:
    for path in ("/", "/api/revision", "/nothing/here", "/api/files/77"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in scripts
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_headers__every_inline_script_has_its_hash(services: Services) -> None:
    import base64
    import hashlib
    import re

    client = create_app(services).server.test_client()
    answer = client.get("/")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", answer.text, flags=re.S)
    inline = [text for attributes, text in scripts if "src=" not in attributes and "json" not in attributes]
    assert inline
    for text in inline:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def test_assets__are_kept_by_browsers_for_good(client: FlaskClient) -> None:
    for address, kept in (("/assets/tokens.css?m=1", True), ("/assets/tokens.css", False)):
        with client.get(address) as answer:
            assert ("immutable" in answer.headers["Cache-Control"]) is kept
    assert client.get("/assets/../app.py").status_code == 404
    assert client.get("/assets/%2e%2e/app.py").status_code == 404


def test_post__from_another_site_is_refused(services: Services, client: FlaskClient) -> None:
    ref = add_file(services.catalogue, root_of(services) / "a.hdf", state="failed")
    answer = client.post(f"/api/files/{ref}/retry", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert services.catalogue.take_retries() == []


def test_post__huge_bodies_are_refused(app: Dash, client: FlaskClient) -> None:
    assert app.server.config["MAX_CONTENT_LENGTH"] < 100_000_000
    app.server.config["MAX_CONTENT_LENGTH"] = 100
    assert client.post("/_dash-update-component", json={"output": "x" * 200}).status_code == 413


def real_file(services: Services, source: Path) -> int:
    """Put a result file into the watched directory, and its row into the catalogue."""
    path = root_of(services) / source.name
    shutil.copy(source, path)
    return add_file(services.catalogue, path)


def test_image__is_a_png_that_browsers_keep(
    services: Services, client: FlaskClient, sample: Callable[[str], Path]
) -> None:
    ref = real_file(services, sample("A001_silica_multitau_results.hdf"))
    token = services.kernel.open(ref).key.token
    answer = client.get(f"/img/{ref}/{token}/scattering.png", headers={"Accept-Encoding": "br, gzip"})
    assert answer.status_code == 200
    assert answer.data.startswith(b"\x89PNG")
    assert "Content-Encoding" not in answer.headers
    assert "immutable" in answer.headers["Cache-Control"]
    again = client.get(
        f"/img/{ref}/{token}/scattering.png", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    linear = client.get(f"/img/{ref}/{token}/scattering.png?scale=linear&cmap=viridis&lo=0&hi=1")
    assert linear.data != answer.data
    for which in ("dynamic", "static"):
        assert client.get(f"/img/{ref}/{token}/{which}.png").data.startswith(b"\x89PNG")


def test_image__an_old_address_is_not_kept(
    services: Services, client: FlaskClient, sample: Callable[[str], Path]
) -> None:
    ref = real_file(services, sample("A001_silica_multitau_results.hdf"))
    answer = client.get(f"/img/{ref}/0123456789abcdef/scattering.png")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query", ["scale=cubic", "cmap=../etc", "lo=x", "hi=nan", "lo=inf"])
def test_image__bad_parameters_get_a_sentence(
    services: Services, client: FlaskClient, sample: Callable[[str], Path], query: str
) -> None:
    ref = real_file(services, sample("A001_silica_multitau_results.hdf"))
    answer = client.get(f"/img/{ref}/x/scattering.png?{query}")
    assert answer.status_code == 400
    assert answer.json["error"]


def test_image__nothing_outside_the_watched_directory(
    services: Services, client: FlaskClient, sample: Callable[[str], Path]
) -> None:
    outside = add_file(services.catalogue, sample("A001_silica_multitau_results.hdf"))
    link = root_of(services) / "link.hdf"
    link.symlink_to(sample("A001_silica_multitau_results.hdf"))
    inside = add_file(services.catalogue, link)
    for ref in (outside, inside):
        answer = client.get(f"/img/{ref}/x/scattering.png")
        assert answer.status_code == 403
        assert "outside" in answer.json["error"]
    assert client.get("/img/77/x/scattering.png").status_code == 404


def test_image__a_damaged_file_gets_its_reason(services: Services, client: FlaskClient) -> None:
    path = root_of(services) / "bad_results.hdf"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 40)
    answer = client.get(f"/img/{add_file(services.catalogue, path)}/x/scattering.png")
    assert answer.status_code == 409
    assert "bad_results.hdf" in answer.json["error"]


def test_compression__of_texts(client: FlaskClient, services: Services) -> None:
    for k in range(60):
        add_file(services.catalogue, root_of(services) / f"f{k}.hdf")
    asked = {"gzip, deflate": "gzip", "gzip, br": "br", "gzip, deflate, br, zstd": "zstd", "deflate": None}
    for accepted, packed in asked.items():
        answer = client.get("/api/files", headers={"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == packed, accepted
        assert "Accept-Encoding" in answer.headers["Vary"]
    assert "Content-Encoding" not in client.get("/api/files").headers


def test_compression__of_arrays_but_not_of_pictures(services: Services) -> None:
    server, body = create_app(services).server, bytes(5000)
    for mimetype, packed in ((ARRAY, "gzip"), ("image/png", None), ("application/x-hdf5", None)):
        with server.test_request_context("/", headers={"Accept-Encoding": "gzip"}):
            made = server.process_response(answer(body, mimetype, current=True, X_Array="<u2"))
        assert made.headers.get("Content-Encoding") == packed, mimetype
        assert made.headers["X-Array"] == "<u2"
        assert (gzip.decompress(made.data) if packed else made.data) == body
        assert "immutable" in made.headers["Cache-Control"]


def test_index__forgets_a_catalogue_that_was_replaced(services: Services) -> None:
    from xpcs_dash.routes.index import FileIndex

    index = FileIndex(services.catalogue)
    add_file(services.catalogue, root_of(services) / "a.hdf")
    index.refresh()

    before = index.refresh()
    rebuild(services)
    add_file(services.catalogue, root_of(services) / "b.hdf")
    change_file(services.catalogue, 1, flags=["drift"])
    assert index.refresh().n > before.n
    assert [row["name"] for row in index.listing()] == ["b"]
    assert index.counts() == {"waiting": 0, "ready": 1, "failed": 0}
    assert index.newest().name == "b"


def rebuild(services: Services) -> None:
    """Empty the catalogue as a rebuild does; numbers of rows and revisions begin again."""
    from xpcs_dash.database.files import files_table, meta_table, new_generation_in

    with services.catalogue.write() as db:
        db.execute(files_table.delete())
        db.execute(meta_table.update().where(meta_table.c.name == "revision").values(number=0))
        new_generation_in(db)


def test_files__after_a_rebuild_all_is_sent_again(services: Services, client: FlaskClient) -> None:
    add_file(services.catalogue, root_of(services) / "a.hdf")
    first = client.get("/api/files").json
    assert first["all"]
    quiet = client.get(f"/api/files?since={first['revision']}").json
    assert (quiet["all"], quiet["files"]) == (False, [])
    rebuild(services)
    add_file(services.catalogue, root_of(services) / "b.hdf")
    change_file(services.catalogue, 1, flags=["drift"])
    again = client.get(f"/api/files?since={first['revision']}").json
    assert again["all"]
    assert [f["name"] for f in again["files"]] == ["b"]


def test_revision__tells_of_restored_databases_and_of_a_list_that_is_being_filled(
    services: Services, client: FlaskClient
) -> None:
    import time

    old, new = time.time() - 13 * 3600, time.time() - 60
    notices = [{"at": old, "text": "long ago"}, {"at": new, "text": "The record was restored."}]
    services.catalogue.set_status("state", {"notices": notices})
    beat(services.catalogue, root_of(services), progress=(1200, 50000))
    told = [problem["text"] for problem in client.get("/api/revision").json["problems"]]
    assert told[0] == "The list of files is being filled: 1,200 of 50,000 files are done."
    assert told[1].endswith(": The record was restored.")
    assert len(told) == 2
    beat(services.catalogue, root_of(services), age_s=60.0, progress=(1200, 50000))
    time.sleep(0.6)
    told = [problem["text"] for problem in client.get("/api/revision").json["problems"]]
    assert not any("being filled" in text for text in told)
