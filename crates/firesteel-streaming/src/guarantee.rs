//! What a job guarantees: the weakest of its links.

use firesteel_connect::{Guarantee, Replay};

use crate::plan::{Input, Output};

/// The guarantee of a job that is stopped by a failure and started again, and the reason why it is no stronger.
///
/// With a checkpoint, a job resumes where it stood, and is as good as its sources and sinks. A job without one starts
/// again from the beginning of its sources, whatever it has written already: it is at-least-once with sources that
/// still hold everything, at-most-once with others.
pub(crate) fn of(
    inputs: &[Box<dyn Input>],
    outputs: &[Box<dyn Output>],
    names: &[std::sync::Arc<str>],
    survives: bool,
) -> (Guarantee, String) {
    if let Some(input) = inputs.iter().find(|input| input.replay() == Replay::WhileRunning) {
        let reason = format!("source {} cannot be read again after a restart", input.name());
        return (Guarantee::AtMostOnce, reason);
    }
    let weakest = outputs.iter().zip(names).map(|(output, name)| (output.guarantee(), name)).min();
    match weakest {
        Some((guarantee, name))
            if guarantee < Guarantee::AtLeastOnce || survives && guarantee < Guarantee::ExactlyOnce =>
        {
            (guarantee, format!("sink {name} promises no more"))
        }
        _ if survives => (
            Guarantee::ExactlyOnce,
            "sources are read again from the checkpoint, and no sink takes an epoch twice".to_owned(),
        ),
        _ => {
            (Guarantee::AtLeastOnce, "without a checkpoint a restarted job reads its sources from the start".to_owned())
        }
    }
}
