"""DP-CDVAE: a variational autoencoder with diffusion of fractional coordinates."""
