"""What can be computed of a structure alone, for filters, proposers and searches alike."""
