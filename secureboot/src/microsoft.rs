//! Microsoft's keys, which most firmware contains when it is shipped. The two UEFI CA keys of 2011 and 2023 sign boot
//! programs of other vendors, such as shim. The other two keys sign Windows. The maker and the owner of a machine
//! choose which keys the machine trusts.

use crate::certificate::Certificate;
use crate::key::RsaKey;

struct MicrosoftKey {
    /// The common name of the key's certificate. The comment above each name is the certificate's SHA-256 fingerprint.
    name: &'static str,
    /// The public key's modulus; the exponent is 65537. A certificate is recognised by its key, not by its name,
    /// because anyone can make a certificate with that name.
    modulus: &'static str,
}

/// The names of the keys that accept a signature with this certificate chain.
pub fn accepting_keys(chain: &[Certificate]) -> Vec<&'static str> {
    let accepts = |known: &&MicrosoftKey| {
        let key = known.key();
        chain
            .iter()
            .any(|certificate| certificate.key == key || key.as_ref().is_some_and(|key| certificate.is_signed_by(key)))
    };
    KEYS.iter().filter(accepts).map(|known| known.name).collect()
}

impl MicrosoftKey {
    fn key(&self) -> Option<RsaKey> {
        let digits = |at: usize| u8::from_str_radix(self.modulus.get(at..at + 2)?, 16).ok();
        let modulus: Option<Vec<u8>> = (0..self.modulus.len()).step_by(2).map(digits).collect();
        RsaKey::new(&modulus?, &[1, 0, 1])
    }
}

const KEYS: [MicrosoftKey; 4] = [
    MicrosoftKey {
        // e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961
        name: "Microsoft Windows Production PCA 2011",
        modulus: concat!(
            "dd0cbba2e42e09e3e7c5f79669bc0021bd693333efad04cb5480ee0683bbc52084d9f7d28bf338b0aba4ad2d7c627905",
            "ffe34a3f04352070e3c4e76be09cc03675e98a31dd8d70e5dc37b5744696285b8760232cbfdc47a567f751279e72eb07",
            "a6c9b91e3b53357ce5d3ec27b9871cfeb9c923096fa84691c16e963c41d3cba33f5d026a4dec691f25285c36fffd4315",
            "0a94e019b4cfdfc212e2c25b27ee2778308b5b2a096b22895360162cc0681d53baec49f39d618c85680973445d7da254",
            "2bdd79f715cf355d6c1c2b5ccebc9c238b6f6eb526d93613c34fd627aeb9323b41922ce1c7cd77e8aa544ef75c0b0487",
            "65b44318a8b2e06d1977ec5a24fa4803",
        ),
    },
    MicrosoftKey {
        // 48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507
        name: "Microsoft Corporation UEFI CA 2011",
        modulus: concat!(
            "a5086c4cc745096a4b0ca4c0877f06750c43015464e0167f07ed927d0bb273bf0c0ac64a4561a0c5162d96d3f52ba0fb",
            "4d499b4180903cb954fde6bcd19dc4a4188a7f418a5c59836832bb8c47c9ee71bc214f9a8a7cff443f8d8f32b22648ae",
            "75b5eec94c1e4a197ee4829a1d78774d0cb0bdf60fd316d3bcfa2ba551385df5fbbadb7802dbffec0a1b96d583b81913",
            "e9b6c07b407be11f2827c9faef565e1ce67e947ec0f044b27939e5dab2628b4dbf3870e2682414c933a40837d558695e",
            "d37cedc1045308e74eb02a876308616f631559eab22b79d70c61678a5bfd5ead877fba86674f71581222042222ce8bef",
            "547100ce503558769508ee6ab1a201d5",
        ),
    },
    MicrosoftKey {
        // 076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330
        name: "Windows UEFI CA 2023",
        modulus: concat!(
            "bcb235d15479b48fcc812a6eb312d69397307c385cbf7992190a0f2d0afebfe0a8d8323fd2ab6f6f81c14d176945cf85",
            "8027a37cb331cca5a74df943d05a2fd7181bd258960539a395b7bcdd79c1a0cf8fe2531e2b2662a81cae361e4fa1dfb9",
            "13ba0c25bb24656701aa1d4110b736c16b2eb56c10d34e96d09f2aa1f1eda1150b8295c5ff638a13b592341e315e6111",
            "ae5dccf110e64c79c972b2348a82562dab0f7cc04f938e59754186ac091009f2516550b5f521b326398daac491b3dcac",
            "642306cd355f0d42499c4f0dce80838259fedf4b44e140c83d63b6cfb4420d395cd242100c08c274eb1cdc6ebc0aac98",
            "bbccfa1e3ca78316c5db02dad996df6b",
        ),
    },
    MicrosoftKey {
        // f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901
        name: "Microsoft UEFI CA 2023",
        modulus: concat!(
            "bd222aaeef1a3185137851a79bfdfc78d163b81a9b63f51206db4b41356a6fabf56a04cc97cfbbd408091a613a0de6b3",
            "a046ff09adde8024dc1280f25fd916ede2429dcd2f4d6102618a1c4b1d186239869771ad3e7f5d71134be92a00c1bed5",
            "b7009f5e65b22c1aff74edea83d239893335737da0a2fa40e4665058aafc87e85c208334ecabe20bc55f3eff482b1191",
            "26ef186e57c59f187399efe16a742bbb2f7f508e1dda3d76b604e5cc2e10c7831b83a3e4a51313716e3378a3a83cec48",
            "265ec7c65e0d879aaacc553481ad9d90f5e69663a6e8072017c8931ed2aea4dcae7d59bf885e620cae5bf22940561d26",
            "40de85a6ad56d1cf5547765f9c39db03",
        ),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_modulus_is_a_valid_key() {
        assert!(KEYS.iter().all(|known| known.modulus.len() == 512 && known.key().is_some()));
    }
}
