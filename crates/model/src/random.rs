//! burn's random numbers, made reproducible.

use std::sync::{Mutex, PoisonError, TryLockError};

use burn::tensor::Device;
use thiserror::Error;

/// Held while burn's generator, which is one for the whole process, belongs to one caller.
static GENERATOR: Mutex<()> = Mutex::new(());

/// burn's generator is in use by another thread, and waiting for it could take for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "another thread draws from burn's random numbers, which are one sequence for the whole process; in tasks of a rayon \
     pool, networks that draw random numbers cannot be made or trained side by side"
)]
pub struct GeneratorBusy;

/// Seeds burn's generator and runs `work`, which then draws the same numbers every time. Callers of this function wait
/// for each other; `work` must not call it again. Whoever draws from burn without it can still disturb it.
///
/// # Errors
/// [`GeneratorBusy`] if the caller is a task of a rayon pool and would have to wait: a task that waits can be the one
/// whose end it waits for, because rayon starts tasks on threads that are in the middle of another.
pub fn with_burn_seed<R>(seed: u64, device: &Device, work: impl FnOnce() -> R) -> Result<R, GeneratorBusy> {
    let is_task = rayon::current_thread_index().is_some();
    let _held = if is_task {
        match GENERATOR.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(GeneratorBusy),
        }
    } else {
        GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
    };
    device.seed(seed);
    Ok(work())
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, Tensor};

    use super::*;
    use crate::state::values_of;

    fn drawn(seed: u64) -> Vec<f32> {
        let device = Device::flex();
        let draw = || values_of(&Tensor::<1>::random([8], Distribution::Default, &device));
        with_burn_seed(seed, &device, draw).unwrap()
    }

    #[test]
    fn a_seed_says_what_is_drawn_whatever_other_threads_draw() {
        let expected = [drawn(1), drawn(2)];
        assert_ne!(expected[0], expected[1]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20).for_each(|_| assert_eq!([drawn(1), drawn(2)], expected)));
            }
        });
    }

    #[test]
    fn a_task_of_a_pool_does_not_wait_for_ever() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let device = Device::flex();
        let nested = || with_burn_seed(1, &device, || with_burn_seed(2, &device, || ()));
        // A call from within another is the simplest case of a task on a thread that is in the middle of one.
        while pool.install(nested) == Err(GeneratorBusy) {
            std::thread::yield_now();
        }
        assert_eq!(pool.install(nested).map_or(Err(GeneratorBusy), |inner| inner), Err(GeneratorBusy));
    }
}
