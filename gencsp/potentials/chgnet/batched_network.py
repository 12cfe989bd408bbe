"""CHGNet as one lean function over a whole batch, with the published weights.

The same function as ``chgnet.model.CHGNet`` (Deng et al., Nature Machine Intelligence 5, 1031
(2023)), rearranged: the first linear layer of each gated perceptron is applied to atoms, bonds and
angles before they are gathered, not to their concatenation after; the two directed copies of an
edge share a row; and the only leaf of the derivative is the bond vectors, from which forces and
virial follow by sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gencsp.potentials.chgnet.graph import BondGraph

_WIDTH = 64

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the weights alone do not say: cutoffs in Å and the exponent of the envelope."""

    atom_cutoff: float
    bond_cutoff: float
    envelope_exponent: int


class CHGNetwork:
    """Site energies (and magnetic moments) of a batch of crystals.

    ``weights`` are CHGNet's own, by the names of its ``state_dict``, on the device and in the type
    to compute in. Layer norms, biases and the number of basis functions are read off their names
    and shapes, so one class serves v0.3.0, v0.2.0 and r2SCAN.
    """

    def __init__(self, weights: Weights, settings: NetworkSettings) -> None:
        self.settings = settings
        self._embedding = weights["atom_embedding.embedding.weight"]
        self._reference = weights["composition_model.fc.weight"].view(-1)
        bonds = [weights[f"{name}.weight"] for name in ("bond_embedding", "bond_weights_ag")]
        self._radial_long = torch.cat(bonds).T.contiguous()
        self._radial_short = weights["bond_weights_bg.weight"].T.contiguous()
        self._angular = weights["angle_embedding.weight"].T.contiguous()
        basis = "bond_basis_expansion.rbf_expansion_{}.frequencies"
        self._frequencies_long = weights[basis.format("ag")]
        self._frequencies_short = weights[basis.format("bg")]
        self._frequencies_angle = weights["angle_basis_expansion.fourier_expansion.frequencies"]
        n = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("atom_conv_layers"))
        self._atom_gates = [
            _Gate(weights, f"atom_conv_layers.{i}.twoBody_atom", "cbn") for i in range(n)
        ]
        self._bond_gates = [
            _Gate(weights, f"bond_conv_layers.{i}.twoBody_bond", "lrac") for i in range(n - 1)
        ]
        # CHGNet updates the angles once more than anything reads them.
        self._angle_gates = [
            _Gate(weights, f"angle_layers.{i}.twoBody_bond", "lrac") for i in range(n - 2)
        ]
        self._atom_out = [
            _Linear(weights, f"atom_conv_layers.{i}.mlp_out.layers.1") for i in range(n)
        ]
        self._bond_out = [
            _Linear(weights, f"bond_conv_layers.{i}.mlp_out.layers.1") for i in range(n - 1)
        ]
        self._magmom = _Linear(weights, "site_wise")
        self._readout_norm = _Norm.find(weights, "readout_norm")
        hidden = sorted({int(k.split(".")[2]) for k in weights if k.startswith("mlp.layers.")})
        self._readout = [_Linear(weights, f"mlp.layers.{i}") for i in hidden]

    def __call__(
        self,
        numbers: Tensor,
        first: Tensor,
        second: Tensor,
        vectors: Tensor,
        bonds: BondGraph,
        has_angles: Tensor,
        *,
        magmoms: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Site energies (n,) in eV, references included, and magnetic moments (n,) in μ_B.

        ``first`` and ``second`` (u,) are the atoms of each undirected edge, ``vectors`` (u, 3) its
        vector in Å, ``has_angles`` (u, 1) whether the crystal that it belongs to has any angle.
        """
        n_edges = len(first)
        lengths = vectors.norm(dim=1)
        atoms = self._embedding.index_select(0, numbers - 1)
        long = self._radial(lengths, self._frequencies_long, self.settings.atom_cutoff)
        edge, edge_weight = (long @ self._radial_long).chunk(2, 1)
        short_length = lengths.index_select(0, bonds.short)
        weight = self._radial(short_length, self._frequencies_short, self.settings.bond_cutoff)
        weight = weight @ self._radial_short
        angle_weight = weight.index_select(0, bonds.left) * weight.index_select(0, bonds.right)
        angle = self._angles(vectors.index_select(0, bonds.short) / short_length[:, None], bonds)
        short = edge.index_select(0, bonds.short)
        centre, neighbour = torch.cat([first, second]), torch.cat([second, first])
        moments = None

        last = len(self._atom_gates) - 1
        for layer, gate in enumerate(self._atom_gates):
            mixed = gate.part("c", atoms, bias=True).index_select(0, centre)
            mixed = mixed + gate.part("n", atoms).index_select(0, neighbour)
            mixed = (mixed.view(2, n_edges, -1) + gate.part("b", edge)).view(2 * n_edges, -1)
            message = gate(mixed).view(2, n_edges, _WIDTH) * edge_weight
            gathered = torch.zeros_like(atoms).index_add(0, centre, message.view(-1, _WIDTH))
            atoms = atoms + self._atom_out[layer](gathered)
            if layer == last:
                break
            message = self._bond_gates[layer].mix(atoms, short, angle, bonds) * angle_weight
            gathered = torch.zeros_like(short).index_add(0, bonds.left, message)
            out = self._bond_out[layer]
            if out.bias is not None:
                # v0.2.0 adds its bias to every bond, of crystals that have angles.
                edge = edge + has_angles.to(edge.dtype) * out.bias
            short = short + out(gathered)
            edge = edge.index_copy(0, bonds.short, short)
            if layer < last - 1:
                angle = angle + self._angle_gates[layer].mix(atoms, short, angle, bonds)
            elif magmoms:
                moments = self._magmom(atoms).view(-1).abs()
        return self._read_out(atoms) + self._reference[numbers - 1], moments

    def _read_out(self, atoms: Tensor) -> Tensor:
        if self._readout_norm is not None:
            atoms = self._readout_norm(atoms)
        for linear in self._readout[:-1]:
            atoms = functional.silu(linear(atoms))
        return self._readout[-1](atoms).view(-1)

    def _radial(self, lengths: Tensor, frequencies: Tensor, cutoff: float) -> Tensor:
        """Bessel functions under the polynomial envelope (Gasteiger et al., arXiv 2003.03123)."""
        p = self.settings.envelope_exponent
        x = lengths[:, None] / cutoff
        envelope = (
            1
            - (p + 1) * (p + 2) / 2 * x**p
            + p * (p + 2) * x ** (p + 1)
            - p * (p + 1) / 2 * x ** (p + 2)
        )
        envelope = torch.where(x < 1, envelope, torch.zeros_like(x))
        return envelope * math.sqrt(2 / cutoff) * torch.sin(frequencies * x) / lengths[:, None]

    def _angles(self, units: Tensor, bonds: BondGraph) -> Tensor:
        cosine = (units.index_select(0, bonds.left) * units.index_select(0, bonds.right)).sum(
            1
        ) * bonds.sign.to(units.dtype)
        angle = torch.acos(cosine * (1 - 1e-6))[:, None]
        waves = angle * self._frequencies_angle
        constant = torch.full_like(angle, 1 / math.sqrt(2))
        basis = torch.cat([constant, torch.sin(waves), torch.cos(waves)], 1) / math.sqrt(math.pi)
        return basis @ self._angular


class _Linear:
    """A linear layer, with or without bias."""

    def __init__(self, weights: Weights, name: str) -> None:
        self._weight = weights[f"{name}.weight"]
        self.bias = weights.get(f"{name}.bias")

    def __call__(self, x: Tensor) -> Tensor:
        return functional.linear(x, self._weight, self.bias)


class _Norm:
    """A layer norm."""

    def __init__(self, weights: Weights, name: str) -> None:
        self._scale, self._shift = weights[f"{name}.weight"], weights[f"{name}.bias"]

    @classmethod
    def find(cls, weights: Weights, name: str) -> _Norm | None:
        """The layer norm of that name, or ``None`` for a model that has none there."""
        return cls(weights, name) if f"{name}.weight" in weights else None

    def __call__(self, x: Tensor) -> Tensor:
        return functional.layer_norm(x, (_WIDTH,), self._scale, self._shift)


class _Gate:
    """CHGNet's gated perceptron, core and gate side by side, its first layer applied in parts.

    ``parts`` names the blocks of 64 columns of the first layer, in the order of CHGNet's
    concatenation.
    """

    def __init__(self, weights: Weights, name: str, parts: str) -> None:
        core = f"{name}.mlp_core.layers."
        layers = sorted({int(k[len(core) :].split(".")[0]) for k in weights if k.startswith(core)})

        def both(layer: int, kind: str) -> list[Tensor]:
            halves = ("mlp_core", "mlp_gate")
            return [weights[f"{name}.{half}.layers.{layer}.{kind}"] for half in halves]

        columns = torch.cat(both(layers[0], "weight")).chunk(len(parts), 1)
        self._first = {p: c.T.contiguous() for p, c in zip(parts, columns, strict=True)}
        self._first_bias = torch.cat(both(layers[0], "bias"))
        self._second: tuple[Tensor, Tensor] | None = None
        if len(layers) > 1:
            second = torch.stack([w.T for w in both(layers[1], "weight")]).contiguous()
            self._second = second, torch.stack(both(layers[1], "bias"))[:, None]
        self._norms = [_Norm.find(weights, f"{name}.bn{i}") for i in (1, 2)]

    def part(self, name: str, features: Tensor, *, bias: bool = False) -> Tensor:
        """The contribution of one block of columns to the first layer."""
        weight = self._first[name]
        return torch.addmm(self._first_bias, features, weight) if bias else features @ weight

    def mix(self, atoms: Tensor, short: Tensor, angle: Tensor, bonds: BondGraph) -> Tensor:
        """Messages along angles, shape (a, 64)."""
        mixed = self.part("c", atoms, bias=True).index_select(0, bonds.centre)
        mixed = mixed + self.part("a", angle)
        mixed = mixed + self.part("l", short).index_select(0, bonds.left)
        mixed = mixed + self.part("r", short).index_select(0, bonds.right)
        return self(mixed)

    def __call__(self, mixed: Tensor) -> Tensor:
        if self._second is None:
            core, gate = mixed.chunk(2, 1)
        else:
            weight, bias = self._second
            hidden = functional.silu(mixed).view(len(mixed), 2, _WIDTH).transpose(0, 1)
            core, gate = torch.baddbmm(bias, hidden, weight)
        if self._norms[0] is not None and self._norms[1] is not None:
            core, gate = self._norms[0](core), self._norms[1](gate)
        return functional.silu(core) * torch.sigmoid(gate)
