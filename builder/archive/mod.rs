//! Archives: a tree's bytes as tar or newc cpio, and compressed.
