//! What a program and a checkpoint are told of each other: the table of `docs/checkpoint-rules.md`, setting by setting.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use firesteel_state::{
    Catalog, Comparison, Cursor, Declaration, Fate, InputSchema, JobDescription, KeyGroups, OutputSchema, Setting,
    StateOptions, Times, Ttl, Verdict, WatermarkSchema,
};
use firesteel_window::{Timestamp, hours, minutes};

const NOW: Times = Times::processing(Timestamp::EPOCH);

/// A program of one member of each kind.
fn program() -> JobDescription {
    let mut counts = Declaration::<String>::new("counts");
    counts.value_with::<u64>("count", StateOptions::default().ttl(Ttl::after(hours(1))));
    counts.describe(|schema| {
        schema.kind = "window/count".to_owned();
        schema.settings = vec![Setting::refused("size", "5m")];
        schema.not_compared = vec!["the function of key_by".to_owned()];
    });
    JobDescription {
        inputs: vec![InputSchema { kind: "files".to_owned(), ..InputSchema::named("clicks") }],
        watermarks: vec![WatermarkSchema {
            name: "by time".to_owned(),
            inputs: vec!["clicks".to_owned()],
            settings: vec![Setting::new_holds("delay", "1m")],
            ..WatermarkSchema::default()
        }],
        states: vec![counts.schema()],
        outputs: vec![OutputSchema {
            name: "report".to_owned(),
            kind: "files".to_owned(),
            guarantee: "exactly-once".to_owned(),
            ..OutputSchema::default()
        }],
        ..JobDescription::default()
    }
}

/// The checkpoint of that program after epoch 7.
fn stored() -> (Catalog, Cursor) {
    let empty = Catalog::new(KeyGroups::default());
    let comparison = program().compare(&empty, &Cursor::default());
    assert_eq!(comparison.verdict(), Verdict::Resumes);
    assert!(comparison.findings().iter().all(|finding| finding.fate == Fate::New), "{comparison}");
    let cursor = Cursor {
        epoch: 7,
        inputs: [("clicks".to_owned(), Default::default())].into(),
        program: program().fingerprint(),
        ..Cursor::default()
    };
    (empty.resumed_by(&program(), &comparison, (0, &NOW)).unwrap(), cursor)
}

fn compared(change: impl FnOnce(&mut JobDescription)) -> Comparison {
    let (catalog, cursor) = stored();
    let mut program = program();
    change(&mut program);
    let comparison = program.compare(&catalog, &cursor);
    let text = comparison.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    comparison
}

#[test]
fn the_program_that_wrote_it_fits() {
    let same = compared(|_| {});
    assert_eq!(same.verdict(), Verdict::Resumes);
    assert!(same.findings().iter().all(|finding| finding.fate == Fate::Fits), "{same}");
    assert_eq!(same.not_compared(), ["state:counts: the function of key_by"]);
    assert!(same.to_string().contains("not compared: state:counts: the function of key_by"), "{same}");
}

#[test]
fn each_setting_holds_as_the_table_says() {
    type Change = fn(&mut JobDescription);
    let refused: [(&str, Change); 4] = [
        ("size = 10m, but 5m is stored", |program| {
            program.states[0].settings = vec![Setting::refused("size", "10m")];
        }),
        ("size = not set, but 5m is stored", |program| program.states[0].settings.clear()),
        ("it is `window/min`, but what is stored is of `window/count`", |program| {
            program.states[0].kind = "window/min".to_owned();
        }),
        ("version 2, but version 0 is stored", |program| program.states[0].version = 2),
    ];
    for (told, change) in refused {
        let comparison = compared(change);
        assert_eq!(comparison.verdict(), Verdict::Refused, "{told}");
        let text = comparison.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(told) && text.contains("way out: "), "{told}: {comparison}");
        assert!(comparison.conclusion().contains("Checkpoint::allow_loss([\"state:counts"), "{comparison}");
    }
    let told: [(&str, Change); 8] = [
        ("delay = 5m holds from now on; it was 1m", |program| {
            program.watermarks[0].settings = vec![Setting::new_holds("delay", "5m")];
        }),
        ("idle after = 1m holds from now on; it was not set", |program| {
            program.watermarks[0].settings.push(Setting::new_holds("idle after", "1m"));
        }),
        ("TTL of 2m of processing time after the last write holds from now on, for what is stored, too", |program| {
            program.states[0].tables[0].ttl = Some(Ttl::after(minutes(2)));
        }),
        (
            "TTL of 2h of processing time after the last write holds from now on, for what is stored, too; it was",
            |program| {
                program.states[0].tables[0].ttl = Some(Ttl::after(hours(2)));
            },
        ),
        (
            "no TTL any more, it was 1h of processing time after the last write; what has expired by now stays so",
            |program| {
                program.states[0].tables[0].ttl = None;
            },
        ),
        ("TTL of 1h of event time after the last write holds from now on, it was 1h of processing", |program| {
            program.states[0].tables[0].ttl = Some(Ttl::after(hours(1)).in_event_time());
        }),
        ("timeout = not set holds for what is stored; 1m for what is new", |program| {
            program.states[0].settings.push(Setting::stored_holds("timeout", "1m"));
        }),
        ("promises at-least-once from now on; it was exactly-once", |program| {
            program.outputs[0].guarantee = "at-least-once".to_owned();
        }),
    ];
    for (text, change) in told {
        let comparison = compared(change);
        assert_eq!(comparison.verdict(), Verdict::Resumes, "{text}");
        let changed: Vec<_> = comparison.of_fate(Fate::Changed).map(|finding| finding.text.as_str()).collect();
        assert!(matches!(&changed[..], [only] if only.starts_with(text)), "{text}: {changed:?}");
    }
}

#[test]
fn the_number_of_key_groups_holds_for_good_whether_it_is_asked_for_or_not() {
    let other = compared(|program| program.key_groups = Some(64));
    assert_eq!(other.verdict(), Verdict::Refused);
    let text = other.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("refused: job: key groups = 64, and keys have their places in 128"), "{other}");
    assert!(text.contains("way out: say 128, or nothing"), "{other}");
    let (catalog, _) = stored();
    let permitted = other.permitting(&["job".to_owned()], &catalog);
    assert_eq!(permitted.verdict(), Verdict::Refused, "nothing permits it");
    let same = compared(|program| program.key_groups = Some(128));
    assert_eq!(same.verdict(), Verdict::Resumes);
    let mut asks = program();
    asks.key_groups = Some(128);
    assert_eq!(asks.fingerprint(), program().fingerprint(), "it finishes the epochs of the one that does not ask");
}

#[test]
fn inputs_of_another_kind_or_version_are_refused_and_outputs_of_another_kind_are_new() {
    let kind = compared(|program| program.inputs[0].kind = "topic".to_owned());
    let version = compared(|program| program.inputs[0].version = 1);
    let functions = compared(|program| program.watermarks[0].version = 1);
    for (comparison, name) in [(kind, "input:clicks"), (version, "input:clicks"), (functions, "watermark:by time")] {
        assert_eq!(comparison.verdict(), Verdict::Refused);
        let (catalog, _) = stored();
        let permitted = comparison.permitting(&[name.to_owned()], &catalog);
        assert_eq!(permitted.verdict(), Verdict::Resumes, "{permitted}");
        assert!(permitted.to_string().starts_with("  dropped:"), "{permitted}");
    }
    let output = compared(|program| program.outputs[0].kind = "topic".to_owned());
    assert_eq!(output.verdict(), Verdict::Resumes);
    assert!(output.of_fate(Fate::New).any(|finding| finding.text.starts_with("begins with epoch 8")), "{output}");
}

#[test]
fn what_a_watermark_follows_is_told() {
    let comparison = compared(|program| {
        program.inputs = vec![InputSchema::named("clicks"), InputSchema::named("more")];
        program.watermarks[0].inputs = vec!["more".to_owned()];
    });
    let changed: Vec<_> = comparison.of_fate(Fate::Changed).map(|finding| finding.text.as_str()).collect();
    assert!(changed[0].starts_with("follows input more, too: it stands until each split"), "{changed:?}");
    assert_eq!(changed[1], "does not wait for input clicks any more");
}

#[test]
fn dropped_state_gets_other_numbers_and_is_told_when_it_is_back() {
    let (catalog, cursor) = stored();
    let mut changed = program();
    changed.states[0].kind = "window/max".to_owned();
    let names = ["state:counts".to_owned(), "state:cuonts".to_owned()];
    let comparison = changed.compare(&catalog, &cursor).permitting(&names, &catalog);
    assert_eq!(comparison.verdict(), Verdict::Resumes);
    assert_eq!(comparison.unused_permissions(), ["state:cuonts"]);
    assert!(comparison.to_string().contains("note:     the permission to lose \"state:cuonts\""), "{comparison}");
    let next = catalog.resumed_by(&changed, &comparison, (7, &NOW)).unwrap();
    assert_ne!(next.store("counts").unwrap().id, catalog.store("counts").unwrap().id);
    assert_eq!(next.dropped()[0].epoch, 7);
    // Once used, the permission is silent and permits nothing more.
    let same = changed.compare(&next, &cursor).permitting(&names[..1], &next);
    assert_eq!((same.verdict(), same.unused_permissions()), (Verdict::Resumes, &[][..]));
    changed.states[0].kind = "window/min".to_owned();
    let again = changed.compare(&next, &cursor).permitting(&names[..1], &next);
    assert_eq!(again.verdict(), Verdict::Refused);
    assert!(again.conclusion().contains("state:counts#2"), "{}", again.conclusion());
}

#[test]
fn one_state_of_an_operator_is_dropped_by_its_own_name_or_the_operators() {
    let mut both = Declaration::<u64>::new("op");
    both.value::<u64>("keep");
    both.value::<u64>("lose");
    let mut one = Declaration::<u64>::new("op");
    one.value::<u64>("keep");
    let empty = Catalog::new(KeyGroups::default());
    let catalog = empty.with(&[both.schema()], false).unwrap();
    let lost = catalog.compare(&[one.schema()]);
    assert_eq!(lost.verdict(), Verdict::NeedsPermission);
    assert!(
        lost.conclusion().ends_with("Checkpoint::allow_loss([\"state:op/lose\"]), or `--allow-loss` with each of them"),
        "{}",
        lost.conclusion()
    );
    for name in ["state:op/lose", "state:op"] {
        let permitted = lost.clone().permitting(&[name.to_owned()], &catalog);
        assert_eq!(permitted.verdict(), Verdict::Resumes);
        let program = JobDescription { states: vec![one.schema()], ..JobDescription::default() };
        let next = catalog.resumed_by(&program, &permitted, (3, &NOW)).unwrap();
        assert_eq!(
            (next.dropped()[0].permission.as_str(), &next.dropped()[0].members[..]),
            (name, &["state:op/lose".to_owned()][..])
        );
        let back = next.compare(&[both.schema()]);
        let new = back.of_fate(Fate::New).next().unwrap();
        assert_eq!((new.member.as_str(), new.dropped_after), ("state:op/lose", Some(3)));
        assert!(back.to_string().contains("it was dropped after epoch 3"), "{back}");
        // It has another number: what was stored under the old one is not found again.
        let program = JobDescription { states: vec![both.schema()], ..JobDescription::default() };
        let last = next.resumed_by(&program, &back, (4, &NOW)).unwrap();
        let id = |catalog: &Catalog| {
            catalog.store("op").unwrap().tables.iter().find(|table| table.name == "lose").unwrap().id
        };
        assert_ne!(id(&last), id(&catalog));
    }
    let other = lost.permitting(&["state:other".to_owned()], &catalog);
    assert_eq!(other.verdict(), Verdict::NeedsPermission);
}
