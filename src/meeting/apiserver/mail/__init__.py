"""Mail, queued durably, sent over the first server that takes it."""
