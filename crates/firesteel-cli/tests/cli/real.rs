//! The checkpoint of a real job: what the engine writes is what the command reads.

use std::path::Path;

use firesteel_cli::Outcome;
use firesteel_connect_memory::{Collector, QueueSource};
use firesteel_state::{Declaration, Fired, List, StateError, Timers, Value};
use firesteel_streaming::{Checkpoint, KeyedProcess, ProcessContext, StreamingContext};
use firesteel_window::{Timestamp, Tumbling, Watermark, minutes, seconds};
use serde::{Deserialize, Serialize};

use crate::{golden, run};

type Payment = (String, i64, f64);

/// Where a card stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Standing {
    New,
    Rated { total: f64, payments: u32 },
}

struct Watch;

struct Handles {
    standing: Value<Standing>,
    recent: List<f64>,
    quiet: Timers,
}

impl KeyedProcess for Watch {
    type Key = String;
    type In = Payment;
    type Out = String;
    type State = Handles;

    fn declare(&self, states: &mut Declaration<String>) -> Handles {
        Handles {
            standing: states.value("standing"),
            recent: states.list("recent"),
            quiet: states.event_timers("quiet"),
        }
    }

    fn on_record(
        &self,
        state: &Handles,
        (_, at, amount): Payment,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<(), StateError> {
        let next = match state.standing.get(ctx)? {
            None => Standing::New,
            Some(Standing::New) => Standing::Rated { total: amount, payments: 1 },
            Some(Standing::Rated { total, payments }) => {
                Standing::Rated { total: total + amount, payments: payments + 1 }
            }
        };
        state.standing.set(ctx, next)?;
        state.recent.push(ctx, amount)?;
        state.quiet.clear(ctx)?;
        state.quiet.register(ctx, Timestamp::from_secs(at) + minutes(5))?;
        Ok(())
    }

    fn on_timer(
        &self,
        state: &Handles,
        timer: &Fired<String>,
        ctx: &mut ProcessContext<'_, Self>,
    ) -> Result<(), StateError> {
        state.recent.clear(ctx)?;
        ctx.emit(timer.key.clone());
        Ok(())
    }
}

fn job(folder: &Path, payments: &QueueSource<Payment>) -> StreamingContext {
    let checkpoint = Checkpoint::in_folder(folder).every_batch();
    let job = StreamingContext::builder("watch").threads(1).checkpoint(checkpoint).build().unwrap();
    let payments = job.read(payments.clone()).named("payments");
    let by_card = |payment: &Payment| payment.0.clone();
    let at = |payment: &Payment| Timestamp::from_secs(payment.1);
    let wait = Watermark::bounded(seconds(10));
    let payments = payments.event_time(at, wait).key_by(by_card);
    payments.clone().process(Watch).named("watch").write(Collector::new());
    let windows = payments.window(Tumbling::of(minutes(1)));
    windows.count().named("per minute").write(Collector::new());
    job
}

/// Runs a batch, with a job that starts anew.
fn batch(folder: &Path, payments: &QueueSource<Payment>, batch: &[(&str, i64, f64)]) {
    let mut run = job(folder, payments).begin().unwrap();
    let batch = batch.iter().map(|(card, at, amount)| ((*card).to_owned(), *at, *amount));
    payments.handle().push(batch.collect()).unwrap();
    run.next_batch().unwrap();
}

#[test]
fn the_checkpoint_of_a_real_job_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let payments = QueueSource::new(1).keep_committed();
    batch(folder.path(), &payments, &[("ann", 10, 1.5), ("bob", 20, 2.0)]);
    batch(folder.path(), &payments, &[("ann", 65, 3.25), ("ann", 70, 4.0), ("zoë", 75, 8.0)]);

    let shown = &run("show", folder.path(), &["--json"]).json()[0];
    assert_eq!((&shown["problems"], &shown["last_epoch"]), (&serde_json::json!([]), &2.into()), "{shown}");
    assert_eq!((&shown["inputs"][0]["input"], &shown["inputs"][0]["next"]), (&"payments".into(), &5.into()), "{shown}");
    assert_eq!(shown["watermarks"][0]["watermark"], "1970-01-01T00:01:05Z", "{shown}");
    assert_eq!(shown["operators"].as_array().unwrap().len(), 2);
    assert_eq!((shown["id"].as_str().unwrap().len(), &shown["dropped"]), (32, &serde_json::json!([])));
    assert_eq!((&shown["outputs"][0]["guarantee"], &shown["outputs"][0]["from"]), (&"exactly-once".into(), &1.into()));
    let members = shown["members"].as_array().unwrap();
    let settings = |member: &str| members.iter().find(|of| of["member"] == member).unwrap()["settings"].to_string();
    assert!(settings("watermark:payments/event_time").contains("delay = "), "{members:?}");
    let text = run("show", folder.path(), &[]).out;
    assert!(text.contains("\nprogram\n") && text.contains("\noutputs\n") && text.contains("  id         "), "{text}");

    let epochs = run("epochs", folder.path(), &["--json"]).json();
    let last = epochs.last().unwrap();
    assert_eq!(
        (&last["batches"][0]["ranges"][0]["from"], &last["batches"][0]["ranges"][0]["to"]),
        (&2.into(), &5.into())
    );

    let state = run("state", folder.path(), &["--operator", "watch"]);
    assert_eq!((state.outcome, state.err.as_str()), (Outcome::Well, ""));
    let windows = run("state", folder.path(), &["--operator", "per minute"]);
    assert_eq!((windows.outcome, windows.err.as_str()), (Outcome::Well, ""));
    // Whether the last mark is written when a job is dropped is the engine's affair.
    let text = (state.out + "\n" + &windows.out).replace(" (prepared, not known to be committed)", "");
    golden("real.txt", &text);

    let verified = run("verify", folder.path(), &[]);
    assert_eq!(verified.outcome, Outcome::Well, "{}", verified.out);

    let description = folder.path().join("description.json");
    let described = job(folder.path(), &payments).describe().unwrap();
    std::fs::write(&description, serde_json::to_string(&described).unwrap()).unwrap();
    let diff = run("diff", folder.path(), &[description.to_str().unwrap()]);
    assert_eq!(diff.outcome, Outcome::Well, "{}{}", diff.out, diff.err);
    assert!(diff.out.contains("fits:     state:watch/standing: value of Standing"), "{}", diff.out);
}
