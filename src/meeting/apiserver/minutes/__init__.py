"""Minutes written together during a meeting and kept after it, and the files in them."""
