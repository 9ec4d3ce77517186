//! Resilient distributed datasets: partitions, lineage, operators, shuffles, broadcast variables and accumulators.
