"""The meeting while it is on: coming in, who is there, and leading it."""
