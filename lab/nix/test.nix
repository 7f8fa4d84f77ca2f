# A NixOS machine with a Docker engine founds a small lab from images of the flake, writes to it, and takes it down.
{
  pkgs,
  package,
  loader,
}:
pkgs.testers.runNixOSTest {
  name = "pgha-lab";
  nodes.machine = {
    virtualisation = {
      cores = 2;
      memorySize = 6144;
      diskSize = 16384;
      docker.enable = true;
    };
    boot.kernelModules = [
      "loop"
      "xfs"
    ];
    environment.systemPackages = [
      package
      loader
    ];
  };
  testScript = ''
    lab = "--preset small --set images.source=nix"
    machine.wait_for_unit("docker.service")
    machine.succeed("load-images")
    machine.succeed(f"pgha doctor {lab}")
    machine.succeed(f"pgha up {lab} --wait 10m")
    machine.succeed("pgha status -o json | grep -q '\"ready\":true\\|\"ready\": true'")
    machine.succeed("pgha down")
  '';
}
