//! Sources and Sinks: history, loss repair, rewriting.
