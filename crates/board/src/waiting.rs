//! Tasks that wait for tasks: whether anybody would wait for ever.

use std::collections::{HashMap, HashSet};

use coord_core::task::TaskRef;

/// The circle in which `task` would wait for itself, from and to itself; `None` when there is none.
///
/// `waits` says what each task waits for. Only circles through `task` are looked for: there was none before it
/// was edited.
pub(crate) fn circle(task: &TaskRef, waits: &HashMap<TaskRef, Vec<TaskRef>>) -> Option<Vec<TaskRef>> {
    let mut seen = HashSet::new();
    let mut paths = vec![vec![task.clone()]];
    while let Some(path) = paths.pop() {
        let last = path.last().expect("a path begins with the task");
        for next in waits.get(last).into_iter().flatten() {
            let longer = || path.iter().chain([next]).cloned().collect();
            if next == task {
                return Some(longer());
            }
            if seen.insert(next.clone()) {
                paths.push(longer());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(number: u64) -> TaskRef {
        TaskRef { repo: "api".parse().unwrap(), number }
    }

    fn graph(edges: &[(u64, u64)]) -> HashMap<TaskRef, Vec<TaskRef>> {
        let mut waits: HashMap<TaskRef, Vec<TaskRef>> = HashMap::new();
        for (from, to) in edges {
            waits.entry(named(*from)).or_default().push(named(*to));
        }
        waits
    }

    #[test]
    fn a_circle_is_told_from_a_diamond() {
        assert_eq!(circle(&named(1), &graph(&[(1, 2), (1, 3), (2, 4), (3, 4)])), None);
        let found = circle(&named(1), &graph(&[(1, 2), (2, 3), (3, 1)])).unwrap();
        assert_eq!(found, [1, 2, 3, 1].map(named));
        assert_eq!(circle(&named(1), &graph(&[(1, 1)])), Some(vec![named(1), named(1)]));
    }

    proptest! {
        /// A circle that is found is one, and when none is found the task is not among what it waits for.
        #[test]
        fn what_is_found_is_a_circle(edges in proptest::collection::vec((0u64..8, 0u64..8), 0..20)) {
            let waits = graph(&edges);
            let task = named(0);
            match circle(&task, &waits) {
                Some(path) => {
                    prop_assert!(path.len() > 1 && path.first() == Some(&task) && path.last() == Some(&task));
                    for pair in path.windows(2) {
                        prop_assert!(waits[&pair[0]].contains(&pair[1]));
                    }
                }
                None => {
                    let mut reached: HashSet<u64> = HashSet::from([0]);
                    for _ in 0..8 {
                        let next: Vec<u64> =
                            edges.iter().filter(|it| reached.contains(&it.0)).map(|it| it.1).collect();
                        prop_assert!(!next.contains(&0));
                        reached.extend(next);
                    }
                }
            }
        }
    }
}
