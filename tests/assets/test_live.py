"""live.js"""


def test_the_page_ticks_with_the_revision(stage):
    stage.open("live.js")
    assert stage.run("dash_clientside.live.tick({revision: 7})") == 7
    assert stage.run("dash_clientside.live.tick(null)") == "nothing"


def test_other_functions_of_the_page_stay(stage):
    stage.open("live.js", before="dash_clientside.views = {here: 1};")
    assert stage.run("dash_clientside.views.here") == 1
