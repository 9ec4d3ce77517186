//! What `diff` tells of a changed program.

use std::path::PathBuf;

use firesteel_cli::Outcome;
use firesteel_state::{Declaration, InputSchema, JobDescription};

use crate::job::{checkpoint, counts, description, velocity};
use crate::run;

fn written(folder: &tempfile::TempDir, program: &JobDescription) -> PathBuf {
    let path = folder.path().join("description.json");
    std::fs::write(&path, serde_json::to_string_pretty(program).unwrap()).unwrap();
    path
}

#[test]
fn the_same_program_resumes() {
    let folder = checkpoint();
    let path = written(&folder, &description());
    let same = run("diff", folder.path(), &[path.to_str().unwrap()]);
    assert_eq!(same.outcome, Outcome::Well, "{}", same.err);
    assert!(same.out.contains("  fits:     state:velocity/total: value of f64\n"), "{}", same.out);
    assert!(same.out.ends_with("the program resumes from this checkpoint\n"), "{}", same.out);
}

#[test]
fn what_is_lost_new_and_different_is_told() {
    let folder = checkpoint();
    let mut changed = velocity().0;
    changed.value::<u8>("more");
    let program = JobDescription {
        states: vec![changed.schema()],
        inputs: ["rates", "more"].map(InputSchema::named).into(),
        ..JobDescription::default()
    };
    let path = written(&folder, &program);
    let lost = run("diff", folder.path(), &[path.to_str().unwrap()]);
    assert_eq!(lost.outcome, Outcome::Wrong);
    for line in [
        "  lost:     state:counts: count: value of u64\n",
        "  lost:     input:payments: the position in 1 split\n",
        "  new:      state:velocity/more: value of u8, begins empty\n",
        "  new:      input:more: is read from its start\n",
    ] {
        assert!(lost.out.contains(line), "{}", lost.out);
    }
    let way_out =
        "or lose it with\nCheckpoint::allow_loss([\"input:payments\", \"state:counts\"]), or `--allow-loss` with each";
    assert!(lost.out.contains(way_out), "{}", lost.out);
    // Its last epoch is not known to be committed, and this program has not prepared it.
    assert!(lost.out.contains("epoch 6 was prepared by another program"), "{}", lost.out);
    let with = [path.to_str().unwrap(), "--allow-loss", "input:payments", "--allow-loss", "state:counts"];
    let permitted = run("diff", folder.path(), &with);
    assert_eq!(permitted.outcome, Outcome::Well);
    assert!(permitted.out.contains("  dropped:  state:counts: count: value of u64\n"), "{}", permitted.out);
    assert!(permitted.out.contains("without what is dropped\n"), "{}", permitted.out);

    let mut other = Declaration::<(u32, u32)>::new("counts");
    other.value::<i64>("count");
    let path =
        written(&folder, &JobDescription { states: vec![velocity().0.schema(), other.schema()], ..description() });
    let differs = run("diff", folder.path(), &[path.to_str().unwrap()]);
    assert_eq!(differs.outcome, Outcome::Wrong);
    assert!(
        differs.out.contains(
            "  refused:  state:counts/count: value of i64, but value of u64 is stored: u64 does not fit i64\n"
        ),
        "{}",
        differs.out
    );
    let json = &run("diff", folder.path(), &[path.to_str().unwrap(), "--json"]).json()[0];
    assert_eq!((&json["verdict"], &json["unfinished"]), (&"refused".into(), &6.into()));
    let refused = &json["findings"][0];
    let expected = ("state:counts/count", "refused", "state:counts/count");
    assert_eq!(
        (&refused["member"], &refused["fate"], &refused["permission"]),
        (&expected.0.into(), &expected.1.into(), &expected.2.into())
    );
}

#[test]
fn another_number_of_key_groups_is_refused() {
    let folder = checkpoint();
    let asking = |groups| {
        let path = written(&folder, &JobDescription { key_groups: Some(groups), ..description() });
        run("diff", folder.path(), &[path.to_str().unwrap()])
    };
    let refused = asking(128);
    assert_eq!(refused.outcome, Outcome::Wrong);
    assert!(
        refused.out.contains("refused:  job: key groups = 128, and keys have their places in 4"),
        "{}",
        refused.out
    );
    assert_eq!(asking(4).outcome, Outcome::Well);
}

#[test]
fn what_is_no_description_is_refused() {
    let folder = checkpoint();
    let path = folder.path().join("LOCK");
    let nothing = run("diff", folder.path(), &[path.to_str().unwrap()]);
    assert_eq!(nothing.outcome, Outcome::Failed);
    assert!(nothing.err.starts_with("FS-C004: DIR/LOCK is no description of a program"), "{}", nothing.err);
    let path =
        written(&folder, &JobDescription { states: vec![counts().0.schema(), counts().0.schema()], ..description() });
    let twice = run("diff", folder.path(), &[path.to_str().unwrap()]);
    assert!(twice.err.starts_with("FS-T008"), "{}", twice.err);
}
