//! Bandwidth: transport-wide feedback and REMB.
