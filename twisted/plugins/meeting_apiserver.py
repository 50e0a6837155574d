"""`twistd meeting-apiserver`."""

from meeting.cli import service_maker

meeting_apiserver = service_maker("apiserver")
