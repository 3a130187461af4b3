//! The DHCPv4 messages of each client: its options in its order, and its timers. The orders are those of captures
//! (`core/testdata`).

use crate::machine::Machine;
use proxydhcpd_core::wire::dhcp4::{BROADCAST_FLAG, Header, MessageType, Writer, code};
use std::net::Ipv4Addr;

/// An option of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// 53: the message type.
    Type,
    /// 57: the largest message that the client accepts, in octets.
    MaximumSize(u16),
    /// 55: the parameter list.
    Parameters(&'static [u8]),
    /// 97: the machine identifier.
    MachineId,
    /// 94: the version of the network interface.
    Interface([u8; 3]),
    /// 93: the architecture.
    Architecture,
    /// 60: a class with the architecture and these six digits, `PXEClient:Arch:00007:UNDI:003000`.
    Class(&'static str, &'static str),
    /// 60: a plain text.
    PlainClass(&'static str),
    /// 77: `iPXE`, without lengths.
    UserClass,
    /// 175: the features of iPXE.
    IpxeFeatures,
    /// 61: type 1 and the MAC address.
    ClientId,
    /// 12: the host name.
    HostName,
    /// 54: the server that the request is for.
    ServerId,
    /// 50: the offered address.
    RequestedAddress,
}

/// The offers that a client needs besides an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Nothing,
    /// An offer of this class (option 60) without an address.
    Proxy(&'static str),
    /// As `Proxy`, but the client goes on without such an offer when its timer fires.
    ProxyIfAny(&'static str),
}

/// The messages and timers of a client.
#[derive(Debug)]
pub struct Dialect4 {
    /// The options of a DISCOVER, in order.
    pub discover: &'static [Field],
    /// The options of a REQUEST, in order. A client without any takes its address from the offer.
    pub request: &'static [Field],
    /// The options of the request to port 4011, in order.
    pub boot_request: &'static [Field],
    /// Whether the client sets the broadcast flag.
    pub broadcast: bool,
    /// The length to which the client pads its messages, in octets.
    pub length: usize,
    /// The wait after each transmission, in milliseconds.
    pub waits: &'static [u64],
    /// The wait after each request to port 4011, in milliseconds.
    pub boot_waits: &'static [u64],
    /// The port from which the client sends to port 4011.
    pub boot_port: u16,
    /// The offers that it needs.
    pub needs: Needs,
    /// Whether it collects offers until its timer fires, also if it has all that it needs.
    pub collects: bool,
    /// Whether the field secs is a counter with two flags, for the offers that the client has seen (protocol.md 3.3).
    pub reports_offers: bool,
}

const EDK2_PARAMETERS: Field = Field::Parameters(&[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129,
    130, 131, 132, 133, 134, 135,
]);
const EDK2_HTTP_PARAMETERS: Field = Field::Parameters(&[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 0xeb, 67, 97,
]);
const ROM_PARAMETERS: Field = Field::Parameters(&[
    1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135,
]);
const PI_PARAMETERS: Field = Field::Parameters(&[43, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135, 66, 1, 3]);
const IPXE_PARAMETERS: Field =
    Field::Parameters(&[1, 3, 6, 7, 12, 15, 17, 26, 42, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135]);
const EDK2_CLASS: Field = Field::Class("PXEClient", "003000");
const ROM_CLASS: Field = Field::Class("PXEClient", "002001");
const PI_CLASS: Field = Field::PlainClass("PXEClient:Arch:00000:UNDI:002001");
const EDK2_INTERFACE: Field = Field::Interface([1, 3, 0]);
const ROM_INTERFACE: Field = Field::Interface([1, 2, 1]);
const IPXE_INTERFACE: Field = Field::Interface([1, 3, 10]);
const EDK2_SIZE: Field = Field::MaximumSize(1472);
const ROM_SIZE: Field = Field::MaximumSize(1260);

/// UEFI (EDK2) with PXE.
pub static EDK2_PXE: Dialect4 = Dialect4 {
    discover: &[
        Field::Type,
        EDK2_SIZE,
        EDK2_PARAMETERS,
        Field::MachineId,
        EDK2_INTERFACE,
        Field::Architecture,
        EDK2_CLASS,
    ],
    request: &[
        Field::Type,
        Field::ServerId,
        Field::RequestedAddress,
        Field::MaximumSize(0xff00),
        EDK2_PARAMETERS,
        Field::MachineId,
        EDK2_INTERFACE,
        Field::Architecture,
        EDK2_CLASS,
    ],
    boot_request: &[
        Field::Type,
        EDK2_PARAMETERS,
        EDK2_SIZE,
        EDK2_CLASS,
        Field::Architecture,
        EDK2_INTERFACE,
        Field::MachineId,
    ],
    broadcast: true,
    length: 0,
    waits: &[3800, 8000, 16_000, 32_000],
    boot_waits: &[1000, 2000, 3000, 4000],
    boot_port: 4011,
    needs: Needs::Proxy("PXEClient"),
    collects: true,
    reports_offers: false,
};

/// UEFI (EDK2) with HTTP boot.
pub static EDK2_HTTP: Dialect4 = Dialect4 {
    discover: &[
        Field::Type,
        EDK2_SIZE,
        EDK2_HTTP_PARAMETERS,
        Field::MachineId,
        EDK2_INTERFACE,
        Field::Architecture,
        Field::Class("HTTPClient", "003000"),
    ],
    request: &[
        Field::Type,
        Field::ServerId,
        Field::RequestedAddress,
        EDK2_SIZE,
        EDK2_HTTP_PARAMETERS,
        Field::MachineId,
        EDK2_INTERFACE,
        Field::Architecture,
        Field::Class("HTTPClient", "003000"),
    ],
    needs: Needs::Proxy("HTTPClient"),
    ..EDK2_PXE_BASE
};

/// The values of EDK2 that its two drivers share.
const EDK2_PXE_BASE: Dialect4 = Dialect4 {
    discover: &[],
    request: &[],
    boot_request: &[],
    broadcast: true,
    length: 0,
    waits: &[3800, 8000, 16_000, 32_000],
    boot_waits: &[1000, 2000, 3000, 4000],
    boot_port: 4011,
    needs: Needs::Nothing,
    collects: true,
    reports_offers: false,
};

/// A PXE 2.1 ROM of a BIOS machine.
pub static BIOS_ROM: Dialect4 = Dialect4 {
    discover: &[Field::Type, ROM_PARAMETERS, ROM_SIZE, Field::MachineId, Field::Architecture, ROM_INTERFACE, ROM_CLASS],
    request: &[
        Field::Type,
        Field::RequestedAddress,
        ROM_PARAMETERS,
        ROM_SIZE,
        Field::ServerId,
        Field::MachineId,
        Field::Architecture,
        ROM_INTERFACE,
        ROM_CLASS,
    ],
    boot_request: &[
        Field::Type,
        ROM_PARAMETERS,
        ROM_SIZE,
        Field::MachineId,
        Field::Architecture,
        ROM_INTERFACE,
        ROM_CLASS,
    ],
    length: 548,
    waits: &[4000, 8000, 16_000, 32_000],
    boot_port: 68,
    needs: Needs::Proxy("PXEClient"),
    ..EDK2_PXE_BASE
};

/// iPXE, in a card or as a loader.
pub static IPXE: Dialect4 = Dialect4 {
    reports_offers: true,
    discover: &[
        Field::Type,
        EDK2_SIZE,
        Field::Architecture,
        IPXE_INTERFACE,
        Field::Class("PXEClient", "003010"),
        Field::UserClass,
        IPXE_PARAMETERS,
        Field::IpxeFeatures,
        Field::ClientId,
        Field::MachineId,
    ],
    request: &[
        Field::Type,
        EDK2_SIZE,
        Field::Architecture,
        IPXE_INTERFACE,
        Field::Class("PXEClient", "003010"),
        Field::UserClass,
        IPXE_PARAMETERS,
        Field::IpxeFeatures,
        Field::ClientId,
        Field::MachineId,
        Field::ServerId,
        Field::RequestedAddress,
    ],
    boot_request: &[
        Field::Type,
        EDK2_SIZE,
        Field::Architecture,
        IPXE_INTERFACE,
        Field::Class("PXEClient", "003010"),
        Field::UserClass,
        IPXE_PARAMETERS,
        Field::IpxeFeatures,
        Field::ClientId,
        Field::MachineId,
        Field::ServerId,
    ],
    broadcast: false,
    waits: &[1000, 2000, 4000, 8000],
    boot_waits: &[250, 500, 1000, 2000],
    boot_port: 68,
    needs: Needs::ProxyIfAny("PXEClient"),
    collects: false,
    ..EDK2_PXE_BASE
};

/// The boot ROM of a Raspberry Pi 3, which sends no REQUEST.
pub static RASPBERRY_PI_3: Dialect4 = Dialect4 {
    discover: &[Field::Type, PI_PARAMETERS, Field::Architecture, ROM_INTERFACE, Field::MachineId, PI_CLASS],
    broadcast: false,
    waits: &[5000, 5000, 5000, 5000, 5000],
    needs: Needs::Proxy("PXEClient"),
    collects: false,
    ..EDK2_PXE_BASE
};

/// The bootloader of a Raspberry Pi 4.
pub static RASPBERRY_PI_4: Dialect4 = Dialect4 {
    discover: RASPBERRY_PI_3_FIELDS,
    request: &[
        Field::Type,
        Field::ServerId,
        Field::RequestedAddress,
        PI_PARAMETERS,
        Field::Architecture,
        ROM_INTERFACE,
        Field::MachineId,
        PI_CLASS,
    ],
    broadcast: false,
    waits: &[4000, 4000, 4000, 4000, 4000],
    needs: Needs::Proxy("PXEClient"),
    collects: false,
    ..EDK2_PXE_BASE
};

const RASPBERRY_PI_3_FIELDS: &[Field] =
    &[Field::Type, PI_PARAMETERS, Field::Architecture, ROM_INTERFACE, Field::MachineId, PI_CLASS];

/// The operating system: udhcpc, as in the initramfs of an installer.
pub static SYSTEM: Dialect4 = Dialect4 {
    discover: &[
        Field::Type,
        Field::ClientId,
        Field::MaximumSize(576),
        Field::Parameters(&[1, 3, 6, 12, 15, 28, 42]),
        Field::HostName,
        Field::PlainClass("udhcp 1.36.1"),
    ],
    request: &[
        Field::Type,
        Field::ClientId,
        Field::RequestedAddress,
        Field::ServerId,
        Field::MaximumSize(576),
        Field::Parameters(&[1, 3, 6, 12, 15, 28, 42]),
        Field::HostName,
        Field::PlainClass("udhcp 1.36.1"),
    ],
    broadcast: false,
    length: 300,
    waits: &[3000, 3000, 3000],
    needs: Needs::Nothing,
    collects: false,
    ..EDK2_PXE_BASE
};

/// The parts of a request that change from message to message.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The message type.
    pub kind: MessageType,
    /// The transaction ID.
    pub xid: u32,
    /// The address that the client has (`ciaddr`), or the unspecified address.
    pub address: Ipv4Addr,
    /// The server that the request is for.
    pub server: Option<Ipv4Addr>,
    /// The address that the client requests.
    pub requested: Option<Ipv4Addr>,
    /// Option 43, which EDK2 places first: the chosen menu item.
    pub vendor: Option<&'a [u8]>,
    /// Whether iPXE announces HTTP.
    pub http: bool,
    /// The field secs.
    pub secs: u16,
}

/// Writes a message with these options.
pub fn write(machine: &Machine, dialect: &Dialect4, fields: &[Field], request: &Request<'_>) -> Vec<u8> {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&machine.mac);
    let flags = if dialect.broadcast && request.address.is_unspecified() { BROADCAST_FLAG } else { 0 };
    let Request { xid, secs, address: ciaddr, .. } = *request;
    let header = Header { xid, secs, flags, ciaddr, chaddr, ..Header::default() };
    let mut out = Vec::new();
    let mut writer = Writer::new(&header, &mut out);
    if let Some(vendor) = request.vendor {
        writer.option(code::VENDOR_SPECIFIC, vendor);
    }
    for field in fields {
        write_field(&mut writer, machine, *field, request);
    }
    writer.finish(dialect.length);
    out
}

fn write_field(writer: &mut Writer<'_>, machine: &Machine, field: Field, request: &Request<'_>) {
    const HOST_NAME: u8 = 12;
    const CLIENT_ID: u8 = 61;
    let arch = machine.kind.arch;
    match field {
        Field::Type => writer.option(code::MESSAGE_TYPE, &[request.kind.into()]),
        Field::MaximumSize(size) => writer.option(code::MAXIMUM_SIZE, &size.to_be_bytes()),
        Field::Parameters(list) => writer.option(code::PARAMETER_LIST, list),
        Field::MachineId => writer.option(code::MACHINE_ID, &machine.machine_id()),
        Field::Interface(version) => writer.option(code::NETWORK_INTERFACE, &version),
        Field::Architecture => writer.option(code::ARCHITECTURE, &arch.to_be_bytes()),
        Field::Class(word, undi) => {
            writer.option(code::VENDOR_CLASS, format!("{word}:Arch:{arch:05}:UNDI:{undi}").as_bytes())
        }
        Field::PlainClass(word) => writer.option(code::VENDOR_CLASS, word.as_bytes()),
        Field::UserClass => writer.option(code::USER_CLASS, b"iPXE"),
        Field::IpxeFeatures => writer.option(code::IPXE, &ipxe_features(arch, request.http)),
        Field::ClientId => writer.option(CLIENT_ID, &[&[1][..], &machine.mac].concat()),
        Field::HostName => writer.option(HOST_NAME, format!("host-{}", machine.mac_text("")).as_bytes()),
        Field::ServerId => match request.server {
            Some(server) => writer.option(code::SERVER_ID, &server.octets()),
            None => writer,
        },
        Field::RequestedAddress => match request.requested {
            Some(address) => writer.option(code::REQUESTED_ADDRESS, &address.octets()),
            None => writer,
        },
    };
}

/// The value of option 175: the bus of the card, the version 1.21.1, and an option for each feature.
fn ipxe_features(arch: u16, http: bool) -> Vec<u8> {
    const BIOS_FEATURES: &[u8] = &[0x21, 0x18, 0x22, 0x23];
    const UEFI_FEATURES: &[u8] = &[0x24];
    const FEATURES: &[u8] = &[0x17, 0x11, 0x27, 0x29, 0x15, 0x12];
    let mut value = vec![0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 1, 21, 1];
    let platform = if arch == 0 { BIOS_FEATURES } else { UEFI_FEATURES };
    let http = if http { &[0x13][..] } else { &[] };
    for feature in platform.iter().chain(FEATURES).chain(http) {
        value.extend([*feature, 1, 1]);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;
    use proxydhcpd_core::wire::dhcp4::Message;

    fn discover(kind: &str, dialect: &Dialect4) -> Vec<u8> {
        let machine = Machine::new(by_name(kind).unwrap(), 1, 1);
        let request = Request {
            kind: MessageType::Discover,
            xid: 7,
            address: Ipv4Addr::UNSPECIFIED,
            server: None,
            requested: None,
            vendor: None,
            http: true,
            secs: 0,
        };
        write(&machine, dialect, dialect.discover, &request)
    }

    /// The codes of the options, their lengths, and the fixed values are those that real firmware sent.
    #[test]
    fn a_discover_has_the_options_of_real_firmware_in_their_order() {
        for (vector, kind, dialect) in [
            ("ovmf-x64-discover", "uefi-x64", &EDK2_PXE),
            ("aavmf-arm64-discover", "uefi-arm64", &EDK2_PXE),
            ("ovmf-ia32-discover", "uefi-ia32", &EDK2_PXE),
            ("bios-intel-discover", "bios", &BIOS_ROM),
            ("raspberry-pi3-discover", "raspberry-pi-3", &RASPBERRY_PI_3),
            ("raspberry-pi4-discover", "raspberry-pi-4", &RASPBERRY_PI_4),
        ] {
            let path = format!("{}/../core/testdata/vectors/{vector}.json", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let hex = text.split("\"hex\": \"").nth(1).unwrap().split('"').next().unwrap();
            let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let real: Vec<u8> = (0..hex.len()).step_by(2).map(octet).collect();
            let played = discover(kind, dialect);
            let shape = |message: &Message<'_>| -> Vec<(u8, Vec<u8>)> {
                let blank = |(code, value): (u8, &[u8])| match code {
                    code::MACHINE_ID => (code, vec![0; value.len()]),
                    _ => (code, value.to_vec()),
                };
                message.options().map(blank).collect()
            };
            assert_eq!(shape(&Message::parse(&played).unwrap()), shape(&Message::parse(&real).unwrap()), "{vector}");
            assert_eq!(played.len(), real.len(), "{vector}");
        }
    }

    #[test]
    fn an_ipxe_announces_http_only_if_it_has_it() {
        assert!(ipxe_features(0, true).ends_with(&[0x13, 1, 1]));
        assert!(!ipxe_features(0, false).ends_with(&[0x13, 1, 1]));
    }
}
