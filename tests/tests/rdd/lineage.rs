//! What a lineage looks like.

use firesteel_core::{PairOps, RddOps};

use crate::common::with_threads;

/// The lineage without the places in this file, which move with every edit.
fn lineage(rdd: &impl firesteel_core::Rdd) -> String {
    let text = rdd.to_debug_string();
    let lines = text.lines().map(|line| {
        let (operator, place) = line.split_once(" at ").unwrap();
        assert!(place.starts_with("tests/tests/rdd/lineage.rs:"), "{line}");
        let stored = if place.ends_with("[stored]") { " [stored]" } else { "" };
        let close = if place.contains(')') { ")" } else { "" };
        format!("{operator}{close}{stored}\n")
    });
    lines.collect()
}

#[test]
fn a_lineage_reads_from_the_result_down() {
    let context = with_threads(2);
    let users = context.parallelize_with(3, (0..10u32).map(|n| (n, n))).named("users");
    let clicks = context.range_with(4, 0..100u32).map(|n| (n % 10, 1u64)).filter(|_| true);
    let counts = clicks.reduce_by_key_with(5, |a, b| a + b).cache();
    let joined = users.join(counts.clone()).map_values(|(_, count)| count);
    let expected = "\
(5) [8] map_values
(5) [7] join
 |  +-(3) [0] users (parallelize)
(5) [6] cache
(5) [5] reduce_by_key
 |  +-(4) [4] filter
 |  (4) [3] map
 |  (4) [1] range
";
    assert_eq!(lineage(&joined), renumbered(expected, &lineage(&joined)));
    firesteel_core::Actions::count(&counts).unwrap();
    assert!(lineage(&joined).contains("cache [stored]\n"));
}

/// The expected text with the numbers of the RDDs as they are: what matters is what stands above what.
fn renumbered(expected: &str, actual: &str) -> String {
    let number = |line: &str| Some(line.split_once('[')?.1.split_once(']')?.0.to_owned());
    let pairs = expected.lines().zip(actual.lines().chain(std::iter::repeat("")));
    let lines = pairs.map(|(line, actual)| match (number(line), number(actual)) {
        (Some(from), Some(to)) => line.replace(&format!("[{from}]"), &format!("[{to}]")) + "\n",
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn composed_operators_stand_where_the_user_called_them() {
    let words = with_threads(2).parallelize_with(2, ["a".to_owned()]);
    let chained = words.clone().distinct().subtract(words.clone().intersection(words)).sort_by(|word| word.clone());
    let text = lineage(&chained.unwrap());
    for operator in ["sort_by", "subtract", "distinct", "intersection", "parallelize"] {
        assert!(text.contains(operator), "{operator} is missing in\n{text}");
    }
}
