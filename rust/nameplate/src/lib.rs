//! Draws a participant's name: shaping, right-to-left, font fallback and line breaks by cosmic-text.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Fallback, Family, FontSystem, Hinting,
    Metrics, PlatformFallback, Shaping, SwashCache, Wrap,
};
use unicode_script::Script;

/// From large to small, in pixels: the first in which the name fits without breaking a word.
const SIZES: [f32; 5] = [72.0, 64.0, 56.0, 48.0, 40.0];
const LINE: f32 = 1.25;
const MARGIN: u16 = 40;
/// Characters of a name that are looked at; more would not be readable.
const MOST_CHARS: usize = 200;
const TEXT: Color = Color::rgb(230, 230, 230);
const EMOJI: &str = "Noto Color Emoji";
const BUILT_IN: &str = "DejaVu Sans";
const PREFERRED: &str = "Noto Sans";

/// Fonts in the order in which they are tried. Emoji come before fonts that have some of them in black and white.
struct InOrder;

impl Fallback for InOrder {
    fn common_fallback(&self) -> &[&'static str] {
        &[PREFERRED, EMOJI, BUILT_IN, "Noto Sans Symbols", "Noto Sans Symbols2", "Noto Sans Math"]
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }

    fn script_fallback(&self, script: Script, locale: &str) -> &[&'static str] {
        PlatformFallback.script_fallback(script, locale)
    }
}

/// What draws names. Fonts are read once, and glyphs as they are needed.
pub struct Painter {
    fonts: FontSystem,
    glyphs: SwashCache,
    family: &'static str,
}

impl Painter {
    /// With these font files besides the one that is built in; those that cannot be read are left out.
    pub fn new<P: AsRef<Path>>(files: &[P]) -> Self {
        let mut fonts = Database::new();
        fonts.load_font_source(Source::Binary(Arc::new(dejavu::sans::regular())));
        for file in files {
            let _ = fonts.load_font_file(file);
        }
        let has =
            |name: &str| fonts.faces().any(|face| face.families.iter().any(|(family, _)| family == name));
        let family = if has(PREFERRED) { PREFERRED } else { BUILT_IN };
        let fonts = FontSystem::new_with_locale_and_db_and_fallback("en-US".to_owned(), fonts, InOrder);
        Self { fonts, glyphs: SwashCache::new(), family }
    }

    /// `name` in the middle of a picture of that size, as large as it fits: rows of red, green and blue over `ground`.
    /// None if no font and no library could make sense of it.
    pub fn paint(&mut self, name: &str, width: u16, height: u16, ground: [u8; 3]) -> Option<Vec<u8>> {
        // A name comes from a stranger, and shaping is intricate: no name may end the process that draws it.
        catch_unwind(AssertUnwindSafe(|| self.draw(&shortened(name), width, height, ground))).ok()
    }

    /// Whether the fonts have something to show for every character.
    pub fn draws(&mut self, text: &str) -> bool {
        let mut buffer = self.laid_out(&shortened(text), SIZES[0], 10_000.0, 10_000.0, Wrap::None);
        buffer.shape_until_scroll(&mut self.fonts, false);
        buffer.layout_runs().all(|run| run.glyphs.iter().all(|glyph| glyph.glyph_id != 0))
    }

    fn draw(&mut self, name: &str, width: u16, height: u16, ground: [u8; 3]) -> Vec<u8> {
        let mut picture = ground.repeat(usize::from(width) * usize::from(height));
        let (room, tall) =
            (width.saturating_sub(2 * MARGIN).max(1), height.saturating_sub(2 * MARGIN).max(1));
        let mut buffer = self.fitted(name, f32::from(room), f32::from(tall));
        let used = buffer.layout_runs().map(|run| run.line_top + run.line_height).fold(0.0, f32::max);
        let left = i32::from(MARGIN);
        let top = ((f32::from(height) - used) / 2.0).max(0.0) as i32;
        buffer.draw(&mut self.fonts, &mut self.glyphs, TEXT, |x, y, wide, high, color| {
            let columns = left + x..left + x + wide as i32;
            for (row, column) in
                (top + y..top + y + high as i32).flat_map(|y| columns.clone().map(move |x| (y, x)))
            {
                if (0..i32::from(width)).contains(&column) && (0..i32::from(height)).contains(&row) {
                    let at = 3 * (row as usize * usize::from(width) + column as usize);
                    blend(&mut picture[at..at + 3], color);
                }
            }
        });
        picture
    }

    /// In the largest size in which every word has room; in the smallest, cut at the end, if none is small enough.
    fn fitted(&mut self, name: &str, width: f32, height: f32) -> Buffer {
        for size in SIZES {
            let buffer = self.laid_out(name, size, width, height, Wrap::Word);
            let mut used: f32 = 0.0;
            let fits = buffer.layout_runs().all(|run| {
                used = run.line_top + run.line_height;
                run.line_w <= width
            });
            if fits && used <= height {
                return buffer;
            }
        }
        self.laid_out(name, SIZES[SIZES.len() - 1], width, height, Wrap::WordOrGlyph)
    }

    fn laid_out(&mut self, text: &str, size: f32, width: f32, height: f32, wrap: Wrap) -> Buffer {
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::relative(size, LINE));
        buffer.set_hinting(Hinting::Disabled);
        buffer.set_wrap(wrap);
        if wrap == Wrap::WordOrGlyph {
            let lines = (height / (size * LINE)).max(1.0) as usize;
            buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(lines)));
        }
        buffer.set_size(Some(width), None);
        let attributes = Attrs::new().family(Family::Name(self.family));
        buffer.set_text(text, &attributes, Shaping::Advanced, Some(Align::Center));
        buffer.shape_until_scroll(&mut self.fonts, false);
        buffer
    }
}

/// One line of text without what is not to be seen, bounded.
fn shortened(name: &str) -> String {
    let mut text = String::new();
    for character in name.split_whitespace().flat_map(|word| word.chars().chain([' '])).take(MOST_CHARS) {
        if !character.is_control() {
            text.push(character);
        }
    }
    let text = text.trim_end();
    if text.is_empty() { "…".to_owned() } else { text.to_owned() }
}

fn blend(under: &mut [u8], over: Color) {
    let alpha = u16::from(over.a());
    for (sample, ink) in under.iter_mut().zip([over.r(), over.g(), over.b()]) {
        *sample = ((u16::from(*sample) * (255 - alpha) + u16::from(ink) * alpha) / 255) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUND: [u8; 3] = [20, 20, 20];
    const SIZE: (u16, u16) = (640, 360);
    const WIDTH: u32 = SIZE.0 as u32;

    fn painted(name: &str) -> Vec<u8> {
        Painter::new::<&str>(&[]).paint(name, SIZE.0, SIZE.1, GROUND).expect("a picture")
    }

    /// The columns, or the rows, from the first with ink to the last.
    fn extent(picture: &[u8], columns: bool) -> (u32, u32) {
        let inked = picture.chunks(3).zip(0..).filter(|(pixel, _)| pixel[0] > 120).map(|(_, at)| at);
        let places = inked.map(|at: u32| if columns { at % WIDTH } else { at / WIDTH });
        places.fold((u32::MAX, 0), |(least, most), at| (least.min(at), most.max(at)))
    }

    fn width(name: &str) -> u32 {
        let (first, last) = extent(&painted(name), true);
        last - first
    }

    #[test]
    fn a_name_is_in_the_middle_within_the_margins() {
        let long = "Wolfeschlegelsteinhausenbergerdorff ".repeat(9);
        for name in ["Al", "Anna Schmidt", "Maximilian Alexander zu Hohenzollern", long.as_str()] {
            let picture = painted(name);
            for (length, columns) in [(WIDTH, true), (u32::from(SIZE.1), false)] {
                let (first, last) = extent(&picture, columns);
                assert!(
                    first >= u32::from(MARGIN) - 2 && last <= length - u32::from(MARGIN) + 2,
                    "{name}: {first} to {last}"
                );
                assert!(
                    (i64::from(first) - i64::from(length - last)).abs() < 40,
                    "{name}: {first} to {last}"
                );
            }
        }
    }

    #[test]
    fn letters_are_never_small_and_what_is_too_long_ends_with_dots() {
        let lines = |name: &str| {
            let picture = painted(name);
            let inked = |row: &[u8]| row.chunks(3).any(|pixel| pixel[0] > 120);
            let rows: Vec<bool> = picture.chunks(3 * WIDTH as usize).map(inked).collect();
            rows.windows(2).filter(|pair| !pair[0] && pair[1]).count()
        };
        assert_eq!((lines("nnnn"), lines("nnnnnnnn nnnnnnnn nnnnnnnn")), (1, 3));
        assert_eq!(lines(&"nnn ".repeat(100)), 5);
        let (one, other) = ("nnn ".repeat(40), "nnn ".repeat(49));
        assert_eq!(painted(&one), painted(&other), "what does not fit is not there");
        assert_ne!(painted(&"nnn ".repeat(3)), painted(&"nnn ".repeat(4)));
    }

    #[test]
    fn arabic_is_joined_and_goes_from_right_to_left() {
        assert!(
            width("ههه") < width("ه\u{200c}ه\u{200c}ه"),
            "joined letters are narrower than isolated ones"
        );
        let picture = painted("א.");
        let (left, right) = extent(&picture, true);
        let ink = |at: u32| {
            (0..u32::from(SIZE.1)).filter(|row| picture[3 * (row * WIDTH + at) as usize] > 120).count()
        };
        let (first, last) = ((left..left + 4).map(ink).max(), (right - 3..=right).map(ink).max());
        assert!(first < Some(16) && last > Some(16), "the full stop is on the left: {first:?}, {last:?}");
    }

    #[test]
    fn it_knows_what_it_cannot_draw() {
        let mut painter = Painter::new(&["/nowhere/at/all.ttf"]);
        assert!(painter.draws("Ærøskøbing Θεσσαλονίκη Київ"));
        assert!(!painter.draws("王"));
    }

    #[test]
    fn no_name_is_too_much() {
        let mut painter = Painter::new::<&str>(&[]);
        let mut seed = 7_u64;
        let mut dice = |sides: u32| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as u32 % sides
        };
        let blocks = [
            0x20, 0x300, 0x590, 0x600, 0x900, 0xe00, 0x1100, 0x2000, 0x3000, 0xd7b0, 0xfe00, 0x1f1e6,
            0x1f600, 0xe0000,
        ];
        for _ in 0..300 {
            let name: String = (0..dice(260))
                .filter_map(|_| char::from_u32(blocks[dice(blocks.len() as u32) as usize] + dice(128)))
                .collect();
            let picture = painter.paint(&name, SIZE.0, SIZE.1, GROUND).expect(&name);
            assert_eq!(picture.len(), 3 * usize::from(SIZE.0) * usize::from(SIZE.1));
        }
        for (wide, high) in [(0, 0), (1, 1), (3, 700), (79, 81)] {
            assert_eq!(
                painter.paint("Anna", wide, high, GROUND).map(|all| all.len()),
                Some(3 * usize::from(wide) * usize::from(high))
            );
        }
    }
}
