"""What the five daemons share. Knows no daemon."""
