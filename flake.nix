{
  description = "A reference lab for highly available PostgreSQL";

  # `nix develop`, then `cargo test`; `nix build` for the binary; `nix flake check` for the tests that need no engine.
  # So far it has been evaluated against a stand-in for nixpkgs (lab/nix/stub) only, and never built.
  # The first use writes flake.lock. Versions are declared once, in lab/lab.toml and Cargo.toml, and read from there.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      images = (builtins.fromTOML (builtins.readFile ./lab/lab.toml)).images;
      cargo = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).package;

      forEachSystem =
        outputsOf:
        lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: outputsOf nixpkgs.legacyPackages.${system});

      # The PostgreSQL of the lab, for its command line tools: images.postgres = 17 is postgresql_17.
      postgresOf =
        pkgs:
        let
          attribute = "postgresql_${toString images.postgres}";
        in
        pkgs.${attribute} or (throw "lab/lab.toml asks for PostgreSQL ${toString images.postgres}, but this nixpkgs has no ${attribute}");

      rustIsNewEnough =
        pkgs:
        lib.assertMsg (lib.versionAtLeast pkgs.rustc.version cargo.rust-version)
          "Cargo.toml asks for Rust ${cargo.rust-version}, this nixpkgs has ${pkgs.rustc.version}: update its lock";

      # Static: the client's image carries the very binary that is running, and that image has no Nix store.
      packageOf =
        pkgs:
        assert rustIsNewEnough pkgs;
        pkgs.pkgsStatic.rustPlatform.buildRustPackage {
          pname = cargo.name;
          inherit (cargo) version;
          # what git tracks: the rules about papers read all of it
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          # reports name the commit they speak of; a store has no checkout to ask
          env.PGHA_COMMIT = self.rev or self.dirtyRev or "";
          # the default profile of .config/nextest.toml: everything that needs no engine
          useNextest = true;
          meta = {
            inherit (cargo) description;
            license = [
              lib.licenses.mit
              lib.licenses.asl20
            ];
            mainProgram = cargo.name;
            platforms = lib.platforms.linux;
          };
        };
    in
    {
      # What the lab declares, for whoever builds on this flake.
      lib.images = images;

      packages = forEachSystem (pkgs: rec {
        pgha = packageOf pkgs;
        default = pgha;
      });

      apps = forEachSystem (pkgs: rec {
        pgha = {
          type = "app";
          program = "${packageOf pkgs}/bin/pgha";
        };
        default = pgha;
      });

      devShells = forEachSystem (pkgs: {
        default =
          assert rustIsNewEnough pkgs;
          pkgs.mkShell {
            packages = [
              pkgs.cargo
              pkgs.cargo-deny
              pkgs.cargo-nextest
              pkgs.clippy
              pkgs.docker-client
              pkgs.mmdebstrap
              pkgs.rustc
              pkgs.rustfmt
              (postgresOf pkgs)
            ];
          };
      });

      checks = forEachSystem (
        pkgs:
        let
          package = packageOf pkgs;
        in
        {
          # builds, and runs every test that needs no engine
          inherit package;
          lints = package.overrideAttrs (old: {
            pname = "${cargo.name}-lints";
            nativeBuildInputs = (old.nativeBuildInputs or [ ]) ++ [
              pkgs.clippy
              pkgs.rustfmt
            ];
            buildPhase = ''
              cargo fmt --check
              cargo clippy --offline --all-targets -- --deny warnings
            '';
            doCheck = false;
            installPhase = "mkdir $out";
          });
        }
      );

      formatter = forEachSystem (pkgs: pkgs.nixfmt);
    };
}
