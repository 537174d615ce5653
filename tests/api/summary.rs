//! The first screen of an admin.
