//! Making a device show that it works, and living through it when it does not.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Tensor};

/// Multiplies two small matrices and compares the product.
///
/// # Errors
/// The device's own words, or the product if it is wrong. Drivers may panic as well, see [`quietly`].
pub fn probe(device: &Device) -> Result<(), String> {
    let square = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], device);
    let product = square.clone().matmul(square);
    let found: Vec<f32> = product.try_into_vec_as().map_err(|error| error.to_string())?;
    match found == [7.0, 10.0, 15.0, 22.0] {
        true => Ok(()),
        false => Err(format!("a product of matrices came out as `{found:?}`")),
    }
}

/// Runs something that may panic and turns the panic into its message.
///
/// Panic messages are not printed meanwhile, not even those of device threads: the caller reports
/// the failure.
pub fn quietly<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Mutex<()> = Mutex::new(());
    let guard = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(action));
    set_hook(hook);
    drop(guard);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        text.or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "the driver panicked".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_message() {
        assert_eq!(
            quietly(|| -> u8 { panic!("no driver {}", 5) }),
            Err("no driver 5".to_owned())
        );
        assert_eq!(
            quietly(|| -> u8 { panic!("no driver") }),
            Err("no driver".to_owned())
        );
        assert_eq!(quietly(|| 3), Ok(3));
    }
}
