"""`make bench`: what forwarding costs."""

from tests.bench.forwarding import main

main()
