"""Generators that are separate programs and write files."""
