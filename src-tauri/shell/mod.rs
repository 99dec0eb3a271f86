//! Does what the core asked; nothing else is decided here.
