//! Followers that know files which are merged.
