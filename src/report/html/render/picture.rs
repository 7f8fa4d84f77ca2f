//! The frame of a picture in SVG, and where its axis of time lies.

use crate::report::html::markup::{Markup, Px};

/// Width of a picture, its own units.
pub const WIDTH: f64 = 1200.0;
/// Where the axis of time begins: names of rows stand before it.
pub const LEFT: f64 = 150.0;
/// Where it ends.
pub const RIGHT: f64 = 1188.0;
/// Begins a picture of a height.
pub fn picture(out: &mut Markup, (width, height): (f64, f64), name: &str, inside: impl FnOnce(&mut Markup)) {
    let view = format!("0 0 {} {}", Px(width), Px(height));
    out.around("svg", &[("viewBox", &view), ("role", &"img"), ("aria-label", &name)], inside);
}
