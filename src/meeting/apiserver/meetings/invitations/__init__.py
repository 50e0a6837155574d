"""What the invited get of a meeting: letters, calendars, reminders, replies."""
