//! Images and texts of other prompts, drawn whichever.

use super::images::Image;
use crate::draws::Draws;

/// What contrasts with an image, independent of the order of rows.
pub(super) struct Others<'a> {
    images: &'a [Image],
    /// Images by the shape of their latents, then by name.
    order: Vec<usize>,
    /// The different prompts, sorted.
    texts: Vec<&'a str>,
}

impl<'a> Others<'a> {
    pub(super) fn of(images: &'a [Image]) -> Self {
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by_key(|&place| (images[place].latent.shape, images[place].name()));
        let mut texts: Vec<&str> = images.iter().map(|image| image.prompt.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        Self { images, order, texts }
    }

    /// Draws an image of another prompt whose latent has the same shape, if there is one.
    pub(super) fn image(&self, own: &Image, draws: &mut Draws) -> Option<usize> {
        let shape = own.latent.shape;
        let all = self.part(
            |image| image.latent.shape < shape,
            |image| image.latent.shape <= shape,
        );
        let key = (shape, own.prompt.as_str());
        let same = self.part(
            |image| (image.latent.shape, image.prompt.as_str()) < key,
            |image| (image.latent.shape, image.prompt.as_str()) <= key,
        );
        let others = all.len() - same.len();
        let drawn = below(others, draws)?;
        let place = match all.start + drawn {
            before if before < same.start => before,
            after => after + same.len(),
        };
        Some(self.order[place])
    }

    /// Draws another prompt, if there is one.
    pub(super) fn text(&self, own: &str, draws: &mut Draws) -> Option<&'a str> {
        let (there, place) = match self.texts.binary_search(&own) {
            Ok(place) => (1, place),
            Err(place) => (0, place),
        };
        let drawn = below(self.texts.len() - there, draws)?;
        let passed = if drawn < place { 0 } else { there };
        self.texts.get(drawn + passed).copied()
    }

    /// The part of the order between two bounds.
    fn part(
        &self,
        before: impl Fn(&Image) -> bool,
        not_after: impl Fn(&Image) -> bool,
    ) -> std::ops::Range<usize> {
        let start = self.order.partition_point(|&place| before(&self.images[place]));
        let end = self
            .order
            .partition_point(|&place| not_after(&self.images[place]));
        start..end
    }
}

/// Draws a number below a bound, if there is one.
pub(super) fn below(bound: usize, draws: &mut Draws) -> Option<usize> {
    let bound = u32::try_from(bound).unwrap_or(u32::MAX);
    (bound > 0).then(|| draws.below(bound) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tables::latent_rows::Latent;

    fn image(prompt: &str, seed_index: u32, side: usize) -> Image {
        Image {
            prompt_id: format!("id of {prompt}"),
            prompt: prompt.to_owned(),
            seed_index,
            latent: Latent {
                values: vec![0.0; 4 * side * side],
                shape: [4, side, side],
            },
        }
    }

    #[test]
    fn every_image_of_another_prompt_and_of_the_same_shape_is_drawn_and_no_other() {
        let images = [
            image("b", 1, 2),
            image("c", 0, 2),
            image("a", 0, 2),
            image("b", 0, 2),
            image("a", 1, 3),
            image("b", 2, 3),
        ];
        let others = Others::of(&images);
        let drawn = |own: usize| -> BTreeSet<usize> {
            let draw = |index| others.image(&images[own], &mut Draws::new("others", 0, index));
            (0..100).filter_map(draw).collect()
        };
        assert_eq!(drawn(0), BTreeSet::from([1, 2]));
        assert_eq!(drawn(2), BTreeSet::from([0, 1, 3]));
        assert_eq!(drawn(1), BTreeSet::from([0, 2, 3]));
        assert_eq!(drawn(4), BTreeSet::from([5]));
        let texts: BTreeSet<&str> = (0..100)
            .filter_map(|index| others.text("b", &mut Draws::new("others", 0, index)))
            .collect();
        assert_eq!(texts, BTreeSet::from(["a", "c"]));
        let alone = [image("a", 0, 2), image("a", 1, 2)];
        let others = Others::of(&alone);
        let mut draws = Draws::new("others", 0, 0);
        assert_eq!(others.image(&alone[0], &mut draws), None);
        assert_eq!(others.text("a", &mut draws), None);
    }
}
