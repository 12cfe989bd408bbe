"""Crystals from any database that speaks OPTIMADE (https://www.optimade.org, version 1).

Andersen et al., Sci. Data 8, 217 (2021).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from gencsp import records
from gencsp.composition import Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.deck import MOST_ATOMS
from gencsp.descriptors.flaws import find_flaws
from gencsp.errors import SourceError
from gencsp.provenance import Provenance, Stage
from gencsp.sources.answers import CRYSTAL, ODD, finite, listed, object_of, text_of
from gencsp.sources.web import Web

FIELDS = (
    "lattice_vectors",
    "cartesian_site_positions",
    "species",
    "species_at_sites",
    "dimension_types",
    "structure_features",
)

#: Crystals in one answer; servers may give fewer.
PAGE = 100
#: Most pages of one query: beyond all databases there are, short of for ever.
MOST_PAGES = 100_000


def system_filter(elements: Sequence[str]) -> str:
    """OPTIMADE's filter for all of these elements and no others."""
    names = ", ".join(f'"{symbol}"' for symbol in sorted(set(elements)))
    return f"elements HAS ALL {names} AND nelements={len(set(elements))}"


def formula_filter(formula: str) -> str:
    """OPTIMADE's filter for one reduced formula (elements in alphabetical order)."""
    return f'chemical_formula_reduced="{Composition.parse(formula).formula_key}"'


class Optimade:
    """One database.

    Args:
        url: its base address, with or without ``/v1``.
        web: the connection.

    Attributes:
        skipped: crystals that were left out, by reason.
    """

    def __init__(self, url: str, *, web: Web) -> None:
        base = url.rstrip("/")
        self.url = base if base.rpartition("/")[2].startswith("v") else f"{base}/v1"
        self.web = web
        self.skipped: Counter[str] = Counter()

    def structures(
        self, query: str, *, most: int = 1000, energy: str = "", level: str = ""
    ) -> Iterator[Atoms]:
        """Crystals that a filter lets through, lazily, page by page.

        Args:
            query: in OPTIMADE's filter language.
            most: how many at most.
            energy: the database's own field for the energy in eV/atom, such as
                ``_oqmd_total_energy_per_atom``; kept in ``info['energy_per_atom']``.
            level: level of theory of that energy, kept in ``info['energy_model']``.

        Yields:
            Crystals with provenance. Partly occupied, partly periodic and incomplete ones are
            counted in ``skipped``.

        Raises:
            SourceError: no answer, or one that is not OPTIMADE's.
        """
        given = 0
        for document in self._documents(query, (*FIELDS, *([energy] if energy else []))):
            try:
                atoms = _crystal(document)
                value = _energy(document, energy)
            except _Unfit as unfit:
                self.skipped[str(unfit)] += 1
                continue
            if value is not None:
                records.write_energy(atoms, value * len(atoms), model=level)
            yield atoms
            given += 1
            if given == most:
                return

    def _documents(self, query: str, fields: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        asked: Mapping[str, str] | None = {
            "filter": query,
            "response_fields": ",".join(fields),
            "response_format": "json",
            "page_limit": str(PAGE),
        }
        url: str | None = f"{self.url}/structures"
        seen: set[str] = set()
        while url is not None:
            if url in seen:
                raise SourceError(f"{self.url} links its pages in a circle.")
            if len(seen) == MOST_PAGES:
                raise SourceError(f"{self.url} links more than {MOST_PAGES} pages: narrow it down.")
            seen.add(url)
            answer = self.web.get(url, asked, home=self.url)
            try:
                page = listed(answer["data"])
                href = _link(object_of(answer.get("links") or {}).get("next"))
                url, asked = (urljoin(url, href) if href else None), None
            except ODD as error:
                raise SourceError(
                    f"{self.url} did not answer in the form of OPTIMADE ({repr(error)[:200]})."
                ) from error
            yield from page


class _Unfit(Exception):
    """A crystal that gencsp cannot take; it becomes a count."""


def entry_of(atoms: Atoms) -> HullEntry:
    """A crystal with an energy as an entry of a hull.

    Raises:
        SourceError: it has no energy, or its level of theory is not named.
    """
    info = atoms.info
    if records.ENERGY_PER_ATOM not in info or not info.get(records.ENERGY_MODEL):
        name = info.get(records.STRUCTURE_ID, "a crystal")
        raise SourceError(f"{name} has no energy of a named level of theory.")
    return HullEntry(
        composition=Composition.of(atoms),
        energy_per_atom=float(info[records.ENERGY_PER_ATOM]),
        model=str(info[records.ENERGY_MODEL]),
        entry_id=str(info.get(records.STRUCTURE_ID, "")),
    )


def _link(following: object) -> str:
    """A link is an address, or an object that holds one; empty where there is none."""
    href = following.get("href") if isinstance(following, dict) else following
    if href is not None and not isinstance(href, str):
        raise TypeError(f"a {type(href).__name__} where a link is due")
    return href or ""


def _energy(document: Mapping[str, Any], name: str) -> float | None:
    """The energy of a crystal that was read, in eV/atom; ``None`` where the database has none."""
    value = document["attributes"].get(name) if name else None
    if value is None:
        return None
    try:
        return finite(value)
    except ODD as error:
        raise _Unfit("an energy that is no number") from error


def _crystal(document: Mapping[str, Any]) -> Atoms:
    try:
        attributes = object_of(object_of(document)["attributes"])
        name = text_of(document["id"])
        if list(attributes.get("dimension_types") or [1, 1, 1]) != [1, 1, 1]:
            raise _Unfit("not periodic in three directions")
        kinds = {kind["name"]: _symbol(kind) for kind in attributes["species"]}
        symbols = [kinds[site] for site in listed(attributes["species_at_sites"])]
        if len(symbols) > MOST_ATOMS:
            raise _Unfit(f"more than {MOST_ATOMS} atoms")
        cell = np.array(attributes["lattice_vectors"], dtype=float)
        positions = np.array(attributes["cartesian_site_positions"], dtype=float)
        if cell.shape != (3, 3) or positions.shape != (len(symbols), 3) or not symbols:
            raise _Unfit("incomplete")
        atoms = Atoms(symbols, positions=positions, cell=cell, pbc=True)
    except ODD as error:
        raise _Unfit("incomplete") from error
    if find_flaws(atoms, CRYSTAL):
        raise _Unfit("incomplete")
    Provenance(structure_id=name, proposer="optimade", stage=Stage.GENERATED).write(atoms)
    return atoms


def _symbol(kind: Mapping[str, Any]) -> str:
    symbols, shares = kind["chemical_symbols"], kind["concentration"]
    if len(symbols) != 1 or abs(finite(shares[0]) - 1) > 1e-6:
        raise _Unfit("partly occupied sites")
    symbol = str(symbols[0])
    if symbol not in atomic_numbers or symbol in ("X", "vacancy"):
        raise _Unfit("sites that are no atoms")
    return symbol
