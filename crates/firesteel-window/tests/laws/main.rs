//! Laws that hold for all inputs, checked on random ones.

mod aggregates;
mod panes;
mod times;
mod watermarks;
mod windows;
