//! The corpus: cases of event time as text, each run in every way. The notation is described in `tests/corpus/README.md`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod aggregate;
mod case;
mod every_file;
mod pattern;
mod program;
mod random;
mod read;
mod run;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../state/ways.rs"]
mod ways;

// The least memory that is possible: all that can leave memory does.
every_file::every_file!(concat!(env!("CARGO_MANIFEST_DIR"), "/.."), ways::all(), 0);

#[test]
fn windows_that_fire_again_do_what_a_plain_model_does() {
    let mut ways: Vec<_> = ways::all().iter().map(ways::Way::with_one_input).collect();
    let little: Vec<_> = ways.iter().filter(|way| way.has_backend()).map(|way| way.with_memory(0)).collect();
    ways.extend(little);
    let mut fired = [0; 3];
    for seed in 0..400 {
        let case = random::case(seed);
        case.steps.iter().flat_map(|step| &step.out).for_each(|row| fired[row.3 as usize] += 1);
        // Every case in one way, and each way with many.
        let way = &ways[seed as usize % ways.len()..][..1];
        run::check("random", &case, way).unwrap_or_else(|fault| panic!("{fault}\n{:#?}", case.steps));
    }
    assert!(fired.iter().all(|rows| *rows > 100), "{fired:?}");
}

#[test]
fn a_case_that_does_not_hold_is_told() {
    let case = |out: &str| {
        let text = format!(
            "[[case]]\nname = \"one\"\nwatermark = \"0s\"\nwindow = \"tumbling 5s\"\naggregate = \"count\"\n\
             steps = [{{ in = \"a@1 a@7\", out = \"{out}\" }}]\n"
        );
        let case = case::parse(&text).unwrap().remove(0);
        run::check("sample", &case, &ways::all()[..1])
    };
    assert_eq!(case("a[0,5)=1"), Ok(()));
    for wrong in ["", "a[0,5)=2", "a[0,5)=1 b[0,5)=1", "b[0,5)=1"] {
        assert!(case(wrong).unwrap_err().contains("step 1"), "{wrong}");
    }
    assert!(case::parse("[[case]]\nname = \"no steps\"").is_err());
}
