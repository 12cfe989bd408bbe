"""Moves by name, one file each."""

from gencsp.searches.moves.base import MOVES, ConfiguredMove, Move, Tools

__all__ = ["MOVES", "ConfiguredMove", "Move", "Tools", "get_move", "move_names"]

get_move = MOVES.make
move_names = MOVES.names
