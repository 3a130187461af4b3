//! Checks the names of machines, profiles and variables.

/// Checks the name of a machine or a profile, and returns an error message if it is invalid. URLs, logs and file names
/// contain the name, and a file whose name begins with a dot is hidden.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
    if name.starts_with('.') {
        return Err(format!("`{name}` is not a valid name: a name must not begin with a dot"));
    }
    if (1..=63).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("`{name}` is not a valid name: use 1 to 63 letters, digits, dots, hyphens and underscores"))
}

/// Checks the name of a variable, and returns an error message if it is invalid. A hyphen is not allowed, because it
/// would be a minus sign in a template.
pub fn check_variable_name(name: &str) -> Result<(), String> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_letter) || !name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        return Err(format!("`{name}` is not a valid name of a variable: use letters, digits and underscores"));
    }
    if RESERVED_NAMES.contains(&name) {
        return Err(format!("`{name}` is not a valid name of a variable: templates define it already"));
    }
    Ok(())
}

/// Names that templates define themselves, so no variable can have them.
const RESERVED_NAMES: [&str; 6] = ["machine", "profile", "request", "base", "server", "done_url"];

/// Checks the name of a machine's variable, and returns an error message if it is invalid.
pub fn check_machine_variable(name: &str) -> Result<(), String> {
    check_variable_name(name)?;
    if RESERVED_OF_MACHINES.contains(&name) {
        return Err(format!("`{name}` is reserved for the machine itself: rename the variable"));
    }
    Ok(())
}

/// The names that may follow `machine.` in a template but are not variables.
const RESERVED_OF_MACHINES: [&str; 4] = ["name", "mac", "uuid", "serial"];
