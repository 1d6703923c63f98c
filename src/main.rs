//! The `mitune` program. Everything it does is in the library.

use std::process::ExitCode;

/// Keeps freed memory for the next tensor: the system's allocator gives large blocks back at once, and faulting them in
/// again takes a sixth of a denoiser's time on the CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Milliseconds after which freed memory goes back to the system.
///
/// The allocator's own second is shorter than a layer of a large network takes: then every layer faults its memory in
/// anew, which takes a sixth of the time of decoding an image of 512 x 512 pixels.
const KEPT: std::ffi::c_long = 60_000;

/// `mi_option_purge_delay` of mimalloc 3, which its bindings do not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    keep_burn_on_the_processor();
    keep_freed_memory();
    mitune::program(std::env::args_os(), &mitune::pipeline::BuiltinKinds).into()
}

/// Makes devices that Burn opens on its own be the processor, which is always there.
///
/// A few of its functions use a default device, and with a graphics backend compiled in that default is a card, there
/// or not. The devices a user asks for are opened by name and are not affected.
fn keep_burn_on_the_processor() {
    #[expect(
        unsafe_code,
        reason = "Burn takes its default device from the environment and from nowhere else"
    )]
    // SAFETY: writing the environment is unsound only while another thread may read it. This is the first statement of
    // `main`: the standard library starts no threads before it, and no dependency runs code before it.
    unsafe {
        std::env::set_var("BURN_DEVICE", "flex");
    }
}

fn keep_freed_memory() {
    // A choice of the user's stays.
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    #[expect(
        unsafe_code,
        reason = "mimalloc takes its settings through a function of C and from nowhere else"
    )]
    // SAFETY: the function stores a number in a table of the allocator's own, checks the index, and may be called at any
    // time; no memory of ours is involved.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT);
    }
}
