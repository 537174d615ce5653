//! How a call to Paid that takes effect survives anything: it is written down before it is made, made only by whoever
//! holds its lease, and driven on until what became of it is known.
//!
//! | module | what it is for |
//! |---|---|
//! | [`intent`] | what is to be asked of Paid, written down first |
//! | [`lease`] | who drives it, and until when; the only way to send a call that takes effect |
//! | [`undecided`] | a drive that settles nothing yet |
//! | [`end`] | how a drive ended |
//!
//! What is asked, and what an answer means, is not known here: see [`payment`](super::payment) and
//! [`application`](super::application), twins in shape. [`drive`](super::drive) puts them together.

pub mod end;
pub mod intent;
pub mod lease;
pub mod undecided;
