#![no_main]

proxydhcpd_fuzz::target!(dhcp6);
