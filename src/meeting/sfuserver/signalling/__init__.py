"""The WebSocket, Twirp and webhooks."""
