//! The signatures of a program: their signers, and whether they are valid.

use crate::authenticode::SignedData;
use crate::certificate::Certificate;
use crate::pe::Pe;
use crate::sbat::{self, SbatComponent};

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

/// A signature.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The name of the signer.
    pub signer: String,
    /// The name of the issuer of the signer's certificate.
    pub issuer: String,
    /// Why it is invalid; `None` if it is valid.
    pub fault: Option<SignatureFault>,
    /// The certificate of the signer, and those of its issuers.
    pub(crate) chain: Vec<Certificate>,
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
        Signatures { is_uefi_program: true, signatures, sbat: sbat::components(&pe) }
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
