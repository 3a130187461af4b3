//! `import` recognises what it is given: the forms in which people keep options of dnsmasq, and what is not read.

use super::imported;
use proxydhcpd::config::diagnostic::Source;
use proxydhcpd::import::{ImportFormat, HostInfo, Detection, import, detect_format};
use std::path::Path;

/// The tables without comments.
fn tables(text: &str) -> String {
    let plain = |line: &str| line.split(" # line ").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(plain).collect::<Vec<_>>().join("\n")
}

const DNSMASQ: &str = "port=0\ndhcp-range=192.0.2.0,proxy\nenable-tftp\ntftp-root=/srv/tftp\n\
                       pxe-service=x86PC,\"Boot, at last\",lpxelinux\ndhcp-match=set:ipxe,175\n\
                       dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}\n";

#[test]
fn options_on_command_lines_say_what_the_file_says() {
    let forms = [
        // One a line, as arguments of a container.
        "--port=0\n--dhcp-range=192.0.2.0,proxy\n--enable-tftp\n--tftp-root=/srv/tftp\n\
         --pxe-service='x86PC,\"Boot, at last\",lpxelinux'\n--dhcp-match=set:ipxe,175\n\
         --dhcp-boot='tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A shell script that starts a container: what stands in front is docker's.
        "#!/bin/sh\nset -e\ndocker run --rm --interface=eth9 --net=host quay.io/poseidon/dnsmasq:v0.5.0 \\\n  -d -q -p 0 \\\n  \
         --dhcp-range 192.0.2.0,proxy --enable-tftp --tftp-root=/srv/tftp \\\n  \
         --pxe-service=x86PC,'\"Boot, at last\"',lpxelinux --dhcp-match=set:ipxe,175 \\\n  \
         --dhcp-boot='tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A unit.
        "[Unit]\nDescription=netboot\n[Service]\nExecStart=/usr/sbin/dnsmasq --keep-in-foreground --port=0 \\\n  \
         --dhcp-range=192.0.2.0,proxy --enable-tftp --tftp-root=/srv/tftp --dhcp-match=set:ipxe,175 \\\n  \
         '--pxe-service=x86PC,\"Boot, at last\",lpxelinux' '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // Compose.
        "services:\n  pxe:\n    image: dnsmasq:2\n    command:\n      - --port=0\n      - --dhcp-range=192.0.2.0,proxy\n      \
         - --enable-tftp\n      - --tftp-root=/srv/tftp\n      - '--pxe-service=x86PC,\"Boot, at last\",lpxelinux'\n      \
         - --dhcp-match=set:ipxe,175\n      - '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // Nix, and the command of a Dockerfile.
        "args = [\n  \"--port=0\" \"--dhcp-range=192.0.2.0,proxy\"\n  \"--enable-tftp\"\n  \"--tftp-root=/srv/tftp\"\n  \
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\"\n  \"--dhcp-match=set:ipxe,175\"\n  \
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n];\n",
        "CMD [\"dnsmasq\", \"--port=0\", \"--dhcp-range=192.0.2.0,proxy\", \"--enable-tftp\", \"--tftp-root=/srv/tftp\", \
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\", \"--dhcp-match=set:ipxe,175\", \
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        "FROM alpine\nCMD [\"dnsmasq\",\"-d\",\"-p0\",\"--dhcp-range=192.0.2.0,proxy\",\"--enable-tftp\",\"--tftp-root=/srv/tftp\",\
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\",\"--dhcp-match=set:ipxe,175\",\
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        "services:\n  pxe:\n    image: x\n    command: [\"-d\",\"--port=0\",\"--dhcp-range=192.0.2.0,proxy\",\"--enable-tftp\",\
         \"--tftp-root=/srv/tftp\",'--pxe-service=x86PC,\"Boot, at last\",lpxelinux',\"--dhcp-match=set:ipxe,175\",\
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        // Pi-hole 6.
        "[misc]\n  privacylevel = 0\n  dnsmasq_lines = [\n    \"port=0\",\n    \"dhcp-range=192.0.2.0,proxy\", \"enable-tftp\",\n    \
         \"tftp-root=/srv/tftp\",\n    'pxe-service=x86PC,\"Boot, at last\",lpxelinux',\n    \"dhcp-match=set:ipxe,175\",\n    \
         \"dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}\"\n  ]\n",
        "environment:\n  FTLCONF_misc_dnsmasq_lines: 'port=0;dhcp-range=192.0.2.0,proxy;enable-tftp;tftp-root=/srv/tftp;\
         pxe-service=x86PC,\"Boot, at last\",lpxelinux;dhcp-match=set:ipxe,175;\
         dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
    ];
    let file = imported(DNSMASQ);
    assert!(file.contains("lpxelinux.0") && file.contains("http://192.0.2.9/${net0/mac}"), "{file}");
    for form in forms {
        assert_eq!(tables(&imported(form)), tables(&file), "{form}\n{}", imported(form));
        assert!(!imported(form).contains("# Without an equivalent here:"), "{form}\n{}", imported(form));
    }
}

#[test]
fn the_boot_dir_of_a_container_is_that_of_its_host() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    let compose = |volumes: &str| {
        format!(
            "services:\n  pxe:\n    image: x:2\n    command: -d --enable-tftp --tftp-root=/tftp/sub --dhcp-boot=/tftp/sub/a.0\n    volumes:\n{volumes}"
        )
    };
    let docker = |volume: &str| {
        format!("docker run {volume} dnsmasq:2 dnsmasq -d --enable-tftp --tftp-root=/tftp/sub --dhcp-boot=a.0\n")
    };
    for text in [
        compose("      - ./tftp:/tftp\n"),
        compose("      - ./other:/\n      - \"./tftp:/tftp/:ro\"\n"),
        compose("      - type: bind\n        source: ./tftp\n        target: /tftp\n"),
        docker("-v $PWD/tftp:/tftp"),
        docker("--volume=./tftp:/tftp"),
        docker("--mount type=bind,source=./tftp,target=/tftp"),
    ] {
        let file = directory.path().join("compose.yml");
        let source = Source::new(file.to_str().unwrap(), text.clone().into_bytes()).unwrap();
        let told = import(&source, None, &HostInfo::default()).unwrap();
        assert!(told.contains(&format!("\nboot-dir = \"{here}/tftp/sub\"\n")), "{text}{told}");
        assert!(told.contains("#     in the container it is /tftp/sub, and on its host "), "{told}");
        assert!(told.contains("default = \"a.0\""), "{told}");
    }
    let told = imported(&compose("      - files:/tftp\n"));
    assert!(
        told.contains("#   /tftp/sub is a directory in the container. Set `boot-dir` to where its volume files is"),
        "{told}"
    );
}

#[test]
fn files_to_be_put_in_place_are_those_that_machines_get_from_here() {
    let told = imported(
        "port=0\ndhcp-range=192.0.2.0,proxy\ndhcp-boot=shadowed.0\ndhcp-boot=used.0\n\
         dhcp-match=set:x,option:client-arch,7\ndhcp-boot=tag:x,there.efi,,192.0.2.20\n",
    );
    assert!(told.contains(": used.0. Then stop that server"), "{told}");
    // Options 67 and 66: another server has the file.
    let told = imported("dhcp-range=192.0.2.4,192.0.2.9\ndhcp-option=67,a.0\ndhcp-option=66,192.0.2.20\n");
    assert!(!told.contains("put these files into") && told.contains("tftp://192.0.2.20/a.0"), "{told}");
}

#[test]
fn a_variable_whose_value_is_not_known_is_told_of() {
    let told = imported("dnsmasq --port=0 --dhcp-boot=pxelinux.0,,$SERVER\n");
    assert!(told.contains("line 1: --dhcp-boot=pxelinux.0,,$SERVER\n#     its value is known only"), "{told}");
    assert!(told.contains("default-profile = \"nothing\""), "{told}");
}

#[test]
fn openwrts_configuration_says_what_its_dnsmasq_is_started_with() {
    let uci = "config dnsmasq\n\toption domainneeded '1'\n\toption enable_tftp '1'\n\toption tftp_root '/srv/tftp'\n\n\
               config match\n\toption networkid 'bios'\n\toption match '60,PXEClient:Arch:00000'\n\n\
               config userclass 'of_ipxe'\n\toption networkid 'ipxe'\n\toption userclass 'iPXE'\n\n\
               config boot 'linux'\n\toption filename 'pxelinux.0'\n\toption serveraddress '192.0.2.20'\n\t\
               option servername 'files'\n\toption networkid 'bios'\n\n\
               config boot\n\toption filename 'boot.ipxe'\n\tlist networkid 'ipxe'\n\n\
               config host\n\toption name 'pc1'\n\tlist mac '52:54:00:00:00:01'\n\toption tag 'ipxe'\n\toption ip '192.0.2.4'\n\n\
               config dhcp 'lan'\n\toption interface 'lan'\n\toption start '100'\n\tlist dhcp_option '3,192.0.2.1'\n";
    let dnsmasq = "enable-tftp\ntftp-root=/srv/tftp\ndhcp-match=set:bios,60,PXEClient:Arch:00000\ndhcp-userclass=set:ipxe,iPXE\n\
                   dhcp-boot=tag:bios,pxelinux.0,files,192.0.2.20\ndhcp-boot=tag:ipxe,boot.ipxe\n\
                   dhcp-host=52:54:00:00:00:01,set:ipxe,pc1\n";
    let told = imported(uci);
    assert_eq!(tables(&told), tables(&imported(dnsmasq)), "{told}");
    assert!(told.contains("tftp://192.0.2.20/pxelinux.0") && told.contains("[machine.pc1] # line 24"), "{told}");
    assert!(told.contains("line 2 domainneeded"), "{told}");

    let source = Source::new("dhcp", b"config boot\n\toption filename\n".to_vec()).unwrap();
    let error = import(&source, None, &HostInfo::default()).unwrap_err().remove(0);
    assert_eq!(error.one_line().split(" (").next(), Some("dhcp:2:2: this is no line of OpenWrt's configuration"));
}

/// The start script puts them in front of dnsmasq's options as they are.
#[test]
fn openwrts_tags_may_stand_where_dnsmasqs_stand() {
    let uci = "config userclass\n\toption networkid 'set:ipxe'\n\toption userclass 'iPXE'\n\
               config match\n\toption networkid 'bios'\n\toption match '60,PXEClient:Arch:00000'\n\
               config boot\n\toption filename 'tag:bios,pxelinux.0'\n\
               config boot\n\tlist networkid 'bios'\n\tlist networkid 'tag:ipxe'\n\toption filename 'boot.ipxe'\n\
               config boot\n\toption filename 'net:!bios,net:ipxe,efi.ipxe'\n\toption serveraddress '192.0.2.20'\n";
    let dnsmasq = "dhcp-userclass=set:ipxe,iPXE\ndhcp-match=set:bios,60,PXEClient:Arch:00000\ndhcp-boot=tag:bios,pxelinux.0\n\
                   dhcp-boot=tag:bios,tag:ipxe,boot.ipxe\ndhcp-boot=tag:!bios,tag:ipxe,efi.ipxe,,192.0.2.20\n";
    let told = imported(uci);
    assert_eq!(tables(&told), tables(&imported(dnsmasq)), "{told}");
    assert!(told.contains("[[rule]] # line 8\n") && told.contains("tftp://192.0.2.20/efi.ipxe"), "{told}");
}

/// As the start script makes options of it, of which nobody has to know.
#[test]
fn errors_in_openwrts_configuration_show_its_own_line() {
    let section = "config boot 'x'\n\toption serveraddress '192.0.2.9'\n\toption filename 'a.0'\n";
    for (text, place) in [
        (format!("{section}config host\n\toption name 'pc'\n\tlist mac '52:54:00:00:00'\n"), "dhcp:6:12: "),
        (format!("{section}config dnsmasq\n\tlist dhcp_boot 'a,\"b'\n"), "dhcp:5:18: a quote that does not end"),
    ] {
        let source = Source::new("dhcp", text.clone().into_bytes()).unwrap();
        let error = import(&source, None, &HostInfo::default()).unwrap_err().remove(0);
        assert!(error.one_line().starts_with(place), "{error}");
        let line = error.location.as_ref().unwrap().line;
        assert_eq!(error.location.unwrap().text, text.lines().nth(line - 1).unwrap());
    }
}

#[test]
fn a_pool_of_kea_that_is_one_of_several_for_a_machine_is_told_of() {
    let told = imported(
        r#"{ "Dhcp4": {
        "client-classes": [ { "name": "a", "test": "option[93].hex == 0x0007" } ],
        "subnet4": [ { "subnet": "192.0.2.0/24", "pools": [
            { "pool": "192.0.2.1 - 192.0.2.9", "client-classes": [ "a" ], "option-data": [ { "code": 67, "data": "a.efi" } ] },
            { "pool": "192.0.2.10 - 192.0.2.19", "option-data": [ { "code": 67, "data": "all.efi" } ] },
            { "pool": "192.0.2.20 - 192.0.2.29", "option-data": [ { "code": 67, "data": "b.efi" } ] }
        ] } ] } }"#,
    );
    assert!(told.contains("#     here it is for all machines of its class, of which Kea may give some"), "{told}");
    assert!(
        told.contains("#     which machines have their addresses of this pool, and not of the one in front"),
        "{told}"
    );
    assert!(told.contains("uefi-x64 = \"a.efi\"\ndefault = \"all.efi\""), "{told}");
}

/// dhcpd answers no machine that has no `host`.
#[test]
fn machines_that_iscs_dhcpd_was_to_leave_alone_are_denied() {
    let told = imported(
        "deny unknown-clients;\nfilename \"a.0\";\nhost a { hardware ethernet 52:54:00:00:00:01; }\n\
         subnet 192.0.2.0 netmask 255.255.255.0 { pool { allow unknown-clients; deny known-clients; filename \"b.0\"; } }\n",
    );
    let tables = tables(&told);
    assert!(tables.contains("mac = [\"52:54:00:00:00:01\"]\nprofile = \"a\""), "{told}");
    assert!(tables.contains("deny = true") && !tables.contains("b.0"), "{told}");
}

/// A file for each host, and what those boot that have none.
#[test]
fn a_site_whose_hosts_all_boot_something_else_is_imported() {
    let host = |number: usize| {
        let mac = format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256);
        format!(
            "host h{number} {{\n  hardware ethernet {mac};\n  fixed-address 192.0.2.9;\n  filename \"f{number}.0\";\n}}\n"
        )
    };
    let some: String = (0..1100).map(host).collect();
    let text = format!("next-server 192.0.2.20;\nfilename \"x.0\";\n{some}");
    let told = tables(&imported(&text));
    for (of, file) in [("h0", "f0.0"), ("h1099", "f1099.0"), ("default", "x.0")] {
        let table = format!("\n[profile.{of}.loaders]\ndefault = \"tftp://192.0.2.20/{file}\"\n");
        assert!(told.contains(&table), "no {table} in {:.2000}", told);
    }
    assert_eq!(told.matches("\n[[rule]]").count(), 1100);

    let many = format!("{text}{}", (1100..4100).map(host).collect::<String>());
    let source = Source::new("d", many.into_bytes()).unwrap();
    let error = import(&source, None, &HostInfo::default()).unwrap_err().remove(0).one_line();
    assert!(
        error.starts_with("d: its conditions tell more than 4096 kinds of machines apart (each becomes a rule"),
        "{error}"
    );
}

#[test]
fn a_case_of_an_isc_switch_that_no_rule_knows_is_told_of() {
    let told = imported(
        "next-server 192.0.2.20;\nswitch (option host-name) {\n  case \"a\": filename \"a.0\"; break;\n  default: filename \"b.0\";\n}\n",
    );
    assert!(told.contains("#   line 3: case \"a\": filename \"a.0\"; break;\n#     of what a machine says"), "{told}");
    assert!(told.contains("default = \"tftp://192.0.2.20/b.0\""), "{told}");
}

#[test]
fn what_an_isc_configuration_asks_and_no_rule_knows_is_told_of() {
    let told = imported(
        "filename \"any.0\";\ninclude \"/etc/dhcp/more.conf\";\nif option host-name = \"x\" { filename \"x.0\"; }\n\
         host a { hardware ethernet 52:54:00:00:00:01; deny booting; }\nhost b { hardware ethernet xx; }\n\
         next-server boot.example;\n",
    );
    for note in [
        "#   /etc/dhcp/more.conf (line 2) was not read",
        "#   line 3: if option host-name = \"x\" { filename \"x.0\"; }\n#     of what a machine says",
        "#   line 5: host b { hardware ethernet xx; }\n#     xx is no MAC address",
        "#   line 6: next-server boot.example;\n#     names of servers are not looked up",
    ] {
        assert!(told.contains(note), "no {note:?} in\n{told}");
    }
    assert!(told.contains("deny = true") && told.contains("default = \"any.0\""), "{told}");
    for (text, error) in [
        ("subnet 192.0.2.0 netmask 255.255.255.0 {\n  filename \"a\";\n", "d:1:40: a `{` that does not end"),
        ("filename \"a\";\n}\n", "d:2:1: a `}` without its `{`"),
        ("filename \"a;\n", "d:1:10: a quote that does not end"),
        ("option routers 192.0.2.1;\nfilename \"a\"\n", "d:2:10: a statement that does not end"),
    ] {
        let source = Source::new("d", text.into()).unwrap();
        let told = import(&source, None, &HostInfo::default()).unwrap_err().remove(0).one_line();
        assert!(told.starts_with(error), "{told}");
    }
    let source = Source::new("k", b"// x\n{ \"Dhcp4\": {\n  \"a\" 1 } }\n".to_vec()).unwrap();
    let told = import(&source, None, &HostInfo::default()).unwrap_err().remove(0).one_line();
    assert!(told.starts_with("k:3:7: expected `:`"), "{told}");
}

/// dhcpd refuses such a file. The words of one statement must not vanish in another.
#[test]
fn a_missing_semicolon_in_iscs_configuration_is_an_error_at_its_place() {
    for (text, place) in [
        ("next-server 192.0.2.10\nfilename \"a.0\";\n", "1:13"),
        ("filename \"a.0\"\nnext-server 192.0.2.10;\n", "1:10"),
        ("filename \"a.0\" max-lease-time 60;\n", "1:10"),
        ("host x { hardware ethernet 52:54:00:00:00:01 filename \"b.0\"; }\n", "1:28"),
        ("host x { hardware ethernet 52:54:00:00:00:01\n fixed-address 192.0.2.4; filename \"b.0\"; }\n", "1:28"),
        ("host x { fixed-address 192.0.2.4 hardware ethernet 52:54:00:00:00:01; }\n", "1:24"),
        ("max-lease-time 60\nfilename \"a.0\";\n", "1:16"),
        ("authoritative\noption bootfile-name \"a.0\";\n", "1:1"),
        ("option routers 192.0.2.1\noption bootfile-name \"a.0\";\n", "1:16"),
        ("option domain-name \"x\" option bootfile-name \"a.0\";\n", "1:20"),
        ("max-lease-time 60\ndeny booting;\n", "1:16"),
        ("filename \"a.0\"\nsubnet 192.0.2.0 netmask 255.255.255.0 { }\n", "1:10"),
        ("max-lease-time 60\nif known { filename \"a.0\"; }\n", "1:16"),
        ("host x { hardware ethernet 52:54:00:00:00:01; filename \"a.0\" }\n", "1:56"),
    ] {
        let source = Source::new("d", text.into()).unwrap();
        let told = import(&source, Some(ImportFormat::Isc), &HostInfo::default()).expect_err(text).remove(0).one_line();
        assert_eq!(told, format!("d:{place}: a statement that does not end (put a `;` behind it)"), "{text}");
    }
    // What looks like it, and is right.
    let told = imported(
        "option arch code 93 = unsigned integer 16;\noption routes code 121 = array of { integer 8, ip-address };\n\
         shared-network pool { subnet 192.0.2.0 netmask 255.255.255.0 { } }\nnext-server 192.0.2.20;\n\
         if option vendor-class-identifier = \"x\"\n  or\n  option arch = 00:07 { filename \"a.0\"; }\n\
         else if option arch = 00:06 { option bootfile-name = \"b.0\"; }\n\
         switch (option arch) { case 1: filename \"c.0\"; break; default: filename \"d.0\"; }\n\
         group { host host { hardware ethernet 52:54:00:00:00:01; option host-name \"x\"; server-name\n\"y\"; } }\n\
         set x = filename;\nserver-name option host-name;\n",
    );
    assert!(told.contains("default = \"tftp://192.0.2.20/d.0\""), "{told}");
}

#[test]
fn a_comparison_that_the_server_refuses_is_told_as_such() {
    let source = Source::new("d", "if option arch == 00:07 { filename \"a.0\"; }\n".into()).unwrap();
    let told = import(&source, Some(ImportFormat::Isc), &HostInfo::default()).unwrap_err().remove(0).one_line();
    assert_eq!(told, "d:1:16: dhcpd compares with a single `=`, and refuses this (write `=`)");
    let class = r#"{ "name": "a", "test": "option[93].hex = 0x0007", "boot-file-name": "x.0" }"#;
    let told = imported(&format!("{{ \"Dhcp4\": {{ \"client-classes\": [{class}] }} }}"));
    assert!(told.contains("#     Kea compares with `==`, and refuses a single `=`: no machine"), "{told}");
}

/// Kea puts machines into these classes by itself, whether the file defines them or not.
#[test]
fn classes_that_kea_has_by_itself_are_known() {
    let told = imported(
        r#"{ "Dhcp4": { "boot-file-name": "a.0", "next-server": "192.0.2.20",
        "client-classes": [
            { "name": "VENDOR_CLASS_PXEClient:Arch:00007:UNDI:003016", "boot-file-name": "x64.efi" },
            { "name": "VENDOR_CLASS_thin", "boot-file-name": "thin.0" },
            { "name": "b", "test": "member('VENDOR_CLASS_Other')", "boot-file-name": "other.0" },
            { "name": "VENDOR_CLASS_PXEClient", "boot-file-name": "none.0" }
        ],
        "reservations": [
            { "hw-address": "52:54:00:00:00:01", "client-classes": [ "DROP" ] },
            { "hw-address": "8:0:20:1:2:3", "boot-file-name": "own.0" }
        ] } }"#,
    );
    let tables = tables(&told);
    let denied = "mac = [\"52:54:00:00:00:01\"]\ndeny = true";
    for part in [
        denied,
        "uefi-x64 = \"tftp://192.0.2.20/x64.efi\"",
        "vendor-class = [\"*thin*\"]",
        "\"*Other*\"",
        "08:00:20:01:02:03",
    ] {
        assert!(tables.contains(part), "no {part} in {told}");
    }
    assert!(told.contains("#     Kea takes the whole vendor class for the name, in which firmware has more"), "{told}");
    assert!(!told.contains("no class in this file"), "{told}");
}

#[test]
fn keas_relays_interfaces_and_written_addresses_are_conditions() {
    let class = |name: &str, test: &str| {
        format!("{{ \"name\": \"{name}\", \"test\": \"{test}\", \"boot-file-name\": \"{name}.0\" }}")
    };
    let import = |tests: &[(&str, &str)]| {
        let classes: Vec<String> = tests.iter().map(|(name, test)| class(name, test)).collect();
        imported(&format!(
            "{{ \"Dhcp4\": {{ \"next-server\": \"192.0.2.20\", \"client-classes\": [{}] }} }}",
            classes.join(",\n")
        ))
    };
    for (test, condition) in [
        ("pkt4.giaddr == 198.51.100.1", "relay = [\"198.51.100.1\"]"),
        ("pkt.iface == 'eth7'", "interface = [\"eth7\"]"),
        ("pkt4.iface == 'eth7'", "interface = [\"eth7\"]"),
        ("hexstring(pkt4.mac, ':') == '52:54:00:00:00:01'", "mac = [\"52:54:00:00:00:01\"]"),
        ("hexstring(pkt4.mac, '') == '525400000001'", "mac = [\"52:54:00:00:00:01\"]"),
        ("substring(hexstring(pkt4.mac, ':'), 0, 8) == '52:54:00'", "mac = [\"52:54:00:*:*:*\"]"),
        ("substring(hexstring(pkt4.mac, ':'), 9, 8) == '00:00:01'", "mac = [\"*:*:*:00:00:01\"]"),
        ("'52:54:00' == hexstring(substring(pkt4.mac, 0, 3), ':')", "mac = [\"52:54:00:*:*:*\"]"),
    ] {
        let told = import(&[("a", test)]);
        assert!(told.contains(condition) && told.contains("/a.0"), "{test}: {told}");
    }
    let told = import(&[("x", "hexstring(pkt4.mac, ':') == '52:54:00'")]);
    assert!(
        told.contains("#     the server writes the whole address, which is never equal to 52:54:00: no machine"),
        "{told}"
    );
    // A tag of ours is no interface's.
    let told = import(&[("eth7", "option[77].hex == 'x'"), ("b", "pkt4.iface == 'eth7'")]);
    assert!(told.contains("interface = [\"eth7\"]") && told.contains("user-class = [\"*x*\"]"), "{told}");
}

#[test]
fn addresses_that_iscs_dhcpd_writes_as_text_are_conditions() {
    let import = |test: &str| imported(&format!("next-server 192.0.2.20;\nif {test} {{ filename \"a.0\"; }}\n"));
    for (test, mac) in [
        ("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 3)) = \"b8:27:eb\"", "b8:27:eb:*:*:*"),
        ("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 6)) = \"8:0:20:1:2:3\"", "08:00:20:01:02:03"),
        ("\"8-0\" = binary-to-ascii(16, 8, \"-\", substring(hardware, 1, 2))", "08:00:*:*:*:*"),
    ] {
        let told = import(test);
        assert!(told.contains(&format!("mac = [\"{mac}\"]")) && told.contains("/a.0"), "{test}: {told}");
    }
    // A machine with the whole address has its beginning.
    let text = |octets: usize| format!("binary-to-ascii(16, 8, \":\", substring(hardware, 1, {octets}))");
    let told = import(&format!("{} = \"8:0:20:1:2:3\" and {} = \"8:0\"", text(6), text(2)));
    assert!(told.matches("[[rule]]").count() == 1 && told.contains("mac = [\"08:00:20:01:02:03\"]"), "{told}");
    let told = import("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 3)) = \"08:00:20\"");
    assert!(told.contains("#     the server writes 8:0:20, which is never equal to 08:00:20"), "{told}");
}

#[test]
fn a_class_that_isc_spawns_is_for_machines_that_have_its_value() {
    let told = imported("next-server 192.0.2.20;\nclass \"c\" { spawn with hardware; filename \"c.0\"; }\n");
    assert!(told.contains("default = \"tftp://192.0.2.20/c.0\""), "{told}");
    let told =
        imported("filename \"a.0\";\nclass \"c\" {\n  spawn with option agent.remote-id;\n  filename \"c.0\";\n}\n");
    let lost = told.split("# Taken over").next().unwrap();
    assert!(
        lost.contains("# Without an equivalent here:\n#   line 3: spawn with option agent.remote-id;\n#     of what"),
        "{told}"
    );
    assert!(lost.contains("no machine is taken for one of this class"), "{told}");
}

#[test]
fn a_file_that_no_machine_is_given_is_told_of() {
    let isc = "filename \"a.0\";\nsubnet 192.0.2.0 netmask 255.255.255.0 {\n  filename \"b.0\";\n}\n";
    let kea = "{ \"Dhcp4\": {\n\"boot-file-name\": \"a.0\",\n\"subnet4\": [ { \"subnet\": \"192.0.2.0/24\", \"boot-file-name\": \"b.0\" } ]\n} }\n";
    for (text, line) in [(isc, "line 1: filename \"a.0\";"), (kea, "line 2: \"boot-file-name\": \"a.0\",")] {
        let told = imported(text);
        let note = format!("# Needed no more:\n#   {line}\n#     no machine comes to it: for each one another file");
        assert!(told.contains(&note) && told.matches("no machine comes to it").count() == 1, "{told}");
    }
}

/// dhcpd reads octets of one digit.
#[test]
fn octets_of_one_digit_are_read() {
    let told = imported(
        "next-server 192.0.2.20;\nclass \"c\" { match hardware; }\n\
         subclass \"c\" 1:52:54:0:0:0:3 { filename \"c.0\"; }\n\
         host a { hardware ethernet 8:0:20:1:2:3; filename \"a.0\"; }\n",
    );
    for part in ["08:00:20:01:02:03", "52:54:00:00:00:03", "/a.0", "/c.0"] {
        assert!(told.contains(part), "no {part} in {told}");
    }
}

#[test]
fn a_condition_without_a_bottom_is_told_of_and_ends_nothing() {
    let many = 100_000;
    for condition in [
        format!("{}exists user-class", "not ".repeat(many)),
        format!("{}option vendor-class-identifier", "lcase(".repeat(many)),
        format!("{}option vendor-class-identifier", "substring(".repeat(many)),
        "(".repeat(many),
    ] {
        let told = imported(&format!("filename \"any.0\";\nif {condition} {{ filename \"x.0\"; }}\n"));
        assert!(told.contains("nested too deeply"), "{:.200}", told);
    }
    for test in [
        format!("{}option[77].exists", "not ".repeat(many)),
        format!("{}option[60].hex", "lcase(".repeat(many)),
        format!("{}option[60].hex", "substring(".repeat(many)),
        "(".repeat(many),
    ] {
        let class = format!("{{ \"name\": \"a\", \"test\": \"{test}\", \"boot-file-name\": \"x.0\" }}");
        let told = imported(&format!("{{ \"Dhcp4\": {{ \"client-classes\": [{class}] }} }}"));
        assert!(told.contains("nested too deeply"), "{:.200}", told);
    }
}

#[test]
fn of_a_format_that_is_not_read_it_is_said_which_it_is() {
    for (text, what) in [
        ("", "the file is empty: there is nothing to import"),
        ("# nothing\n\n", "the file has comments only: there is nothing to import"),
        (
            "---\nid: ubuntu\nmounts:\n  - path: /\n    proxy: http://192.0.2.1/\nipxe: true\nbootFilename: x.ipxe\n",
            "a manifest of netbootd",
        ),
        (
            "{\"id\": \"node1\", \"profile\": \"etcd\", \"selector\": {\"mac\": \"52:54:00:00:00:01\"}}",
            "a group of matchbox",
        ),
        ("{\"id\": \"etcd\", \"boot\": {\"kernel\": \"/linux\"}}", "a profile of matchbox"),
        (
            "<network>\n  <name>default</name>\n  <ip><dhcp><bootp file='x'/></dhcp></ip>\n</network>\n",
            "XML of libvirt",
        ),
        ("<?xml version=\"1.0\"?>\n<pfsense><dhcpd/></pfsense>\n", "the configuration of pfSense"),
        ("<?xml version=\"1.0\"?>\n<!-- x -->\n<opnsense/>\n", "the configuration of OPNsense"),
        (
            "<?xml version=\"1.0\"?>\n<DHCPServer xmlns=\"http://schemas.microsoft.com/windows/DHCPServer\"/>",
            "the export of a Windows DHCP server",
        ),
        ("services:\n  pxe:\n    image: x\n", "a Compose file without options of dnsmasq"),
        ("[dhcp]\nfilename=undionly.kpxe\nproxydhcp=1\n[frmMain]\n", "the INI file of Tiny PXE Server"),
        ("[TFTPD32]\nBaseDirectory=C:\\tftp\n[DHCP]\nBootFile=x\n", "the INI file of tftpd32"),
        (
            "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/sbin/in.tftpd\n",
            "a unit of systemd without a command line of dnsmasq",
        ),
        (
            "port=0\n{% if pxe %}\ndhcp-boot={{ pxe.file }}\n{% endif %}\n",
            "a template (Jinja, as Ansible and Salt have them)",
        ),
        (
            "# by RouterOS 7.1\n/ip dhcp-server network\nadd address=192.0.2.0/24 boot-file-name=x\n",
            "an export of MikroTik's RouterOS",
        ),
        ("DEFAULT linux\nLABEL linux\n  KERNEL vmlinuz\n  APPEND ro\n", "a menu of PXELINUX"),
        ("#!ipxe\nchain x\n", "a script of iPXE"),
        // An option that other programs have as well makes no command line of dnsmasq.
        ("#!ipxe\nkernel http://192.0.2.1/vmlinuz --server=192.0.2.1 --dhcp-range=x\nboot\n", "a script of iPXE"),
        ("LABEL linux\n KERNEL vmlinuz\n APPEND --server=1 --domain=x --dhcp-host=1\n", "a menu of PXELINUX"),
        (
            "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/bin/matchbox --address=0.0.0.0:8080 --log-level=debug\n",
            "a unit of systemd without a command line of dnsmasq",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: x\n    args: [\"--port\", \"8080\", \"--user=1\"]\n",
            "a manifest of Kubernetes",
        ),
        (
            "services:\n  web:\n    image: nginx\n    command: [\"nginx\", \"--port=8080\", \"--user\", \"www\"]\n",
            "a Compose file without options of dnsmasq",
        ),
        ("menuentry 'x' {\n linux /x\n}\n", "a menu of GRUB"),
    ] {
        let Detection::Unsupported(said, help) = detect_format(text) else { panic!("read: {text}") };
        let expected =
            if what.starts_with("the file ") { what.to_owned() } else { format!("this is {what}, and is not read") };
        assert_eq!(said, expected, "{text}");
        assert!(!help.is_empty());
    }
}

/// As a shell sees it: one line, and a status that is not 0.
#[test]
fn an_empty_file_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dnsmasq.conf");
    std::fs::write(&file, "").unwrap();
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let output = program.arg("import").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the file is empty: there is nothing to import"), "{said}");
    assert!(output.stdout.is_empty());
}

/// A device that never ends, and pipes: as a file of this name, and as standard input.
#[test]
fn what_never_ends_is_an_error_and_pipes_are_read() {
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let zeros = || std::fs::File::open("/dev/zero").unwrap();
    for (name, output) in [
        ("/dev/zero", program().args(["import", "/dev/zero"]).output().unwrap()),
        ("standard input", program().args(["import", "-"]).stdin(zeros()).output().unwrap()),
    ] {
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(name) && said.contains("it is longer than 64 MiB, and is not read"), "{said}");
    }
    for name in ["-", "/dev/stdin"] {
        let mut running = program()
            .args(["import", name])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut running.stdin.take().unwrap(), b"port=0\ndhcp-boot=pxelinux.0\n").unwrap();
        let output = running.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("pxelinux.0"), "{text}");
    }
}

/// What the program says, which is to end well.
fn program(directory: &Path, arguments: &[&str]) -> String {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    let output = program.args(arguments).current_dir(directory).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// As PXELINUX's documentation names the files, and netboot.xyz's the scripts.
#[test]
fn a_pxelinux_tree_and_netboot_xyzs_scripts_become_machines() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("tftp");
    std::fs::create_dir_all(root.join("pxelinux.cfg")).unwrap();
    std::fs::create_dir_all(root.join("debian")).unwrap();
    let kernel = super::netns::loaders::fake_loader("x64");
    for (name, octets) in
        [("debian/linux", &kernel[..]), ("debian/initrd.gz", b"\x1f\x8b"), ("live", &kernel), ("pxelinux.0", b"x")]
    {
        std::fs::write(root.join(name), octets).unwrap();
    }
    for (name, text) in [
        (
            "default",
            "DEFAULT menu.c32\nTIMEOUT 50\nMENU TITLE Network\nLABEL local\n  MENU LABEL Boot from the ^disk\n  MENU DEFAULT\n  \
             LOCALBOOT 0\nLABEL install\n  MENU LABEL ^Install\n  KERNEL debian/linux\n  APPEND initrd=debian/initrd.gz quiet\n\
             LABEL memtest\n  KERNEL memdisk.c32\n\
             LABEL disk\n  COM32 boot/chain.c32\n  APPEND hd0\nMENU INCLUDE more.cfg\n",
        ),
        (
            "01-02-00-00-00-01-07",
            "default install\nprompt 0\nlabel install\n  linux ::debian/linux\n  initrd debian/initrd.gz\n  append auto=true\n  ipappend 2\n",
        ),
        ("b8945908-d6a6-41a9-611d-74a6ab80b83d", "DEFAULT live root=/dev/nfs\nlabel other\n kernel x\n"),
        ("C0000207", "DEFAULT a\nLABEL a\nKERNEL live\nAPPEND one\n"),
        ("C00002", "DEFAULT a\nLABEL a\nKERNEL 192.0.2.5::live\n"),
        ("README", "x"),
    ] {
        std::fs::write(root.join("pxelinux.cfg").join(name), text).unwrap();
    }
    std::fs::write(root.join("MAC-525400000010.ipxe"), "#!ipxe\nsanboot x\n").unwrap();
    std::fs::write(root.join("HOSTNAME-pc1.ipxe"), "#!ipxe\n").unwrap();
    program(directory.path(), &["import", "tftp", "-o", "new.toml"]);
    let text = std::fs::read_to_string(directory.path().join("new.toml")).unwrap();
    for part in [
        "default-profile = \"default-menu\"\n",
        "[[rule]] # C0000207\nname = \"C0000207\"\nsubnet = [\"192.0.2.7/32\"]\nprofile = \"a-2\"\n\n[[rule]] # C00002\nname = \"C00002\"\n\
         subnet = [\"192.0.2.0/24\"]\nprofile = \"a\"\n",
        "title = \"install\"\nkernel = \"debian/linux\"\ninitrd = \"debian/initrd.gz\"\narguments = \"auto=true\"\n",
        "kernel = \"live\"\narguments = \"root=/dev/nfs\"\n",
        "kernel = \"tftp://192.0.2.5/live\"\n",
        "prompt = \"Network\"\ntimeout = 5\nitems = [\n  { title = \"Boot from the disk\", profile = \"local-disk\" },\n  \
         { title = \"Install\", profile = \"install-2\" },\n  { title = \"disk\", profile = \"local-disk\" },\n]\n",
        "[machine.mac-020000000107] # 01-02-00-00-00-01-07\nmac = \"02:00:00:00:01:07\"\nprofile = \"install\"\n",
        "[machine.mac-525400000010] # MAC-525400000010.ipxe\nmac = \"52:54:00:00:00:10\"\nprofile = \"script-525400000010\"\n",
        // PXELINUX names the file by the octets as they are on the wire.
        "uuid = \"085994b8-a6d6-a941-611d-74a6ab80b83d\"\nprofile = \"live\"\n",
        "kernel = \"MAC-525400000010.ipxe\"\n",
        "#   HOSTNAME-pc1.ipxe: the file\n#     only the menu of the boot directory looks for it, and `default` goes before that: write [machine.pc1]",
        "#   README: the file\n#     PXELINUX asks for no file of this name",
        "#   default line 17: MENU INCLUDE more.cfg\n#     it cannot be read: No such file",
        "#   default line 12: label memtest\n#     a program of SYSLINUX is no kernel",
        "#   01-02-00-00-00-01-07 line 7: ipappend 2\n#     PXELINUX added to the arguments",
        "#   b8945908-d6a6-41a9-611d-74a6ab80b83d: the file\n#     it boots live; other had to be typed",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    program(directory.path(), &["check", "new.toml"]);
    assert_eq!(tables(&text), {
        std::fs::remove_file(directory.path().join("new.toml")).unwrap();
        program(directory.path(), &["import", "tftp/pxelinux.cfg", "-o", "new.toml"]);
        tables(&std::fs::read_to_string(directory.path().join("new.toml")).unwrap())
    });
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

#[test]
fn two_files_for_one_machine_become_one_entry() {
    const MENU: (&str, &str) = ("pxelinux.cfg/01-52-54-00-00-00-10", "DEFAULT a\nLABEL a\nKERNEL linux\n");
    const SCRIPT: (&str, &str) = ("MAC-525400000010.ipxe", "#!ipxe\n");
    for (more, profile, why) in [
        (("pxelinux.0", ""), "a", "takes 01-52-54-00-00-00-10: pxelinux.0 is in the directory. If"),
        (
            ("netboot.xyz.kpxe", ""),
            "script-525400000010",
            "takes MAC-525400000010.ipxe: netboot.xyz.kpxe is in the directory, and",
        ),
        (("x", ""), "a", "takes 01-52-54-00-00-00-10: no loader in the directory tells"),
    ] {
        let directory = tree(&[MENU, SCRIPT, more]);
        let text = program(directory.path(), &["import", "."]);
        assert_eq!(text.matches("[machine.").count(), 1, "{text}");
        let entry = format!("mac = \"52:54:00:00:00:10\"\nprofile = \"{profile}\"\n");
        assert!(text.contains(&entry) && text.contains(why), "{text}");
        assert!(text.contains("# Before you start the server:\n#   01-") || profile != "a", "{text}");
        std::fs::write(directory.path().join("new.toml"), &text).unwrap();
        std::fs::write(directory.path().join("linux"), super::netns::loaders::fake_loader("x64")).unwrap();
        program(directory.path(), &["check", "new.toml"]);
    }
    // PXELINUX asks for the name in small letters.
    let upper = ("pxelinux.cfg/01-52-54-00-00-00-AB", "DEFAULT a\nLABEL a\nKERNEL upper\n");
    let lower = ("pxelinux.cfg/01-52-54-00-00-00-ab", "DEFAULT b\nLABEL b\nKERNEL lower\n");
    let text = program(tree(&[upper, lower]).path(), &["import", "."]);
    assert!(text.matches("[machine.").count() == 1 && text.contains("ab\"\nprofile = \"b\"\n"), "{text}");
    assert!(text.contains("takes 01-52-54-00-00-00-ab: loaders ask for that name. If"), "{text}");
}

#[test]
fn a_mistake_in_a_menu_of_pxelinux_is_told_for_what_it_is() {
    let menu = "DEFAULT b\nLABEL a\n  KRENEL x\n  F1 help.txt\n  # KRENEL\n  TEXT HELP\n  KRENEL\n  LABEL z\n  ENDTEXT\n\
                LABEL b\n  KERNEL linux\n  zzzzzz y\nLABEL c\n  KERNEL x.c32\n";
    let text = program(tree(&[("pxelinux.cfg/default", menu)]).path(), &["import", "."]);
    for note in [
        "#   default line 3: KRENEL x\n#     unknown word KRENEL: did you mean KERNEL?\n",
        "#   default line 2: label a\n#     the label has no KERNEL: it is left out\n",
        "#   default line 12: zzzzzz y\n#     unknown word zzzzzz, which PXELINUX ignores\n",
        "#   default line 13: label c\n#     a program of SYSLINUX is no kernel",
    ] {
        assert!(text.contains(note), "no {note:?} in {text}");
    }
    assert!(!text.contains("label z") && text.matches("unknown word").count() == 2, "{text}");
}

#[test]
fn files_that_a_menu_of_pxelinux_includes_are_read_in_the_directory() {
    let directory = tree(&[
        (
            "tftp/pxelinux.cfg/default",
            "DEFAULT a\nINCLUDE pxelinux.cfg/more\nMENU INCLUDE ::boot/menu.cfg title\nINCLUDE ../secret\nINCLUDE none\n\
             INCLUDE 192.0.2.5::x\nINCLUDE link\n",
        ),
        ("tftp/pxelinux.cfg/more", "LABEL a\nKERNEL linux\nINCLUDE pxelinux.cfg/default\n"),
        ("tftp/boot/menu.cfg", "KRENEL x\n"),
        ("tftp/pxelinux.cfg/README", ""),
        ("secret", "LABEL a\nKERNEL secret\n"),
    ]);
    std::os::unix::fs::symlink("../secret", directory.path().join("tftp/link")).unwrap();
    let text = program(directory.path(), &["import", "tftp"]);
    for part in [
        "kernel = \"linux\"\n",
        "#   boot/menu.cfg line 1: KRENEL x\n",
        "#   pxelinux.cfg/more line 3: INCLUDE pxelinux.cfg/default\n#     the file includes itself\n",
        "#   default line 4: INCLUDE ../secret\n#     it is outside this directory",
        "#   default line 5: INCLUDE none\n#     it cannot be read: No such file",
        "#   default line 6: INCLUDE 192.0.2.5::x\n#     it is on another server",
        "#   default line 7: INCLUDE link\n#     it is outside this directory",
        "#   README: the file\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("\"secret\"") && !text.contains("#   more: the file"), "{text}");

    // A chain, and files that include the next one twice each: both end.
    let chain: Vec<(String, String)> = (0..40)
        .map(|n| (format!("pxelinux.cfg/i{n}"), format!("INCLUDE pxelinux.cfg/i{}\n", n + 1).repeat(2)))
        .collect();
    let mut files = vec![("pxelinux.cfg/default", "INCLUDE pxelinux.cfg/i0\nDEFAULT a\nLABEL a\nKERNEL linux\n")];
    files.extend(chain.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let text = program(tree(&files).path(), &["import", "."]);
    assert!(text.contains("#     a menu includes 100 files at most, and 16 in one another\n"), "{text}");
    assert!(text.contains("kernel = \"linux\"\n"), "{text}");
}

#[test]
fn netboot_xyzs_scripts_by_host_name_are_run_in_front_of_the_menu() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("HOSTNAME-pc1.ipxe"), "#!ipxe\n").unwrap();
    let text = program(directory.path(), &["import", "."]);
    assert!(
        text.contains("#   HOSTNAME-pc1.ipxe: the file\n#     the machine runs it that the DHCP server calls pc1"),
        "{text}"
    );
    std::fs::write(directory.path().join("new.toml"), &text).unwrap();
    let script = program(directory.path(), &["render", "menu", "--config", "new.toml"]);
    let first = script.find("isset ${hostname} && chain --autofree http").expect("it is asked for");
    assert!(script[first..].contains("HOSTNAME-${hostname:uristring}.ipxe ||\n\n:menu\n"), "{script}");
}

#[test]
fn lists_of_machines_are_known_by_their_usual_columns() {
    let directory = tempfile::tempdir().unwrap();
    for (file, list, map, expected) in [
        (
            "netbox-interfaces.csv",
            "Device,Name,Enabled,MAC address\nweb1,eno1,True,52:54:00:00:00:01\nweb1,eno2,True,5254.0000.0002\ndb1,eno1,True,525400000003\n",
            None,
            "\n[machine.web1]\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:02\"]\n\n[machine.db1]\nmac = [\"52:54:00:00:00:03\"]",
        ),
        (
            "netbox-devices.csv",
            "\u{feff}Name,Status,Serial number,IP Address\nweb1,Active,ABC,192.0.2.4/24\n",
            None,
            "\n[machine.web1]\nserial = \"ABC\"\nvariables = { status = \"Active\" }",
        ),
        (
            "inventory.csv",
            "inventory_hostname;ansible_default_ipv4.macaddress;ansible_product_uuid\nweb1.example;52-54-00-00-00-01;b8945908-d6a6-41a9-611d-74a6ab80b83d\n",
            None,
            "\n[machine.\"web1.example\"]\nmac = [\"52:54:00:00:00:01\"]\nuuid = \"b8945908-d6a6-41a9-611d-74a6ab80b83d\"",
        ),
        (
            "own.csv",
            "Asset,Kennung,NIC\n17,web1,52:54:00:00:00:01\n17,web1,52:54:00:00:00:02\n",
            Some(["Kennung=name", "NIC=mac", "asset=inventory"]),
            "\n[machine.web1]\nmac = [\"52:54:00:00:00:01\", \"52:54:00:00:00:02\"]\nvariables = { inventory = \"17\" }",
        ),
    ] {
        std::fs::write(directory.path().join(file), list).unwrap();
        let new = format!("{file}.toml");
        let mut arguments = vec!["import", file, "-o", &new];
        map.iter().flatten().for_each(|map| arguments.extend(["--map", *map]));
        program(directory.path(), &arguments);
        let text = std::fs::read_to_string(directory.path().join(&new)).unwrap();
        assert_eq!(tables(&text).trim(), expected.trim(), "{file}:\n{text}");
        assert!(!list.contains("IP Address") || text.contains("addresses come from the DHCP server"), "{text}");
        program(directory.path(), &["check", &new]);
    }
    let list = "Device,Name\nweb1,eno1\n";
    let source = Source::new("l.csv", list.into()).unwrap();
    let map = [("Devise".to_owned(), "name".to_owned())];
    let told = proxydhcpd::import::machine_csv::import(&source, &map).unwrap_err().remove(0).one_line();
    assert_eq!(told, "l.csv: no column is called \"Devise\" (did you mean `Device`?)");
}
