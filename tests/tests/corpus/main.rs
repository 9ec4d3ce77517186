//! The corpus: cases of event time as text, each run in every way. The notation is described in `tests/corpus/README.md`.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod aggregate;
mod case;
mod every_file;
mod program;
mod read;
mod run;
#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "../state/ways.rs"]
mod ways;

// The least memory that is possible: all that can leave memory does.
every_file::every_file!(concat!(env!("CARGO_MANIFEST_DIR"), "/.."), ways::all(), 0);

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
