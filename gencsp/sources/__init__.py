"""Databases on the web: reference entries for hulls, and structures to start from."""
