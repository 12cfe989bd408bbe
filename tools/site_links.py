"""Lets pages of the documentation site link to files of the repository beside ``docs/``.

A document says ``[results](../benchmarks/RESULTS.md)``, which works where the repository is read.
The site has no such folder, so the files that pages link to, and those that these link to, become
part of it under ``repository/``: Markdown as pages, all else as it is. A link to a folder becomes
the path as text. No page may fetch scripts, styles or pictures from elsewhere. mkdocs.yml names
this file as a hook.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

COPIES = "repository"
_FETCHED = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)


class RepositoryLinks(Extension):
    """Rewrites the links of the page that is being rendered."""

    def __init__(self, root: Path, docs: str) -> None:
        super().__init__()
        self.root = root
        self.docs = docs
        self.page = ""  # path in the site's sources; set before each page

    def extendMarkdown(self, md: Markdown) -> None:
        # Before mkdocs turns paths of sources into addresses of pages, which it does at 0.
        md.treeprocessors.register(_Rewriter(self, md), "repository_links", 5)

    def repository_path(self, page: str) -> str:
        """Where the source of a page stands in the repository, such as ``docs/search.md``."""
        inside, _, rest = page.partition("/")
        return rest if inside == COPIES else posixpath.join(self.docs, page)

    def target(self, page: str, link: str) -> str | None:
        """The file or folder of the repository that a page's relative link leads to."""
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return None
        folder = posixpath.dirname(self.repository_path(page))
        return posixpath.normpath(posixpath.join(folder, parts.path))

    def source(self, target: str) -> str:
        """Path in the site's sources of a file of the repository."""
        inside, _, rest = target.partition("/")
        return rest if inside == self.docs else posixpath.join(COPIES, target)


class _Rewriter(Treeprocessor):
    def __init__(self, links: RepositoryLinks, md: Markdown) -> None:
        super().__init__(md)
        self.links = links

    def run(self, root: Element) -> None:
        for element in root.iter("a"):
            link = element.get("href", "")
            target = self.links.target(self.links.page, link)
            if target is None:
                continue
            if (self.links.root / target).is_dir():
                _as_text(element, target)
            else:
                here = posixpath.dirname(self.links.page)
                path = posixpath.relpath(self.links.source(target), here or ".")
                fragment = urlsplit(link).fragment
                element.set("href", f"{path}#{fragment}" if fragment else path)


def _as_text(element: Element, folder: str) -> None:
    """A link to a folder, for which the site has no page, becomes the text with its path."""
    del element.attrib["href"]
    element.tag = "span"
    element.set("title", f"{folder}/ in the repository")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Adds the extension to those that render every page."""
    docs = Path(config.docs_dir)
    # mkdocs hands the list to Markdown, which takes objects as well as names.
    extensions: list[Any] = config.markdown_extensions
    extensions.append(RepositoryLinks(docs.parent, docs.name))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files of the repository that pages link to, directly or through each other."""
    links = _links(config)
    waiting = [file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        text = (links.root / links.repository_path(page)).read_text(encoding="utf-8")
        for inline, defined in _LINK.findall(text):
            target = links.target(page, inline or defined)
            if target is None or target.startswith("..") or not (links.root / target).is_file():
                continue  # mkdocs itself says which links lead nowhere
            source = links.source(target)
            if files.get_file_from_path(source) is not None:
                continue
            path = str(links.root / target)
            copy = File.generated(
                config, source, abs_src_path=path, inclusion=InclusionLevel.NOT_IN_NAV
            )
            files.append(copy)
            if target.endswith(".md"):
                waiting.append(source)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Tells the extension whose links come next."""
    _links(config).page = page.file.src_uri
    return markdown


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuses a page that a reader's browser would complete from the network."""
    if found := _FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches from the network: {found[0]}")
    return output


def _links(config: MkDocsConfig) -> RepositoryLinks:
    return next(e for e in config.markdown_extensions if isinstance(e, RepositoryLinks))
