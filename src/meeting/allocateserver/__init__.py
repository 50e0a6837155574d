"""The reference allocateserver: says which sfuserver and turnserver serve a meeting, and which fsserver a person."""
