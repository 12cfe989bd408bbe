"""Linear algebra of small matrices in fractions: compositions are compared exactly."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Row = list[Fraction]


def inverse(matrix: Sequence[Row]) -> list[Row]:
    """The inverse of a square matrix of full rank."""
    size = len(matrix)
    unit = [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]
    rows, _ = row_echelon([[*own, *one] for own, one in zip(matrix, unit, strict=True)])
    return [row[size:] for row in rows]


def row_echelon(matrix: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """The reduced row echelon form, exactly, and the columns of its leading ones."""
    rows = [list(row) for row in matrix]
    pivots: list[int] = []
    for column in range(len(rows[0])):
        top = len(pivots)
        found = next((i for i in range(top, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[top], rows[found] = rows[found], rows[top]
        rows[top] = [x / rows[top][column] for x in rows[top]]
        for i in range(len(rows)):
            if i != top and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[top], strict=True)]
        pivots.append(column)
    return rows, pivots
