"""GemNet-T with direct forces (Gasteiger et al., 2021), the denoiser of CDVAE and DP-CDVAE.

The layers are those of GemNet-dT in the programs of CDVAE and DP-CDVAE, without the energies,
which a denoiser does not need. What they scale by factors that are fitted to a data set (so that
sums over neighbours keep their variance) is divided here by the square root of the number of
neighbours. The first layer on the ends of an edge is split into its parts, so that atoms pass it
once and not once for each of their edges.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from gencsp.diffusion.networks.dimenet import dense
from gencsp.diffusion.networks.layers import cutoff_envelope
from gencsp.diffusion.networks.nearest import NearestGraph

_HALF = 1 / math.sqrt(2)


def activation(x: Tensor) -> Tensor:
    """silu(x)/0.6, which keeps the variance."""
    return silu(x) / 0.6


class GemNetT(nn.Module):
    """Atoms' features, and a vector of each atom, from their edges and the angles between these.

    Args:
        atom_channels: features of an atom.
        channels: features of an edge.
        blocks: rounds of message passing.
        triplet_channels: features of an edge in triplets.
        basis_channels: features of the bases.
        atom_layers: residual layers on what an atom receives, and in the readout.
        n_spherical, n_radial: functions of angle and distance.
        cutoff: Å.
        neighbours: about how many an atom has.
    """

    def __init__(
        self,
        *,
        atom_channels: int,
        channels: int,
        blocks: int,
        triplet_channels: int,
        basis_channels: int,
        atom_layers: int,
        n_spherical: int,
        n_radial: int,
        cutoff: float,
        neighbours: int,
    ) -> None:
        super().__init__()
        self.cutoff, self.n_spherical, self.n_radial = cutoff, n_spherical, n_radial
        sizes = (atom_channels, channels, basis_channels)
        self.rbf_triplet = dense(n_radial, basis_channels, bias=False)
        self.rbf_atom = dense(n_radial, basis_channels, bias=False)
        self.rbf_out = dense(n_radial, basis_channels, bias=False)
        self.cbf = nn.Parameter(torch.empty(n_spherical, n_radial, basis_channels))
        nn.init.normal_(self.cbf, std=1 / math.sqrt(n_spherical * n_radial))
        self.start = EdgeUpdate(atom_channels, n_radial, channels)
        self.interactions = nn.ModuleList(
            Interaction(*sizes, triplet_channels, atom_layers, neighbours) for _ in range(blocks)
        )
        self.readouts = nn.ModuleList(
            Readout(channels, basis_channels, atom_layers) for _ in range(blocks + 1)
        )

    def forward(self, atoms: Tensor, graph: NearestGraph) -> tuple[Tensor, Tensor]:
        """Features of atoms, shape (n, atom_channels), and vectors, shape (n, 3).

        Args:
            atoms: features before, shape (n, atom_channels).
            graph: the edges.
        """
        radial = self._radial(graph.distance)
        degrees = torch.arange(self.n_spherical, device=radial.device)
        norm = torch.sqrt((2 * degrees + 1) / (4 * math.pi)).to(radial)
        angular = graph.legendre(self.n_spherical) * norm[:, None]
        triplet, received, out = (
            self.rbf_triplet(radial),
            self.rbf_atom(radial),
            self.rbf_out(radial),
        )
        circular = torch.einsum("er,sri->eis", radial, self.cbf)
        edges = self.start(atoms, radial, graph)
        force: Tensor = self.readouts[0](edges, out)
        for interaction, readout in zip(self.interactions, self.readouts[1:], strict=True):
            atoms, edges = interaction(atoms, edges, triplet, (circular, angular), received, graph)
            force = force + readout(edges, out)
        return atoms, graph.to_atoms(force * graph.unit)

    def _radial(self, distance: Tensor) -> Tensor:
        x = (distance / self.cutoff)[:, None]
        centres = torch.linspace(0, 1, self.n_radial, dtype=x.dtype, device=x.device)
        step = 1 / (self.n_radial - 1)
        return torch.exp(-0.5 * ((x - centres) / step).square()) * cutoff_envelope(x)


class Residual(nn.Module):
    """(x + f(x))/√2 with two layers f."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = dense(channels, channels, bias=False)
        self.second = dense(channels, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Shape kept."""
        return _HALF * (x + activation(self.second(activation(self.first(x)))))


class EdgeUpdate(nn.Module):
    """Features of an edge from those of its ends and its own."""

    def __init__(self, atom_channels: int, n_in: int, channels: int) -> None:
        super().__init__()
        self.ends = dense(atom_channels, 2 * channels, bias=False)
        self.own = dense(n_in, channels, bias=False)

    def forward(self, atoms: Tensor, edges: Tensor, graph: NearestGraph) -> Tensor:
        """Shape (e, channels)."""
        source, target = self.ends(atoms).chunk(2, 1)
        total = source[graph.source] + target[graph.target] + self.own(edges)
        return activation(total / math.sqrt(3))


class Interaction(nn.Module):
    """One round: edges hear from the edges that meet them, atoms from edges, edges from atoms."""

    def __init__(
        self,
        atom_channels: int,
        channels: int,
        basis_channels: int,
        triplet_channels: int,
        atom_layers: int,
        neighbours: int,
    ) -> None:
        super().__init__()
        self.own = dense(channels, channels, bias=False)
        self.triplets = Triplets(channels, triplet_channels, basis_channels, neighbours)
        self.before = Residual(channels)
        self.after = nn.ModuleList([Residual(channels), Residual(channels)])
        self.neighbours = neighbours
        self.radial = dense(basis_channels, channels, bias=False)
        self.receive = dense(channels, atom_channels, bias=False)
        self.atoms = nn.ModuleList(Residual(atom_channels) for _ in range(atom_layers))
        self.update = EdgeUpdate(atom_channels, channels, channels)
        self.last = Residual(channels)

    def forward(
        self,
        atoms: Tensor,
        edges: Tensor,
        triplet: Tensor,
        circular: tuple[Tensor, Tensor],
        received: Tensor,
        graph: NearestGraph,
    ) -> tuple[Tensor, Tensor]:
        """Features of atoms and edges; the bases are those of :meth:`GemNetT.forward`."""
        met = self.triplets(edges, triplet, circular, graph)
        met = self.before(_HALF * (activation(self.own(edges)) + met))
        edges = _HALF * (edges + met)
        for layer in self.after:
            edges = layer(edges)
        heard = graph.to_atoms(edges * self.radial(received)) / math.sqrt(self.neighbours)
        heard = activation(self.receive(heard))
        for layer in self.atoms:
            heard = layer(heard)
        atoms = _HALF * (atoms + heard)
        edges = _HALF * (edges + self.last(self.update(atoms, edges, graph)))
        return atoms, edges


class Triplets(nn.Module):
    """What an edge c → a hears from all b → a, by the angle between them (GemNet, eq. 9)."""

    def __init__(
        self, channels: int, triplet_channels: int, basis_channels: int, neighbours: int
    ) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.sent = dense(channels, channels, bias=False)
        self.radial = dense(basis_channels, channels, bias=False)
        self.down = dense(channels, triplet_channels, bias=False)
        self.bilinear = dense(basis_channels * triplet_channels, triplet_channels, bias=False)
        self.up = dense(triplet_channels, 2 * channels, bias=False)

    def forward(
        self,
        edges: Tensor,
        radial: Tensor,
        circular: tuple[Tensor, Tensor],
        graph: NearestGraph,
    ) -> Tensor:
        """Shape (e, channels)."""
        sent = activation(self.sent(edges)) * self.radial(radial)
        sent = graph.spread(activation(self.down(sent)))
        by_edge, angular = circular
        n, k, s, _ = angular.shape
        summed = graph.gather((angular.reshape(n, k * s, k) @ sent).view(n, k, s, -1))
        mixed = self.bilinear((by_edge @ summed).flatten(1)) / math.sqrt(self.neighbours)
        here, back = activation(self.up(mixed)).chunk(2, 1)
        return _HALF * (here + back[graph.reverse])


class Readout(nn.Module):
    """The part of an edge, shape (e, 1), in the vector of the atom that it points to."""

    def __init__(self, channels: int, basis_channels: int, layers: int) -> None:
        super().__init__()
        self.first = dense(channels, channels, bias=False)
        self.layers = nn.ModuleList(Residual(channels) for _ in range(layers))
        self.radial = dense(basis_channels, channels, bias=False)
        self.out = dense(channels, 1, bias=False)

    def forward(self, edges: Tensor, radial: Tensor) -> Tensor:
        """See the class."""
        x = activation(self.first(edges))
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.out(x * self.radial(radial))
        return out
