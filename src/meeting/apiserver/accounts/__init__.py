"""People: signing in by a code sent by e-mail, sessions."""
