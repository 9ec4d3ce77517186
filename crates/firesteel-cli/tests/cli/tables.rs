//! What `show` and `epochs` print.

use firesteel_cli::Outcome;

use crate::job::{Job, checkpoint, files};
use crate::{golden, run};

#[test]
fn show_tells_what_there_is() {
    let folder = checkpoint();
    let shown = run("show", folder.path(), &[]);
    assert_eq!((shown.outcome, shown.err.as_str()), (Outcome::Well, ""));
    golden("show.txt", &shown.out);
    let json = run("show", folder.path(), &["--json"]).json();
    assert_eq!(json.len(), 1);
    assert_eq!(
        (&json[0]["last_epoch"], &json[0]["committed"], &json[0]["key_groups"]),
        (&6.into(), &5.into(), &4.into())
    );
    assert_eq!(json[0]["inputs"][0]["next"], 700);
    assert_eq!(json[0]["snapshots"][1]["needs_from"], 3);
    assert_eq!(json[0]["last_batches"][2]["ranges"][1]["input"], "rates");
}

#[test]
fn epochs_tells_what_each_epoch_did() {
    let folder = checkpoint();
    let listed = run("epochs", folder.path(), &[]);
    assert_eq!((listed.outcome, listed.err.as_str()), (Outcome::Well, ""));
    golden("epochs.txt", &listed.out);
    let some = run("epochs", folder.path(), &["--from", "2", "--to", "3", "--json"]).json();
    assert_eq!(some.iter().map(|epoch| epoch["epoch"].as_u64()).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(some[0]["batches"][1]["batch"], 4);
    assert_eq!(some[0]["watermarks"][0]["watermark"], "2020-09-13T12:28:35Z");
    assert!(some[0]["changes"].as_u64() > Some(20));
    let none = run("epochs", folder.path(), &["--from", "7"]);
    assert_eq!(none.out, "no epoch in this range is in the changelog\n");
}

#[test]
fn a_running_job_can_be_looked_at_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = Job::whole(folder.path());
    let before = files(job.folder());
    for (command, more) in [
        ("show", &[][..]),
        ("epochs", &[]),
        ("verify", &[]),
        ("state", &["--operator", "velocity"]),
        ("show", &["--json"]),
    ] {
        let ran = run(command, job.folder(), more);
        assert_eq!(ran.outcome, Outcome::Well, "{command}: {}", ran.err);
    }
    assert!(before == files(job.folder()), "a command has changed the checkpoint");
    job.commit();
    job.prepare();
    assert_eq!(run("epochs", job.folder(), &["--from", "6", "--json"]).json()[0]["committed"], true);
}

#[test]
fn a_job_that_runs_on_meanwhile_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = Job::whole(folder.path());
    job.commit();
    let runs = std::thread::Builder::new().spawn(move || {
        for epoch in 0..120 {
            job.prepare();
            job.commit();
            if epoch % 3 == 0 {
                job.snapshot(4);
                job.forget();
            }
        }
    });
    let runs = runs.unwrap();
    let mut looks = 0;
    while !runs.is_finished() || looks == 0 {
        for (command, more) in
            [("verify", &[][..]), ("show", &[]), ("epochs", &["--from", "5"]), ("state", &["--operator", "velocity"])]
        {
            let ran = run(command, folder.path(), more);
            assert_eq!(ran.outcome, Outcome::Well, "{command}: {}{}", ran.out, ran.err);
        }
        looks += 1;
    }
    runs.join().unwrap();
}

#[test]
fn a_folder_without_a_checkpoint_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = run("show", folder.path(), &[]);
    assert_eq!(nothing.outcome, Outcome::Failed);
    assert!(nothing.err.starts_with("FS-C001: DIR is no checkpoint: it has neither"), "{}", nothing.err);
    let missing = run("verify", &folder.path().join("no"), &[]);
    assert!(missing.err.contains("there is no such folder"), "{}", missing.err);
    let folder = checkpoint();
    let part = run("epochs", &folder.path().join("changelog"), &[]);
    assert!(part.err.contains("it is a part of one; give the folder around it"), "{}", part.err);
    let empty = tempfile::tempdir().unwrap();
    std::fs::create_dir(empty.path().join("changelog")).unwrap();
    let empty = run("show", empty.path(), &[]);
    assert!(empty.err.contains("run the job first"), "{}", empty.err);
}

#[test]
fn snapshots_may_be_elsewhere() {
    let (folder, other) = (checkpoint(), tempfile::tempdir().unwrap());
    let place = other.path().join("images");
    std::fs::rename(folder.path().join("snapshots"), &place).unwrap();
    let lost = run("state", folder.path(), &["--operator", "counts"]);
    assert!(lost.err.starts_with("FS-C003"), "{}", lost.err);
    let found = run("state", folder.path(), &["--operator", "counts", "--snapshots", place.to_str().unwrap()]);
    assert_eq!(found.outcome, Outcome::Well, "{}", found.err);
}
