use super::*;

const GLOSSARY: &str = "\
# Glossary

| word | meaning |
|---|---|
| **lemon** | Yellow. |

## Words that are not used

The table says which.

| not | but | unless |
|---|---|---|
| goes on, go on | resumes | |
| astern | after | fall* astern, left … astern, astern a sail |
| colouris* | coloriz… | |
| `NoMore`, `Bad` | `Ended` | |
";

/// What is found in a text: `line: what`.
fn found(text: &str) -> Vec<String> {
    let words = Words::of_glossary(GLOSSARY).unwrap();
    words.faults(text).into_iter().map(|fault| format!("{}: {}", fault.line, fault.what)).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(found(text), expected, "{text}");
}

#[test]
fn a_text_in_the_words_of_the_field_has_no_faults() {
    check("//! It resumes after epoch 7.\nlet lemon = \"going once\"; // ego only\n", &[]);
}

#[test]
fn a_planted_word_is_found_with_its_line_and_what_to_write() {
    check("//! A.\n\n/// The job Goes on.\n", &["3: not \"goes on\", but resumes"]);
    check("fn f() {\n    panic!(\"two astern\")\n}\n", &["2: not \"astern\", but after"]);
    check("# A\n\nColourised | and | more\n", &["3: not \"colouris*\", but coloriz…"]);
}

#[test]
fn names_are_taken_apart() {
    check(
        "let goes_on = 1;\nstruct GoesOn;\nconst GO_ON: u8 = 1;\nlet ego_on = egoOn;\n",
        &["1: not \"goes on\", but resumes", "2: not \"goes on\", but resumes", "3: not \"go on\", but resumes"],
    );
}

#[test]
fn a_phrase_is_found_over_the_end_of_a_line_and_not_over_punctuation() {
    check("    /// It goes\n    /// on.\n", &["1: not \"goes on\", but resumes"]);
    check("let text = \"it goes \\\n    on\";\n", &["1: not \"goes on\", but resumes"]);
    check("It goes. On it stays. go(on)\n", &[]);
}

#[test]
fn a_letter_after_a_backslash_is_no_part_of_a_word() {
    check("\"a\\nastern\"", &["1: not \"astern\", but after"]);
    check("\"a\\\\nastern\"", &[]);
}

#[test]
fn a_phrase_may_allow_the_word() {
    check("It falls astern; it was left a long way astern, astern a sail.", &[]);
    check("It was left, and some said it was then seen astern.", &["1: not \"astern\", but after"]);
    check("fn is_left_astern() {}", &[]);
}

#[test]
fn a_name_is_compared_as_it_is_written() {
    check(
        "Err(Error::NoMore)\n// NoMore, no more\nlet bad = NoMoreOf;\n/// [`Bad`]\n",
        &["1: not `NoMore`, but `Ended`", "4: not `Bad`, but `Ended`"],
    );
}

#[test]
fn the_table_itself_is_no_fault() {
    check(GLOSSARY, &[]);
    check(&format!("It goes on.\n{GLOSSARY}"), &["1: not \"goes on\", but resumes"]);
}

#[test]
fn a_glossary_without_a_table_is_refused() {
    assert!(Words::of_glossary("# Glossary\n").is_err());
    assert!(Words::of_glossary(&format!("{HEADING}\n\nNone.\n")).is_err());
    assert!(Words::of_glossary(&format!("{HEADING}\n\n| a | b | c |\n|-|-|-|\n| one | two |\n")).is_err());
}
