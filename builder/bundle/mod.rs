//! What is delivered.
