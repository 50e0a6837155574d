"""Rooms, participants, tracks and subscriptions, without I/O."""
