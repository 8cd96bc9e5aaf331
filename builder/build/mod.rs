//! From a profile to a release.
