//! Each sensor watches one thing and sends [`Event`](crate::core::state::Event)s; event-driven wherever the system
//! offers it.
