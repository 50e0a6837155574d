"""STUN and TURN for people behind strict firewalls."""
