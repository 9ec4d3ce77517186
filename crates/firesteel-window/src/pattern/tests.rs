use super::*;
use crate::time::{minutes, seconds};

/// What comes of labels, one per second, and of those at `second:label`: the records of each match with the second in which it is known; of
/// what has timed out after `out`.
fn found(pattern: &Pattern<char>, events: &str) -> Vec<String> {
    let (mut partials, mut found, mut second) = (Partials::new(), vec![], 0);
    let mut tell = |outcome: &Outcome<'_, char>| {
        let records: String = outcome.matched().records().collect();
        let at = outcome.matched().end().as_secs();
        found.push(format!("{}{records}@{at}", if outcome.is_match() { "" } else { "out " }));
    };
    for word in events.split(' ').filter(|word| !word.is_empty()) {
        let (at, label) = word.split_once(':').map_or((second, word), |(at, label)| (at.parse().unwrap(), label));
        second = at + 1;
        pattern.push(&mut partials, Timestamp::from_secs(at), label.parse().unwrap(), &mut tell);
    }
    pattern.pass(&mut partials, Timestamp::MAX, &mut tell);
    assert!(partials.is_empty());
    found
}

fn is(label: char) -> impl Fn(&char) -> bool + Send + Sync + 'static {
    move |event| *event == label
}

fn a_then_b() -> Pattern<char> {
    Pattern::begin("a", is('a')).followed_by("b", is('b')).within(seconds(10))
}

#[test]
fn what_is_next_is_next_and_what_follows_may_have_others_in_between() {
    let next = Pattern::begin("a", is('a')).next("b", is('b')).within(seconds(10));
    assert_eq!(found(&next, "a b a x b a b"), ["ab@1", "ab@6"]);
    assert_eq!(found(&a_then_b(), "a b a x b a x"), ["ab@1", "ab@4", "out a@15"]);
}

#[test]
fn within_has_both_ends_and_time_comes_past_its_last_instant() {
    assert_eq!(found(&a_then_b(), "0:a 10:b"), ["ab@10"]);
    assert_eq!(found(&a_then_b(), "0:a 11:b"), ["out a@10"]);
    let (mut partials, mut count) = (Partials::new(), 0);
    a_then_b().push(&mut partials, Timestamp::EPOCH, 'a', |_| ());
    a_then_b().pass(&mut partials, Timestamp::from_secs(10), |_| count += 1);
    assert_eq!((count, partials.deadline()), (0, Some(Timestamp::from_secs(10))));
    a_then_b().pass(&mut partials, Timestamp::from_secs(10) + Duration::micros(1), |_| count += 1);
    assert_eq!((count, partials.is_empty()), (1, true));
    let at_once = Pattern::begin("a", is('a')).followed_by("b", is('b')).within(Duration::ZERO);
    assert_eq!(found(&at_once, "3:a 3:b 4:a 5:b"), ["ab@3", "out a@4"]);
}

#[test]
fn at_the_end_of_time_a_record_is_still_one() {
    let (mut partials, mut found) = (Partials::new(), vec![]);
    for (at, label) in [(Timestamp::MAX - Duration::micros(1), 'a'), (Timestamp::MAX, 'b')] {
        a_then_b().push(&mut partials, at, label, |outcome| found.push(outcome.is_match()));
    }
    assert_eq!(found, [true]);
}

#[test]
fn a_match_uses_its_records_up_or_not() {
    let twice = Pattern::begin("a", is('a')).times(2).within(seconds(10));
    assert_eq!(found(&twice, "a a a a a"), ["aa@1", "aa@3", "out a@14"]);
    let every = twice.clone().after_match(AfterMatch::EveryStart);
    assert_eq!(found(&every, "a a a a"), ["aa@1", "aa@2", "aa@3", "out a@13"]);
    // The record that ends one begins another, or does not.
    let ends = Pattern::begin("a", is('a')).followed_by("a again", is('a')).within(seconds(10));
    assert_eq!(found(&ends, "a a a"), ["aa@1", "out a@12"]);
    assert_eq!(found(&ends.after_match(AfterMatch::EveryStart), "a a a"), ["aa@1", "aa@2", "out a@12"]);
    // Of several that are complete with one record, the first to begin.
    assert_eq!(found(&a_then_b(), "0:a 1:a 2:b"), ["ab@2"]);
    let every = a_then_b().after_match(AfterMatch::EveryStart);
    assert_eq!(found(&every, "0:a 1:a 2:b 3:b"), ["ab@2", "ab@2"]);
}

#[test]
fn a_start_that_fails_hides_none_after_it() {
    let pattern = Pattern::begin("a", is('a')).times(2).in_a_row().next("b", is('b')).within(minutes(1));
    assert_eq!(found(&pattern, "a a a b"), ["aab@3"]);
    // A partial match that is still waiting keeps no match from being told.
    let pair = Pattern::begin("first", |_: &char| true)
        .followed_by("same", |_| true)
        .and(|event, so_far| event == so_far.first())
        .within(seconds(10));
    assert_eq!(found(&pair, "a b b a"), ["bb@2", "out a@13"]);
}

#[test]
fn absence_is_known_when_its_time_is_over() {
    let alone = Pattern::begin("a", is('a')).not_followed_by("b", is('b')).within(seconds(10));
    assert_eq!(found(&alone, "0:a 10:b"), [""; 0]);
    assert_eq!(found(&alone, "0:a 11:b"), ["a@10"]);
    assert_eq!(found(&alone, "0:a"), ["a@10"], "the end of the input ends the wait");
    // A match has its records, and not its time, to itself.
    assert_eq!(found(&alone, "0:a 5:a"), ["a@10", "a@15"]);
    assert_eq!(found(&alone, "0:a 5:b 5:a 6:x"), ["a@15"]);
    let between =
        Pattern::begin("a", is('a')).not_followed_by("x", is('x')).followed_by("b", is('b')).within(seconds(10));
    assert_eq!(found(&between, "a y b a x b"), ["ab@2"]);
    let quiet = a_then_b().not_followed_by("c", is('c')).step_within(seconds(3));
    assert_eq!(found(&quiet, "0:a 1:b 4:c 5:a 6:b 10:c 11:a"), ["ab@9", "out a@21"]);
    // What it takes before counts until then.
    let failures = Pattern::begin("a", is('a')).at_least(2).not_followed_by("b", is('b')).within(seconds(10));
    assert_eq!(
        found(&failures, "0:a 1:a 2:a 3:y 9:a 20:a 21:b"),
        ["aaaa@10", "out a@30"],
        "one is not enough to be followed"
    );
}

#[test]
fn as_many_as_there_are_until_the_next_step_can_begin() {
    let run = Pattern::begin("a", is('a')).at_least(2).in_a_row().next("b", is('b')).within(minutes(1));
    assert_eq!(found(&run, "a b a a a b a x a b"), ["aaab@5"]);
    let loose = Pattern::begin("a", is('a')).at_least(2).followed_by("any", |_| true).within(minutes(1));
    assert_eq!(found(&loose, "a x a a"), ["aaa@3"], "the next step can begin with it");
    let maybe = Pattern::begin("a", is('a')).next("b", is('b')).optional().next("c", is('c')).within(minutes(1));
    assert_eq!(found(&maybe, "a b c a c a b b c"), ["abc@2", "ac@4"]);
    let both = Pattern::begin("a", is('a')).followed_by("b", |_| true).optional().followed_by("c", is('c'));
    assert_eq!(found(&both.within(minutes(1)), "a c"), ["ac@1"], "the last step that can have it");
}

#[test]
fn each_step_may_have_a_time_of_its_own() {
    let steps = Pattern::begin("a", is('a')).followed_by("b", is('b')).times(2).step_within(seconds(2));
    assert!(steps.validate().is_ok(), "nothing waits longer");
    assert_eq!(found(&steps, "0:a 2:b 4:b 10:a 12:b 15:b 20:a"), ["abb@4", "out ab@14", "out a@22"]);
    // When it is not the next one that follows, and the time of what else could is over, it ends: it does not time out in the past.
    let either = Pattern::begin("a", is('a')).at_least(2).step_within(seconds(1)).next("b", is('b')).within(minutes(1));
    assert_eq!(found(&either, "0:a 1:a 3:x"), ["out a@2"]);
    assert_eq!(found(&either, "0:a 1:a 2:x"), ["out aa@2", "out a@2"]);
    let waits = Pattern::begin("a", is('a')).followed_by("b", is('b')).forever();
    assert_eq!(
        found(&waits, "0:a 1000:b 1001:a"),
        ["ab@1000".to_owned(), format!("out a@{}", Timestamp::MAX.as_secs())]
    );
}

#[test]
fn conditions_see_what_has_been_matched() {
    let rising = Pattern::begin("n", |_: &char| true).and(|n, so_far| n > so_far.last()).times(3).in_a_row();
    assert_eq!(found(&rising.within(minutes(1)), "3 1 2 5 4"), ["125@3", "out 4@64"]);
    let named = a_then_b().followed_by("c", is('c')).and(|_, so_far| so_far.of("a").count() == 1 && so_far.len() == 2);
    assert_eq!(found(&named, "a b c"), ["abc@2"]);
}

#[test]
#[should_panic(expected = "the pattern has no step `slwo`, but a, b")]
fn a_step_that_there_is_not_is_told() {
    found(&a_then_b().and(|_, so_far| so_far.of("slwo").count() > 0), "a b");
}

#[test]
fn what_cannot_work_says_why() {
    let refused = |pattern: Pattern<char>| pattern.validate().unwrap_err().to_string();
    let a = || Pattern::begin("a", is('a'));
    let cases = [
        (a().followed_by("b", is('b')), "say `within`, or `forever`"),
        (a().times(2), "say `within`, or `forever`"),
        (a().followed_by("b", is('b')).step_within(seconds(1)).followed_by("c", is('c')), "say `within`"),
        (a().not_followed_by("b", is('b')).forever(), "ends with an absence"),
        (a().at_least(3).within(seconds(1)), "say `times(3)`"),
        (a().times(0).within(seconds(1)), "takes no record"),
        (a().followed_by("a", is('b')).within(seconds(1)), "two of its steps are called `a`"),
        (a().optional().followed_by("b", is('b')).within(seconds(1)), "`a` cannot be optional"),
        (a().followed_by("b", is('b')).optional().within(seconds(1)), "`b` cannot be optional"),
        (a_then_b().optional().not_followed_by("c", is('c')).followed_by("d", is('d')), "directly before `c`"),
        (a().not_followed_by("b", is('b')).times(2).within(seconds(1)), "`b` is what must not follow"),
        (a().within(seconds(-1)), "nothing happens within -1s"),
        (a_then_b().step_within(seconds(-1)), "nothing happens within -1s"),
    ];
    for (pattern, why) in cases {
        assert!(refused(pattern.clone()).contains(why), "{} and not {why}", refused(pattern));
    }
    for fine in [a(), a().within(seconds(0)), a_then_b(), a().followed_by("b", is('b')).forever()] {
        assert_eq!(fine.validate(), Ok(()));
    }
}

#[test]
fn it_says_what_it_is() {
    let pattern = a_then_b().at_least(2).in_a_row().next("c", is('c')).step_within(seconds(2)).optional();
    let pattern = pattern.not_followed_by("d", is('d')).after_match(AfterMatch::EveryStart);
    assert_eq!(
        pattern.settings().into_iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>(),
        [
            "steps = a, followed by b at least 2 times in a row, next c within 2s or not, not followed by d",
            "within = 10s",
            "after match = every start"
        ]
    );
    assert!(format!("{pattern} {pattern:?}").contains("not followed by d, within 10s Pattern { steps: "));
}

#[test]
fn records_are_kept_once_and_as_long_as_they_are_needed() {
    let run = Pattern::begin("a", is('a')).at_least(2).followed_by("b", is('b')).within(seconds(100));
    let mut partials = Partials::new();
    for second in 0..1000 {
        let label = if second % 10 == 9 { 'x' } else { 'a' };
        run.push(&mut partials, Timestamp::from_secs(second), label, |outcome| assert!(!outcome.is_match()));
        assert!(partials.records() <= 91 && partials.len() <= 91, "{partials:?}");
    }
    run.push(&mut partials, Timestamp::from_secs(1000), 'b', |_| ());
    assert!(partials.is_empty() && partials.records() == 0);
}
