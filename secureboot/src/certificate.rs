//! Reads the parts of X.509 certificates that a chain of signatures needs (RFC 5280). Ignores the validity period,
//! because firmware does not trust a clock and ignores it too.

use crate::asn1::{BIT_STRING, Element, Elements, INTEGER, OID, SEQUENCE, SET, context_tag};
use crate::key::{Hash, RsaKey};
use crate::text::printable;
use std::error::Error;
use std::fmt;

/// An X.509 certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The DER encoding of the whole certificate.
    der: Vec<u8>,
    /// The serial number, encoded.
    pub(crate) serial: Vec<u8>,
    /// The owner's name, encoded.
    pub(crate) subject: Vec<u8>,
    /// The issuer's name, encoded.
    pub(crate) issuer: Vec<u8>,
    /// The public key; `None` if it is not an RSA key.
    pub(crate) key: Option<RsaKey>,
    /// The digest that the issuer signed, and its algorithm.
    signed: Option<(Hash, Vec<u8>)>,
    signature: Vec<u8>,
}

/// Why a file contains no certificates that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// The file contains no certificate.
    Missing,
    /// A certificate in PEM cannot be read.
    Malformed,
    /// A certificate has a key of another kind than RSA.
    NoRsaKey,
}

impl Error for CertificateError {}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateError::Missing => "it contains no certificate, neither in PEM nor in DER",
            CertificateError::Malformed => "a certificate in it is malformed",
            CertificateError::NoRsaKey => {
                "a certificate in it has no RSA key, and this program verifies RSA signatures only"
            }
        })
    }
}

impl Certificate {
    /// Parses a certificate, and ignores the octets after it. Returns `None` if the octets do not begin with a
    /// certificate.
    pub fn from_der(octets: &[u8]) -> Option<Self> {
        let whole = Elements::new(octets).read(SEQUENCE)?;
        let mut parts = Elements::new(whole.content);
        let signed = parts.read(SEQUENCE)?;
        let hash = Hash::from_oid(parts.sequence()?.read(OID)?.content);
        let signature = parts.read(BIT_STRING)?.content.strip_prefix(&[0])?.to_vec();

        let mut fields = Elements::new(signed.content);
        fields.read(context_tag(0)); // the version
        let serial = fields.read(INTEGER)?.content.to_vec();
        fields.read(SEQUENCE)?; // the signature algorithm, which follows the signed part too
        let issuer = fields.read(SEQUENCE)?.raw.to_vec();
        fields.read(SEQUENCE)?; // the validity period
        let subject = fields.read(SEQUENCE)?.raw.to_vec();
        let key = public_key(fields.sequence()?);
        let signed = hash.map(|hash| (hash, hash.digest(&[signed.raw])));
        Some(Self { der: whole.raw.to_vec(), serial, subject, issuer, key, signed, signature })
    }

    /// Parses the content of a file with one certificate in DER, or any number in PEM. Their owners sign with RSA.
    pub fn parse_file(octets: &[u8]) -> Result<Vec<Self>, CertificateError> {
        let certificates = match std::str::from_utf8(octets) {
            Ok(text) if text.contains(PEM) => from_pem(text).ok_or(CertificateError::Malformed)?,
            _ => vec![Self::from_der(octets).ok_or(CertificateError::Missing)?],
        };
        let have_rsa_keys = certificates.iter().all(|certificate| certificate.key.is_some());
        have_rsa_keys.then_some(certificates).ok_or(CertificateError::NoRsaKey)
    }

    /// The owner's name.
    pub fn name(&self) -> String {
        common_name(&self.subject)
    }

    /// Whether the owner of this key issued the certificate.
    pub(crate) fn is_signed_by(&self, key: &RsaKey) -> bool {
        self.signed.as_ref().is_some_and(|(hash, digest)| key.verifies(&self.signature, *hash, digest))
    }

    /// Whether the owner of the certificate `issuer` issued this certificate.
    pub(crate) fn is_issued_by(&self, issuer: &Certificate) -> bool {
        self.issuer == issuer.subject && issuer.key.as_ref().is_some_and(|key| self.is_signed_by(key))
    }
}

const PEM: &str = "-----BEGIN CERTIFICATE-----";

fn from_pem(text: &str) -> Option<Vec<Certificate>> {
    let each = text.match_indices(PEM).map(|(start, _)| {
        const END: &str = "-----END CERTIFICATE-----";
        let text = &text[start..];
        let text = &text[..text.find(END)? + END.len()];
        Certificate::from_der(&der::pem::decode_vec(text.as_bytes()).ok()?.1)
    });
    each.collect()
}

/// Reads an RSA key from SubjectPublicKeyInfo: the algorithm, and a bit string with modulus and exponent (RFC 8017
/// appendix A.1.1). Returns `None` for any other key.
fn public_key(mut info: Elements<'_>) -> Option<RsaKey> {
    const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
    let algorithm = info.sequence()?.read(OID)?;
    let bits = info.read(BIT_STRING)?.content.strip_prefix(&[0])?;
    let mut numbers = Elements::new(bits).sequence()?;
    let (modulus, exponent) = (numbers.read(INTEGER)?, numbers.read(INTEGER)?);
    (algorithm.content == RSA).then(|| RsaKey::new(modulus.content, exponent.content))?
}

/// The readable part of an encoded name: the common name, or else the organisation.
pub fn common_name(encoded: &[u8]) -> String {
    const COMMON_NAME: &[u8] = b"\x55\x04\x03";
    const ORGANISATION: &[u8] = b"\x55\x04\x0a";
    let find = |wanted: &[u8]| {
        let sets = Elements::new(encoded).sequence()?.filter(|set| set.tag == SET);
        let mut pairs = sets.flat_map(|set| Elements::new(set.content)).map(|pair| Elements::new(pair.content));
        pairs.find_map(|mut pair| (pair.read(OID)?.content == wanted).then(|| pair.next().map(text))?)
    };
    find(COMMON_NAME).or_else(|| find(ORGANISATION)).unwrap_or_else(|| "an unnamed owner".to_owned())
}

/// The text of an element, without control characters, and shortened to one line.
fn text(element: Element<'_>) -> String {
    const BMP_STRING: u8 = 0x1e;
    let text = match element.tag {
        BMP_STRING => {
            let units: Vec<u16> =
                element.content.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(element.content).into_owned(),
    };
    printable(&text)
}
