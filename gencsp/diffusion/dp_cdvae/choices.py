"""Settings of decoding, without torch, for decks and moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gencsp.deck import Count, Share, check_fields

#: Reverse steps: eq. 7, eq. 6, and the steps of gencsp's other samplers.
Rule = Literal["modified", "ancestral", "renewal"]
#: Species of the atoms while they are decoded: those that are read from z, with the stoichiometries
#: that the model knows or by rounding alone, or at each step the likeliest that the denoiser sees.
SpeciesRule = Literal["read", "rounded", "likeliest"]
#: Cell of what is decoded: read from z; the same at the volume per atom of the parents; or that of
#: the (first) parent.
CellSource = Literal["decoded", "scaled", "parent"]

#: Angles of the reduced cells that a model is trained on: at most one above 90°, or those of
#: Niggli's reduction.
Angles = Literal["acute", "niggli"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DpCdvaeSampling:
    """How latent vectors are decoded.

    Attributes:
        rule: reverse steps of the coordinates: ``modified`` (eq. 7, Table I), ``ancestral`` (eq. 6,
            Table S1) or ``renewal``, see :mod:`gencsp.diffusion.dp_cdvae.steps`.
        steps: number of steps; ``None``, or more than the model has, takes each of its time steps,
            as in the paper.
        species: ``likeliest``, at each step what the denoiser holds most likely for each atom, one
            by one (Section IV.C); or ``read``, the composition that is read from z, which stays: by
            :mod:`gencsp.diffusion.dp_cdvae.stoichiometries` where the weights know any, otherwise,
            and with ``rounded``, by rounding the shares of the elements to the number of atoms.
            Atoms begin as noise and are alike, so that which of them has which species is for
            their coordinates to follow. At high noise the likeliest species of each atom is often
            the commonest of the crystal, and composition is lost that z has.
        renewal: of the noise, the share that a step of the last rule draws anew.
        noise: 1 begins from noise alone, at T. Less begins from given coordinates at the first time
            step whose noise √(1 − ᾱ_t), in fractions of the cell, is at least this; ``steps`` are
            then those from there on.
    """

    rule: Rule = "modified"
    steps: Count | None = None
    species: SpeciesRule = "read"
    renewal: Share = 1.0
    noise: Share = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
