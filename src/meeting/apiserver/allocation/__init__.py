"""Which servers serve a meeting: asked of the allocateserver, or chosen among the registered ones."""
