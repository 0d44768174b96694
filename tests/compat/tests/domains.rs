//! Documents that tests define.

use std::path::Path;

/// A machine with a console, a screen and nothing to boot from.
pub(crate) fn plain(name: &str) -> String {
    format!(
        "<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <graphics type='vnc' autoport='yes'/>
  </devices>
</domain>"
    )
}

/// The same with a disk.
pub(crate) fn with_disk(name: &str, image: &Path) -> String {
    let disk = format!(
        "<devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{}'/>
      <target dev='vda' bus='virtio'/>
    </disk>",
        image.display()
    );
    plain(name).replace("<devices>", &disk)
}

/// The same with a drive without a disc, a network, a balloon and two processors.
pub(crate) fn full(name: &str, image: &Path) -> String {
    let devices = "</disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
    <memballoon model='virtio'/>";
    let uuid = "<uuid>6b0ed2a1-3b93-4b9a-8b34-0d1a4c2ff001</uuid><memory";
    with_disk(name, image)
        .replace("</disk>", devices)
        .replace("<memory", uuid)
        .replace("<vcpu>1", "<vcpu>2")
}
