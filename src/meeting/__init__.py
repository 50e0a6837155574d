"""Private video conferencing: five daemons that meet over HTTP, and a Rust library that moves the packets."""
