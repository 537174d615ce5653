//! The embedded PostgreSQL: find, create, start, join, stop.
