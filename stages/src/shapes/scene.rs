//! Where the objects of an image stand, how large they are, and their exact colours.

use super::world::{Object, Prompt};
use crate::draws::Draws;

/// The lightest and darkest ground, as one grey value in [0, 1].
const GROUND: [f32; 2] = [0.93, 0.98];
/// The smallest and largest radius, in pixels.
const RADIUS: [f32; 2] = [5.0, 7.0];
/// The largest deviation of a colour channel from the palette.
const JITTER: f32 = 0.04;
/// The free space between two objects, in pixels.
const GAP: f32 = 2.0;
/// The free space between an object and the border, in pixels.
const MARGIN: f32 = 1.0;
const SIDE: f32 = super::render::SIDE as f32;

/// An object at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedObject {
    /// What it is.
    pub object: Object,
    /// Its centre (x, y) in pixels from the top left corner of the image.
    pub centre: [f32; 2],
    /// Half the side of the square around its outline, in pixels.
    pub radius: f32,
    /// The colour it is painted in, RGB in [0, 1].
    pub rgb: [f32; 3],
}

/// Everything that a renderer needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// The grey of the ground, in [0, 1].
    pub ground: f32,
    /// The objects, later ones in front.
    pub objects: Vec<PlacedObject>,
}

impl Scene {
    /// Draws a scene that shows exactly what the prompt says, at random places that do not touch.
    ///
    /// Sizes and places are drawn again, all together, until the objects are clear of each other.
    pub fn draw(prompt: Prompt, draws: &mut Draws) -> Self {
        let ground = draws.between(GROUND[0], GROUND[1]);
        let painted = prompt.objects().map(|object| {
            let rgb = object
                .colour
                .rgb()
                .map(|value| (value + draws.between(-JITTER, JITTER)).clamp(0.0, 1.0));
            (object, rgb)
        });
        loop {
            let objects = painted.map(|(object, rgb)| {
                let radius = draws.between(RADIUS[0], RADIUS[1]);
                let mut coordinate = || draws.between(radius + MARGIN, SIDE - radius - MARGIN);
                let centre = [coordinate(), coordinate()];
                PlacedObject {
                    object,
                    centre,
                    radius,
                    rgb,
                }
            });
            if clear_of_each_other(&objects[0], &objects[1]) {
                return Self {
                    ground,
                    objects: objects.to_vec(),
                };
            }
        }
    }
}

/// Holds when the squares around the two objects, or the circles around them, are `GAP` apart.
fn clear_of_each_other(one: &PlacedObject, other: &PlacedObject) -> bool {
    let across = (one.centre[0] - other.centre[0]).abs();
    let down = (one.centre[1] - other.centre[1]).abs();
    let squares = one.radius + other.radius + GAP;
    let reach = |placed: &PlacedObject| placed.object.shape.reach() * placed.radius;
    let circles = reach(one) + reach(other) + GAP;
    across.max(down) >= squares || across * across + down * down >= circles * circles
}

#[cfg(test)]
mod tests {
    use super::{MARGIN, RADIUS, SIDE, Scene};
    use crate::draws::Draws;
    use crate::shapes::render::PIXELS;
    use crate::shapes::silhouette::cover;
    use crate::shapes::world::Prompt;

    #[test]
    fn objects_stay_inside_and_never_touch() {
        let prompts = Prompt::all();
        for index in 0..3000u64 {
            let prompt = prompts[index as usize % prompts.len()];
            let scene = Scene::draw(prompt, &mut Draws::new("scene test", 1, index));
            let mut owner = [None; PIXELS];
            for (number, placed) in scene.objects.iter().enumerate() {
                let [x, y] = placed.centre;
                assert!((RADIUS[0]..=RADIUS[1]).contains(&placed.radius));
                assert!(x - placed.radius >= MARGIN - 1e-4 && x + placed.radius <= SIDE - MARGIN + 1e-4);
                assert!(y - placed.radius >= MARGIN - 1e-4 && y + placed.radius <= SIDE - MARGIN + 1e-4);
                cover(placed.object.shape, x, y, placed.radius, |pixel, _| {
                    assert_eq!(owner[pixel].replace(number), None, "{scene:?}");
                });
            }
            let shown: Vec<_> = scene.objects.iter().map(|placed| placed.object).collect();
            assert_eq!(shown, prompt.objects());
        }
    }

    #[test]
    fn the_order_of_naming_says_nothing_about_the_place() {
        let prompt = Prompt::all()[17];
        let left = (0..4000)
            .map(|index| Scene::draw(prompt, &mut Draws::new("scene test", 2, index)))
            .filter(|scene| scene.objects[0].centre[0] < scene.objects[1].centre[0])
            .count();
        // Five standard deviations of a fair coin.
        assert!((1842..=2158).contains(&left), "{left}");
    }
}
