"""Diffusion of the positions in a given cell (CHGGen): noise, samplers, inpainting."""
