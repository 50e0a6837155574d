"""Who did what, when and from where: written down once, never changed."""
