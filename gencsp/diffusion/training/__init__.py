"""Training of diffusion models: data sets, objectives and the training loop."""
