"""Check the built site: every link leads somewhere, every figure loads, all text fits.

    python docs/site_check.py docs/_build/html            # links and figures, from the HTML
    python docs/site_check.py docs/_build/html --browser  # and in headless Chromium

The first reads the files and always runs. The second opens every page in Chromium, 1300
and 400 pixels wide, and reports figures that did not load, pages that scroll sideways, and
text that is wider than its box; on the wide page that includes code and tables which would
have to be scrolled. Without a browser it says so and is skipped. Exits with 1 if anything
is found.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTHS = (1300, 400)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--window-size=1400,1000",
    # What pages would load from elsewhere is not part of the site.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PATIENCE = 300.0
"""Longest time without news of the browser [s]."""

# Opens one page after the other in a frame, and posts what it finds about each.
HARNESS = """<!doctype html><meta charset="utf-8"><body style="margin:0"><script>
const BOXES = "pre, td, th, dt, aside, figure, .admonition, article";
const LOOSE = "svg, .math, .headerlink, [hidden], script, style";
function scrolls(view, element) {
  const flow = view.getComputedStyle(element).overflowX;
  return flow === "auto" || flow === "scroll";
}
function tooWide(view, isWide) {
  const found = new Set(), root = view.document.documentElement;
  if (root.scrollWidth > root.clientWidth + 1)
    found.add(`the page is ${root.scrollWidth} pixels wide`);
  const article = view.document.querySelector("article") ?? view.document.body;
  const walk = view.document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const range = view.document.createRange();
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const parent = text.parentElement;
    if (!text.data.trim() || parent.closest(LOOSE)) continue;
    range.selectNodeContents(text);
    const inner = range.getBoundingClientRect();
    if (!inner.width) continue;
    for (let e = parent; e && e !== article.parentElement; e = e.parentElement) {
      const mayScroll = scrolls(view, e);
      if (mayScroll && !isWide) break;
      if (!mayScroll && !e.matches(BOXES)) continue;
      const room = e.getBoundingClientRect();
      if (inner.left < room.left - 1.5 || inner.right > room.right + 1.5)
        found.add(`"${text.data.trim().slice(0, 60)}" leaves its ${e.tagName} by `
          + `${Math.round(Math.max(room.left - inner.left, inner.right - room.right))} px`);
    }
  }
  for (const text of view.document.querySelectorAll("svg a text")) {
    const room = text.parentNode.querySelector("rect").getBoundingClientRect();
    const inner = text.getBoundingClientRect();
    if (inner.left < room.left || inner.right > room.right)
      found.add(`"${text.textContent}" is wider than its box in the drawing`);
  }
  return [...found];
}
function missing(view) {
  return [...view.document.images].filter(i => !(i.complete && i.naturalWidth))
    .map(i => `${i.getAttribute("src")} did not load`);
}
async function open(page, width) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `border:0;height:900px;width:${width}px`;
  frame.src = "/" + page;
  const loaded = new Promise(done => { frame.onload = done; });
  document.body.replaceChildren(frame);
  await loaded;
  const view = frame.contentWindow;
  for (const image of view.document.images) image.loading = "eager";
  await Promise.all([...view.document.images].map(i => i.decode().catch(() => 0)));
  const said = [...missing(view), ...tooWide(view, width >= 1000)];
  await fetch("/report", {method: "POST", body: JSON.stringify({page, width, said})});
}
(async () => {
  for (const page of PAGES) for (const width of WIDTHS) await open(page, width);
  await fetch("/report", {method: "POST", body: JSON.stringify({done: true})});
})();
</script>"""


class Page(HTMLParser):
    """Targets, links and figures of one page."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.links, self.figures = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.targets |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img" and attrs.get("src"):
            self.figures.append(attrs["src"])
        if tag in ("link", "script"):
            linked = attrs.get("href") if tag == "link" else attrs.get("src")
            if linked and attrs.get("rel") not in ("index", "search", "next", "prev"):
                self.figures.append(linked)


def read_site(folder):
    """Read the pages of a built site, by their path."""
    return {
        path.relative_to(folder).as_posix(): Page(path.read_text("utf-8"))
        for path in sorted(folder.rglob("*.html"))
        if not path.relative_to(folder).parts[0].startswith("_")
    }


def broken_links(folder, pages):
    """Report links to pages and places, and figures, that are not there."""
    folder = folder.resolve()
    for name, page in pages.items():
        for link in [*page.links, *page.figures]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path, place = urldefrag(link)
            path = unquote(path.partition("?")[0])
            target = (
                ((folder / name).parent / path).resolve() if path else folder / name
            )
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                yield f"{name}: {link} is not there"
                continue
            there = target.relative_to(folder).as_posix()
            if place and there in pages and unquote(place) not in pages[there].targets:
                yield f"{name}: {link} has no such place"


def find_browser():
    """Return the path of a Chromium, from the variable BROWSER_PATH or PATH, or None."""
    named = os.environ.get("BROWSER_PATH")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


class Reporter(SimpleHTTPRequestHandler):
    """Serves the site and the harness, and takes what the browser reports."""

    reports, harness, news = None, None, None

    def do_GET(self):
        if self.path != "/harness":
            return super().do_GET()
        body = self.harness.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.wfile.write(body)

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.reports.append(json.loads(self.rfile.read(length)))
        self.news.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing about single requests."""


def seen_in_browser(folder, pages, browser, patience=PATIENCE):
    """Report what a reader would see amiss, at both widths.

    Raises `RuntimeError` if the browser is silent for too long.
    """
    harness = HARNESS.replace("PAGES", json.dumps(pages), 1)
    handler = type(
        "Handler",
        (Reporter,),
        {
            "reports": [],
            "harness": harness.replace("WIDTHS", json.dumps(WIDTHS), 1),
            "news": threading.Event(),
        },
    )
    handle = partial(handler, directory=folder)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handle) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = [*OPTIONS, f"--user-data-dir={profile}"]
        url = f"http://127.0.0.1:{server.server_port}/harness"
        process = subprocess.Popen(
            [browser, *options, url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until_done(handler, process, patience)
        finally:
            process.kill()
            process.wait()
            server.shutdown()
    for report in handler.reports:
        for said in report.get("said", ()):
            yield f"{report['page']} at {report['width']} pixels: {said}"


def wait_until_done(handler, process, patience):
    """Wait for the browser's last report."""
    silent_since = time.monotonic()
    while not (handler.reports and handler.reports[-1].get("done")):
        if handler.news.wait(0.5):
            handler.news.clear()
            silent_since = time.monotonic()
        elif process.poll() is not None or time.monotonic() - silent_since > patience:
            raise RuntimeError(
                f"The browser stopped after {len(handler.reports)} reports "
                f"(exit status {process.poll()})."
            )


def main(arguments=None):
    """Check the site, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args(arguments)
    pages = read_site(options.folder)
    if not pages:
        print(f"There are no pages in {options.folder}. Run `make docs` first.")
        return 1
    found = list(broken_links(options.folder, pages))
    seen = (
        f"{len(pages)} pages, {sum(len(page.links) for page in pages.values())} links"
    )
    if options.browser:
        browser = find_browser()
        if browser is None:
            print(
                "Skipped the check in a browser: there is no Chromium on the PATH "
                "(apt-get install chromium, or set BROWSER_PATH)."
            )
        else:
            found += seen_in_browser(options.folder, [*pages], browser)
            seen += f", each page at {' and '.join(map(str, WIDTHS))} pixels"
    print(*found, sep="\n", end="\n" if found else "")
    print(f"Site: {seen}; {len(found)} things amiss.")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
