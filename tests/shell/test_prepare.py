"""What the shell starts and names while a page is on its way."""

from types import SimpleNamespace

from xpcs_dash.shell.prepare import prepare_page, with_view


def test_the_files_on_the_screen_reach_the_page_unless_the_address_names_others():
    view = {"file": ["a", "b"], "q": [1, 2]}
    assert with_view({"path": "/saxs", "query": {}}, view)["query"] == {"file": "a,b", "q": "1,2"}
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
    named = lambda name: SimpleNamespace(ref=f"{name}~1")  # noqa: E731
    catalogue = SimpleNamespace(find=named, newest=lambda: SimpleNamespace(ref="n~7"))
    services = SimpleNamespace(catalogue=catalogue)
    route = {"path": "/a", "query": {"scale": "log"}}
    prepare_page(services, pages, route, {"file": ["a"]}).join()
    prepare_page(services, pages, route, {"file": "latest"}).join()
    assert asked == [("a~1", {"scale": "log"}), ("n~7", {"scale": "log"})]
    assert prepare_page(services, pages, {"path": "/b"}, None) is None
    assert prepare_page(services, pages, None, None) is None
    prepare_page(services, pages, {"path": "/c"}, None).join()  # the callbacks say what is wrong
