//! Things, buildings and machines.
