//! The menu that a script shows, as iPXE reads it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The menu on the screen of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShownMenu {
    /// The line above the menu.
    pub title: String,
    /// The lines, from top to bottom.
    pub lines: Vec<MenuLine>,
    /// The label of the item that starts by itself; absent if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The time until then, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
}

/// A line of a menu.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MenuLine {
    /// The label of the item to which the line leads; absent for a heading and for an empty line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The text; empty for an empty line.
    pub text: String,
    /// Why the item does not boot as it is; absent if nothing is known against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The first menu of a script. `value` gives the value of a setting such as `netX/mac`. `None`: the script shows no
/// menu.
pub fn first_menu(script: &str, value: impl Fn(&str) -> Option<String>) -> Option<ShownMenu> {
    let mut menu = ShownMenu::default();
    let mut has_begun = false;
    for line in script.lines().map(str::trim) {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "menu" => {
                has_begun = true;
                menu = ShownMenu { title: expand(rest, &value), ..ShownMenu::default() };
            }
            "item" if has_begun => menu.lines.push(MenuLine::parse(rest, &value)),
            "choose" if has_begun => {
                menu.default = option(rest, "--default").map(str::to_owned);
                menu.timeout_ms = option(rest, "--timeout").and_then(|time| time.parse().ok());
                return Some(menu);
            }
            _ => {}
        }
    }
    None
}

impl MenuLine {
    fn parse(arguments: &str, value: &impl Fn(&str) -> Option<String>) -> MenuLine {
        let text = |text: &str| expand(text, value).trim().to_owned();
        match arguments.strip_prefix("--gap") {
            Some(rest) => {
                let rest = rest.trim_start();
                MenuLine { text: text(rest.strip_prefix("--").unwrap_or(rest)), ..MenuLine::default() }
            }
            None => {
                let (label, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
                MenuLine { label: Some(label.to_owned()), text: text(rest), problem: None }
            }
        }
    }
}

fn option<'a>(arguments: &'a str, name: &str) -> Option<&'a str> {
    arguments.split(' ').skip_while(|word| *word != name).nth(1)
}

/// The text with the values of the settings in it. A setting that only the machine knows stays as its name.
fn expand(text: &str, value: &impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            rest = after;
            break;
        };
        match value(name) {
            Some(value) => expanded.push_str(&value),
            None => {
                expanded.push('<');
                expanded.push_str(name.rsplit('/').next().unwrap_or(name));
                expanded.push('>');
            }
        }
        rest = after;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_is_read_as_ipxe_shows_it() {
        let script = "\
#!ipxe
set sp:hex 20
:menu
menu proxydhcpd at 192.0.2.10
item --gap
item --gap -- On ${netX/mac} of ${manufacturer}
item entry0 ${sp}${sp} Debian 13
choose --default disk --timeout 10000 chosen || goto menu
menu another
item --gap
choose x
";
        let value = |name: &str| match name {
            "sp" => Some(" ".to_owned()),
            "netX/mac" => Some("52:54:00:12:34:56".to_owned()),
            _ => None,
        };
        let line = |label: Option<&str>, text: &str| MenuLine {
            label: label.map(str::to_owned),
            text: text.to_owned(),
            problem: None,
        };
        let menu = first_menu(script, value).unwrap();
        assert_eq!(menu.title, "proxydhcpd at 192.0.2.10");
        let expected =
            [line(None, ""), line(None, "On 52:54:00:12:34:56 of <manufacturer>"), line(Some("entry0"), "Debian 13")];
        assert_eq!(menu.lines, expected);
        assert_eq!((menu.default.as_deref(), menu.timeout_ms), (Some("disk"), Some(10_000)));
        assert_eq!(first_menu("#!ipxe\nkernel linux\nboot\n", value), None);
        assert_eq!(first_menu("menu a ${never closed\nchoose b", value).unwrap().title, "a never closed");
    }
}
