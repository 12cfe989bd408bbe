"""Generators that are programs of their own and hand over files."""
