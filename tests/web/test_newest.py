"""What is newest when files go, come back, fail or are replaced; browsers and scripts are told the same."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.filling import add_file, change_file
from xpcs_dash.services import Services
from xpcs_dash.web import create_app


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services, pages=()).server.test_client()


@pytest.fixture
def three(services: Services, client: FlaskClient) -> list[str]:
    """Names of three results that arrived one after the other, and that the server has seen."""
    assert services.settings.root is not None
    made = [
        add_file(services.catalogue, services.settings.root / f"{n}_results.hdf", arrived=1000.0 + k)
        for k, n in enumerate(("old", "middle", "new"))
    ]
    assert newest(services, client) == made[2]
    return made


def newest(services: Services, client: FlaskClient) -> str | None:
    """Name of the newest result; what browsers are told and what the catalogue says are one."""
    told = client.get("/api/revision").json["newest"]
    row = services.catalogue.newest()
    assert (told and told["ref"]) == (row and row.ref)
    return None if row is None else row.ref


def after(client: FlaskClient, moment: float) -> Any:
    return client.get(f"/api/revision?after={moment}").json["n_new"]


@pytest.mark.parametrize("state", ["gone", "failed", "waiting"])
def test_the_one_before_is_newest_when_the_newest_is_no_result_any_more(
    services: Services, client: FlaskClient, three: list[str], state: str
) -> None:
    assert after(client, 1000.5) == 2
    change_file(services.catalogue, three[2], state=state)
    assert newest(services, client) == three[1]
    assert after(client, 1000.5) == 1
    listed = {f["ref"] for f in client.get("/api/files?state=ready").json["files"]}
    assert listed == set(three[:2])
    change_file(services.catalogue, three[1], state=state)
    assert newest(services, client) == three[0]
    change_file(services.catalogue, three[0], state=state)
    assert newest(services, client) is None
    assert after(client, 0.0) == 0
    assert client.get("/api/revision").json["state"] == "nodata"


def test_an_older_one_that_goes_does_not_disturb_the_newest(
    services: Services, client: FlaskClient, three: list[str]
) -> None:
    change_file(services.catalogue, three[1], state="gone")
    assert newest(services, client) == three[2]
    assert after(client, 0.0) == 2
    change_file(services.catalogue, three[2], state="gone")
    assert newest(services, client) == three[0]


def test_one_that_comes_back_is_counted_once(
    services: Services, client: FlaskClient, three: list[str]
) -> None:
    for _ in range(3):
        change_file(services.catalogue, three[2], state="gone")
        assert newest(services, client) == three[1]
        change_file(services.catalogue, three[2], state="ready")
        assert newest(services, client) == three[2]
    assert after(client, 0.0) == 3


def test_one_that_is_written_again_is_newest_by_its_new_arrival(
    services: Services, client: FlaskClient, three: list[str]
) -> None:
    change_file(services.catalogue, three[0], ready_at=2000.0, sort_at=2000.0, mtime_ns=7)
    assert newest(services, client) == three[0]
    assert after(client, 1500.0) == 1
    change_file(services.catalogue, three[0], state="gone")
    assert newest(services, client) == three[2]
