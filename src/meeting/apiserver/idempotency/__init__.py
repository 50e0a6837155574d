"""Calls that are made once, however often they are sent (`Idempotency-Key`)."""
