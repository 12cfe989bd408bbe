"""The Materials Project, with the user's own key: entries of a hull, and crystals.

Queried directly over its web interface (https://api.materialsproject.org/docs):
``materials/thermo`` for energies and ``materials/summary`` for structures. Energies are those of
the Materials Project's own mixing scheme and corrections; they make a hull of their own, for DFT
energies of the same kind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from ase import Atoms

from gencsp import records
from gencsp.composition import ELEMENTS, Composition
from gencsp.convex_hull.entries import HullEntry
from gencsp.deck import MOST_ATOMS
from gencsp.descriptors.flaws import find_flaws
from gencsp.errors import CompositionError, SourceError
from gencsp.provenance import Provenance, Stage
from gencsp.sources.answers import CRYSTAL, ODD, OddAnswer, finite, listed, object_of, text_of
from gencsp.sources.web import Web

ENDPOINT = "https://api.materialsproject.org"

#: Environment variables that may hold the key.
KEYS = ("MP_API_KEY", "PMG_MAPI_KEY")

#: Documents in one answer.
PAGE = 1000

ThermoType = Literal["GGA_GGA+U", "GGA_GGA+U_R2SCAN", "R2SCAN"]


def find_key(key: str | None = None) -> str:
    """The user's key: as given, else from the environment.

    Raises:
        SourceError: there is none.
    """
    found = key or next((os.environ[name] for name in KEYS if os.environ.get(name)), None)
    if not found:
        raise SourceError(
            "the Materials Project needs a key of your own: get one at "
            "https://next-gen.materialsproject.org/api and set MP_API_KEY to it."
        )
    return found.strip()


def fetch_entries(
    elements: Sequence[str],
    *,
    web: Web,
    key: str | None = None,
    thermo_type: ThermoType = "GGA_GGA+U",
    endpoint: str = ENDPOINT,
) -> tuple[HullEntry, ...]:
    """All phases of a chemical system and its sub-systems, with corrected energies in eV/atom.

    Args:
        elements: symbols.
        web: the connection; the key is added.
        key: of the user; ``None`` takes it from the environment.
        thermo_type: which of the project's mixing schemes; it names the model of the entries.
        endpoint: of the web interface.

    Raises:
        SourceError: no key, no answer, or an answer in another form.
        CompositionError: an element that gencsp does not know.
    """
    asked = {
        "chemsys": ",".join(_subsystems(elements)),
        "thermo_types": thermo_type,
        "_fields": "material_id,composition,energy_per_atom,thermo_type,symmetry",
    }
    documents = _documents(_with_key(web, key), f"{endpoint}/materials/thermo/", asked)
    model = f"mp-{thermo_type}"
    entries = tuple(_entry(document, model) for document in documents)
    if not entries:
        raise SourceError(f"the Materials Project has no entries of {'-'.join(elements)}.")
    return entries


def fetch_structures(
    elements: Sequence[str],
    *,
    web: Web,
    key: str | None = None,
    formula: str | None = None,
    above_hull: float = 0.1,
    endpoint: str = ENDPOINT,
) -> Iterator[Atoms]:
    """Crystals of a chemical system, or of one formula in it, as hosts and seeds.

    Args:
        elements: symbols; all of them must be there, and no others.
        web: see :func:`fetch_entries`.
        key: see :func:`fetch_entries`.
        formula: only crystals of this formula.
        above_hull: most energy above the project's hull, eV/atom.
        endpoint: see :func:`fetch_entries`.

    Yields:
        Crystals with provenance; ``info['energy_above_hull']`` is the project's, eV/atom.

    Raises:
        SourceError: no key, no answer, or an answer in another form.
    """
    place = (
        {"formula": Composition.parse(formula).reduced.formula}
        if formula
        else {"chemsys": "-".join(sorted(elements))}
    )
    asked = {
        **place,
        "energy_above_hull_max": f"{above_hull:g}",
        "deprecated": "false",
        "_fields": "material_id,structure,energy_above_hull",
    }
    for document in _documents(_with_key(web, key), f"{endpoint}/materials/summary/", asked):
        yield _crystal(document)


def _with_key(web: Web, key: str | None) -> Web:
    return replace(web, headers={**web.headers, "X-API-KEY": find_key(key)})


def _subsystems(elements: Sequence[str]) -> list[str]:
    for symbol in elements:
        if symbol not in ELEMENTS:
            raise CompositionError(f"'{symbol}' is not an element that gencsp knows.")
    chosen = sorted(set(elements))
    return ["-".join(part) for n in range(1, len(chosen) + 1) for part in combinations(chosen, n)]


def _documents(web: Web, url: str, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """All documents of a query, page by page."""
    taken = 0
    before: list[Any] = []
    while True:
        answer = web.get(url, {**asked, "_limit": str(PAGE), "_skip": str(taken)})
        try:
            page = listed(answer["data"])
            meta = object_of(answer.get("meta") or {})
            total = finite(meta.get("total_doc", taken + len(page)))
            documents = [object_of(one) for one in page]
        except ODD as error:
            raise SourceError(
                f"the Materials Project answered in another form, without 'data' that can be read "
                f"({_reason(error)}): try again later."
            ) from error
        if page and page == before:
            raise SourceError("the Materials Project repeats its pages: try again later.")
        yield from documents
        before = page
        taken += len(page)
        if not page or taken >= total:
            return


def _entry(document: Mapping[str, Any], model: str) -> HullEntry:
    try:
        group = finite(object_of(document.get("symmetry") or {}).get("number") or 0)
        if not 0 <= group <= 230:
            raise OddAnswer(f"there is no space group {group:g}")
        return HullEntry(
            composition=Composition.from_counts(object_of(document["composition"])),
            energy_per_atom=finite(document["energy_per_atom"]),
            model=model,
            entry_id=_name(document["material_id"]),
            space_group=int(group),
            source="Materials Project",
        )
    except ODD as error:
        raise SourceError(
            f"the Materials Project's entry {_known(document)} lacks what a hull needs "
            f"({_reason(error)})."
        ) from error


def _name(identifier: object) -> str:
    """An id, which newer answers take apart."""
    if not isinstance(identifier, dict):
        return text_of(identifier)
    suffix = text_of(identifier.get("suffix") or "")
    separator = text_of(identifier.get("separator", "-")) if suffix else ""
    return f"{text_of(identifier['identifier'])}{separator}{suffix}"


def _crystal(document: Mapping[str, Any]) -> Atoms:
    try:
        atoms = _atoms(object_of(document["structure"]))
        name = _name(document["material_id"])
        above = document.get("energy_above_hull")
        distance = None if above is None else finite(above)
    except ODD as error:
        raise SourceError(
            f"the Materials Project's crystal {_known(document)} cannot be read ({_reason(error)})."
        ) from error
    Provenance(structure_id=name, proposer="materials-project", stage=Stage.GENERATED).write(atoms)
    if distance is not None:
        atoms.info[records.ENERGY_ABOVE_HULL] = distance
    return atoms


def _atoms(structure: Mapping[str, Any]) -> Atoms:
    """A crystal from pymatgen's form of a ``Structure``.

    Not by pymatgen, which makes objects of whatever classes an answer names.
    """
    sites = [object_of(site) for site in listed(structure["sites"])]
    if not 0 < len(sites) <= MOST_ATOMS:
        raise OddAnswer(f"{len(sites)} atoms")
    atoms = Atoms(
        [_symbol(listed(site["species"])) for site in sites],
        scaled_positions=np.array([site["abc"] for site in sites], dtype=float),
        cell=np.array(object_of(structure["lattice"])["matrix"], dtype=float),
        pbc=True,
    )
    flaws = find_flaws(atoms, CRYSTAL)
    if flaws:
        raise OddAnswer(", ".join(map(str, flaws)))
    return atoms


def _symbol(species: Sequence[Any]) -> str:
    (kind,) = (object_of(one) for one in species)
    symbol = text_of(kind["element"])
    if symbol not in ELEMENTS or abs(finite(kind["occu"]) - 1) > 1e-6:
        raise OddAnswer("a site that is not one atom of a known element")
    return symbol


def _known(document: Mapping[str, Any]) -> str:
    """The id of a document for a message, however odd it is."""
    text = str(document.get("material_id", "?"))[:40]
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _reason(error: Exception) -> str:
    return repr(error)[:200]
