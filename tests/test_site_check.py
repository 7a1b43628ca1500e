"""The check of the built site finds what it looks for, with a browser and without."""

import base64
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = runpy.run_path(str(ROOT / "docs" / "site_check.py"))
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAGE = (
    "<!doctype html><meta charset=utf-8><style>{style}</style><article>{body}</article>"
)
SOUND = (
    '<h1 id="top">Title</h1><a href="other.html#here">there</a><a href="#top">up</a>'
    '<a href="https://elsewhere.invalid/">out</a><img src="pixel.png">'
)


@pytest.fixture
def site(tmp_path):
    """A site of two sound pages, to be damaged."""
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    (tmp_path / "other.html").write_text(PAGE.format(style="", body="<p id=here>Here"))

    def write(body=SOUND, style=""):
        (tmp_path / "index.html").write_text(PAGE.format(style=style, body=body))
        return tmp_path

    return write


def links(folder):
    return list(CHECK["broken_links"](folder, CHECK["read_site"](folder)))


def test_a_sound_site_has_nothing_amiss(site, capsys):
    assert links(site()) == []
    assert CHECK["main"]([str(site())]) == 0
    assert capsys.readouterr().out == "Site: 2 pages, 3 links; 0 things amiss.\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html is not there"),
        (
            '<a href="other.html#no">x</a>',
            "index.html: other.html#no has no such place",
        ),
        ('<a href="#no">x</a>', "index.html: #no has no such place"),
        ('<img src="gone.png">', "index.html: gone.png is not there"),
        ('<svg><a href="gone.html"></a></svg>', "index.html: gone.html is not there"),
    ],
)
def test_what_is_not_there_is_found_without_a_browser(site, capsys, body, said):
    assert links(site(body)) == [said]
    assert CHECK["main"]([str(site(body))]) == 1
    assert said in capsys.readouterr().out


def test_an_empty_folder_is_an_error(tmp_path, capsys):
    assert CHECK["main"]([str(tmp_path)]) == 1
    assert "Run `make docs` first" in capsys.readouterr().out


def test_without_a_browser_the_check_says_that_it_is_skipped(site, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    assert CHECK["main"]([str(site()), "--browser"]) == 0
    assert "Skipped the check in a browser: there is no Chromium" in (
        capsys.readouterr().out
    )


LONG = "n" * 200
NARROW_CODE = "pre { overflow-x: auto }"
DRAWN = (
    '<svg width="200" height="40"><a href="other.html"><rect width="30" height="30"/>'
    '<text y="20">much too long</text></a></svg>'
)
# Body and style of a page -> what is amiss at 1300 pixels, and at 400.
AMISS = {
    (SOUND, ""): ("", ""),
    (f"<p>{LONG}", "article { overflow: hidden }"): ("leaves its ARTICLE",) * 2,
    # Code may scroll on a phone, where readers expect it, and not on a desk.
    (f"<pre>{LONG}</pre>", NARROW_CODE): ("leaves its PRE", ""),
    ('<p style="width: 600px">wide', ""): ("", "pixels wide"),
    (DRAWN, ""): ("wider than its box",) * 2,
    ('<img src="broken.png">', ""): ("broken.png did not load",) * 2,
}


def test_what_a_reader_would_see_is_found_in_a_browser(site):
    browser = CHECK["find_browser"]()
    if browser is None:
        pytest.skip("there is no Chromium on the PATH")
    folder = site()
    (folder / "broken.png").write_bytes(PIXEL[:20])
    pages = [f"{i}.html" for i in range(len(AMISS))]
    for page, (body, style) in zip(pages, AMISS, strict=True):
        (folder / page).write_text(PAGE.format(style=style, body=body))
    found = list(CHECK["seen_in_browser"](folder, pages, browser, 60))
    for page, said in zip(pages, AMISS.values(), strict=True):
        for width, words in zip((1300, 400), said, strict=True):
            lines = [x for x in found if x.startswith(f"{page} at {width} pixels: ")]
            assert bool(lines) == bool(words), found
            assert words in "".join(lines), found


def test_a_browser_that_dies_is_an_error(site):
    with pytest.raises(RuntimeError, match="stopped after 0 reports"):
        list(CHECK["seen_in_browser"](site(), ["index.html"], "/bin/false", 10))
