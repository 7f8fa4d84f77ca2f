{
  description = "A reference lab for highly available PostgreSQL";

  # `nix build` makes the program, `nix build .#static` one that needs no library; `nix run .#load-images` builds the
  # images of a lab with `source = "nix"` and loads them into the engine; `nix develop` has the tools; `nix fmt` formats;
  # `nix flake check` runs the tests that need no engine, and founds a small lab in a virtual machine.
  # All of it has been evaluated against a stand-in for nixpkgs (lab/nix/stub) only, and never built: docs/src/nix.md.
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

      # PostgreSQL of a major version: images.postgres = 17 is postgresql_17.
      postgresOf =
        pkgs: major:
        let
          attribute = "postgresql_${toString major}";
        in
        pkgs.${attribute} or (throw "lab/lab.toml asks for PostgreSQL ${toString major}, but this nixpkgs has no ${attribute}");

      rustIsNewEnough =
        pkgs:
        lib.assertMsg (lib.versionAtLeast pkgs.rustc.version cargo.rust-version)
          "Cargo.toml asks for Rust ${cargo.rust-version}, this nixpkgs has ${pkgs.rustc.version}: update its lock";

      # The program, built by `rustPlatform`, with its manual pages and completions.
      packageOf =
        pkgs: rustPlatform:
        assert rustIsNewEnough pkgs;
        rustPlatform.buildRustPackage {
          pname = cargo.name;
          inherit (cargo) version;
          # what git tracks: the rules about papers read all of it
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          # reports name the commit they speak of; a store has no checkout to ask
          env.PGHA_COMMIT = self.rev or self.dirtyRev or "";
          nativeBuildInputs = [ pkgs.buildPackages.installShellFiles ];
          # the default profile of .config/nextest.toml: everything that needs no engine
          useNextest = true;
          postInstall = ''
            $out/bin/pgha man --dir pages
            installManPage pages/*.1
            for shell in bash zsh fish; do
              $out/bin/pgha completions $shell >pgha.$shell
            done
            installShellCompletion --cmd pgha --bash pgha.bash --zsh pgha.zsh --fish pgha.fish
          '';
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
      programOf = pkgs: packageOf pkgs pkgs.rustPlatform;

      labImages =
        pkgs: major:
        import ./lab/nix/images.nix {
          inherit pkgs major;
          postgresql = postgresOf pkgs major;
          program = programOf pkgs;
        };

      # Builds the images with one major version of PostgreSQL, and loads them into the engine.
      loaderOf =
        pkgs: major:
        pkgs.writeShellApplication {
          name = "load-images";
          runtimeInputs = [ pkgs.docker-client ];
          text = lib.concatMapStringsSep "\n" (image: "${image} | docker load") (
            builtins.attrValues (labImages pkgs major)
          );
        };
      appOf = program: {
        type = "app";
        inherit program;
      };
    in
    {
      # What the lab declares, for whoever builds on this flake.
      lib.images = images;

      packages = forEachSystem (
        pkgs:
        let
          imagesOf =
            major:
            lib.mapAttrs' (role: image: {
              name = "image-${role}-${toString major}";
              value = image;
            }) (labImages pkgs major);
        in
        {
          default = programOf pkgs;
          # nothing of it is in a binary cache: its first build takes long
          static = packageOf pkgs pkgs.pkgsStatic.rustPlatform;
        }
        // imagesOf 17
        // imagesOf 18
      );

      apps = forEachSystem (pkgs: {
        default = appOf "${programOf pkgs}/bin/pgha";
        load-images = appOf "${loaderOf pkgs images.postgres}/bin/load-images";
        load-images-17 = appOf "${loaderOf pkgs 17}/bin/load-images";
        load-images-18 = appOf "${loaderOf pkgs 18}/bin/load-images";
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
              pkgs.rustc
              pkgs.rustfmt
              (postgresOf pkgs images.postgres)
            ];
            buildInputs = [ pkgs.glibc.static ];
            # The client's image carries the very program that is built here, and no image of Debian has a Nix store:
            # so it is linked statically. Naming the target keeps that from the macros, which cannot be static.
            env = {
              CARGO_BUILD_TARGET = pkgs.stdenv.hostPlatform.rust.rustcTarget;
              CARGO_BUILD_RUSTFLAGS = "-C target-feature=+crt-static";
            };
          };
      });

      checks = forEachSystem (
        pkgs:
        let
          package = programOf pkgs;
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
            postInstall = "";
            installPhase = "mkdir $out";
          });
          lab = import ./lab/nix/test.nix {
            inherit pkgs package;
            loader = loaderOf pkgs images.postgres;
          };
        }
      );

      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
