{
  # As much of nixpkgs as flake.nix names, so that every output can be evaluated where nixpkgs cannot be fetched.
  # Nothing here can be built. What flake.nix names and this file lacks fails the evaluation: add it here only
  # when the real nixpkgs has it.
  description = "A stand-in for nixpkgs";

  outputs =
    { self }:
    let
      lib = {
        genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
        versionAtLeast = a: b: builtins.compareVersions a b >= 0;
        assertMsg = condition: message: if condition then true else throw message;
        licenses = {
          mit = { spdxId = "MIT"; };
          asl20 = { spdxId = "Apache-2.0"; };
        };
        platforms.linux = [
          "x86_64-linux"
          "aarch64-linux"
        ];
      };

      forSystem =
        system:
        let
          thing =
            attrs:
            let
              name = attrs.name or "${attrs.pname}-${attrs.version}";
              drv = derivation {
                inherit name system;
                builder = "/bin/sh";
                args = [
                  "-c"
                  "echo a stand-in cannot be built; exit 1"
                ];
                # the inputs are evaluated, too
                inputs = map toString ((attrs.packages or [ ]) ++ (attrs.nativeBuildInputs or [ ]));
              };
            in
            drv
            // {
              meta = attrs.meta or { };
              version = attrs.version or "0";
              overrideAttrs = change: thing (attrs // change attrs);
            };
          tool = pname: version: thing { inherit pname version; };
          required = [
            "pname"
            "version"
            "src"
            "cargoLock"
          ];
          packages = {
            inherit lib;
            mkShell = attrs: thing ({ name = "shell"; } // attrs);
            rustPlatform.buildRustPackage =
              attrs:
              let
                absent = builtins.filter (key: !(attrs ? ${key})) required;
              in
              assert lib.assertMsg (absent == [ ]) "buildRustPackage lacks ${toString absent}";
              assert lib.assertMsg (builtins.pathExists attrs.cargoLock.lockFile) "no lock file";
              assert lib.assertMsg (builtins.pathExists attrs.src) "no source";
              thing attrs;
            pkgsStatic = packages;
            cargo = tool "cargo" "1.95.0";
            cargo-deny = tool "cargo-deny" "0";
            cargo-nextest = tool "cargo-nextest" "0";
            clippy = tool "clippy" "1.95.0";
            docker-client = tool "docker-client" "0";
            mmdebstrap = tool "mmdebstrap" "0";
            nixfmt = tool "nixfmt" "0";
            postgresql_17 = tool "postgresql" "17";
            postgresql_18 = tool "postgresql" "18";
            rustc = tool "rustc" "1.95.0";
            rustfmt = tool "rustfmt" "1.95.0";
          };
        in
        packages;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] forSystem;
    };
}
