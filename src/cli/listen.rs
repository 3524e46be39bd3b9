//! `overhear listen`.
