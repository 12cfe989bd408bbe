"""Guests in a host: which contents a cell can have, and the convex hull and voltage over them."""
