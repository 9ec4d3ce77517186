//! What a job shows a person at a terminal: result tables, a progress bar, a summary.
