"""Measuring: statistics with intervals, and results recorded with what they were measured on."""
