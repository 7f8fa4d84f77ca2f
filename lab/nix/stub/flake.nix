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
        mapAttrs' = f: set: builtins.listToAttrs (map (name: f name set.${name}) (builtins.attrNames set));
        versionAtLeast = a: b: builtins.compareVersions a b >= 0;
        assertMsg = condition: message: if condition then true else throw message;
        concatMapStrings = f: list: builtins.concatStringsSep "" (map f list);
        concatMapStringsSep = between: f: list: builtins.concatStringsSep between (map f list);
        optional = condition: value: if condition then [ value ] else [ ];
        optionalString = condition: text: if condition then text else "";
        optionalAttrs = condition: attrs: if condition then attrs else { };
        removePrefix =
          prefix: text:
          let
            length = builtins.stringLength prefix;
          in
          if builtins.substring 0 length text == prefix then
            builtins.substring length (builtins.stringLength text) text
          else
            text;
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
                # the inputs are evaluated, and what is written with them
                inputs = map toString (
                  (attrs.packages or [ ]) ++ (attrs.nativeBuildInputs or [ ]) ++ (attrs.buildInputs or [ ])
                );
                texts = map toString (builtins.attrValues (attrs.env or { }));
                text = attrs.text or attrs.postInstall or "";
              };
            in
            drv
            // {
              meta = attrs.meta or { };
              version = attrs.version or "0";
              overrideAttrs = change: thing (attrs // change attrs);
            };
          tool = pname: version: thing { inherit pname version; };
          # packages of which the flake wants no more than that they are there
          tools = builtins.listToAttrs (
            map
              (name: {
                inherit name;
                value = tool name "0";
              })
              [
                "bashInteractive"
                "cargo-deny"
                "cargo-nextest"
                "coreutils"
                "docker-client"
                "etcd_3_6"
                "findutils"
                "gawk"
                "gnugrep"
                "gnused"
                "haproxy"
                "iproute2"
                "iptables"
                "libfaketime"
                "nftables"
                "nixfmt-tree"
                "patroni"
                "perl"
                "tini"
                "util-linux"
                "xfsprogs"
              ]
          );
          required = [
            "pname"
            "version"
            "src"
            "cargoLock"
          ];
          # functions below take the arguments that the real ones take, and no other
          packages = tools // {
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
            buildEnv =
              {
                name,
                paths,
                pathsToLink,
                ignoreCollisions,
              }:
              thing {
                inherit name;
                packages = paths;
              };
            writeTextDir =
              path: text:
              thing {
                name = baseNameOf path;
                inherit text;
              };
            writeShellApplication =
              {
                name,
                runtimeInputs,
                text,
              }:
              thing {
                inherit name text;
                packages = runtimeInputs;
              };
            dockerTools.streamLayeredImage =
              {
                name,
                tag,
                contents,
                config,
                extraCommands,
                fakeRootCommands,
              }:
              thing {
                name = "stream-${baseNameOf name}";
                packages = contents;
                text = builtins.toJSON config + tag + extraCommands + fakeRootCommands;
              };
            testers.runNixOSTest =
              {
                name,
                nodes,
                testScript,
              }:
              thing {
                name = "vm-test-run-${name}";
                packages = nodes.machine.environment.systemPackages;
                text = testScript;
              };
            buildPackages.installShellFiles = tool "install-shell-files" "0";
            stdenv.hostPlatform.rust.rustcTarget =
              builtins.replaceStrings [ "-linux" ] [ "-unknown-linux-gnu" ] system;
            glibc = tool "glibc" "0" // { static = tool "glibc-static" "0"; };
            pkgsStatic = packages;
            cargo = tool "cargo" "1.95.0";
            clippy = tool "clippy" "1.95.0";
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
