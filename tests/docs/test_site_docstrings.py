"""Docstrings as the documentation site shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

griffe = pytest.importorskip("griffe", reason="the docs extra is not installed")

from site_docstrings import SiteDocstrings, as_markdown  # noqa: E402


def no_name(name: str) -> str:
    raise AssertionError(f"{name} needed no search")


@pytest.mark.parametrize(
    ("role", "path", "shown"),
    [
        (":class:`~gencsp.filters.base.Filter`", "gencsp.filters.base.Filter", "Filter"),
        (":func:`gencsp.api.relax`", "gencsp.api.relax", "gencsp.api.relax"),
        (":mod:`the page <gencsp.errors>`", "gencsp.errors", "the page"),
    ],
)
def test_a_role_becomes_an_optional_link(role: str, path: str, shown: str) -> None:
    link = f'<autoref optional identifier="{path}"><code>{shown}</code></autoref>'
    assert as_markdown(f"See {role}, too.", no_name) == f"See {link}, too."


def test_literals_get_one_backquote() -> None:
    assert as_markdown("``run()`` and ``a ` b``", no_name) == "`run()` and ``a ` b``"


def test_short_names_and_fields_of_a_real_package(tmp_path: Path) -> None:
    package = tmp_path / "orchard"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""Trees of :class:`Tree`."""\nfrom orchard.trees import Tree\n'
    )
    (package / "trees.py").write_text(
        '"""One file."""\n'
        "class Tree:\n"
        '    """See :meth:`grow` and :class:`Branch`, not :func:`elsewhere`."""\n'
        '    height: float = Field(2.0, description="In " "metres.")\n'
        "    age: int = 3\n"
        "    def grow(self) -> None:\n"
        '        """Makes a :class:`~Branch`."""\n'
        "class Branch:\n"
        '    """Of a tree."""\n'
    )
    read = griffe.load(
        "orchard", search_paths=[str(tmp_path)], extensions=griffe.load_extensions(SiteDocstrings)
    )
    assert 'identifier="orchard.trees.Tree"' in read.docstring.value
    tree = read["trees.Tree"]
    assert 'identifier="orchard.trees.Tree.grow"' in tree.docstring.value
    assert 'identifier="orchard.trees.Branch"' in tree.docstring.value
    assert 'identifier="elsewhere"' in tree.docstring.value
    assert 'identifier="orchard.trees.Branch"><code>Branch<' in tree["grow"].docstring.value
    assert tree["height"].docstring.value == "In metres."
    assert tree["age"].docstring is None
