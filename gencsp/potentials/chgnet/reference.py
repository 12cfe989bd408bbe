"""CHGNet by the ``chgnet`` package itself, in double precision: the reference for the engines.

Slow, and meant for tests and benchmarks only. chgnet computes in single precision, where its
forces scatter by up to 1e-3 eV/Å; here its modules and graphs are cast to double precision.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.stress import full_3x3_to_voigt_6_stress

from gencsp.minimise.result import Outcome
from gencsp.potentials.base import Evaluation, ModelName
from gencsp.potentials.chgnet.weights import load_weights


def reference_evaluation(atoms: Atoms, *, model: ModelName = "0.3.0") -> Evaluation:
    """Energy, forces, stress and moments of a periodic crystal, as chgnet defines them.

    An isolated atom gives a failed evaluation. Stress is symmetrised and its sign does not depend
    on the handedness of the cell (chgnet divides by a signed volume).
    """
    import torch
    from pymatgen.io.ase import AseAtomsAdaptor

    network = _network(model)
    structure = AseAtomsAdaptor.get_structure(atoms)
    try:
        graph = network.graph_converter(structure)
    except ValueError:  # raised for isolated atoms
        return Evaluation.failed(Outcome.ISOLATED, len(atoms))
    graph.atom_frac_coord = torch.tensor(structure.frac_coords, requires_grad=True)
    graph.lattice = torch.tensor(structure.lattice.matrix, requires_grad=True)
    graph.neighbor_image = graph.neighbor_image.double()
    found = network.predict_graph(graph, task="efsm")
    composition = load_weights(model).arrays["composition_model.fc.weight"].ravel()
    shift = float(composition[atoms.numbers - 1].astype(np.float64).sum())
    handed = np.sign(np.linalg.det(atoms.cell.array))
    stress = found["s"] * handed * units.GPa
    return Evaluation(
        energy=float(found["e"]) * len(atoms) + shift,
        forces=np.asarray(found["f"], dtype=np.float64),
        stress=full_3x3_to_voigt_6_stress(0.5 * (stress + stress.T)),
        magmoms=np.asarray(found["m"], dtype=np.float64),
    )


@cache
def _network(model: ModelName) -> Any:
    from chgnet.model.model import CHGNet

    network = CHGNet.load(model_name=model, use_device="cpu", verbose=False).double()
    # It adds its reference energies in single precision; they are added here instead.
    network.composition_model = None
    network.graph_converter.set_isolated_atom_response("error")
    return network
