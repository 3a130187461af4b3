//! The signature of a call, as Standard Webhooks has it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The value of `webhook-signature`: HMAC-SHA256 over the identifier of the call, the time of the attempt in seconds
/// since 1970, and the body. A key of any length is valid.
pub fn signature(secret: &[u8], id: &str, timestamp: u64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf 'msg_1.1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef01234567 -binary | base64`.
    #[test]
    fn the_signature_is_that_of_openssl() {
        let signed = signature(b"0123456789abcdef01234567", "msg_1", 1_700_000_000, "{}").unwrap();
        assert_eq!(signed, "v1,DjijpYnPcWcWSiPdvC93sCoKwGNWcH97A32JApk39OU=");
    }
}
