//! The model over the backends of this crate.

use std::sync::Arc;

use proptest::prelude::*;
use proptest_state_machine::{StateMachineTest, prop_state_machine};

use crate::backend::{MemoryBackend, StateBackend};
use crate::model::system::Nowhere;
use crate::model::{Home, Model, Step, System};

/// A backend that is empty after a restart.
struct Passing;

impl Home for Passing {
    fn open(&mut self) -> Option<Arc<dyn StateBackend>> {
        Some(Arc::new(MemoryBackend::new()))
    }
}

/// A backend that keeps what it got.
struct Lasting(Arc<MemoryBackend>);

impl Home for Lasting {
    fn open(&mut self) -> Option<Arc<dyn StateBackend>> {
        Some(self.0.clone())
    }
}

macro_rules! machines {
    ($($name:ident at $home:expr),*) => {$(
        struct $name;

        impl StateMachineTest for $name {
            type SystemUnderTest = System;
            type Reference = Model;

            fn init_test(_: &Model) -> System {
                System::new($home)
            }

            fn apply(system: System, model: &Model, step: Step) -> System {
                system.step(model, &step)
            }
        }
    )*};
}

machines! { Memory at Nowhere, Forgetful at Passing, Durable at Lasting(Arc::default()) }

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn state_in_memory_is_what_the_model_says(sequential 1..60 => Memory);

    #[test]
    fn state_over_a_backend_that_forgets_is_what_the_model_says(sequential 1..60 => Forgetful);

    #[test]
    fn state_over_a_backend_that_lasts_is_what_the_model_says(sequential 1..60 => Durable);
}
