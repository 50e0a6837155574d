"""Certificates: from files, self-signed; TLS contexts swapped while running."""
