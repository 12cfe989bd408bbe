"""CHGNet as one lean PyTorch module over a whole batch, with the published weights.

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
from torch import Tensor, nn
from torch.nn import functional

from gencsp.engine.graph import BondGraph

_WIDTH = 64


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the weights alone do not say: cutoffs in Å and the exponent of the envelope."""

    atom_cutoff: float
    bond_cutoff: float
    envelope_exponent: int


class CHGNetwork(nn.Module):
    """Site energies (and magnetic moments) of a batch of crystals.

    ``weights`` are CHGNet's own, by the names of its ``state_dict``. Layer norms, biases and the
    number of basis functions are read off their names and shapes, so one class serves v0.3.0,
    v0.2.0 and r2SCAN.
    """

    def __init__(self, weights: Mapping[str, Tensor], settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        self._weights = weights
        self._put("embedding", "atom_embedding.embedding.weight")
        self._put("reference", "composition_model.fc.weight", flat=True)
        bonds = [weights[f"{name}.weight"] for name in ("bond_embedding", "bond_weights_ag")]
        self.register_buffer("radial_long", torch.cat(bonds).T.contiguous())
        self._put("radial_short", "bond_weights_bg.weight", transpose=True)
        self._put("angular", "angle_embedding.weight", transpose=True)
        basis = "bond_basis_expansion.rbf_expansion_{}.frequencies"
        self._put("frequencies_long", basis.format("ag"))
        self._put("frequencies_short", basis.format("bg"))
        self._put("frequencies_angle", "angle_basis_expansion.fourier_expansion.frequencies")
        n_layers = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("atom_conv"))
        self.atom_gates = nn.ModuleList(
            _Gate(weights, f"atom_conv_layers.{i}.twoBody_atom", "cbn") for i in range(n_layers)
        )
        self.bond_gates = nn.ModuleList(
            _Gate(weights, f"bond_conv_layers.{i}.twoBody_bond", "lrac")
            for i in range(n_layers - 1)
        )
        self.angle_gates = nn.ModuleList(
            _Gate(weights, f"angle_layers.{i}.twoBody_bond", "lrac") for i in range(n_layers - 2)
        )
        self.atom_out = _linears(weights, "atom_conv_layers.{}.mlp_out.layers.1", n_layers)
        self.bond_out = _linears(weights, "bond_conv_layers.{}.mlp_out.layers.1", n_layers - 1)
        self.magmom = _linear(weights, "site_wise")
        self.readout_norm = _norm(weights, "readout_norm")
        hidden = sorted({int(k.split(".")[2]) for k in weights if k.startswith("mlp.layers.")})
        self.readout = nn.ModuleList(_linear(weights, f"mlp.layers.{i}") for i in hidden)
        del self._weights
        self.requires_grad_(False)

    def _put(self, name: str, key: str, *, transpose: bool = False, flat: bool = False) -> None:
        value = self._weights[key]
        value = value.view(-1) if flat else value.T if transpose else value
        self.register_buffer(name, value.clone().contiguous())

    def forward(
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
        atoms = self.embedding[numbers - 1]
        long = self._radial(lengths, self.frequencies_long, self.settings.atom_cutoff)
        edge, edge_weight = (long @ self.radial_long).split(_WIDTH, 1)
        short_length = lengths[bonds.short]
        weight = self._radial(short_length, self.frequencies_short, self.settings.bond_cutoff)
        weight = weight @ self.radial_short
        angle_weight = weight[bonds.left] * weight[bonds.right]
        angle = self._angles(vectors[bonds.short] / short_length[:, None], bonds)
        short = edge[bonds.short]
        centre, neighbour = torch.cat([first, second]), torch.cat([second, first])
        moments = None

        last = len(self.atom_gates) - 1
        for layer, gate in enumerate(self.atom_gates):
            mixed = gate.part("c", atoms, bias=True)[centre] + gate.part("n", atoms)[neighbour]
            mixed = (mixed.view(2, n_edges, -1) + gate.part("b", edge)).view(2 * n_edges, -1)
            message = gate(mixed).view(2, n_edges, _WIDTH) * edge_weight
            gathered = torch.zeros_like(atoms).index_add(0, centre, message.view(-1, _WIDTH))
            atoms = atoms + self.atom_out[layer](gathered)
            if layer == last:
                break
            message = self.bond_gates[layer].mix(atoms, short, angle, bonds) * angle_weight
            gathered = torch.zeros_like(short).index_add(0, bonds.left, message)
            out = self.bond_out[layer]
            if out.bias is not None:
                # v0.2.0 adds its bias to every bond, of crystals that have angles.
                edge = edge + has_angles.to(edge.dtype) * out.bias
            short = short + out(gathered)
            edge = edge.index_copy(0, bonds.short, short)
            if layer < last - 1:
                angle = angle + self.angle_gates[layer].mix(atoms, short, angle, bonds)
            elif magmoms:
                moments = self.magmom(atoms).view(-1).abs()
        return self._read_out(atoms) + self.reference[numbers - 1].to(atoms.dtype), moments

    def _read_out(self, atoms: Tensor) -> Tensor:
        if self.readout_norm is not None:
            atoms = self.readout_norm(atoms)
        for linear in self.readout[:-1]:
            atoms = functional.silu(linear(atoms))
        out: Tensor = self.readout[-1](atoms)
        return out.view(-1)

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
        cosine = (units[bonds.left] * units[bonds.right]).sum(1) * bonds.sign.to(units.dtype)
        angle = torch.acos(cosine * (1 - 1e-6))[:, None]
        waves = angle * self.frequencies_angle
        constant = torch.full_like(angle, 1 / math.sqrt(2))
        basis = torch.cat([constant, torch.sin(waves), torch.cos(waves)], 1) / math.sqrt(math.pi)
        return basis @ self.angular


class _Gate(nn.Module):
    """CHGNet's gated perceptron, core and gate side by side, its first layer applied in parts.

    ``parts`` names the blocks of 64 columns of the first layer, in the order of CHGNet's
    concatenation.
    """

    def __init__(self, weights: Mapping[str, Tensor], name: str, parts: str) -> None:
        super().__init__()
        halves = ("mlp_core", "mlp_gate")
        numbers = sorted(
            {int(k[len(name) :].split(".")[3]) for k in weights if k.startswith(f"{name}.mlp_core")}
        )

        def both(layer: int, kind: str) -> list[Tensor]:
            return [weights[f"{name}.{half}.layers.{layer}.{kind}"] for half in halves]

        first = torch.cat(both(numbers[0], "weight"))
        for part, columns in zip(parts, first.split(_WIDTH, 1), strict=True):
            self.register_buffer(f"first_{part}", columns.T.contiguous())
        self.register_buffer("first_bias", torch.cat(both(numbers[0], "bias")))
        self.deep = len(numbers) > 1
        if self.deep:
            second = torch.stack([w.T for w in both(numbers[1], "weight")])
            self.register_buffer("second_weight", second.contiguous())
            self.register_buffer("second_bias", torch.stack(both(numbers[1], "bias"))[:, None])
        self.norms = nn.ModuleList(
            norm for i in (1, 2) if (norm := _norm(weights, f"{name}.bn{i}")) is not None
        )

    def part(self, name: str, features: Tensor, *, bias: bool = False) -> Tensor:
        """The contribution of one block of columns to the first layer."""
        weight: Tensor = getattr(self, f"first_{name}")
        return torch.addmm(self.first_bias, features, weight) if bias else features @ weight

    def mix(self, atoms: Tensor, short: Tensor, angle: Tensor, bonds: BondGraph) -> Tensor:
        """Messages along angles, shape (a, 64)."""
        mixed = self.part("c", atoms, bias=True)[bonds.centre] + self.part("a", angle)
        mixed = mixed + self.part("l", short)[bonds.left] + self.part("r", short)[bonds.right]
        out: Tensor = self(mixed)
        return out

    def forward(self, mixed: Tensor) -> Tensor:
        if self.deep:
            hidden = functional.silu(mixed).view(len(mixed), 2, _WIDTH).transpose(0, 1)
            core, gate = torch.baddbmm(self.second_bias, hidden, self.second_weight)
        else:
            core, gate = mixed.split(_WIDTH, 1)
        if self.norms:
            core, gate = self.norms[0](core), self.norms[1](gate)
        return functional.silu(core) * torch.sigmoid(gate)


def _linear(weights: Mapping[str, Tensor], name: str) -> nn.Linear:
    weight, bias = weights[f"{name}.weight"], weights.get(f"{name}.bias")
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight.data = weight.clone()
    if bias is not None:
        linear.bias.data = bias.clone()
    return linear


def _linears(weights: Mapping[str, Tensor], pattern: str, n: int) -> nn.ModuleList:
    return nn.ModuleList(_linear(weights, pattern.format(i)) for i in range(n))


def _norm(weights: Mapping[str, Tensor], name: str) -> nn.LayerNorm | None:
    if f"{name}.weight" not in weights:
        return None
    norm = nn.LayerNorm(_WIDTH)
    norm.weight.data = weights[f"{name}.weight"].clone()
    norm.bias.data = weights[f"{name}.bias"].clone()
    return norm
