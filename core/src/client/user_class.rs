//! The user classes by which a boot program identifies itself.

use crate::wire::user_classes::UserClasses;
use alloc::string::String;

/// Whether a user class is exactly `iPXE` or a configured class: `MyiPXE-test` is a different class.
pub fn is_ipxe_class(user_classes: UserClasses<'_>, configured: &[String]) -> bool {
    user_classes.iter().any(|word| word == b"iPXE" || configured.iter().any(|configured| configured.as_bytes() == word))
}

/// Whether a user class is `gPXE`, in upper or lower case.
pub fn is_gpxe_class(user_classes: UserClasses<'_>) -> bool {
    user_classes.iter().any(|word| word.eq_ignore_ascii_case(b"gPXE"))
}
