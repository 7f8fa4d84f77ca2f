# The images of a lab from nixpkgs, by role. Each has the paths, users and folders of the image that lab/images builds from
# Debian packages, because a body is the same in both: src/decide/body names them. src/lab/images.rs knows the names.
{
  pkgs,
  # the major version of PostgreSQL, and its package
  major,
  postgresql,
  # this program
  program,
}:
let
  inherit (pkgs) lib;

  # What faults and looks run inside a body, beside its service: `head` and `stat`, `kill`, `awk`, and perl for memory.
  everywhere = [
    pkgs.bashInteractive
    pkgs.coreutils
    pkgs.findutils
    pkgs.gawk
    pkgs.gnugrep
    pkgs.gnused
    pkgs.perl
    pkgs.util-linux
  ];

  image =
    {
      name,
      programs,
      # a service's account owns its data and its configuration
      account ? null,
      commands ? "",
    }:
    let
      accounts = lib.optional (account != null) account;
      owner = "${toString account.id}:${toString account.id}";
    in
    pkgs.dockerTools.streamLayeredImage {
      inherit name;
      tag = "nix-${toString major}";
      contents = [
        (pkgs.buildEnv {
          name = "programs";
          paths = programs ++ everywhere;
          pathsToLink = [ "/bin" ];
          ignoreCollisions = true;
        })
        (pkgs.writeTextDir "etc/passwd" (
          lib.concatMapStrings (one: "${one}\n") (
            [
              "root:x:0:0::/root:/bin/sh"
              "nobody:x:65534:65534::/nonexistent:/bin/false"
            ]
            ++ map (one: "${one.name}:x:${toString one.id}:${toString one.id}::${one.home}:/bin/false") accounts
          )
        ))
        (pkgs.writeTextDir "etc/group" (
          lib.concatMapStrings (one: "${one}\n") (
            [
              "root:x:0:"
              "nogroup:x:65534:"
            ]
            ++ map (one: "${one.name}:x:${toString one.id}:") accounts
          )
        ))
        (pkgs.writeTextDir "etc/nsswitch.conf" "hosts: files dns\n")
      ];
      extraCommands = ''
        mkdir -p tmp run root usr/local
        ln -s bin sbin
        ln -s ../bin usr/bin
        ln -s ../bin usr/sbin
        mkdir -p usr/local/bin usr/local/lib data etc/pgha
        chmod 1777 tmp
        chmod 0700 data etc/pgha
        ${commands}
      '';
      fakeRootCommands = lib.optionalString (account != null) "chown ${owner} data etc/pgha";
      config = {
        Env = [ "PATH=/usr/local/bin:/bin" ];
        Labels."pgha.image" = lib.removePrefix "pgha/" name;
      }
      // lib.optionalAttrs (account != null) { User = owner; };
    };

  account = name: id: home: { inherit name id home; };
in
{
  # the sandbox of a simulated host, and the helpers for disks and networks
  host = image {
    name = "pgha/host";
    programs = [
      pkgs.iproute2
      pkgs.iptables
      pkgs.nftables
      pkgs.tini
      pkgs.xfsprogs
    ];
  };

  etcd = image {
    name = "pgha/etcd";
    programs = [ pkgs.etcd_3_6 ];
    account = account "etcd" 998 "/data";
  };

  postgres = image {
    name = "pgha/postgres";
    programs = [
      pkgs.patroni
      pkgs.tini
      postgresql
    ];
    account = account "postgres" 999 "/data";
    commands = ''
      mkdir -p run/postgresql
      chmod 1777 run/postgresql
      ln -s ${postgresql}/bin usr/local/lib/postgresql
      ln -s ${pkgs.libfaketime}/lib/libfaketime.so.1 usr/local/lib/libfaketime.so
    '';
  };

  haproxy = image {
    name = "pgha/haproxy";
    programs = [ pkgs.haproxy ];
    account = account "haproxy" 997 "/nonexistent";
  };

  # the client of the lab and its controllers
  pgha = image {
    name = "pgha/pgha";
    programs = [ ];
    account = account "client" 996 "/nonexistent";
    commands = ''
      ln -s ${program}/bin/pgha usr/local/bin/pgha
      ln -s ${postgresql}/bin/pgbench usr/local/bin/pgbench
    '';
  };
}
