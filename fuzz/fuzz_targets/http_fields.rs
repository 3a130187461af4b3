#![no_main]

proxydhcpd_fuzz::target!(http_fields);
