//! Tests that `import` detects formats: the forms in which sites keep dnsmasq options, and formats that it does not
//! read.

use super::{imported, this_host};
use proxydhcpd_import::{Detection, ImportFormat, detect_format, import};
use proxydhcpd_reading::diagnostic::Source;

/// Returns the tables of an imported configuration, without comments.
fn tables(text: &str) -> String {
    let without_line = |line: &str| line.split(" # line ").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(without_line).collect::<Vec<_>>().join("\n")
}

const DNSMASQ: &str = "port=0\ndhcp-range=192.0.2.0,proxy\nenable-tftp\ntftp-root=/srv/test\n\
                       pxe-service=x86PC,\"Boot, at last\",lpxelinux\ndhcp-match=set:ipxe,175\n\
                       dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}\n";

#[test]
fn options_on_command_lines_give_the_same_as_the_file() {
    let forms = [
        // Each line has one option, as in the arguments of a container.
        "--port=0\n--dhcp-range=192.0.2.0,proxy\n--enable-tftp\n--tftp-root=/srv/test\n\
         --pxe-service='x86PC,\"Boot, at last\",lpxelinux'\n--dhcp-match=set:ipxe,175\n\
         --dhcp-boot='tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A shell script that starts a container. The options before the image are those of docker.
        "#!/bin/sh\nset -e\ndocker run --rm --interface=eth9 --net=host quay.io/poseidon/dnsmasq:v0.5.0 \\\n  -d -q -p \
         0 \\\n  \
         --dhcp-range 192.0.2.0,proxy --enable-tftp --tftp-root=/srv/test \\\n  \
         --pxe-service=x86PC,'\"Boot, at last\"',lpxelinux --dhcp-match=set:ipxe,175 \\\n  \
         --dhcp-boot='tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A unit of systemd.
        "[Unit]\nDescription=netboot\n[Service]\nExecStart=/usr/sbin/dnsmasq --keep-in-foreground --port=0 \\\n  \
         --dhcp-range=192.0.2.0,proxy --enable-tftp --tftp-root=/srv/test --dhcp-match=set:ipxe,175 \\\n  \
         '--pxe-service=x86PC,\"Boot, at last\",lpxelinux' '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A file of Docker Compose.
        "services:\n  pxe:\n    image: dnsmasq:2\n    command:\n      - --port=0\n      - \
         --dhcp-range=192.0.2.0,proxy\n      \
         - --enable-tftp\n      - --tftp-root=/srv/test\n      - '--pxe-service=x86PC,\"Boot, at \
         last\",lpxelinux'\n      \
         - --dhcp-match=set:ipxe,175\n      - '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
        // A Nix expression, and the command of a Dockerfile.
        "args = [\n  \"--port=0\" \"--dhcp-range=192.0.2.0,\
         proxy\"\n  \"--enable-tftp\"\n  \"--tftp-root=/srv/test\"\n  \
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\"\n  \"--dhcp-match=set:ipxe,175\"\n  \
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n];\n",
        "CMD [\"dnsmasq\", \"--port=0\", \"--dhcp-range=192.0.2.0,\
         proxy\", \"--enable-tftp\", \"--tftp-root=/srv/test\", \
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\", \"--dhcp-match=set:ipxe,175\", \
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        "FROM alpine\nCMD [\"dnsmasq\",\"-d\",\"-p0\",\"--dhcp-range=192.0.2.0,\
         proxy\",\"--enable-tftp\",\"--tftp-root=/srv/test\",\
         \"--pxe-service=x86PC,\\\"Boot, at last\\\",lpxelinux\",\"--dhcp-match=set:ipxe,175\",\
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        "services:\n  pxe:\n    image: x\n    command: [\"-d\",\"--port=0\",\"--dhcp-range=192.0.2.0,\
         proxy\",\"--enable-tftp\",\
         \"--tftp-root=/srv/test\",'--pxe-service=x86PC,\"Boot, at last\",lpxelinux',\"--dhcp-match=set:ipxe,175\",\
         '--dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}']\n",
        // The configuration of Pi-hole 6.
        "[misc]\n  privacylevel = 0\n  dnsmasq_lines = [\n    \"port=0\",\n    \"dhcp-range=192.0.2.0,\
         proxy\", \"enable-tftp\",\n    \
         \"tftp-root=/srv/test\",\n    'pxe-service=x86PC,\"Boot, at last\",lpxelinux',\n    \"dhcp-match=set:ipxe,\
         175\",\n    \
         \"dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}\"\n  ]\n",
        "environment:\n  FTLCONF_misc_dnsmasq_lines: 'port=0;dhcp-range=192.0.2.0,\
         proxy;enable-tftp;tftp-root=/srv/test;\
         pxe-service=x86PC,\"Boot, at last\",lpxelinux;dhcp-match=set:ipxe,175;\
         dhcp-boot=tag:ipxe,http://192.0.2.9/${net0/mac}'\n",
    ];
    let file = imported(DNSMASQ);
    assert!(file.contains("lpxelinux.0") && file.contains("http://192.0.2.9/${net0/mac}"), "{file}");
    for form in forms {
        assert_eq!(tables(&imported(form)), tables(&file), "{form}\n{}", imported(form));
        assert!(!imported(form).contains("# No equivalent here:"), "{form}\n{}", imported(form));
    }
}

#[test]
fn the_boot_dir_of_a_container_becomes_that_of_its_host() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let compose = |volumes: &str| {
        format!(
            "services:\n  pxe:\n    image: x:2\n    command: -d --enable-tftp --tftp-root=/tftp/sub \
             --dhcp-boot=/tftp/sub/a.0\n    volumes:\n{volumes}"
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
        let output = import(&source, None, &this_host()).unwrap();
        assert!(output.contains(&format!("\nboot-dir = \"{path}/tftp/sub\"\n")), "{text}{output}");
        assert!(output.contains("#     /tftp/sub in the container is "), "{output}");
        assert!(output.contains("default = \"a.0\""), "{output}");
    }
    let output = imported(&compose("      - files:/tftp\n"));
    assert!(
        output.contains(
            "#   /tftp/sub is a directory in the container. Set `boot-dir` to the directory of its volume files"
        ),
        "{output}"
    );
}

#[test]
fn only_files_that_machines_get_from_this_server_are_listed() {
    let output = imported(
        "port=0\ndhcp-range=192.0.2.0,proxy\ndhcp-boot=shadowed.0\ndhcp-boot=used.0\n\
         dhcp-match=set:x,option:client-arch,7\ndhcp-boot=tag:x,there.efi,,192.0.2.20\n",
    );
    assert!(output.contains(": used.0. Then stop that server"), "{output}");
    // Option 67 names the file and option 66 another server, so the imported configuration names a URL on that server.
    let output = imported("dhcp-range=192.0.2.4,192.0.2.9\ndhcp-option=67,a.0\ndhcp-option=66,192.0.2.20\n");
    assert!(!output.contains("put these files into") && output.contains("tftp://192.0.2.20/a.0"), "{output}");
}

#[test]
fn an_option_with_an_unknown_variable_has_a_note() {
    let output = imported("dnsmasq --port=0 --dhcp-boot=pxelinux.0,,$SERVER\n");
    assert!(
        output.contains("line 1: --dhcp-boot=pxelinux.0,,$SERVER\n#     the value of the variable is not known"),
        "{output}"
    );
    assert!(output.contains("default-profile = \"nothing\""), "{output}");
}

#[test]
fn openwrts_configuration_gives_the_same_as_its_dnsmasq() {
    let uci = "config dnsmasq\n\toption domainneeded '1'\n\toption enable_tftp '1'\n\toption tftp_root '/srv/test'\n\n\
               config match\n\toption networkid 'bios'\n\toption match '60,PXEClient:Arch:00000'\n\n\
               config userclass 'of_ipxe'\n\toption networkid 'ipxe'\n\toption userclass 'iPXE'\n\n\
               config boot 'linux'\n\toption filename 'pxelinux.0'\n\toption serveraddress '192.0.2.20'\n\t\
               option servername 'files'\n\toption networkid 'bios'\n\n\
               config boot\n\toption filename 'boot.ipxe'\n\tlist networkid 'ipxe'\n\n\
               config host\n\toption name 'pc1'\n\tlist mac '52:54:00:00:00:01'\n\toption tag 'ipxe'\n\toption ip \
               '192.0.2.4'\n\n\
               config dhcp 'lan'\n\toption interface 'lan'\n\toption start '100'\n\tlist dhcp_option '3,192.0.2.1'\n";
    let dnsmasq = "enable-tftp\ntftp-root=/srv/test\ndhcp-match=set:bios,60,PXEClient:Arch:00000\n\
                   dhcp-userclass=set:ipxe,iPXE\n\
                   dhcp-boot=tag:bios,pxelinux.0,files,192.0.2.20\ndhcp-boot=tag:ipxe,boot.ipxe\n\
                   dhcp-host=52:54:00:00:00:01,set:ipxe,pc1\n";
    let output = imported(uci);
    assert_eq!(tables(&output), tables(&imported(dnsmasq)), "{output}");
    assert!(output.contains("tftp://192.0.2.20/pxelinux.0") && output.contains("[machine.pc1] # line 24"), "{output}");
    assert!(output.contains("line 2 domainneeded"), "{output}");

    let source = Source::new("dhcp", b"config boot\n\toption filename\n".to_vec()).unwrap();
    let error = import(&source, None, &this_host()).unwrap_err().remove(0);
    assert_eq!(error.one_line().split(" (").next(), Some("dhcp:2:2: this is not a line of an OpenWrt configuration"));
}

/// OpenWrt's start script passes the tags to dnsmasq unchanged.
#[test]
fn openwrts_tags_may_have_dnsmasqs_prefixes() {
    let uci = "config userclass\n\toption networkid 'set:ipxe'\n\toption userclass 'iPXE'\n\
               config match\n\toption networkid 'bios'\n\toption match '60,PXEClient:Arch:00000'\n\
               config boot\n\toption filename 'tag:bios,pxelinux.0'\n\
               config boot\n\tlist networkid 'bios'\n\tlist networkid 'tag:ipxe'\n\toption filename 'boot.ipxe'\n\
               config boot\n\toption filename 'net:!bios,net:ipxe,efi.ipxe'\n\toption serveraddress '192.0.2.20'\n";
    let dnsmasq = "dhcp-userclass=set:ipxe,iPXE\ndhcp-match=set:bios,60,PXEClient:Arch:00000\n\
                   dhcp-boot=tag:bios,pxelinux.0\n\
                   dhcp-boot=tag:bios,tag:ipxe,boot.ipxe\ndhcp-boot=tag:!bios,tag:ipxe,efi.ipxe,,192.0.2.20\n";
    let output = imported(uci);
    assert_eq!(tables(&output), tables(&imported(dnsmasq)), "{output}");
    assert!(output.contains("[[rule]] # line 8\n") && output.contains("tftp://192.0.2.20/efi.ipxe"), "{output}");
}

/// The import translates OpenWrt's configuration to dnsmasq options, which the administrator does not see, so an error
/// must show the original line.
#[test]
fn errors_in_openwrts_configuration_show_its_own_line() {
    let section = "config boot 'x'\n\toption serveraddress '192.0.2.9'\n\toption filename 'a.0'\n";
    for (text, location) in [
        (format!("{section}config host\n\toption name 'pc'\n\tlist mac '52:54:00:00:00'\n"), "dhcp:6:12: "),
        (format!("{section}config dnsmasq\n\tlist dhcp_boot 'a,\"b'\n"), "dhcp:5:18: an unclosed quote"),
    ] {
        let source = Source::new("dhcp", text.clone().into_bytes()).unwrap();
        let error = import(&source, None, &this_host()).unwrap_err().remove(0);
        assert!(error.one_line().starts_with(location), "{error}");
        let line = error.location.as_ref().unwrap().line;
        assert_eq!(error.location.unwrap().text, text.lines().nth(line - 1).unwrap());
    }
}

#[test]
fn a_kea_pool_that_is_one_of_several_for_a_machine_has_a_note() {
    let output = imported(
        r#"{ "Dhcp4": {
        "client-classes": [ { "name": "a", "test": "option[93].hex == 0x0007" } ],
        "subnet4": [ { "subnet": "192.0.2.0/24", "pools": [
            { "pool": "192.0.2.1 - 192.0.2.9", "client-classes": [ "a" ],
              "option-data": [ { "code": 67, "data": "a.efi" } ] },
            { "pool": "192.0.2.10 - 192.0.2.19", "option-data": [ { "code": 67, "data": "all.efi" } ] },
            { "pool": "192.0.2.20 - 192.0.2.29", "option-data": [ { "code": 67, "data": "b.efi" } ] }
        ] } ] } }"#,
    );
    assert!(output.contains("#     here it applies to all machines of its class; Kea may give some"), "{output}");
    assert!(
        output.contains("#     only Kea knows which machines get addresses from this pool and not from the earlier"),
        "{output}"
    );
    assert!(output.contains("uefi-x64 = \"a.efi\"\ndefault = \"all.efi\""), "{output}");
}

/// With `deny unknown-clients`, dhcpd ignores machines that have no `host` statement.
#[test]
fn machines_that_iscs_dhcpd_ignores_are_denied() {
    let output = imported(
        "deny unknown-clients;\nfilename \"a.0\";\nhost a { hardware ethernet 52:54:00:00:00:01; }\n\
         subnet 192.0.2.0 netmask 255.255.255.0 \
         { pool { allow unknown-clients; deny known-clients; filename \"b.0\"; } }\n",
    );
    let tables = tables(&output);
    assert!(tables.contains("mac = [\"52:54:00:00:00:01\"]\nprofile = \"a\""), "{output}");
    assert!(tables.contains("deny = true") && !tables.contains("b.0"), "{output}");
}

/// The configuration has a file for each host, and a default file.
#[test]
fn a_site_with_a_different_file_for_every_host_is_imported() {
    let host = |number: usize| {
        let mac = format!("52:54:00:00:{:02x}:{:02x}", number / 256, number % 256);
        format!(
            "host h{number} \
             {{\n  hardware ethernet {mac};\n  fixed-address 192.0.2.9;\n  filename \"f{number}.0\";\n}}\n"
        )
    };
    let some: String = (0..1100).map(host).collect();
    let text = format!("next-server 192.0.2.20;\nfilename \"x.0\";\n{some}");
    let output = tables(&imported(&text));
    for (of, file) in [("h0", "f0.0"), ("h1099", "f1099.0"), ("default", "x.0")] {
        let table = format!("\n[profile.{of}.loaders]\ndefault = \"tftp://192.0.2.20/{file}\"\n");
        assert!(output.contains(&table), "no {table} in {:.2000}", output);
    }
    assert_eq!(output.matches("\n[[rule]]").count(), 1100);

    let many = format!("{text}{}", (1100..4100).map(host).collect::<String>());
    let source = Source::new("d", many.into_bytes()).unwrap();
    let error = import(&source, None, &this_host()).unwrap_err().remove(0).one_line();
    assert!(
        error.starts_with("d: its conditions distinguish more than 4096 kinds of machines (each becomes a rule"),
        "{error}"
    );
}

#[test]
fn an_unsupported_case_of_an_isc_switch_has_a_note() {
    let output = imported(
        "next-server 192.0.2.20;\nswitch (option host-name) \
         {\n  case \"a\": filename \"a.0\"; break;\n  default: filename \"b.0\";\n}\n",
    );
    assert!(output.contains("#   line 3: case \"a\": filename \"a.0\"; break;\n#     rules can test only"), "{output}");
    assert!(output.contains("default = \"tftp://192.0.2.20/b.0\""), "{output}");
}

#[test]
fn unsupported_conditions_of_isc_have_notes() {
    let output = imported(
        "filename \"any.0\";\ninclude \"/etc/dhcp/more.conf\";\nif option host-name = \"x\" { filename \"x.0\"; }\n\
         host a { hardware ethernet 52:54:00:00:00:01; deny booting; }\nhost b { hardware ethernet xx; }\n\
         next-server boot.example;\n",
    );
    for note in [
        "#   line 2: /etc/dhcp/more.conf is not imported",
        "#   line 3: if option host-name = \"x\" { filename \"x.0\"; }\n#     rules can test only",
        "#   line 5: host b { hardware ethernet xx; }\n#     xx is not a MAC address",
        "#   line 6: next-server boot.example;\n#     server names are not resolved",
    ] {
        assert!(output.contains(note), "no {note:?} in\n{output}");
    }
    assert!(output.contains("deny = true") && output.contains("default = \"any.0\""), "{output}");
    for (text, error) in [
        ("subnet 192.0.2.0 netmask 255.255.255.0 {\n  filename \"a\";\n", "d:1:40: a block without a closing `}`"),
        ("filename \"a\";\n}\n", "d:2:1: a `}` without a `{`"),
        ("filename \"a;\n", "d:1:10: an unclosed quote"),
        ("option routers 192.0.2.1;\nfilename \"a\"\n", "d:2:10: a statement without a `;`"),
    ] {
        let source = Source::new("d", text.into()).unwrap();
        let output = import(&source, None, &this_host()).unwrap_err().remove(0).one_line();
        assert!(output.starts_with(error), "{output}");
    }
    let source = Source::new("k", b"// x\n{ \"Dhcp4\": {\n  \"a\" 1 } }\n".to_vec()).unwrap();
    let output = import(&source, None, &this_host()).unwrap_err().remove(0).one_line();
    assert!(output.starts_with("k:3:7: expected `:`"), "{output}");
}

/// dhcpd rejects a file with a missing semicolon. The import must not read the words of one statement as part of
/// another.
#[test]
fn a_missing_semicolon_in_iscs_configuration_is_an_error_at_its_location() {
    for (text, location) in [
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
        let output = import(&source, Some(ImportFormat::Isc), &this_host()).expect_err(text).remove(0).one_line();
        assert_eq!(output, format!("d:{location}: a statement without a `;` (add a `;` after it)"), "{text}");
    }
    // These statements look similar, but are valid.
    let output = imported(
        "option arch code 93 = unsigned integer 16;\noption routes code 121 = array of { integer 8, ip-address };\n\
         shared-network pool { subnet 192.0.2.0 netmask 255.255.255.0 { } }\nnext-server 192.0.2.20;\n\
         if option vendor-class-identifier = \"x\"\n  or\n  option arch = 00:07 { filename \"a.0\"; }\n\
         else if option arch = 00:06 { option bootfile-name = \"b.0\"; }\n\
         switch (option arch) { case 1: filename \"c.0\"; break; default: filename \"d.0\"; }\n\
         group { host host { hardware ethernet 52:54:00:00:00:01; option host-name \"x\"; server-name\n\"y\"; } }\n\
         set x = filename;\nserver-name option host-name;\n",
    );
    assert!(output.contains("default = \"tftp://192.0.2.20/d.0\""), "{output}");
}

#[test]
fn a_comparison_that_the_server_rejects_is_an_error() {
    let source = Source::new("d", "if option arch == 00:07 { filename \"a.0\"; }\n".into()).unwrap();
    let output = import(&source, Some(ImportFormat::Isc), &this_host()).unwrap_err().remove(0).one_line();
    assert_eq!(output, "d:1:16: dhcpd compares with a single `=`, and rejects `==` (write `=`)");
    let class = r#"{ "name": "a", "test": "option[93].hex = 0x0007", "boot-file-name": "x.0" }"#;
    let output = imported(&format!("{{ \"Dhcp4\": {{ \"client-classes\": [{class}] }} }}"));
    assert!(output.contains("#     Kea compares with `==`, and rejects a single `=`: no machine"), "{output}");
}

/// Kea has these classes even if the configuration file does not define them.
#[test]
fn built_in_classes_of_kea_are_known() {
    let output = imported(
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
    let tables = tables(&output);
    let denied = "mac = [\"52:54:00:00:00:01\"]\ndeny = true";
    for part in [
        denied,
        "uefi-x64 = \"tftp://192.0.2.20/x64.efi\"",
        "vendor-class = [\"*thin*\"]",
        "\"*Other*\"",
        "08:00:20:01:02:03",
    ] {
        assert!(tables.contains(part), "no {part} in {output}");
    }
    assert!(
        output.contains("#     Kea names the class after the whole vendor class, in which firmware appends more"),
        "{output}"
    );
    assert!(!output.contains("this file defines no class"), "{output}");
}

#[test]
fn relays_interfaces_and_formatted_addresses_of_kea_become_conditions() {
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
        let output = import(&[("a", test)]);
        assert!(output.contains(condition) && output.contains("/a.0"), "{test}: {output}");
    }
    let output = import(&[("x", "hexstring(pkt4.mac, ':') == '52:54:00'")]);
    assert!(
        output.contains("#     the server formats the whole address, which never equals 52:54:00: no machine"),
        "{output}"
    );
    // A tag that the import generates never equals the name of an interface.
    let output = import(&[("eth7", "option[77].hex == 'x'"), ("b", "pkt4.iface == 'eth7'")]);
    assert!(output.contains("interface = [\"eth7\"]") && output.contains("user-class = [\"*x*\"]"), "{output}");
}

#[test]
fn addresses_that_iscs_dhcpd_formats_as_text_become_conditions() {
    let import = |test: &str| imported(&format!("next-server 192.0.2.20;\nif {test} {{ filename \"a.0\"; }}\n"));
    for (test, mac) in [
        ("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 3)) = \"b8:27:eb\"", "b8:27:eb:*:*:*"),
        ("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 6)) = \"8:0:20:1:2:3\"", "08:00:20:01:02:03"),
        ("\"8-0\" = binary-to-ascii(16, 8, \"-\", substring(hardware, 1, 2))", "08:00:*:*:*:*"),
    ] {
        let output = import(test);
        assert!(output.contains(&format!("mac = [\"{mac}\"]")) && output.contains("/a.0"), "{test}: {output}");
    }
    // A condition on the whole address implies a condition on the start of the address.
    let text = |octets: usize| format!("binary-to-ascii(16, 8, \":\", substring(hardware, 1, {octets}))");
    let output = import(&format!("{} = \"8:0:20:1:2:3\" and {} = \"8:0\"", text(6), text(2)));
    assert!(output.matches("[[rule]]").count() == 1 && output.contains("mac = [\"08:00:20:01:02:03\"]"), "{output}");
    let output = import("binary-to-ascii(16, 8, \":\", substring(hardware, 1, 3)) = \"08:00:20\"");
    assert!(output.contains("#     the server formats it as 8:0:20, which never equals 08:00:20"), "{output}");
}

#[test]
fn a_class_that_isc_spawns_is_for_machines_that_have_its_value() {
    let output = imported("next-server 192.0.2.20;\nclass \"c\" { spawn with hardware; filename \"c.0\"; }\n");
    assert!(output.contains("default = \"tftp://192.0.2.20/c.0\""), "{output}");
    let output =
        imported("filename \"a.0\";\nclass \"c\" {\n  spawn with option agent.remote-id;\n  filename \"c.0\";\n}\n");
    let unsupported = output.split("# Imported with").next().unwrap();
    assert!(
        unsupported.contains("# No equivalent here:\n#   line 3: spawn with option agent.remote-id;\n#     rules can"),
        "{output}"
    );
    assert!(unsupported.contains("no machine is treated as a member of this class"), "{output}");
}

#[test]
fn a_file_that_no_machine_gets_has_a_note() {
    let isc = "filename \"a.0\";\nsubnet 192.0.2.0 netmask 255.255.255.0 {\n  filename \"b.0\";\n}\n";
    let kea = "{ \"Dhcp4\": {\n\"boot-file-name\": \"a.0\",\n\
               \"subnet4\": [ { \"subnet\": \"192.0.2.0/24\", \"boot-file-name\": \"b.0\" } ]\n} }\n";
    for (text, line) in [(isc, "line 1: filename \"a.0\";"), (kea, "line 2: \"boot-file-name\": \"a.0\",")] {
        let output = imported(text);
        let note =
            format!("# No longer needed:\n#   {line}\n#     no machine gets this file: another one takes precedence");
        assert!(output.contains(&note) && output.matches("no machine gets this file").count() == 1, "{output}");
    }
}

/// dhcpd accepts an octet that is written as one digit.
#[test]
fn octets_with_one_digit_are_accepted() {
    let output = imported(
        "next-server 192.0.2.20;\nclass \"c\" { match hardware; }\n\
         subclass \"c\" 1:52:54:0:0:0:3 { filename \"c.0\"; }\n\
         host a { hardware ethernet 8:0:20:1:2:3; filename \"a.0\"; }\n",
    );
    for part in ["08:00:20:01:02:03", "52:54:00:00:00:03", "/a.0", "/c.0"] {
        assert!(output.contains(part), "no {part} in {output}");
    }
}

#[test]
fn a_deeply_nested_condition_has_a_note_and_does_not_overflow_the_stack() {
    let many = 100_000;
    for condition in [
        format!("{}exists user-class", "not ".repeat(many)),
        format!("{}option vendor-class-identifier", "lcase(".repeat(many)),
        format!("{}option vendor-class-identifier", "substring(".repeat(many)),
        "(".repeat(many),
    ] {
        let output = imported(&format!("filename \"any.0\";\nif {condition} {{ filename \"x.0\"; }}\n"));
        assert!(output.contains("nested too deeply"), "{:.200}", output);
    }
    for test in [
        format!("{}option[77].exists", "not ".repeat(many)),
        format!("{}option[60].hex", "lcase(".repeat(many)),
        format!("{}option[60].hex", "substring(".repeat(many)),
        "(".repeat(many),
    ] {
        let class = format!("{{ \"name\": \"a\", \"test\": \"{test}\", \"boot-file-name\": \"x.0\" }}");
        let output = imported(&format!("{{ \"Dhcp4\": {{ \"client-classes\": [{class}] }} }}"));
        assert!(output.contains("nested too deeply"), "{:.200}", output);
    }
}

#[test]
fn a_format_that_is_not_read_is_named() {
    for (text, format) in [
        ("", "the file is empty: there is nothing to import"),
        ("# nothing\n\n", "the file contains only comments: there is nothing to import"),
        (
            "---\nid: ubuntu\nmounts:\n  - path: /\n    proxy: http://192.0.2.1/\nipxe: true\nbootFilename: x.ipxe\n",
            "a netbootd manifest",
        ),
        (
            "{\"id\": \"node1\", \"profile\": \"etcd\", \"selector\": {\"mac\": \"52:54:00:00:00:01\"}}",
            "a matchbox group",
        ),
        ("{\"id\": \"etcd\", \"boot\": {\"kernel\": \"/linux\"}}", "a matchbox profile"),
        ("<network>\n  <name>default</name>\n  <ip><dhcp><bootp file='x'/></dhcp></ip>\n</network>\n", "libvirt XML"),
        ("<?xml version=\"1.0\"?>\n<pfsense><dhcpd/></pfsense>\n", "a pfSense configuration"),
        ("<?xml version=\"1.0\"?>\n<!-- x -->\n<opnsense/>\n", "an OPNsense configuration"),
        (
            "<?xml version=\"1.0\"?>\n<DHCPServer xmlns=\"http://schemas.microsoft.com/windows/DHCPServer\"/>",
            "a Windows DHCP server export",
        ),
        ("services:\n  pxe:\n    image: x\n", "a Compose file without dnsmasq options"),
        ("[dhcp]\nfilename=undionly.kpxe\nproxydhcp=1\n[frmMain]\n", "a Tiny PXE Server INI file"),
        ("[TFTPD32]\nBaseDirectory=C:\\tftp\n[DHCP]\nBootFile=x\n", "a tftpd32 INI file"),
        (
            "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/sbin/in.tftpd\n",
            "a systemd unit without a dnsmasq command line",
        ),
        ("port=0\n{% if pxe %}\ndhcp-boot={{ pxe.file }}\n{% endif %}\n", "a template (Jinja, as in Ansible and Salt)"),
        (
            "# by RouterOS 7.1\n/ip dhcp-server network\nadd address=192.0.2.0/24 boot-file-name=x\n",
            "a MikroTik RouterOS export",
        ),
        ("DEFAULT linux\nLABEL linux\n  KERNEL vmlinuz\n  APPEND ro\n", "a PXELINUX menu"),
        ("#!ipxe\nchain x\n", "an iPXE script"),
        // Options that other programs also have do not make a text a dnsmasq command line.
        ("#!ipxe\nkernel http://192.0.2.1/vmlinuz --server=192.0.2.1 --dhcp-range=x\nboot\n", "an iPXE script"),
        ("LABEL linux\n KERNEL vmlinuz\n APPEND --server=1 --domain=x --dhcp-host=1\n", "a PXELINUX menu"),
        (
            "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/bin/matchbox --address=0.0.0.0:8080 --log-level=debug\n",
            "a systemd unit without a dnsmasq command line",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: x\n    args: \
             [\"--port\", \"8080\", \"--user=1\"]\n",
            "a Kubernetes manifest",
        ),
        (
            "services:\n  web:\n    image: nginx\n    command: [\"nginx\", \"--port=8080\", \"--user\", \"www\"]\n",
            "a Compose file without dnsmasq options",
        ),
        ("menuentry 'x' {\n linux /x\n}\n", "a GRUB menu"),
    ] {
        let Detection::Unsupported(message, help) = detect_format(text) else { panic!("read: {text}") };
        let expected =
            if format.starts_with("the file ") { format.to_owned() } else { format!("cannot import {format}") };
        assert_eq!(message, expected, "{text}");
        assert!(!help.is_empty());
    }
}
