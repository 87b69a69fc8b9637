"""fastnn against its rivals: one table of cases, each party in its own process, taking turns."""
