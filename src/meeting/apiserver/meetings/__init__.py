"""Scheduled and instant meetings, roles, invitations, access tokens."""
