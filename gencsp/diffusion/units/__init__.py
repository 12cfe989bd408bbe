"""Diffusion of vectors that describe crystals of rigid units: small networks, guided by energy.

Sources: the supplement on NaNH2 (*Neural network architecture and training*, *Diffusion sampling
with energy guidance*); J. Ho, A. Jain, P. Abbeel, NeurIPS 33, 6840 (2020), called Ho below;
P. Dhariwal, A. Nichol, NeurIPS 34, 8780 (2021); of periodic numbers R. Jiao et al., NeurIPS 36,
17464 (2023). The vectors may be of anything.
"""
