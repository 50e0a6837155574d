"""Keeps the pictures and files of minutes and chat, and recordings."""
