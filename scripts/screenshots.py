"""Make the screenshots of the README and the documentation, in a headless Chromium on a running dashboard.

``python scripts/screenshots.py`` starts a demo of its own and writes ``docs/images``.
``python scripts/screenshots.py --url http://127.0.0.1:8050 --out shots --all`` takes every page of a
running dashboard, dark and light, 1920x1080 and 1280x720, for a look before a release.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
]  # fmt: skip
SIZES = ((1920, 1080), (1280, 720))

#: name in docs/images -> (path, theme)
DOCUMENTED = {
    "live-dark": ("/", "dark"),
    "live-light": ("/", "light"),
    "g2-dark": ("/g2", "dark"),
    "files-dark": ("/files", "dark"),
    "qmap-dark": ("/qmap", "dark"),
    "saxs-dark": ("/saxs", "dark"),
    "stability-dark": ("/stability", "dark"),
    "twotime-dark": ("/twotime?file=twotime", "dark"),
    "diffusion-dark": ("/diffusion", "dark"),
    "mask-dark": ("/mask", "dark"),
    "fit-dark": ("/fit", "dark"),
    "fits-dark": ("/fits?fits=1,2", "dark"),
}


@contextmanager
def demo() -> Iterator[str]:
    """A simulated beamline with the dashboard on it; gives its URL."""
    command = [sys.executable, "-m", "xpcs_dash", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+", line):
                yield found[0].rstrip("/")
                break
    finally:
        process.terminate()
        process.wait(timeout=30)


def newest_of_kind(url: str, kind: str, patience_s: float = 300.0) -> int:
    """Number of the newest file that holds ``kind``; waits until the demo has written one."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{url}/api/files?state=ready", timeout=10) as answer:
            files = json.load(answer)["files"]
        for row in files:
            if kind in row.get("kinds", ()):
                return int(row["id"])
        time.sleep(2.0)
    sys.exit(f"no file with {kind} came within {patience_s:g} s")


def keep_two_fits(page: Page, url: str) -> None:
    """Store a least-squares fit and a sampled one, for the review desk to compare."""
    page.goto(f"{url}/fit?file=1&q=1,4,8")
    page.wait_for_load_state("networkidle")
    for button in ("#fit-run", "#fit-sample"):
        page.click(button)
        page.wait_for_function("() => /running/.test(document.querySelector('#fit-progress').innerText)")
        page.wait_for_function(
            "() => /done/.test(document.querySelector('#fit-progress').innerText)", timeout=120_000
        )


def shoot(page: Page, url: str, path: str, out: Path, settle_s: float) -> None:
    if path.endswith("?file=twotime"):
        path = path.replace("?file=twotime", f"?file={newest_of_kind(url, 'twotime')}")
    page.goto(url + path)
    page.wait_for_load_state("networkidle" if "kiosk" not in path else "load")
    time.sleep(settle_s)
    page.screenshot(path=out)
    print(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a running dashboard; default: a demo started for the purpose")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument(
        "--only", nargs="*", default=list(DOCUMENTED), help="names of the documented pictures"
    )
    parser.add_argument("--all", action="store_true", help="every page, both themes, both sizes")
    parser.add_argument("--pages", nargs="*", help="paths to take instead of the documented ones")
    parser.add_argument("--wait", type=float, default=3.0, help="seconds between loading and shooting")
    parser.add_argument("--warm-up", type=float, default=60.0, help="seconds to let the demo write files")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

    with demo() if given.url is None else _given(given.url) as url, sync_playwright() as playwright:
        if given.url is None:
            time.sleep(given.warm_up)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        if given.all or given.pages:
            paths = given.pages or [path for path, _ in DOCUMENTED.values()]
            for theme in ("dark", "light"):
                for width, height in SIZES:
                    with _page(browser, url, theme, (width, height)) as page:
                        for path in dict.fromkeys(paths):
                            name = re.sub(r"\W+", "-", path).strip("-") or "live"
                            shoot(page, url, path, given.out / f"{name}-{theme}-{width}.png", given.wait)
        else:
            for name in given.only:
                path, theme = DOCUMENTED[name]
                with _page(browser, url, theme, SIZES[0]) as page:
                    if name.startswith("fits"):
                        keep_two_fits(page, url)
                    shoot(page, url, path, given.out / f"{name}.png", given.wait)
        browser.close()


@contextmanager
def _given(url: str) -> Iterator[str]:
    yield url.rstrip("/")


@contextmanager
def _page(browser, url: str, theme: str, size: tuple[int, int]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_cookies([{"name": "xd-theme", "value": theme, "url": url}])
    page = context.new_page()
    page.on("console", lambda m: m.type == "error" and print(f"console error: {m.text}", file=sys.stderr))
    yield page
    context.close()


if __name__ == "__main__":
    main()
