//! Records go from thread to thread.
//! expect: `Rc<str>` cannot be kept or shared between executors
//! expect: `Arc` instead of `Rc`

use std::rc::Rc;

fn main() {
    let context = firesteel::scheduler::local(1).expect("threads can be started");
    let names: Vec<Rc<str>> = vec![Rc::from("ann")];
    let _ = context.parallelize(names);
}
