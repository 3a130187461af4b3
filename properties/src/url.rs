//! The identity that a URL claims is read to its parts, and what the server writes into a URL is read back unchanged.

use crate::input::{Input, sized};
use proxydhcpd_core::choose::BootChoice;
use proxydhcpd_core::claimed_identity::ClaimedIdentity;
use proxydhcpd_core::file_name::normalize;
use proxydhcpd_core::plan::rule::RuleRef;
use proxydhcpd_core::url::{has_ipv4_host, percent_decode, percent_encode};

/// Reads the name of a requested file, a URL, and the choices that a URL carries.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let encoded = percent_encode(&text).to_string();
    assert_eq!(percent_decode(encoded.as_bytes()), text.as_bytes());
    let in_url = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~/=%".contains(&octet);
    assert!(encoded.bytes().all(in_url));
    assert!(percent_decode(data).len() <= data.len());
    has_ipv4_host(&text);
    if let Ok(name) = normalize(data) {
        claim(&name);
    }
    claim(&text);
    claim(&format!("machine/{text}"));

    let mut input = Input::new(data);
    let rule = (input.next::<u8>() & 1 != 0).then(|| {
        let text = format!("{}-{:08x}", input.next::<u16>(), input.next::<u32>());
        text.parse::<RuleRef>().expect("a rule and a version")
    });
    let item = (input.next::<u8>() & 1 != 0).then(|| input.next());
    let choice = BootChoice { rule, item };
    let name = format!("machine/{}boot.ipxe", choice.path());
    let (claimed, rest) = ClaimedIdentity::parse(&name).expect("the server wrote it");
    assert_eq!((claimed.choice, rest), (choice, "boot.ipxe"), "{name}");
}

fn claim(name: &str) {
    let Some((claimed, rest)) = ClaimedIdentity::parse(name) else {
        return assert!(!name.starts_with("machine/"), "{name:?}");
    };
    assert!(name.ends_with(rest), "{rest:?} of {name:?}");
    // The rest begins with no further part.
    assert!(rest.split_once('/').is_none_or(|(part, _)| !part.contains('=')), "{rest:?}");
    assert!(claimed.memory != Some(0) && claimed.serial.as_deref() != Some(""));
    let serial = claimed.serial.as_deref().unwrap_or_default();
    assert_eq!(serial, serial.trim_matches([' ', '\0']), "{serial:?}");
}

/// Names as iPXE sends them, URLs and choices.
pub fn seeds() -> Vec<Vec<u8>> {
    let names: [&[u8]; 8] = [
        b"machine/mac=52-54-00-12-34-56/uuid=11223344-5566-7788-99aa-bbccddeeff00/serial=41422d31/platform=efi/\
          arch=arm64/menu.ipxe",
        b"machine/memsize=2047/modules=0040.0000.ff7f.0090/errno=2d0c613b/failed/kernel/x",
        b"machine/name=web1/token=0a0b/done",
        b"mac=/uuid=x/serial=4/colour=red/menu.ipxe",
        b"machine/rule=3-0000002a/item=32769/boot.ipxe",
        b"http://user:word@192.0.2.5:8080/a%20b%2",
        b"tftp://[2001:db8::5]/192.0.2.5",
        b"%zz/%C3%BC%",
    ];
    let choice = [&[1, 3, 0, 42, 0, 0, 0, 1, 1, 0x80][..]];
    names.into_iter().chain(choice).map(Vec::from).chain([sized(b"")]).collect()
}
