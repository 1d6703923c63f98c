//! The `mitune` program. Everything it does is in the library.

use std::process::ExitCode;

/// Keeps freed memory for the next tensor: the system's allocator gives large blocks back at once, and faulting them in
/// again takes a sixth of a denoiser's time on the CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_burn_on_the_processor();
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
