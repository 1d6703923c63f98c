use mitune_stages::image::RgbImage;
use mitune_stages::statistics::bootstrap::BootstrapSettings;
use mitune_store::StageKey;

/// Turns latents into images, one for each, in their order; the latents of one call come from one stage.
///
/// When it fails, the page says why instead of showing the images.
pub(crate) type Decoder<'a> =
    dyn FnMut(&[LatentImage]) -> Result<Vec<RgbImage>, Box<dyn std::error::Error + Send + Sync>> + 'a;

/// An image that only exists as a latent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatentImage {
    /// The stage that generated it, from which the caller finds the model.
    pub(crate) generated_by: StageKey,
    /// Values, row-major, still multiplied by the scaling factor of the VAE.
    pub(crate) latent: Vec<f32>,
    /// Channels, height and width.
    pub(crate) shape: [usize; 3],
}

/// What the caller decides about a report.
pub(crate) struct ReportOptions<'a> {
    /// Title of the page. By default the name of the pipeline.
    pub(crate) title: Option<String>,
    /// Prompts that are shown with images. By default 8.
    pub(crate) prompts: usize,
    /// Candidates shown of each prompt, half of them the best and half the worst. By default 24.
    pub(crate) candidates_per_prompt: usize,
    /// Images of a prompt that are compared between models. By default 6.
    pub(crate) compared_images: usize,
    /// The score by which candidates are ordered. By default `mi`.
    pub(crate) score: String,
    /// The arm that every other arm of its round is compared with, beside the base. By default `random`.
    pub(crate) control_arm: String,
    /// Place of the value of an arm that says which repetition of it this is, such as the seed of its training; arms that
    /// differ in it alone are also taken together. By default none.
    pub(crate) repetition: Option<usize>,
    /// Pools of candidates whose scores are measured. By default 4.
    pub(crate) pools: usize,
    /// Longest side of an image in pixels; larger ones are reduced. By default 160.
    pub(crate) image_side: u32,
    /// Places of latents, height times width, that are decoded at most for the grids of candidates, and again for the
    /// comparison of models and for those that judges disagree on. By default 65,536: 16 images of Stable Diffusion, or
    /// all that a page of small images shows.
    pub(crate) decoded_places: usize,
    /// How intervals are made where the evaluation does not say.
    pub(crate) bootstrap: BootstrapSettings,
    /// Decodes candidates that were stored without pixels. By default none, and the page says that they are not shown.
    pub(crate) decoder: Option<&'a mut Decoder<'a>>,
}

impl Default for ReportOptions<'_> {
    fn default() -> Self {
        Self {
            title: None,
            prompts: 8,
            candidates_per_prompt: 24,
            compared_images: 6,
            score: "mi".to_owned(),
            control_arm: "random".to_owned(),
            repetition: None,
            pools: 4,
            image_side: 160,
            decoded_places: 65_536,
            bootstrap: BootstrapSettings::default(),
            decoder: None,
        }
    }
}
