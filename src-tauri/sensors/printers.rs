//! (sensor)
