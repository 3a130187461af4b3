#![no_main]

proxydhcpd_fuzz::target!(boot_files);
