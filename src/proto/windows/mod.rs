//! Directories, shares and logins of office networks.
