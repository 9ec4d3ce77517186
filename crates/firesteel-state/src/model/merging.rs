//! Values of many keys at once, by merging.

use crate::{GroupState, Times, Value};

use super::system::hash;

/// Merges 7 into the values of every second key, which it takes out of `keys`.
pub(super) fn merge_half(value: &Value<u16>, group: &mut GroupState<u8>, keys: &mut Vec<u8>, times: Times) {
    let mut lists = [vec![], vec![]];
    let mut number = 0;
    keys.retain(|key| {
        number += 1;
        if number % 2 == 0 {
            lists[number % 4 / 2].push((hash(key), *key, 7));
        }
        number % 2 != 0
    });
    let expected = lists.iter().flatten().map(|entry| entry.1);
    let (mut order, mut rows) = (Vec::<u8>::new(), vec![]);
    for key in expected {
        if !order.contains(&key) {
            order.push(key);
        }
    }
    let xor = |value: &mut u16, more| *value ^= more;
    value.merge_many(group, &mut lists, times, xor, |key, value| rows.push((key, *value))).unwrap();
    assert!(lists.iter().all(Vec::is_empty));
    // Those that the batch had changed before are left out.
    order.retain(|key| rows.iter().any(|row| row.0 == *key));
    assert!(rows.iter().map(|row| row.0).eq(order));
    for (key, now) in rows {
        assert_eq!(value.get(&mut group.key(hash(&key), &key, times)).unwrap(), Some(&now));
    }
}
