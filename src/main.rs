//! mitune
fn main() {}
