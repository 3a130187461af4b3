//! `menu-password`: makes the line of a user who may start protected items of the menu.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::output::print;
use super::password_input::read_password;
use crate::menu_passwords;
use clap::Args;
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::process::ExitCode;

/// Print a line for the file of menu users: who may start protected items of the boot menu
///
/// Asks for the password, or reads it from standard input if that is no terminal. Add the line to the file that
/// `password-file` of [menu] names, and reload the server.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  proxydhcpd menu-password teacher >> /etc/proxydhcpd/menu-passwords

Exit status: 0 on success; 1 if the password cannot be read, or no machine can send the name or
the password.")]
pub struct MenuPassword {
    /// The name of the user, which iPXE asks for
    #[arg(value_name = "USER")]
    pub user: String,
}

/// Prints the line.
pub fn run(args: &MenuPassword, _: &GlobalFlags) -> CommandResult {
    let prompt = format!("New password for {} at the menu: ", args.user);
    let help = "enter it again, or write it to standard input";
    let password = read_password(&prompt, help).map_err(CommandError::Control)?;
    let line = menu_passwords::line(&args.user, &password)
        .map_err(|reason| CommandError::Control(Diagnostic::error(format!("{}: {reason}", args.user))))?;
    print(format_args!("{line}\n"))?;
    Ok(ExitCode::SUCCESS)
}
