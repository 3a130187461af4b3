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
mod authenticode;
mod certificate;
mod key;
pub mod microsoft;
pub mod pe;

use authenticode::SignedData;
pub use certificate::{Certificate, CertificateError};
use pe::Pe;
use std::fmt;

/// The signatures of a file.
#[derive(Clone, Debug)]
pub struct Signatures {
    /// Whether the file is a UEFI program.
    pub is_uefi_program: bool,
    /// All signatures: shim has one for each of Microsoft's keys.
    pub signatures: Vec<Signature>,
    /// The SBAT components of the program.
    pub sbat: Vec<SbatComponent>,
}

/// A component of a program and its generation, which shim compares with its list of revoked programs.
#[derive(Clone, Debug)]
pub struct SbatComponent {
    /// The component's name: `shim`, `grub`.
    pub name: String,
    /// The generation number, as text.
    pub generation: String,
    /// The version of the package from which the component was built.
    pub version: String,
}

/// A signature.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The name of the signer.
    pub signer: String,
    /// The name of the issuer of the signer's certificate.
    pub issuer: String,
    /// Why it is invalid; `None` if it is valid.
    pub fault: Option<SignatureFault>,
    chain: Vec<Certificate>,
}

/// Why a signature is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// It is not an Authenticode signature, or it is of an unsupported kind.
    Unreadable,
    /// The file lacks the signer's certificate, so the chain cannot be followed.
    NoCertificate,
    /// The signer's key did not make the signature.
    Forged,
    /// The file was changed after signing.
    Changed,
}

/// Whether firmware with Secure Boot starts a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecureBootVerdict {
    /// The file is not a UEFI program.
    NotApplicable,
    /// A machine that trusts one of these certificates starts the program.
    Accepted(Vec<TrustAnchor>),
    /// No machine starts the program, except one whose owner enrolled a certificate that this server does not know.
    Rejected(Rejection),
}

/// A certificate that makes firmware accept a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrustAnchor {
    /// One of Microsoft's certificates, by its name.
    Microsoft(&'static str),
    /// The name of a certificate that the operator configured.
    Site(String),
}

/// Why firmware refuses a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The program has no signature.
    Unsigned,
    /// The signature is valid, but its signer is unknown.
    UnknownSigner {
        /// The name of the signer.
        signer: String,
        /// The name of the issuer of the signer's certificate.
        issuer: String,
    },
    /// The signature is invalid.
    Fault {
        /// The name of the signer.
        signer: String,
        /// Why the signature is invalid.
        fault: SignatureFault,
    },
}

/// The maximum number of signatures that are verified.
const MAX_SIGNATURES: usize = 16;

impl Signatures {
    /// Parses the content of a whole file, and verifies its signatures. This takes milliseconds for each MiB.
    pub fn parse(file: &[u8]) -> Signatures {
        let Some(pe) = Pe::parse(file).filter(Pe::is_uefi_program) else {
            return Signatures { is_uefi_program: false, signatures: Vec::new(), sbat: Vec::new() };
        };
        let signatures = match pe.signatures() {
            _ if !pe.is_signed() => Vec::new(),
            Some(messages) => {
                messages.into_iter().take(MAX_SIGNATURES).map(|message| Signature::read(message, &pe)).collect()
            }
            None => vec![Signature::unreadable()],
        };
        Signatures { is_uefi_program: true, signatures, sbat: sbat(&pe) }
    }

    /// Whether firmware starts the program. `site`: the certificates that the site's machines trust in addition to
    /// Microsoft's.
    pub fn verdict(&self, site: &[Certificate]) -> SecureBootVerdict {
        if !self.is_uefi_program {
            return SecureBootVerdict::NotApplicable;
        }
        let good = || self.signatures.iter().filter(|signature| signature.fault.is_none());
        let mut accepts: Vec<TrustAnchor> = good().flat_map(|signature| signature.accepted_by(site)).collect();
        accepts.sort();
        accepts.dedup();
        if !accepts.is_empty() {
            return SecureBootVerdict::Accepted(accepts);
        }
        SecureBootVerdict::Rejected(match good().chain(&self.signatures).next() {
            None => Rejection::Unsigned,
            Some(Signature { signer, fault: Some(fault), .. }) => {
                Rejection::Fault { signer: signer.clone(), fault: *fault }
            }
            Some(Signature { signer, issuer, .. }) => {
                Rejection::UnknownSigner { signer: signer.clone(), issuer: issuer.clone() }
            }
        })
    }
}

impl Signature {
    fn read(message: &[u8], pe: &Pe<'_>) -> Self {
        let Some(message) = SignedData::parse(message) else { return Self::unreadable() };
        let chain = message.chain();
        let issuer = message.issuer();
        let signer =
            chain.first().map_or_else(|| format!("an unknown signer certified by {issuer}"), Certificate::name);
        let fault = match chain.first() {
            None => Some(SignatureFault::NoCertificate),
            Some(certificate) if !message.is_signed_by(certificate) => Some(SignatureFault::Forged),
            Some(_) => {
                let digest = pe.signed_parts().map(|parts| message.hash.digest(&parts));
                (digest.as_deref() != Some(message.digest)).then_some(SignatureFault::Changed)
            }
        };
        Self { signer, issuer, fault, chain }
    }

    fn unreadable() -> Self {
        let unknown = || "an unknown signer".to_owned();
        Self { signer: unknown(), issuer: unknown(), fault: Some(SignatureFault::Unreadable), chain: Vec::new() }
    }

    /// The certificates that accept this signature. A certificate accepts the signatures of its key, and those of any
    /// certificate below it in the chain, however long the chain is.
    fn accepted_by(&self, site: &[Certificate]) -> Vec<TrustAnchor> {
        let issued =
            |trusted: &&Certificate| self.chain.iter().any(|other| other == *trusted || other.is_issued_by(trusted));
        let site = site.iter().filter(issued).map(|trusted| TrustAnchor::Site(trusted.name()));
        microsoft::accepting_keys(&self.chain).into_iter().map(TrustAnchor::Microsoft).chain(site).collect()
    }
}

/// The SBAT components of a program, without verifying its signatures. Returns an empty list for other files.
pub fn sbat_components(file: &[u8]) -> Vec<SbatComponent> {
    Pe::parse(file).map_or(Vec::new(), |pe| sbat(&pe))
}

/// Reads the section `.sbat`. Its lines are comma-separated values: component, generation, vendor, package, version and
/// address.
fn sbat(pe: &Pe<'_>) -> Vec<SbatComponent> {
    const MAX_COMPONENTS: usize = 32;
    let text = String::from_utf8_lossy(pe.section(".sbat").unwrap_or_default());
    let component = |line: &str| {
        let mut values = line.split(',').map(printable);
        let name = values.next().filter(|name| !name.is_empty())?;
        Some(SbatComponent { name, generation: values.next()?, version: values.nth(2).unwrap_or_default() })
    };
    text.trim_end_matches('\0').lines().take(MAX_COMPONENTS).filter_map(component).collect()
}

/// Shortens a text from a file to one line. Replaces control characters, because a terminal would interpret them.
fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

impl fmt::Display for SecureBootVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepts = match self {
            SecureBootVerdict::NotApplicable => return f.write_str("not for UEFI, so Secure Boot does not concern it"),
            SecureBootVerdict::Rejected(refusal) => return refusal.fmt(f),
            SecureBootVerdict::Accepted(accepts) => accepts,
        };
        let named = |of: fn(&TrustAnchor) -> Option<&str>| accepts.iter().filter_map(of).collect::<Vec<_>>().join(", ");
        let microsoft = named(|key| if let TrustAnchor::Microsoft(name) = key { Some(name) } else { None });
        let site = named(|key| if let TrustAnchor::Site(name) = key { Some(name) } else { None });
        match (microsoft.as_str(), site.as_str()) {
            (microsoft, "") => write!(f, "signed by Microsoft ({microsoft})"),
            ("", site) => write!(f, "signed with the site's own key ({site})"),
            _ => write!(f, "signed by Microsoft ({microsoft}) and with the site's own key ({site})"),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::Unsigned => f.write_str("refused: not signed"),
            Rejection::UnknownSigner { signer, issuer } if signer == issuer => {
                write!(f, "refused: signed with the key of {signer}, which is neither Microsoft's nor the site's own")
            }
            Rejection::UnknownSigner { signer, issuer } => {
                write!(f, "refused: signed by {signer}, whose issuer {issuer} is neither Microsoft nor the site")
            }
            Rejection::Fault { signer, fault } => write!(f, "refused: {}", fault.describe(signer)),
        }
    }
}

impl SignatureFault {
    /// Describes the fault as a clause.
    pub fn describe(self, signer: &str) -> String {
        match self {
            SignatureFault::Unreadable => "its signature is malformed or of an unsupported kind".to_owned(),
            SignatureFault::NoCertificate => format!("its signature lacks the certificate of the signer ({signer})"),
            SignatureFault::Forged => format!("its signature is invalid: the key of {signer} did not make it"),
            SignatureFault::Changed => format!("it was changed after {signer} signed it"),
        }
    }
}
