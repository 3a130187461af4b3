//! Digests and RSA signatures, as Authenticode and its certificates use them.

use rsa::{BoxedUint, Pkcs1v15Sign, PublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A digest algorithm. SHA-1 is missing: boot programs have not been signed with it since 2016.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The algorithm with this object identifier, which may stand for the digest alone (2.16.840.1.101.3.4.2) or for
    /// the digest with RSA (PKCS #1, 1.2.840.113549.1.1). `None` if it is not supported. `oid` is the content of the
    /// ASN.1 element.
    pub fn from_oid(oid: &[u8]) -> Option<Hash> {
        Some(match oid {
            b"\x60\x86\x48\x01\x65\x03\x04\x02\x01" | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b" => Hash::Sha256,
            b"\x60\x86\x48\x01\x65\x03\x04\x02\x02" | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" => Hash::Sha384,
            b"\x60\x86\x48\x01\x65\x03\x04\x02\x03" | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d" => Hash::Sha512,
            _ => return None,
        })
    }

    /// The digest of the parts, concatenated in this order.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Hash::Sha256 => digest::<Sha256>(parts),
            Hash::Sha384 => digest::<Sha384>(parts),
            Hash::Sha512 => digest::<Sha512>(parts),
        }
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().fold(D::new(), |state, part| state.chain_update(part)).finalize().to_vec()
}

/// An RSA public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RsaKey(PublicKey);

impl RsaKey {
    /// Makes a key from its modulus and its exponent, with the most significant octet first. Returns `None` for an
    /// invalid key, such as one that is even, too short or too long.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Option<RsaKey> {
        let number = |octets: &[u8]| BoxedUint::from_be_slice_vartime(octets);
        let modulus = modulus.iter().position(|octet| *octet != 0).map(|start| &modulus[start..])?;
        PublicKey::new(number(modulus), number(exponent)).ok().map(RsaKey)
    }

    /// Whether this key made the signature (RFC 8017 section 8.2, PKCS #1 v1.5) of this digest.
    pub fn verifies(&self, signature: &[u8], hash: Hash, digest: &[u8]) -> bool {
        let scheme = match hash {
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        };
        self.0.verify(scheme, digest, signature).is_ok()
    }
}
