#![no_main]

proxydhcpd_fuzz::target!(replay);
