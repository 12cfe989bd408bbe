"""Crystals from CIF files: read right, or refused with the reason."""

from gencsp.io.cif.reader import block_texts, read_block, split_blocks

__all__ = ["block_texts", "read_block", "split_blocks"]
