"""What administrators decide for the whole hub, kept in the database and known to every replica."""
