//! (shell)
