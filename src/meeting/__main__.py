"""`python -m meeting`, the same as `meeting`."""

from meeting.cli import main

main()
