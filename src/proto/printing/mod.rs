//! Printing and scanning.
