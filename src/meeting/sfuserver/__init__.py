"""Relays audio, video, screens and data of the meetings it was given; speaks LiveKit's protocol."""
