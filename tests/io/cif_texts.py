"""CIF texts for tests: what differs from a plain file is given, the rest is filled in."""

from __future__ import annotations

from collections.abc import Sequence


def cif(
    sites: Sequence[str],
    *,
    cell: Sequence[float | str] = (4.2, 4.2, 4.2, 90, 90, 90),
    symmetry: str = "_symmetry_space_group_name_H-M 'P 1'",
    operations: Sequence[str] = (),
    columns: Sequence[str] = (),
    more: str = "",
    name: str = "x",
) -> str:
    """A CIF; each site is ``label symbol x y z`` and the values of ``columns``."""
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines = [f"data_{name}", *(f"_cell_{n} {v}" for n, v in zip(names, cell, strict=True))]
    lines += [symmetry, more]
    if operations:
        lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{o}'" for o in operations)]
    lines += ["loop_", "_atom_site_label", "_atom_site_type_symbol"]
    lines += [f"_atom_site_fract_{axis}" for axis in "xyz"]
    lines += [f"_atom_site_{column}" for column in columns]
    return "\n".join([*lines, *sites, ""])
