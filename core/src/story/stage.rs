//! The stages of a boot.

/// The stages of a boot, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The machine requested a boot.
    Asked,
    /// The server sent an offer.
    Offered,
    /// The firmware received a loader.
    Loader,
    /// The loader received a script or a menu, or the user chose from the firmware's menu.
    Script,
    /// The loader received a kernel.
    Kernel,
    /// A system runs.
    System,
    /// The machine reported the end of its installation.
    Installed,
}

impl Stage {
    /// All stages, in their order.
    pub const ALL: [Stage; 7] =
        [Stage::Asked, Stage::Offered, Stage::Loader, Stage::Script, Stage::Kernel, Stage::System, Stage::Installed];

    /// The name of the stage.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Asked => "asked",
            Stage::Offered => "offered",
            Stage::Loader => "loader",
            Stage::Script => "script",
            Stage::Kernel => "kernel",
            Stage::System => "system",
            Stage::Installed => "installed",
        }
    }
}
