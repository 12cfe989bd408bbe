"""Structures and pools of structures, read from and written to files."""
