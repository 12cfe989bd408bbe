"""Diffusion models of crystals: noise, networks, training and sampling."""
