"""The hub: people, meetings, invitations, minutes, administration and the web client."""
