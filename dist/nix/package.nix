# proxydhcpd for Nix: `pkgs.callPackage ./dist/nix/package.nix { }`. docs/installing.md shows how NixOS starts it.
{ lib, rustPlatform, installShellFiles, stdenv }:

rustPlatform.buildRustPackage {
  pname = "proxydhcpd";
  version = "0.9.0";

  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  cargoBuildFlags = [ "--package" "proxydhcpd" ];
  # They need root, network namespaces and emulators.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];

  postInstall = ''
    installManPage docs/man/*
    install -D -m 0644 dist/systemd/proxydhcpd.catalog $out/lib/systemd/catalog/proxydhcpd.catalog
    install -D -m 0644 dist/proxydhcpd.toml $out/share/doc/proxydhcpd/proxydhcpd.toml
    install -D -m 0644 dist/systemd/proxydhcpd.service $out/lib/systemd/system/proxydhcpd.service
    substituteInPlace $out/lib/systemd/system/proxydhcpd.service --replace /usr/sbin/ $out/bin/
  '' + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd proxydhcpd \
      --bash <($out/bin/proxydhcpd completions bash) \
      --zsh <($out/bin/proxydhcpd completions zsh) \
      --fish <($out/bin/proxydhcpd completions fish)
  '';

  meta = {
    description = "Network-boot server that works next to the DHCP server";
    homepage = "https://github.com/proxydhcpd/proxydhcpd";
    license = with lib.licenses; [ mit asl20 ];
    mainProgram = "proxydhcpd";
    platforms = lib.platforms.linux;
  };
}
