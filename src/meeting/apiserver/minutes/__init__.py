"""Minutes, written together (Yjs), every update durable before it is acknowledged."""
