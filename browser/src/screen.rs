//! The emulated screen of the browser, and pictures of it.

use crate::browser::Browser;
use anyhow::{Context, Result};
use serde_json::json;

/// The theme that the user of the browser prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark text.
    Light,
    /// Light text.
    Dark,
}

/// The widths, in pixels: of a phone, and of a computer.
pub const WIDTHS: [u32; 2] = [390, 1280];

/// The least and the greatest height of a picture, in pixels.
const HEIGHTS: [u64; 2] = [700, 1400];

impl Theme {
    /// Both themes.
    pub const ALL: [Theme; 2] = [Theme::Light, Theme::Dark];

    /// The value of `prefers-color-scheme`.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// Sets the theme, and whether the user prefers reduced motion.
pub fn prefer(browser: &Browser<'_>, theme: Theme, reduced_motion: bool) -> Result<()> {
    let motion = if reduced_motion { "reduce" } else { "no-preference" };
    let features = json!([
        { "name": "prefers-color-scheme", "value": theme.name() },
        { "name": "prefers-reduced-motion", "value": motion },
    ]);
    browser.devtools("Emulation.setEmulatedMedia", json!({ "features": features }))?;
    Ok(())
}

/// Sets the size of the window, in pixels.
pub fn resize(browser: &Browser<'_>, width: u32, height: u64) -> Result<()> {
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", size)?;
    Ok(())
}

/// Returns a picture of the page from its top, as PNG: of the whole page if it is not too long.
pub fn picture(browser: &Browser<'_>, width: u32) -> Result<Vec<u8>> {
    let height = browser.eval("document.documentElement.scrollHeight")?.as_u64().context("no height")?;
    resize(browser, width, height.clamp(HEIGHTS[0], HEIGHTS[1]))?;
    let picture = browser.picture()?;
    resize(browser, width, HEIGHTS[0])?;
    Ok(picture)
}
