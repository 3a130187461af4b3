//! The signatures of UEFI programs, and whether firmware with Secure Boot starts these programs.
//!
//! Firmware starts a program if one of its signatures is valid, covers the program, and leads to a certificate that is
//! enrolled on the machine. Nearly all machines have Microsoft's certificates; some have a certificate of their site.
//! Only the machine knows which programs it has revoked (dbx, SBAT).
//!
//! The content of files is an argument: the crate opens no file.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod asn1;
mod key;
pub mod pe;
mod text;

mod certificate;
mod sbat;

mod authenticode;
pub mod microsoft;

mod signature;

mod verdict;

pub use certificate::{Certificate, CertificateError};
pub use sbat::{SbatComponent, sbat_components};
pub use signature::{Signature, SignatureFault, Signatures};
pub use verdict::{Rejection, SecureBootVerdict, TrustAnchor};
