"""API tokens: how programs call the hub in somebody's name."""
