//! Where the networks are computed: on one of the threads that share the work of every operation.
//!
//! Rayon hands the parts of an operation to its own threads. A thread of another kind that asks for an operation sleeps
//! until they are done and has to be woken, which for the small operations of a small network takes longer than the work:
//! some hundred times in every forward pass. A network that runs on one of rayon's threads from beginning to end computes
//! the first part of each operation itself, and sleeps once.

use burn::tensor::Device;

/// Runs work on a device and returns what it returns, on one of rayon's threads if the device is the processor.
///
/// On a graphics card each thread of the host has a stream of its own: work that moves between them would have to wait
/// for what the other stream has not done yet.
///
/// Not for work that waits for other threads: with a single thread in the pool, nobody would be left to do what they ask
/// for.
///
/// # Panics
/// As `work` does.
pub fn on_compute_thread<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    let is_processor = device.clone().without_autodiff() == Device::flex();
    match is_processor && rayon::current_thread_index().is_none() {
        true => rayon::scope(|_| work()),
        false => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_one_of_rayons_threads_and_stays_there() {
        assert_eq!(rayon::current_thread_index(), None);
        for device in [Device::flex(), Device::flex().autodiff()] {
            let (outer, inner) = on_compute_thread(&device, || {
                let inner = on_compute_thread(&device, rayon::current_thread_index);
                (rayon::current_thread_index(), inner)
            });
            assert!(outer.is_some());
            assert_eq!(outer, inner);
        }
    }
}
