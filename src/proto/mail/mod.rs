//! Mail, news and chat, and the logins that they share.
