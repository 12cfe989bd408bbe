"""Searches and cycles made from a deck, which names their parts."""
