//! Where the networks are computed: on one of the threads that share the work of every operation.
//!
//! Rayon hands the parts of an operation to its own threads. A thread of another kind that asks for an operation sleeps
//! until they are done and has to be woken, which for the small operations of a small network takes longer than the work:
//! some hundred times in every forward pass. A network that runs on one of rayon's threads from beginning to end computes
//! the first part of each operation itself, and sleeps once.

/// Runs `work` on one of rayon's threads and returns what it returns.
///
/// Not for work that waits for other threads: with a single thread in the pool, nobody would be left to do what they ask
/// for.
///
/// # Panics
/// As `work` does.
pub(crate) fn on_compute_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::current_thread_index() {
        Some(_) => work(),
        None => rayon::scope(|_| work()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_one_of_rayons_threads_and_stays_there() {
        assert_eq!(rayon::current_thread_index(), None);
        let (outer, inner) = on_compute_thread(|| {
            let inner = on_compute_thread(rayon::current_thread_index);
            (rayon::current_thread_index(), inner)
        });
        assert!(outer.is_some());
        assert_eq!(outer, inner);
    }
}
