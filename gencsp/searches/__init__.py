"""Structure searches: strategies, moves, the search loop and its workers."""
