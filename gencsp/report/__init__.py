"""Reports: a run, a pool or a record of a benchmark as one HTML page that works from the disk."""
