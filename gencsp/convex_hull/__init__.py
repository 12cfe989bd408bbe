"""The convex hull of known phases: its entries, the crystals behind them, decomposition
energies.
"""
