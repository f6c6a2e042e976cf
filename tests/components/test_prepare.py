"""What the shell starts and names while a page is on its way."""

from types import SimpleNamespace

from xpcs_dash.components.prepare import prepare_page, with_view


def test_the_files_on_the_screen_reach_the_page_unless_the_address_names_others():
    view = {"file": [3, 4], "q": [1, 2]}
    assert with_view({"path": "/saxs", "query": {}}, view)["query"] == {"file": "3,4", "q": "1,2"}
    assert with_view({"path": "/saxs", "query": {"file": "9"}}, view)["query"]["file"] == "9"
    assert with_view({"path": "/saxs", "query": {}}, {"file": "latest", "q": None})["query"] == {}
    assert with_view(None, view) is None


def test_a_page_prepares_the_file_on_the_screen_or_the_newest():
    asked = []
    pages = {
        "/a": SimpleNamespace(path="/a", prepare=lambda *given: asked.append(given[1:])),
        "/b": SimpleNamespace(prepare=None),
        "/c": SimpleNamespace(path="/c", prepare=lambda *_: 1 / 0),
    }
    services = SimpleNamespace(catalogue=SimpleNamespace(newest=lambda: SimpleNamespace(id=7)))
    route = {"path": "/a", "query": {"scale": "log"}}
    prepare_page(services, pages, route, {"file": [3]}).join()
    prepare_page(services, pages, route, {"file": "latest"}).join()
    assert asked == [(3, {"scale": "log"}), (7, {"scale": "log"})]
    assert prepare_page(services, pages, {"path": "/b"}, None) is None
    assert prepare_page(services, pages, None, None) is None
    prepare_page(services, pages, {"path": "/c"}, None).join()  # the callbacks say what is wrong
