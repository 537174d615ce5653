//! What a process tells its operator of itself: its log, its measures and its traces. At the side of all layers, as every
//! one of them has something to tell.

pub mod log;
pub mod measures;
pub mod traces;
