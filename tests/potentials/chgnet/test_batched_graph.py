"""The batched graph against chgnet's own converter and pymatgen's neighbour list."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.cell import Cell
from chgnet.graph import CrystalGraphConverter
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from gencsp.minimise.crystals import Crystals
from gencsp.potentials.chgnet import graph
from gencsp.potentials.chgnet.graph import Edges, angle_counts, build_bond_graph, build_edges

CUTOFF, BOND_CUTOFF = 6.0, 3.0


def crystals() -> dict[str, Atoms]:
    rng = np.random.default_rng(0)
    skewed = np.array([[3.1, 0, 0], [7, 3.5, 0], [-9, 8, 4.0]])
    mirrored = [[0, 4, 0], [4, 0, 0], [0, 0, 4]]
    rattled = bulk("Si", cubic=True)
    rattled.rattle(0.1, seed=1)
    return {
        "one atom": bulk("Cu"),
        "two atoms": bulk("NaCl", "rocksalt", a=5.6),
        "supercell": bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 3),
        "rattled": rattled,
        "skewed": Atoms("LiO", positions=rng.random((2, 3)) @ skewed, cell=skewed, pbc=True),
        "tiny": Atoms("H", cell=[1.3, 1.4, 1.6], pbc=True),
        "left-handed": Atoms("LiF", [[0, 0, 0], [2, 2, 2.1]], cell=mirrored, pbc=True),
        "unwrapped": Atoms("LiF", [[-9, 13, 0], [20, 2, 2.1]], cell=[4, 4, 4.2], pbc=True),
        "large": Atoms("Ar40", rng.random((40, 3)) * 14, cell=[14, 14, 14], pbc=True),
        "no short bonds": bulk("Cs", "bcc", a=6.14),
    }


def edges_of(structures: list[Atoms]) -> tuple[Edges, torch.Tensor]:
    batch = Crystals.from_atoms(structures)
    edges = build_edges(
        torch.tensor(batch.positions),
        torch.tensor(batch.cells),
        torch.tensor(batch.sizes),
        CUTOFF,
    )
    return edges, torch.tensor(batch.owner)


def canonical(edges: Edges) -> np.ndarray:
    """Rows (i, j, x, y, z) with i <= j, of both directions where i = j, in a fixed order."""
    first, second = edges.first.numpy(), edges.second.numpy()
    rows = np.column_stack([first, second, edges.vectors.numpy()])
    flip = np.column_stack([second, first, -edges.vectors.numpy()])
    rows = np.where((first <= second)[:, None], rows, flip)
    rows = np.concatenate([rows, flip[first == second]])
    return rows[np.lexsort(np.round(rows, 6).T)]


@pytest.mark.parametrize("name", list(crystals()))
def test_counts_and_lengths_are_those_of_chgnets_converter(name: str) -> None:
    atoms = crystals()[name]
    structure = AseAtomsAdaptor.get_structure(atoms)
    converter = CrystalGraphConverter(on_isolated_atoms="ignore")
    expected = converter(structure)
    edges, owner = edges_of([atoms])
    lengths = edges.vectors.norm(dim=1)
    bonds = build_bond_graph(edges.first, edges.second, lengths, len(atoms), BOND_CUTOFF)
    assert len(edges.first) == len(expected.undirected2directed)
    assert 2 * len(edges.first) == len(expected.atom_graph)
    assert len(bonds.centre) == len(expected.bond_graph)
    assert angle_counts(edges, owner, BOND_CUTOFF, 1).tolist() == [len(bonds.centre)]
    distances = structure.get_neighbor_list(CUTOFF, numerical_tol=1e-8)[3]
    np.testing.assert_allclose(
        np.sort(np.repeat(lengths.numpy(), 2)), np.sort(distances), atol=1e-9
    )


def test_vectors_are_differences_of_their_atoms_and_lattice_vectors() -> None:
    atoms = crystals()["skewed"]
    edges, _ = edges_of([atoms])
    straight = atoms.positions[edges.first.numpy()] - atoms.positions[edges.second.numpy()]
    images = atoms.cell.scaled_positions(straight - edges.vectors.numpy())
    np.testing.assert_allclose(images, np.round(images), atol=1e-9)


def test_bond_graph_lists_ordered_pairs_of_bonds_with_their_angle() -> None:
    atoms = crystals()["rattled"]
    edges, _ = edges_of([atoms])
    lengths = edges.vectors.norm(dim=1)
    bonds = build_bond_graph(edges.first, edges.second, lengths, len(atoms), BOND_CUTOFF)
    units = edges.vectors[bonds.short] / lengths[bonds.short, None]
    cosines = (units[bonds.left] * units[bonds.right]).sum(1) * bonds.sign
    expected = CrystalGraphConverter()(AseAtomsAdaptor.get_structure(atoms))
    lattice, image = expected.lattice.detach(), expected.neighbor_image
    positions = expected.atom_frac_coord.detach() @ lattice
    first, second = expected.atom_graph.long().T
    vectors = positions[first] - positions[second] - image @ lattice
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    one, other = expected.bond_graph.long()[:, 2], expected.bond_graph.long()[:, 4]
    theirs = (vectors[one] * vectors[other]).sum(1)
    np.testing.assert_allclose(np.sort(cosines), np.sort(theirs), atol=1e-5)


def test_a_batch_holds_the_graphs_of_its_crystals() -> None:
    structures = list(crystals().values())
    together, _ = edges_of(structures)
    offset, alone = 0, []
    for atoms in structures:
        rows = canonical(edges_of([atoms])[0])
        rows[:, :2] += offset
        alone.append(rows)
        offset += len(atoms)
    expected = np.concatenate(alone)
    np.testing.assert_allclose(
        canonical(together), expected[np.lexsort(np.round(expected, 6).T)], atol=1e-9
    )
    counts = [len(edges_of([atoms])[0].first) for atoms in structures]
    assert together.counts.tolist() == counts


def test_the_cell_list_finds_the_same_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [crystals()[name] for name in ("large", "skewed", "supercell")]
    expected = canonical(edges_of(structures)[0])
    monkeypatch.setattr(graph, "MAX_CANDIDATES", 1)
    np.testing.assert_allclose(canonical(edges_of(structures)[0]), expected, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.tuples(*[st.floats(2.0, 9.0)] * 3),
    angles=st.tuples(*[st.floats(50.0, 110.0)] * 3),
    shear=st.lists(st.integers(-3, 3), min_size=3, max_size=3),
    seed=st.integers(0, 1000),
)
def test_any_cell_gives_pymatgens_pairs(
    lengths: tuple[float, ...], angles: tuple[float, ...], shear: list[int], seed: int
) -> None:
    # Three angles make a cell only where this is above zero: the square of its volume over abc.
    x, y, z = np.cos(np.radians(angles))
    assume(1 + 2 * x * y * z - x**2 - y**2 - z**2 > 0.01)
    cell = Cell.new([*lengths, *angles]).array
    # Another basis of the same lattice, however skewed, has the same neighbours.
    cell = np.array([[1, shear[0], shear[1]], [0, 1, shear[2]], [0, 0, 1]]) @ cell
    scaled = np.random.default_rng(seed).random((3, 3))
    structure = Structure(Lattice(cell), ["Na"] * 3, scaled)
    distances = structure.get_neighbor_list(CUTOFF, numerical_tol=1e-8)[3]
    edges, _ = edges_of([Atoms("Na3", scaled_positions=scaled, cell=cell, pbc=True)])
    lengths_found = np.repeat(edges.vectors.norm(dim=1).numpy(), 2)
    np.testing.assert_allclose(np.sort(lengths_found), np.sort(distances), atol=1e-8)
