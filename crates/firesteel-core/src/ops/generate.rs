//! `generate`: records that a function makes, partition by partition.

use std::sync::Arc;

use crate::operator::Operator;
use crate::rdd::{Context, Dependency, Lineage, Node, Rdd};
use crate::source::Numbered;
use crate::task::TaskContext;

/// The RDD of [`Context::generate`].
pub struct Generate<F> {
    node: Node,
    partitions: usize,
    f: Arc<F>,
}

impl<F> Generate<F> {
    /// This many partitions, each as `f` makes it.
    #[must_use]
    pub fn new(context: &Context, operator: Operator, partitions: usize, f: Arc<F>) -> Self {
        Self { node: Node::new(context, operator), partitions, f }
    }
}

impl<F> Clone for Generate<F> {
    fn clone(&self) -> Self {
        Self { node: self.node.clone(), partitions: self.partitions, f: Arc::clone(&self.f) }
    }
}

impl<F: Send + Sync + 'static> Lineage for Generate<F> {
    crate::own_node!();
    fn num_partitions(&self) -> usize {
        self.partitions
    }
    fn dependencies(&self, _: &mut dyn FnMut(Dependency<'_>)) {}
}

impl<T, E, I, F> Rdd for Generate<F>
where
    T: Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: IntoIterator<Item = Result<T, E>> + 'static,
    F: Fn(usize) -> Result<I, E> + Send + Sync + 'static,
{
    type Item = T;

    fn compute<'a>(&'a self, split: usize, task: &'a TaskContext) -> impl Iterator<Item = T> + 'a {
        let operator = self.node.operator();
        let open = || (self.f)(split).unwrap_or_else(|error| task.fail_with(error, true)).into_iter();
        let mut records = task.blame_on(operator, open);
        let next = move || {
            let record = || Some(records.next()?.unwrap_or_else(|error| task.fail_with(error, true)));
            task.blame_on(operator, record)
        };
        Numbered::new(std::iter::from_fn(next), task)
    }
}

impl Context {
    /// An RDD of this many partitions whose records `f` makes: it opens partition `0`, `1`, … and returns an iterator.
    /// It is called in the task, once per attempt, and must yield the same records each time; an error fails the task,
    /// which is retried.
    ///
    /// This is how anything that can be read in parts becomes an RDD:
    ///
    /// ```
    /// use firesteel_core::{Actions, Context};
    /// use std::fs::File;
    /// use std::io::{BufRead, BufReader};
    ///
    /// # fn example(context: &Context) -> firesteel_core::Result<()> {
    /// let files = ["monday.log", "tuesday.log"];
    /// let lines = context.generate(files.len(), move |partition| {
    ///     File::open(files[partition]).map(|file| BufReader::new(file).lines())
    /// });
    /// println!("{} lines", lines.count()?);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn generate<T, E, I, F>(&self, partitions: usize, f: F) -> Generate<F>
    where
        T: Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
        I: IntoIterator<Item = Result<T, E>> + 'static,
        F: Fn(usize) -> Result<I, E> + Send + Sync + 'static,
    {
        Generate::new(self, Operator::here("generate"), partitions, Arc::new(f))
    }
}
