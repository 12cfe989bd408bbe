"""CHGNet: its weights, and engines that evaluate and relax many crystals at once."""
