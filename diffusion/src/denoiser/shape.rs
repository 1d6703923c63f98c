//! What can be known of a denoiser without knowing its architecture.

/// The numbers of a denoiser that those who prepare latents and prompts for it need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenoiserShape {
    /// Channels of a latent.
    pub latent_channels: usize,
    /// Height and width in latent positions that it was trained for, if it says.
    pub sample_size: Option<usize>,
    /// Of what the sides of a latent must be multiples.
    pub side_step: usize,
    /// Channels of its first layer at the resolution of the latent, which bound its memory from below.
    pub first_layer_channels: usize,
    /// Features of each token of the prompts that it reads.
    pub context_features: usize,
    /// Features of the prompt as one vector, if it is told that and the sizes of images.
    pub pooled_features: Option<usize>,
}
