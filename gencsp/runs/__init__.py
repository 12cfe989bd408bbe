"""What a user opens from a deck: searches and cycles, put together from named parts."""
