//! Order of a directed graph; no stages here, only numbers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Orders nodes so that each comes after those it depends on, keeping the given order where it is free.
///
/// `depends_on[n]` lists the nodes that must come before `n`; repetitions are harmless.
///
/// # Errors
/// A cycle as a path of dependencies whose last node is its first again.
pub fn topological_order(depends_on: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut followers = vec![Vec::new(); depends_on.len()];
    let mut missing = vec![0_usize; depends_on.len()];
    for (node, sources) in depends_on.iter().enumerate() {
        for &source in sources {
            followers[source].push(node);
            missing[node] += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..depends_on.len())
        .filter(|&node| missing[node] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(depends_on.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &follower in &followers[node] {
            missing[follower] -= 1;
            if missing[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
    }
    match missing.iter().position(|&count| count > 0) {
        None => Ok(order),
        Some(start) => Err(cycle_from(start, depends_on, &missing)),
    }
}

/// Walks along unfinished dependencies until a node repeats; every unfinished node has at least one.
fn cycle_from(start: usize, depends_on: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let Some(&next) = depends_on[last].iter().find(|&&source| missing[source] > 0) else {
            return path;
        };
        if let Some(first) = path.iter().position(|&node| node == next) {
            path.drain(..first);
            path.push(next);
            return path;
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn free_nodes_keep_their_order() {
        assert_eq!(topological_order(&[vec![], vec![], vec![]]).unwrap(), [0, 1, 2]);
        assert_eq!(
            topological_order(&[vec![2], vec![], vec![1, 1]]).unwrap(),
            [1, 2, 0]
        );
        assert_eq!(topological_order(&[]).unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn cycles_are_paths_that_close() {
        assert_eq!(topological_order(&[vec![0]]).unwrap_err(), [0, 0]);
        // 3 hangs off the cycle 0 -> 2 -> 1 -> 0 and is no part of it.
        assert_eq!(
            topological_order(&[vec![2], vec![0], vec![1], vec![0]]).unwrap_err(),
            [0, 2, 1, 0]
        );
        assert_eq!(
            topological_order(&[vec![1], vec![2], vec![1]]).unwrap_err(),
            [1, 2, 1]
        );
    }

    proptest! {
        #[test]
        fn every_answer_can_be_checked(
            edges in (1_usize..12).prop_flat_map(|n| prop::collection::vec(prop::collection::vec(0..n, 0..3), n))
        ) {
            match topological_order(&edges) {
                Ok(order) => {
                    let mut sorted = order.clone();
                    sorted.sort_unstable();
                    prop_assert_eq!(sorted, (0..edges.len()).collect::<Vec<_>>());
                    let place = |node: usize| order.iter().position(|&other| other == node);
                    for (node, sources) in edges.iter().enumerate() {
                        for &source in sources {
                            prop_assert!(place(source) < place(node));
                        }
                    }
                }
                Err(cycle) => {
                    prop_assert!(cycle.len() >= 2);
                    prop_assert_eq!(cycle.first(), cycle.last());
                    for pair in cycle.windows(2) {
                        prop_assert!(edges[pair[0]].contains(&pair[1]));
                    }
                }
            }
        }
    }
}
