//! Components turned into the samples that Pillow opens, in the fixed-point arithmetic of libjpeg's `jdcolor.c`.

use super::super::decoded_image::Samples;
use super::frame::Frame;
use super::planes::Plane;
use super::settings::Settings;
use super::upsampling::Upsampling;

/// What the components of an image mean.
#[derive(Clone, Copy)]
enum Storage {
    Grey,
    Colours,
    /// Luminance and two differences of colour.
    Differences,
    Inks,
    /// Luminance and two differences of inverted inks, and black.
    DifferencesOfInks,
}

/// The samples of an image of these planes.
pub(super) fn samples(frame: &Frame, settings: &Settings, planes: &[Plane]) -> Samples {
    let storage = Storage::of(frame, settings);
    let channels = if planes.len() == 4 { 4 } else { 3 };
    let mut pixels = vec![0; frame.width * frame.height * channels];
    let upsampling = |component| Upsampling::of(component, frame);
    let upsamplings: Vec<Upsampling> = frame.components.iter().map(upsampling).collect();
    let mut rows = vec![vec![0_u8; frame.width]; planes.len()];
    for (index, line) in pixels.chunks_exact_mut(frame.width * channels).enumerate() {
        for ((upsampling, plane), row) in upsamplings.iter().zip(planes).zip(&mut rows) {
            upsampling.fill_row(plane, index, row);
        }
        storage.join(&rows, line);
    }
    match storage {
        Storage::Inks | Storage::DifferencesOfInks => Samples::Cmyk(pixels),
        _ => Samples::Rgb(pixels),
    }
}

impl Storage {
    /// As libjpeg guesses.
    fn of(frame: &Frame, settings: &Settings) -> Self {
        let is_named_rgb = || frame.components.iter().map(|component| component.id).eq(*b"RGB");
        match (frame.components.len(), settings.adobe_transform) {
            (1, _) => Self::Grey,
            (3, _) if settings.is_jfif => Self::Differences,
            (3, Some(0)) => Self::Colours,
            (3, None) if is_named_rgb() => Self::Colours,
            (3, _) => Self::Differences,
            (_, None | Some(0)) => Self::Inks,
            (_, Some(_)) => Self::DifferencesOfInks,
        }
    }

    fn join(self, rows: &[Vec<u8>], line: &mut [u8]) {
        match (self, rows) {
            (Self::Grey, [greys]) => {
                for (pixel, grey) in line.as_chunks_mut::<3>().0.iter_mut().zip(greys) {
                    *pixel = [*grey; 3];
                }
            }
            (Self::Differences, [luminances, blues, reds]) => {
                let values = luminances.iter().zip(blues).zip(reds);
                for (pixel, ((luminance, blue), red)) in line.as_chunks_mut::<3>().0.iter_mut().zip(values) {
                    *pixel = rgb(*luminance, *blue, *red);
                }
            }
            (Self::DifferencesOfInks, [luminances, blues, reds, blacks]) => {
                let values = luminances.iter().zip(blues).zip(reds).zip(blacks);
                for (pixel, (((luminance, blue), red), black)) in
                    line.as_chunks_mut::<4>().0.iter_mut().zip(values)
                {
                    // The inks are what the colours lack, and Pillow inverts them once more.
                    let [cyan, magenta, yellow] = rgb(*luminance, *blue, *red);
                    *pixel = [cyan, magenta, yellow, 255 - *black];
                }
            }
            _ => {
                // Pillow takes inks for inverted, as Adobe's programs write them.
                let inversion = if matches!(self, Self::Inks) { 255 } else { 0 };
                for (channel, row) in rows.iter().enumerate() {
                    for (pixel, value) in line.chunks_exact_mut(rows.len()).zip(row) {
                        pixel[channel] = *value ^ inversion;
                    }
                }
            }
        }
    }
}

/// A colour of luminance and differences, whose factors have 16 bits behind the point.
#[inline]
fn rgb(luminance: u8, blue: u8, red: u8) -> [u8; 3] {
    let luminance = i32::from(luminance);
    let (blue, red) = (i32::from(blue) - 128, i32::from(red) - 128);
    let half = 1 << 15;
    [
        luminance + ((91_881 * red + half) >> 16),
        luminance + ((half - 22_554 * blue - 46_802 * red) >> 16),
        luminance + ((116_130 * blue + half) >> 16),
    ]
    .map(|value| value.clamp(0, 255) as u8)
}
