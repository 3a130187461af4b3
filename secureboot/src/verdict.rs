//! Whether firmware with Secure Boot starts a program, and by which certificates.

use crate::certificate::Certificate;
use crate::microsoft;
use crate::signature::{Signature, SignatureFault, Signatures};
use std::fmt;

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

impl Signatures {
    /// Whether firmware starts the program. `site`: the certificates that the site's machines trust in addition to
    /// Microsoft's.
    pub fn verdict(&self, site: &[Certificate]) -> SecureBootVerdict {
        if !self.is_uefi_program {
            return SecureBootVerdict::NotApplicable;
        }
        let good = || self.signatures.iter().filter(|signature| signature.fault.is_none());
        let mut accepts: Vec<TrustAnchor> = good().flat_map(|signature| accepted_by(signature, site)).collect();
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

/// The certificates that accept this signature. A certificate accepts the signatures of its key, and those of any
/// certificate below it in the chain, however long the chain is.
fn accepted_by(signature: &Signature, site: &[Certificate]) -> Vec<TrustAnchor> {
    let issued =
        |trusted: &&Certificate| signature.chain.iter().any(|other| other == *trusted || other.is_issued_by(trusted));
    let site = site.iter().filter(issued).map(|trusted| TrustAnchor::Site(trusted.name()));
    microsoft::accepting_keys(&signature.chain).into_iter().map(TrustAnchor::Microsoft).chain(site).collect()
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
