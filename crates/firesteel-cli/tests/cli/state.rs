//! What `state` prints: the state that the job itself would resume with.

use firesteel_cli::Outcome;

use crate::job::{Job, checkpoint};
use crate::{golden, run};

#[test]
fn state_is_shown_as_values_of_its_types() {
    let folder = checkpoint();
    let shown = run("state", folder.path(), &["--operator", "velocity"]);
    assert_eq!(shown.outcome, Outcome::Well);
    golden("state.txt", &shown.out);
    assert!(shown.err.contains("3 entries cannot be read in full"), "{}", shown.err);
}

#[test]
fn one_state_and_one_key_can_be_picked() {
    let folder = checkpoint();
    let of =
        |more: &[&str]| run("state", folder.path(), &[&["--operator", "velocity", "--json"], more].concat()).json();
    let last = of(&["--state", "last", "--key", "ann"]);
    assert_eq!(last.len(), 1);
    assert_eq!(last[0]["value"], serde_json::json!({"amount": 1.5, "means": "Cash"}));
    assert_eq!((&last[0]["touched"], &last[0]["clock"]), (&"2020-09-13T12:32:40Z".into(), &"event time".into()));
    assert_eq!(last[0]["expires"], "2020-09-13T13:32:40Z");
    // As JSON, a text has quotation marks.
    assert_eq!(of(&["--state", "last", "--key", "\"ann\""]), last);
    let bob: Vec<_> = of(&["--key", "bob"]).iter().map(|entry| entry["state"].as_str().unwrap().to_owned()).collect();
    assert!(bob.iter().any(|state| state == "recent") && bob.iter().filter(|state| *state == "alarm").count() == 1);
    assert_eq!(of(&["--key", "nobody"]), Vec::<serde_json::Value>::new());
    let alarms = of(&["--state", "alarm", "--key", "zoë"]);
    assert_eq!(alarms[0]["time"], "2020-09-13T12:39:40Z");
    assert!(alarms[0].get("value").is_none() && alarms[0]["clock"] == "event time");
}

#[test]
fn keys_of_several_parts_are_sorted_and_picked_as_json() {
    let folder = checkpoint();
    let few = run("state", folder.path(), &["--operator", "counts", "--limit", "12"]);
    golden("counts.txt", &few.out);
    let one = run("state", folder.path(), &["--operator", "counts", "--key", "[95, 2]", "--json"]).json();
    assert_eq!(one.len(), 1);
    assert_eq!((&one[0]["key"], &one[0]["value"]), (&serde_json::json!([95, 2]), &95_000.into()));
    let shown = run("state", folder.path(), &["--operator", "counts", "--key", "(95, 2)", "--json"]).json();
    assert_eq!(shown, one);
}

#[test]
fn names_that_are_not_there_are_told_with_those_that_are() {
    let folder = checkpoint();
    let operator = run("state", folder.path(), &["--operator", "velocty"]);
    assert_eq!(operator.outcome, Outcome::Failed);
    let told = "FS-C002: there is no operator with state `velocty` in the checkpoint; there is: velocity, counts\n";
    assert_eq!(operator.err, told);
    let state = run("state", folder.path(), &["--operator", "counts", "--state", "counts"]);
    assert!(
        state.err.contains("no state of operator `counts` `counts` in the checkpoint; there is: count"),
        "{}",
        state.err
    );
}

#[test]
fn it_is_the_state_of_the_last_epoch_whatever_snapshots_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = Job::new(folder.path());
    let mut without = vec![];
    for epoch in 1..=5 {
        job.prepare();
        job.commit();
        if epoch == 1 {
            job.snapshot(4);
        }
    }
    for count in [0, 1, 3, 4] {
        job.snapshot(count);
        without.push(run("state", folder.path(), &["--operator", "velocity", "--json"]).out);
    }
    assert!(without[0].lines().count() > 20);
    assert!(without.windows(2).all(|pair| pair[0] == pair[1]));
}
