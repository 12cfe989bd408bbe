"""Documents in the forms of the Materials Project's web interface and of OPTIMADE 1.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ase.build import bulk
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor
from web_server import Answer, Asked

KEY = "k" * 32

#: material, formula, corrected energy in eV/atom, space group.
PHASES = (
    ("mp-135", {"Li": 1.0}, -1.9089, 229),
    ("mp-1018134", {"Li": 3.0}, -1.9074, 166),
    ("mp-149", {"Si": 2.0}, -5.4253, 227),
    ("mp-795", {"Li": 1.0, "Si": 1.0}, -3.8500, 88),
    ("mp-1201871", {"Li": 12.0, "Si": 7.0}, -3.4700, 62),
)


def crystal() -> Structure:
    return AseAtomsAdaptor.get_structure(bulk("Si", "diamond", a=5.43))


def thermo(material: str, counts: dict[str, float], energy: float, group: int) -> dict[str, Any]:
    """A ThermoDoc, with the fields that were asked for and the entry that clients of MP read."""
    n = sum(counts.values())
    return {
        "material_id": material,
        "composition": counts,
        "energy_per_atom": energy,
        "thermo_type": "GGA_GGA+U",
        "symmetry": {"crystal_system": "Cubic", "symbol": "x", "number": group, "version": "1"},
        "entries": {
            "GGA": {
                "@module": "pymatgen.entries.computed_entries",
                "@class": "ComputedEntry",
                "energy": energy * n,
                "composition": counts,
                "entry_id": f"{material}-GGA",
                "correction": 0.0,
                "energy_adjustments": [],
                "parameters": {"run_type": "GGA", "hubbards": {}, "is_hubbard": False},
                "data": {},
            }
        },
    }


def materials_project(page: int = 2) -> Callable[[Asked], Answer]:
    """Its thermo and summary pages, at most ``page`` documents at once."""

    def answer(asked: Asked) -> Answer:
        if asked.headers.get("x-api-key") != KEY:
            return Answer({"detail": "Unauthorized"}, status=403)
        if asked.path == "/materials/thermo/":
            documents = [thermo(*phase) for phase in PHASES if _wanted(phase[1], asked.query)]
        elif asked.path == "/materials/summary/":
            documents = [
                {
                    "material_id": "mp-149",
                    "structure": crystal().as_dict(),
                    "energy_above_hull": 0.0,
                }
            ]
        else:
            return Answer({"detail": "Not Found"}, status=404)
        skip = int(asked.query.get("_skip", 0))
        size = min(page, int(asked.query.get("_limit", asked.query.get("_per_page", 100))))
        if "_page" in asked.query:  # pymatgen's own client
            size = int(asked.query["_per_page"])
            skip = size * (int(asked.query["_page"]) - 1)
        meta = {"api_version": "0.86", "total_doc": len(documents)}
        return Answer({"data": documents[skip : skip + size], "meta": meta})

    return answer


def _wanted(counts: dict[str, float], query: dict[str, str]) -> bool:
    return "-".join(sorted(counts)) in query["chemsys"].split(",")


def optimade_structure(name: str, **changes: Any) -> dict[str, Any]:
    """A resource of /structures, with all that the specification requires of it."""
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    attributes: dict[str, Any] = {
        "last_modified": "2026-01-01T00:00:00Z",
        "elements": ["Cl", "Na"],
        "nelements": 2,
        "elements_ratios": [0.5, 0.5],
        "chemical_formula_descriptive": "NaCl",
        "chemical_formula_reduced": "ClNa",
        "chemical_formula_anonymous": "AB",
        "dimension_types": [1, 1, 1],
        "nperiodic_dimensions": 3,
        "lattice_vectors": atoms.cell.array.tolist(),
        "cartesian_site_positions": atoms.positions.tolist(),
        "nsites": 2,
        "species": [
            {"name": "Na1", "chemical_symbols": ["Na"], "concentration": [1.0]},
            {"name": "Cl", "chemical_symbols": ["Cl"], "concentration": [1.0]},
        ],
        "species_at_sites": ["Na1", "Cl"],
        "structure_features": [],
        "_exmpl_energy": -3.4,
    }
    return {"id": name, "type": "structures", "attributes": attributes | changes}


def disordered() -> dict[str, Any]:
    species = [
        {"name": "Na1", "chemical_symbols": ["Na", "K"], "concentration": [0.5, 0.5]},
        {"name": "Cl", "chemical_symbols": ["Cl"], "concentration": [1.0]},
    ]
    return optimade_structure("d", species=species, structure_features=["disorder"])


def optimade(documents: list[dict[str, Any]], *, link_objects: bool = False) -> Any:
    """One resource a page, linked as plain addresses or as objects: both are allowed."""

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v1/info":
            return Answer({"data": {"type": "info", "id": "/"}, "meta": {"api_version": "1.1.0"}})
        if asked.path != "/v1/structures":
            return Answer({"errors": [{"status": "404"}]}, status=404)
        offset = int(asked.query.get("page_offset", 0))
        following: Any = None
        if offset + 1 < len(documents):
            following = f"http://{asked.headers['host']}/v1/structures?page_offset={offset + 1}"
        if link_objects and following:
            following = {"href": following, "meta": {}}
        meta = {
            "query": {"representation": asked.path},
            "api_version": "1.1.0",
            "more_data_available": following is not None,
            "data_returned": len(documents),
            "data_available": len(documents),
        }
        page = documents[offset : offset + 1]
        return Answer({"data": page, "links": {"next": following}, "meta": meta})

    return answer
