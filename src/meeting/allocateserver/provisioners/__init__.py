"""How sfuservers come and go on demand."""
