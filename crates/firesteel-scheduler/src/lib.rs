//! Runs any lineage graph: stages, tasks, an executor pool, retries, adaptive parallelism and a listener bus.
