"""A small site is built with the links hook, and its links are followed."""

from __future__ import annotations

from pathlib import Path

import pytest

config = pytest.importorskip("mkdocs.config", reason="the docs extra is not installed")
build = pytest.importorskip("mkdocs.commands.build")
import site_links  # noqa: E402

DOCS = {
    "docs/index.md": (
        "[numbers](../results/all.md#speed) and [17][n] of [seeds](../seeds), [a](sub/a.md)\n\n"
        "`[code](../results/none.md)`\n\n"
        '[n]: ../results/x.json "results / n | d"\n'
    ),
    "docs/sub/a.md": "[home](../index.md) [x](../../results/x.json) [web](https://a.org/x.md)\n",
    "results/all.md": (
        "# All\n\n## Speed\n\n[docs](../docs/sub/a.md) [more](more/deep.md) [x](x.json)\n"
    ),
    "results/more/deep.md": "[back](../all.md) [first](../../docs/index.md)\n",
    "results/x.json": "{}",
    "seeds/deck.toml": "",
}


def built(root: Path, pages: dict[str, str]) -> Path:
    for name, text in pages.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "mkdocs.yml").write_text(
        "site_name: small\ntheme: {name: null, custom_dir: theme}\nplugins: []\n"
        "use_directory_urls: false\nsite_dir: site\n"
        f"hooks: ['{site_links.__file__}']\nstrict: true\n"
        "validation: {links: {not_found: warn, anchors: warn}}\n"
    )
    (root / "theme").mkdir()
    (root / "theme" / "main.html").write_text("{{ page.content }}")
    build.build(config.load_config(str(root / "mkdocs.yml")))
    return root / "site"


def test_links_lead_to_copies_and_back(tmp_path: Path) -> None:
    site = built(tmp_path, DOCS)
    home = (site / "index.html").read_text()
    assert 'href="repository/results/all.html#speed"' in home
    assert 'href="repository/results/x.json"' in home
    assert 'href="sub/a.html"' in home
    assert '<span title="seeds/ in the repository">seeds</span>' in home
    assert "[code](../results/none.md)" in home
    page = (site / "sub" / "a.html").read_text()
    assert 'href="../index.html"' in page
    assert 'href="../repository/results/x.json"' in page
    assert 'href="https://a.org/x.md"' in page
    copy = (site / "repository" / "results" / "all.html").read_text()
    assert 'href="../../sub/a.html"' in copy
    assert 'href="more/deep.html"' in copy
    assert 'href="x.json"' in copy
    deep = (site / "repository" / "results" / "more" / "deep.html").read_text()
    assert 'href="../all.html"' in deep
    assert 'href="../../../index.html"' in deep
    assert (site / "repository" / "results" / "x.json").read_text() == "{}"


@pytest.mark.parametrize("link", ["../results/gone.md", "../results/all.md#gone", "gone.md"])
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, link: str) -> None:
    with pytest.raises(Exception, match="strict mode"):
        built(tmp_path, {**DOCS, "docs/index.md": f"[broken]({link})\n"})


@pytest.mark.parametrize("source", ["https://example.org/x.js", "//example.org/x.js"])
def test_a_page_that_fetches_from_the_network_fails_the_build(
    tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Exception, match="BuildError"):
        built(tmp_path, {**DOCS, "docs/index.md": f'<script src="{source}"></script>\n'})
    assert f'index.md fetches from the network: <script src="{source}"' in caplog.text
