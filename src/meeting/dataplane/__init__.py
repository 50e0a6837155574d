"""The only door to the Rust library that moves the packets (docs/protocols/dataplane.md).

`meeting.dataplane.interfaces` and `meeting.dataplane.values` say what there is and load no native code;
`meeting.dataplane.media` is the real thing.
"""
