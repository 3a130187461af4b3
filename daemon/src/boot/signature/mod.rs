//! Who signed a boot program, and what firmware with Secure Boot makes of that.
//!
//! Firmware starts a program if one of its signatures holds, covers the program as it is now, and leads to a
//! certificate that its owner enrolled: Microsoft's, on nearly all machines; a site's own where somebody saw to that.
//! What it has revoked (dbx, SBAT) is known to the machine alone.

mod authenticode;
pub mod certificate;
mod asn1;
mod key;
pub mod microsoft;

use super::image::{self, Image};
use super::pe::Pe;
use authenticode::SignedData;
use certificate::Certificate;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// What a file says of itself.
#[derive(Clone, Debug)]
pub struct Signatures {
    pub image: Image,
    /// As many as there are: shim has one for each of Microsoft's keys.
    pub signatures: Vec<Signature>,
    pub sbat: Vec<SbatComponent>,
}

/// What shim compares with its list of withdrawn programs: a part of the program and its generation.
#[derive(Clone, Debug)]
pub struct SbatComponent {
    pub name: String,
    pub generation: String,
    /// Of the package that it was built from.
    pub version: String,
}

#[derive(Clone, Debug)]
pub struct Signature {
    pub signer: String,
    pub issuer: String,
    /// Why it counts for nothing.
    pub fault: Option<SignatureFault>,
    chain: Vec<Certificate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// It is no Authenticode signature, or made in a way that this program does not know.
    Unreadable,
    /// The signer's certificate is not in the file, so nobody can follow it.
    NoCertificate,
    /// The signer's key did not make it.
    Forged,
    /// The file was changed afterwards.
    Changed,
}

/// What happens where Secure Boot is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecureBootVerdict {
    /// No program for UEFI.
    NotApplicable,
    /// A machine that has one of these keys starts it.
    Accepted(Vec<TrustAnchor>),
    /// By every machine, unless an owner enrolled what we do not know.
    Rejected(Rejection),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrustAnchor {
    Microsoft(&'static str),
    /// One of those that the operator named.
    Site(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    Unsigned,
    UnknownSigner { signer: String, issuer: String },
    Fault { signer: String, fault: SignatureFault },
}

/// No boot program is as large. Firmware holds it in memory as a whole, and so does this.
const LARGEST: u64 = 512 << 20;

/// Reads a whole file and checks its signatures: milliseconds for each MiB, so nothing for the server's start.
pub fn inspect(path: &Path) -> io::Result<Signatures> {
    Ok(parse(&whole(path)?))
}

/// The parts that a program says it has, without a look at its signatures; none for what is no program.
pub fn sbat_components(path: &Path) -> io::Result<Vec<SbatComponent>> {
    let file = whole(path)?;
    Ok(Pe::parse(&file).map_or(Vec::new(), |pe| sbat(&pe)))
}

fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = path.metadata()?;
    let refuse = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    // A FIFO would wait for a writer.
    if !metadata.is_file() {
        return refuse("not a regular file");
    }
    if metadata.len() > LARGEST {
        return refuse("too large for a boot program");
    }
    fs::read(path)
}

/// Whether a file claims to be signed; `None`: it is no program for UEFI. Reads its first octets only.
pub fn is_signed(path: &Path) -> io::Result<Option<bool>> {
    let (head, _) = image::head(path)?;
    let efi = matches!(image::identify(&head), Image::Efi(_));
    Ok(efi.then(|| Pe::parse(&head).is_some_and(|pe| pe.is_signed())))
}

pub fn parse(file: &[u8]) -> Signatures {
    let image = image::identify(&file[..file.len().min(image::HEAD_SIZE)]);
    let Some(pe) = Pe::parse(file).filter(|_| matches!(image, Image::Efi(_))) else {
        return Signatures { image, signatures: Vec::new(), sbat: Vec::new() };
    };
    let all = match pe.signatures() {
        _ if !pe.is_signed() => Vec::new(),
        Some(messages) => messages.into_iter().take(SIGNATURES).map(|message| Signature::read(message, &pe)).collect(),
        None => vec![Signature::unreadable()],
    };
    Signatures { image, signatures: all, sbat: sbat(&pe) }
}

/// More signatures than that are not looked at.
const SIGNATURES: usize = 16;

impl Signatures {
    /// `site`: certificates that the operator's machines know beside Microsoft's.
    pub fn verdict(&self, site: &[Certificate]) -> SecureBootVerdict {
        if !matches!(self.image, Image::Efi(_)) {
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
        let signer = chain.first().map_or_else(|| format!("a customer of {issuer}"), Certificate::name);
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
        let unknown = || "somebody unknown".to_owned();
        Self { signer: unknown(), issuer: unknown(), fault: Some(SignatureFault::Unreadable), chain: Vec::new() }
    }

    /// A key accepts what its own certificate signed, or one that it issued, however far down the chain.
    fn accepted_by(&self, site: &[Certificate]) -> Vec<TrustAnchor> {
        let ours = |own: &&Certificate| self.chain.iter().any(|other| other == *own || other.is_issued_by(own));
        let site = site.iter().filter(ours).map(|own| TrustAnchor::Site(own.name()));
        microsoft::accepting_keys(&self.chain).into_iter().map(TrustAnchor::Microsoft).chain(site).collect()
    }
}

/// The section of that name: lines of comma-separated values, which are component, generation, vendor, package, version
/// and address.
fn sbat(pe: &Pe<'_>) -> Vec<SbatComponent> {
    const COMPONENTS: usize = 32;
    let text = String::from_utf8_lossy(pe.section(".sbat").unwrap_or_default());
    let component = |line: &str| {
        let mut values = line.split(',').map(printable);
        let name = values.next().filter(|name| !name.is_empty())?;
        Some(SbatComponent { name, generation: values.next()?, version: values.nth(2).unwrap_or_default() })
    };
    text.trim_end_matches('\0').lines().take(COMPONENTS).filter_map(component).collect()
}

/// What stands in a file, as far as a line has room for it, and without anything that a terminal would obey.
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
            Rejection::Unsigned => f.write_str("refused, for it is not signed"),
            Rejection::UnknownSigner { signer, issuer } if signer == issuer => {
                write!(f, "refused, for the key of {signer} that signed it is neither Microsoft's nor the site's own")
            }
            Rejection::UnknownSigner { signer, issuer } => write!(
                f,
                "refused, for {signer} signed it, whose issuer {issuer} is neither Microsoft nor the site itself"
            ),
            Rejection::Fault { signer, fault } => write!(f, "refused, for {}", fault.describe(signer)),
        }
    }
}

impl SignatureFault {
    /// In words.
    pub fn describe(self, signer: &str) -> String {
        match self {
            SignatureFault::Unreadable => "its signature cannot be read".to_owned(),
            SignatureFault::NoCertificate => format!("its signature lacks the certificate of its signer ({signer})"),
            SignatureFault::Forged => format!("its signature is wrong: {signer} did not make it"),
            SignatureFault::Changed => format!("it was changed after {signer} had signed it"),
        }
    }
}
