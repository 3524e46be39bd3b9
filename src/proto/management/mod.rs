//! Management and time: SNMP, syslog, NTP, RADIUS.
