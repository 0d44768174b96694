//! What QEMU's command lines name on the host: arguments in, things out.

mod qemu_support;

use qemu_support::{line, read_line, reading, thing};
use svirt_formats::command_line::{MAX_ARGUMENTS, MAX_BYTES, Problem};
use svirt_formats::qemu::{self, Network, Protocol, read};
use svirt_model::ImageFormat;

#[test]
fn drives() {
    names! {
        "-drive file=a.qcow2,format=qcow2" => ["image a.qcow2 qcow2 w"];
        "-drive file=a.img" => ["image a.img ? w"];
        "-drive file=a,,b,,.img,format=raw,if=virtio" => ["image a,b,.img raw w"];
        "-drive if=none,id=d,file=a.img,format=raw,readonly=on" => ["image a.img raw r"];
        "-drive file=a.img,format=raw,read-only=on" => ["image a.img raw r"];
        "-drive file=a.iso,media=cdrom,format=raw" => ["image a.iso raw r"];
        "-drive file=a.img,format=raw,snapshot=on" => ["image a.img raw r"];
        "-drive if=ide,media=cdrom,index=1" => [];
        "-drive if=pflash,format=raw,unit=0,file=/ovmf/CODE.fd,readonly=on"
            => ["image /ovmf/CODE.fd raw r"];
        "-drive file=a.img,format=raw,cache=none,aio=native,discard=unmap,bps_rd=1,iops.x=1"
            => ["image a.img raw w"];
        "-drive file=/dev/vg/lv,format=raw,file.locking=off" => ["image /dev/vg/lv raw w"];
        "-drive file=/dev/sdb,driver=host_device" => ["image /dev/sdb raw w"];
        "-drive file.filename=a.img,format=raw" => ["image a.img raw w"];
        "-drive driver=qcow2,file.driver=file,file.filename=a" => ["image a qcow2 w"];
        "-drive file=a,format=qcow2,backing.file.filename=b,backing.driver=raw"
            => ["image a qcow2 w backing named", "image b raw r"];
        "-drive file=a,format=qcow2,backing.file.filename=b"
            => ["image a qcow2 w backing named", "image b ? r"];
        "-drive file=a,format=qcow2,data-file.filename=d"
            => ["image a qcow2 w data named", "image d raw w"];
        "-drive file=/dev/fdset/3,format=raw" => [];
        "--drive file=a,format=vmdk --drive file=b,format=vhdx" => ["image a vmdk w", "image b vhdx w"];
        "-drive help" => [];
    }
}

#[test]
fn names_that_are_no_paths() {
    names! {
        "-drive file=file:a.img,format=raw" => ["image a.img raw w"];
        "-drive file=./a:b,format=raw" => ["image ./a:b raw w"];
        "-drive file=fat:dir,format=raw" => ["directory dir r"];
        "-drive file=fat:rw:floppy:32:/a/b,format=raw" => ["directory /a/b w"];
        "-drive file=nbd:unix:/run/nbd:exportname=x,format=raw" => ["connect /run/nbd"];
        "-drive file=nbd+unix:///x?socket=/run/a%20b,format=qcow2" => ["connect /run/a b"];
        "-drive file.driver=nbd,file.server.type=unix,file.server.path=/n,format=raw"
            => ["connect /n"];
        "-drive file.driver=nbd,file.path=/n,format=raw" => ["connect /n"];
        "-drive file=null-co://,format=raw" => [];
        "-drive file=nvme://0000:01:00.0/1,format=raw"
            => ["passthrough /sys/bus/pci/devices/0000:01:00.0"];
        r#"-drive file=json:{"driver":"qcow2",,"file":{"driver":"file",,"filename":"a,,b"}}"#
            => ["image a,b qcow2 w"];
        r#"-hda json:{"driver":"raw","file":{"filename":"a"}}"# => ["image a raw w"];
        "-drive file.filename=nbd:unix:/x,format=raw" => ["image nbd:unix:/x raw w"];
    }
    refuses! {
        "-drive file=http://host/a.iso" => "host's network";
        "-drive file=nbd:host:10809" => "host's network";
        "-drive file=nbd://host/x" => "host's network";
        "-drive file=ssh://host/a" => "host's network";
        "-drive file=rbd:pool/a" => "host's network";
        "-drive file=unknown:a" => "a colon before any slash";
        "-drive file=fat:c:dir,format=raw" => "drive letter";
        "-drive file=nbd+unix:///x,format=raw" => "\"socket\" is missing";
        "-drive file=nbd+unix:///x?socket=%zz,format=raw" => "not well encoded";
        "-drive file=json:[],format=raw" => "no object";
        "-drive file=nvme:x,format=raw" => "nvme://";
        "-drive file=nvme://zz/1,format=raw" => "no address of a PCI device";
        "-drive file=blkdebug:c:a" => "QEMU's own tests";
    }
}

#[test]
fn drives_that_cannot_be() {
    refuses! {
        "-drive file=,format=raw" => "empty";
        "-drive file=a,file=b" => "more than once";
        "-drive file=a,format=raw,driver=qcow2" => "more than once";
        "-drive file=a,readonly=on,read-only=off" => "more than once";
        "-drive file=a,readonly=perhaps" => "on or off";
        "-drive file=a,format=qed" => "does not read this image format";
        "-drive file=a,format=nonsense" => "no block driver \"nonsense\"";
        "-drive file=a,format=raw,nonsense=x" => "does not know \"nonsense\"";
        "-drive file=a,format=raw,file.nonsense=x" => "does not know \"nonsense\"";
        "-drive file=a,format=raw,=x" => "without a key";
        "-drive file=/proc/self/fd/3,format=raw" => "another file for each process";
        "-drive file=/dev/fd/3,format=raw" => "another file for each process";
    }
}

#[test]
fn short_forms_of_drives() {
    names! {
        "-hda a -hdb b,c -hdc d=e -hdd f"
            => ["image a ? w", "image b,c ? w", "image d=e ? w", "image f ? w"];
        "-cdrom a.iso" => ["image a.iso ? r"];
        "-fda a -fdb b -mtdblock c -sd d -pflash e"
            => ["image a ? w", "image b ? w", "image c ? w", "image d ? w", "image e ? w"];
        "a.img -m 64" => ["image a.img ? w"];
        "-snapshot -hda a -drive file=b,format=raw" => ["image a ? r", "image b raw r"];
        "-hda a -snapshot" => ["image a ? r"];
    }
    refuses! {
        "-hda" => "needs a value";
    }
    assert!(read(&[String::new()]).is_err());
}

#[test]
fn blockdevs() {
    names! {
        "-blockdev driver=file,node-name=f,filename=a -blockdev qcow2,node-name=q,file=f"
            => ["image a qcow2 w"];
        "-blockdev driver=file,node-name=f,filename=a" => ["image a raw w"];
        "-blockdev qcow2,node-name=q,file.driver=file,file.filename=a,read-only=on"
            => ["image a qcow2 r"];
        r#"-blockdev {"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"a,b"}}"#
            => ["image a,b qcow2 w"];
        r#"-blockdev {"driver":"file","filename":"a","node-name":"f","auto-read-only":true} -blockdev {"driver":"raw","file":"f","node-name":"r","read-only":true}"#
            => ["image a raw r"];
        r#"-blockdev {"driver":"file","filename":"a","node-name":"f","auto-read-only":true} -blockdev {"driver":"raw","file":"f","node-name":"r"}"#
            => ["image a raw w"];
        r#"-blockdev {"driver":"file","filename":"a","node-name":"f"} -blockdev {"driver":"raw","file":"f","node-name":"r","read-only":true}"#
            => ["image a raw w"];
        r#"-blockdev {"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"a"},"backing":null}"#
            => ["image a qcow2 w no backing"];
        r#"-blockdev {"driver":"qcow2","node-name":"q","file":{"driver":"file","filename":"a"},"backing":{"driver":"qcow2","file":{"driver":"file","filename":"b"},"backing":{"driver":"raw","file":{"driver":"file","filename":"c"}}}}"#
            => ["image a qcow2 w backing named", "image b qcow2 r backing named", "image c raw r"];
        "-blockdev file,node-name=f,filename=a -blockdev throttle,node-name=t,file=f,throttle-group=g -blockdev qcow2,node-name=q,file=t"
            => ["image a qcow2 w"];
        "-blockdev quorum,node-name=q,vote-threshold=1,children.0=x,children.1=y -blockdev file,node-name=x,filename=a -blockdev raw,node-name=y,file.driver=file,file.filename=b"
            => ["image a raw w", "image b raw w"];
        "-blockdev luks,node-name=l,key-secret=s,file.driver=file,file.filename=a"
            => ["image a luks w"];
        "-blockdev luks,node-name=l,key-secret=s,file.driver=file,file.filename=a,header.driver=file,header.filename=h"
            => ["image a raw w", "image h luks w"];
        "-blockdev luks,node-name=l,file.driver=qcow2,file.file.driver=file,file.file.filename=a"
            => ["image a qcow2 w"];
        "-blockdev qcow2,node-name=q,file=f,data-file=d -blockdev file,node-name=f,filename=a -blockdev file,node-name=d,filename=b"
            => ["image a qcow2 w data named", "image b raw w"];
        "-blockdev host_device,node-name=d,filename=/dev/sdb" => ["image /dev/sdb raw w"];
        "-blockdev nbd,node-name=n,server.type=unix,server.path=/n,export=x" => ["connect /n"];
        "-blockdev vvfat,node-name=v,dir=/d,rw=on" => ["directory /d w"];
        "-blockdev nvme,node-name=n,device=01:00.0,namespace=1"
            => ["passthrough /sys/bus/pci/devices/0000:01:00.0"];
        "-blockdev virtio-blk-vhost-user,node-name=v,path=/s" => ["connect /s"];
        "-blockdev virtio-blk-vhost-vdpa,node-name=v,path=/dev/vhost-vdpa-0"
            => ["device /dev/vhost-vdpa-0 w"];
        "-blockdev io_uring,node-name=v,filename=/dev/nvme0n1" => ["image /dev/nvme0n1 raw w"];
        "-blockdev null-co,node-name=n,size=1G" => [];
    }
    refuses! {
        "-blockdev node-name=f,filename=a" => "\"driver\" is missing";
        "-blockdev raw,node-name=r,file=f" => "no node with this name";
        "-blockdev http,node-name=h,url=http://host/a" => "host's network";
        "-blockdev nbd,node-name=n,server.type=inet,server.host=h,server.port=1" => "host's network";
        "-blockdev file,node-name=f,filename=a,nonsense=1" => "does not know \"nonsense\"";
        r#"-blockdev {"driver":"file","driver":"raw"}"# => "occurs twice";
        r#"-blockdev {"driver":"file","filename":"a\u0000b"}"# => "NUL";
        r#"-blockdev {"driver":"qcow2","file.filename":"a"}"# => "no name that QEMU has";
        "-blockdev {'driver':'file'}" => "not the JSON";
        "-blockdev file,node-name=f,filename=a -blockdev raw,node-name=r,file=f -blockdev qcow2,node-name=q,file=f"
            => "it can have only one format";
        "-blockdev file,node-name=f,filename=a -blockdev file,node-name=f,filename=b"
            => "\"node-name=f\" is given more than once";
    }
}

#[test]
fn nodes_in_a_circle_are_answered() {
    let circle = "-blockdev throttle,node-name=a,file=b,throttle-group=g \
                  -blockdev throttle,node-name=b,file=a,throttle-group=g \
                  -blockdev throttle,node-name=c,file=f,throttle-group=g \
                  -blockdev file,node-name=f,filename=x";
    names! { circle => ["image x raw w"]; }
}

#[test]
fn deep_graphs_are_refused() {
    let keys = format!("-blockdev {}driver=file", "file.".repeat(3000));
    assert!(read_line(&keys).is_err());
    let drive = format!("-drive {}filename=a", "file.".repeat(3000));
    assert!(read_line(&drive).is_err());
    let drive = format!("-drive {}filename=a", "backing.".repeat(3000));
    let error = read_line(&drive).expect_err("it is too deep");
    assert!(matches!(error.problem, Problem::TooMuch { .. }), "{error}");
    let json = format!("-blockdev {}{}", r#"{"file":"#.repeat(100), "}".repeat(100));
    assert!(read_line(&json).is_err());
}

#[test]
fn boot_files() {
    names! {
        "-kernel vmlinuz -initrd initrd.img -append root=/dev/sda -dtb x.dtb -shim s.efi"
            => ["file vmlinuz r", "file initrd.img r", "file x.dtb r", "file s.efi r"];
        "-bios bios.bin -L /firmware" => ["firmware bios.bin", "directory /firmware r"];
        "-option-rom r.bin -option-rom romfile=s.bin,bootindex=1"
            => ["firmware r.bin", "firmware s.bin"];
        "-M pc,kernel=k,initrd=i,dtb=d,firmware=f"
            => ["file k r", "file i r", "file d r", "firmware f"];
        "-machine q35,dumpdtb=out.dtb,accel=kvm,pflash0=p,append=a/b" => ["output out.dtb"];
        "-boot order=c,splash=logo.bmp" => ["firmware logo.bmp"];
        "-fw_cfg name=opt/x,file=c.ign -fw_cfg opt/y,string=a/b" => ["file c.ign r"];
        "-smbios file=a -smbios type=11,value=a/b,path=c -smbios type=1,manufacturer=a/b"
            => ["file a r", "file c r"];
        "-acpitable file=a:b -acpitable sig=X,data=c" => ["file a r", "file b r", "file c r"];
        "-L help" => [];
    }
    refuses! {
        "-machine pc,unknown=/etc/shadow" => "does not know \"unknown\"";
        "-machine pc,unknown=unix:x" => "does not know \"unknown\"";
        "-boot splash=a,nonsense=b" => "does not know \"nonsense\"";
        "-k /etc/passwd" => "no keyboard map";
        "-option-rom bootindex=1" => "\"romfile\" is missing";
    }
}

#[test]
fn character_devices() {
    names! {
        "-chardev null,id=c" => [];
        "-chardev vc,id=c,width=80 -chardev ringbuf,id=r,size=64k -chardev spicevmc,id=s,name=vdagent"
            => [];
        "-chardev stdio,id=c,mux=on,signal=off" => ["stream Input", "stream Output"];
        "-chardev socket,id=c,path=/s,server=on,wait=off" => ["listen 0 /s"];
        "-chardev socket,id=c,path=/s,server,nowait" => ["listen 0 /s"];
        "-chardev socket,id=c,path=/s" => ["connect /s"];
        "-chardev socket,id=c,path=/s,server=off,reconnect=1" => ["connect /s"];
        "-chardev socket,id=c,fd=7" => ["descriptor 7"];
        "-chardev socket,id=c,fd=1" => ["stream Output"];
        "-chardev file,id=c,path=log,input-path=in,logfile=l,logappend=on"
            => ["output l", "file in r", "output log"];
        "-chardev pipe,id=c,path=p" => ["pipe p"];
        "-chardev serial,id=c,path=/dev/ttyS0 -chardev parallel,id=d,path=/dev/parport0"
            => ["device /dev/ttyS0 w", "device /dev/parport0 w"];
        "-chardev file,id=c,path=/dev/fdset/2" => [];
        "-chardev help" => [];
    }
    refuses! {
        "-chardev socket,id=c,host=localhost,port=1,server=on" => "host's network";
        "-chardev udp,id=c,host=a,port=1" => "host's network";
        "-chardev socket,id=c,path=x,abstract=on" => "abstract socket";
        "-chardev socket,id=c,server=on" => "\"path\" is missing";
        "-chardev socket,id=c,path=" => "empty";
        "-chardev socket,id=c,fd=monitor" => "only descriptors";
        "-chardev pty,id=c" => "/dev/pts";
        "-chardev braille,id=c" => "braille";
        "-chardev nonsense,id=c" => "no character device \"nonsense\"";
        "-chardev null,id=c,path=/x" => "does not know \"path\"";
        "-chardev file,id=c,path=/dev/stdout" => "another file for each process";
        "-chardev socket,id=a,path=/s,server=on -chardev socket,id=b,path=/s,server=on"
            => "another argument listens";
    }
}

#[test]
fn character_devices_in_the_old_grammar() {
    names! {
        "-serial stdio" => ["stream Input", "stream Output"];
        "-serial mon:stdio" => ["stream Input", "stream Output"];
        "-serial none -parallel null -monitor vc -debugcon vc:80Cx24C -serial chardev:c -gdb none" => [];
        "-serial file:out,x.log" => ["output out,x.log"];
        "-serial pipe:p" => ["pipe p"];
        "-serial /dev/ttyS0 -parallel /dev/parport0"
            => ["device /dev/ttyS0 w", "device /dev/parport0 w"];
        "-monitor unix:/m,server,nowait" => ["listen 0 /m"];
        "-qmp unix:/q,server=on,wait=off -qmp-pretty unix:/p" => ["listen 0 /q", "connect /p"];
        "-gdb unix:/g,server=on,wait=off" => ["listen 0 /g"];
        "-serial mon:unix:/a,,b,server=on" => ["listen 0 /a,b"];
        "-mon chardev=c,mode=control" => [];
    }
    refuses! {
        "-serial tcp::4444,server=on" => "host's network";
        "-monitor telnet:localhost:1,server" => "host's network";
        "-qmp tcp:localhost:1" => "host's network";
        "-serial udp::1" => "host's network";
        "-serial pty" => "/dev/pts";
        "-gdb tcp::1234" => "host's network";
        "-s" => "TCP port 1234";
        "-serial nonsense" => "no character device";
        "-serial nonsense:x" => "no character device";
        "-serial unix:" => "\"path\" is missing";
        "-serial unix:/x,nonsense=1" => "does not know \"nonsense\"";
        "-serial file:" => "empty";
    }
}

#[test]
fn networks() {
    names! {
        "-netdev user,id=n,restrict=on" => [];
        "-netdev user,id=n,tftp=/srv,bootfile=x/y" => ["directory /srv r"];
        "-netdev user,id=n,guestfwd=tcp:10.0.2.9:80-chardev:c" => [];
        "-netdev user,id=n,guestfwd=tcp:10.0.2.9:80-unix:/s" => ["connect /s"];
        "-nic user,model=virtio-net-pci,mac=52:54:00:12:34:56 -nic none" => [];
        "-net nic,model=e1000 -net user" => [];
        "-netdev tap,id=n,fd=5" => ["descriptor 5"];
        "-netdev tap,id=n,fds=5:6,vhostfds=7:8"
            => ["descriptor 5", "descriptor 6", "descriptor 7", "descriptor 8"];
        "-netdev tap,id=n,fd=5,vhost=on" => ["descriptor 5", "device /dev/vhost-net w"];
        "-netdev tap,id=n,fd=5,vhost=on,vhostfd=6" => ["descriptor 5", "descriptor 6"];
        "-netdev socket,id=n,fd=5" => ["descriptor 5"];
        "-netdev stream,id=n,server=on,addr.type=unix,addr.path=/s" => ["listen 0 /s"];
        "-netdev stream,id=n,addr.type=unix,addr.path=/s" => ["connect /s"];
        "-netdev stream,id=n,addr.type=fd,addr.str=5" => ["descriptor 5"];
        r#"-netdev {"type":"stream","id":"n","server":true,"addr":{"type":"unix","path":"/s"}}"#
            => ["listen 0 /s"];
        "-netdev dgram,id=n,local.type=unix,local.path=/a,remote.type=unix,remote.path=/b"
            => ["listen 0 /a", "connect /b"];
        "-netdev dgram,id=n,local.type=fd,local.str=5" => ["descriptor 5"];
        "-netdev vhost-user,id=n,chardev=c -netdev hubport,id=h,hubid=0" => [];
        "-netdev vhost-vdpa,id=n,vhostdev=/dev/vhost-vdpa-0" => ["device /dev/vhost-vdpa-0 w"];
    }
    refuses! {
        "-netdev tap,id=n" => "network interfaces";
        "-netdev tap,id=n,ifname=tap0,script=no" => "network interfaces";
        "-netdev bridge,id=n,br=br0" => "network interfaces";
        "-netdev af-xdp,id=n,ifname=eth0" => "network interfaces";
        "-netdev socket,id=n,listen=:1" => "host's network";
        "-netdev stream,id=n,addr.type=inet,addr.host=h,addr.port=1" => "host's network";
        "-netdev l2tpv3,id=n,src=a,dst=b,txsession=1" => "host's network";
        "-netdev vde,id=n,sock=/s" => "VDE";
        "-netdev passt,id=n" => "starts another program";
        "-netdev user,id=n,smb=/d" => "starts another program";
        "-netdev user,id=n,guestfwd=tcp:10.0.2.9:80-cmd:sh" => "starts another program";
        "-netdev user,id=n,guestfwd=tcp:10.0.2.9:80-tcp:h:1" => "host's network";
        "-netdev user,id=n,guestfwd=tcp:10.0.2.9:80-unix:/s,,server=on" => "a listening socket here";
        "-netdev user,id=n,hostfwd=tcp::x-:1" => "[tcp|udp]";
        "-netdev nonsense,id=n" => "no network \"nonsense\"";
        "-netdev user,id=n,nonsense=1" => "does not know \"nonsense\"";
        "-netdev vhost-vdpa,id=n" => "\"vhostdev\" is missing";
        "-netdev tap,id=n,fd=5,helper=/h" => "starts another program";
    }
}

#[test]
fn the_guests_own_network() {
    let network = |line: &str| read_line(line).expect("it is understood").network;
    assert_eq!(network(""), Network::Default);
    assert_eq!(network("-nodefaults"), Network::No);
    assert_eq!(network("-nic none"), Network::No);
    assert_eq!(network("-netdev tap,fd=3,id=n"), Network::No);
    assert_eq!(network("-nodefaults -netdev user,id=n"), Network::Asked);
    assert_eq!(network("-nic user -nic tap,fd=3"), Network::Asked);
    let line = "-netdev user,id=n,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::53-10.0.2.15:53";
    let forwards = read_line(line).expect("it is understood").forwards;
    assert_eq!(forwards.len(), 2);
    assert_eq!(forwards[0].protocol, Protocol::Tcp);
    assert_eq!(forwards[0].address.as_deref(), Some("127.0.0.1"));
    assert_eq!(forwards[0].port, 2222);
    assert_eq!((forwards[1].protocol, forwards[1].port), (Protocol::Udp, 53));
    assert_eq!(forwards[1].address, None);
}

#[test]
fn objects() {
    names! {
        "-object memory-backend-file,id=m,size=1G,mem-path=/hp,share=on" => ["memory /hp w"];
        "-object memory-backend-file,id=m,size=1G,mem-path=/f,readonly=on" => ["memory /f r"];
        "-object memory-backend-memfd,id=m,size=1G -object memory-backend-ram,id=n,size=1G" => [];
        "-mem-path /dev/hugepages -mem-prealloc" => ["memory /dev/hugepages w"];
        "-object tls-creds-x509,id=t,dir=/pki,endpoint=server,verify-peer=on" => ["directory /pki r"];
        "-object tls-creds-psk,id=t,dir=/psk,endpoint=client" => ["directory /psk r"];
        "-object secret,id=s,file=/s -object secret,id=t,data=a/b,format=base64" => ["file /s r"];
        "-object rng-random,id=r,filename=/dev/hwrng" => ["device /dev/hwrng r"];
        "-object rng-random,id=r" => ["device /dev/urandom r"];
        "-object rng-random,id=r,filename=/seed" => ["file /seed r"];
        "-object rng-egd,id=r,chardev=c -object rng-builtin,id=b -object iothread,id=i" => [];
        "-object input-linux,id=i,evdev=/dev/input/event0,grab_all=on"
            => ["device /dev/input/event0 w"];
        "-object filter-dump,id=d,netdev=n,file=p.pcap" => ["output p.pcap"];
        "-object authz-list-file,id=a,filename=/acl" => ["file /acl r"];
        "-object authz-list,id=a,policy=deny,rules.0.match=CN=a/b,rules.0.policy=allow" => [];
        "-object pr-manager-helper,id=p,path=/run/pr.sock" => ["connect /run/pr.sock"];
        "-object dbus-vmstate,id=d,addr=unix:path=/bus" => ["connect /bus"];
        "-object sev-guest,id=s,session-file=/s,dh-cert-file=/d,policy=1,cbitpos=47,reduced-phys-bits=1"
            => ["file /s r", "file /d r", "device /dev/sev w"];
        "-object sev-snp-guest,id=s,sev-device=/dev/sev1,cbitpos=51,reduced-phys-bits=1,id-block=a/b+c="
            => ["device /dev/sev1 w"];
        "-object memory-backend-epc,id=e,size=1M" => ["device /dev/sgx_vepc w"];
        "-object iommufd,id=i -object iommufd,id=j,fd=9" => ["device /dev/iommu w", "descriptor 9"];
        "-object igvm-cfg,id=i,file=/x.igvm" => ["file /x.igvm r"];
        "-object x-remote-object,id=r,fd=4,devid=d" => ["descriptor 4"];
        "-object x-vfio-user-server,id=v,socket.type=unix,socket.path=/v,device=d" => ["listen 0 /v"];
        r#"-object {"qom-type":"tdx-guest","id":"t","quote-generation-socket":{"type":"unix","path":"/q"}}"#
            => ["connect /q"];
        "-object cryptodev-vhost-user,id=c,chardev=d" => [];
        "-object qtest,id=q,chardev=c,log=/l -qtest unix:/q -qtest-log l" => ["output /l", "connect /q", "output l"];
    }
    refuses! {
        "-object nonsense,id=n" => "no object \"nonsense\"";
        "-object secret,id=s,nonsense=1" => "does not know \"nonsense\"";
        "-object can-host-socketcan,id=c,if=can0,canbus=b" => "network interfaces";
        "-object input-barrier,id=b,name=n,server=s" => "host's network";
        "-object authz-pam,id=a,service=s" => "PAM";
        "-object dbus-vmstate,id=d,addr=tcp:host=h" => "D-Bus addresses";
        "-object memory-backend-file,id=m,size=1G" => "\"mem-path\" is missing";
        r#"-object {"qom-type":"tdx-guest","id":"t","quote-generation-socket":{"type":"vsock","cid":"2","port":"1"}}"#
            => "no vsock";
    }
}

#[test]
fn devices() {
    names! {
        "-device virtio-blk-pci,drive=d,bootindex=1,iothread=i,serial=a/b" => [];
        r#"-device {"driver":"virtio-blk-pci","drive":"d","addr":"0x3","write-cache":"on"}"# => [];
        "-device e1000,netdev=n,romfile=" => [];
        "-device e1000,netdev=n,romfile=efi-e1000.rom" => ["firmware efi-e1000.rom"];
        "-device vfio-pci,host=01:00.0" => ["passthrough /sys/bus/pci/devices/0000:01:00.0"];
        "-device vfio-pci,host=0001:0a:1f.7" => ["passthrough /sys/bus/pci/devices/0001:0a:1f.7"];
        "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/u" => ["passthrough /sys/bus/mdev/devices/u"];
        "-device vfio-pci,fd=4,iommufd=i" => ["descriptor 4"];
        r#"-device {"driver":"vfio-user-pci","socket":{"type":"unix","path":"/v"}}"# => ["connect /v"];
        "-device vhost-vsock-pci,guest-cid=3" => ["device /dev/vhost-vsock w"];
        "-device vhost-vsock-pci,guest-cid=3,vhostfd=4" => ["descriptor 4"];
        "-device vhost-scsi-pci,wwpn=naa.1" => ["device /dev/vhost-scsi w"];
        "-device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0" => ["device /dev/vhost-vdpa-0 w"];
        "-device vhost-user-fs-pci,chardev=c,tag=t" => [];
        "-device virtio-input-host-pci,evdev=/dev/input/event1" => ["device /dev/input/event1 w"];
        "-device usb-host,hostdevice=/dev/bus/usb/001/002" => ["device /dev/bus/usb/001/002 w"];
        "-device usb-host,hostbus=1,hostaddr=12" => ["device /dev/bus/usb/001/012 w"];
        "-device usb-mtp,rootdir=/d" => ["directory /d r"];
        "-device usb-mtp,rootdir=/d,readonly=off" => ["directory /d w"];
        "-device u2f-passthru,hidraw=/dev/hidraw0" => ["device /dev/hidraw0 w"];
        "-device u2f-emulated,dir=/u" => ["directory /u w"];
        "-device loader,file=/x.elf,cpu-num=0" => ["file /x.elf r"];
        "-device guest-loader,addr=0x1,kernel=/k,bootargs=a=/b" => ["file /k r"];
        "-device ipmi-bmc-sim,sdrfile=/s,frudatafile=/f" => ["file /s r", "file /f r"];
        "-device usb-kbd,pcap=/t.pcap" => ["output /t.pcap"];
        "-device isa-applesmc,osk=a/b" => [];
        "-device x-pci-proxy-dev,fd=4" => ["descriptor 4"];
        "-device cxl-type3,cdat=/c" => ["file /c r"];
        "-device help -device virtio-net-pci,help" => [];
        "-global virtio-net-pci.romfile= -global e1000.romfile=r -global ICH9-LPC.disable_s3=1"
            => ["firmware r"];
        "-global driver=cfi.pflash01,property=secure,value=on" => [];
        "-set device.d.bootindex=1 -set drive.d.cache=none" => [];
        "-usbdevice tablet" => [];
    }
    refuses! {
        "-device nonsense,file=x" => "does not know \"file\"";
        "-device nonsense,unknown=/x" => "does not know \"unknown\"";
        "-device vfio-pci" => "\"host\" is missing";
        "-device vfio-pci,host=nonsense" => "no address of a PCI device";
        "-device usb-host,vendorid=1,productid=2" => "search all devices";
        "-device usb-host,hostbus=a,hostaddr=1" => "is a number";
        "-device u2f-passthru" => "search all devices";
        "-device ccid-card-emulated" => "certificates and keys";
        "-device xen-disk" => "Xen";
        "-device pvrdma,ibdev=x" => "InfiniBand";
        "-global usb-host.hostdevice=/dev/x" => "must know the device";
        "-global e1000.unknown=/x" => "does not know \"unknown\"";
        "-set drive.d.file=/x" => "must know the device";
        "-set chardev.c.path=/x" => "must know the device";
        "-set device.d.sysfsdev=/x" => "must know the device";
        "-usbdevice host:1.2" => "knows only the devices";
    }
}

#[test]
fn screens() {
    names! {
        "-display none" => [];
        "-vnc unix:/v" => ["listen 0 /v"];
        "-vnc unix:/v,password-secret=s,tls-creds=t,share=ignore" => ["listen 0 /v"];
        "-vnc unix:/v,reverse=on" => ["connect /v"];
        "-vnc none" => [];
        "-display vnc=unix:/v" => ["listen 0 /v"];
        "-spice unix=on,addr=/s,disable-ticketing=on" => ["listen 0 /s"];
        "-spice unix=on,addr=/s,x509-dir=/x,x509-key-file=/k,rendernode=/dev/dri/renderD128"
            => ["directory /x r", "file /k r", "device /dev/dri/renderD128 w", "listen 0 /s"];
        "-display egl-headless,rendernode=/dev/dri/renderD128" => ["device /dev/dri/renderD128 w"];
        "-display curses" => ["stream Input", "stream Output"];
        "-nographic" => ["stream Input", "stream Output"];
        "-display dbus,p2p=on -display dbus,addr=unix:path=/b" => ["connect /b"];
        r#"-display {"type":"egl-headless","rendernode":"/dev/dri/renderD129"}"#
            => ["device /dev/dri/renderD129 w"];
    }
    refuses! {
        "-vnc :0" => "host's network";
        "-vnc localhost:1,to=9" => "host's network";
        "-vnc unix:/v,websocket=5700" => "host's network";
        "-spice port=5900" => "host's network";
        "-spice addr=127.0.0.1" => "host's network";
        "-spice unix=on" => "\"addr\" is missing";
        "-display gtk" => "desktop session";
        "-display sdl,gl=on" => "desktop session";
        "-display dbus" => "session bus";
        "-display nonsense" => "no display \"nonsense\"";
        "-vnc unix:/v,nonsense=1" => "does not know \"nonsense\"";
    }
}

#[test]
fn sound() {
    names! {
        "-audiodev none,id=a -audiodev spice,id=b" => [];
        "-audiodev wav,id=a,path=/o.wav" => ["output /o.wav"];
        "-audiodev wav,id=a" => ["output qemu.wav"];
        "-audiodev oss,id=a,in.dev=/dev/dsp1,out.dev=/dev/dsp2"
            => ["device /dev/dsp1 w", "device /dev/dsp2 w"];
        "-audiodev oss,id=a" => ["device /dev/dsp w"];
        "-audiodev pa,id=a,server=/run/pulse,out.name=a/b" => ["connect /run/pulse"];
        "-audio pa,model=hda,server=unix:/run/pulse" => ["connect /run/pulse"];
    }
    refuses! {
        "-audiodev alsa,id=a" => "host's sound";
        "-audiodev pa,id=a" => "host's sound";
        "-audiodev pa,id=a,server=tcp:host" => "host's sound";
        "-audiodev pipewire,id=a" => "host's sound";
        "-audiodev wav,id=a,nonsense=1" => "does not know \"nonsense\"";
    }
}

#[test]
fn shared_directories_and_tpms() {
    names! {
        "-fsdev local,id=f,path=/d,security_model=none" => ["directory /d w"];
        "-virtfs local,path=/d,mount_tag=t,security_model=mapped-xattr,readonly=on" => ["directory /d r"];
        "-fsdev proxy,id=f,socket=/s" => ["connect /s"];
        "-fsdev proxy,id=f,sock_fd=4" => ["descriptor 4"];
        "-fsdev synth,id=f" => [];
        "-tpmdev passthrough,id=t,path=/dev/tpm1,cancel-path=/sys/c"
            => ["file /sys/c w", "device /dev/tpm1 w"];
        "-tpmdev passthrough,id=t" => ["device /dev/tpm0 w"];
        "-tpmdev emulator,id=t,chardev=c" => [];
    }
    refuses! {
        "-fsdev local,id=f" => "\"path\" is missing";
        "-fsdev local,id=f,path=/d,nonsense=x" => "does not know \"nonsense\"";
        "-tpmdev nonsense,id=t" => "no TPM";
    }
    assert!(reading(&["-virtfs", "local,path=/d,mount_tag=t"]).own_descriptors);
    assert!(!reading(&["-fsdev", "synth,id=f"]).own_descriptors);
}

#[test]
fn migration() {
    names! {
        "-incoming defer" => [];
        "-incoming unix:/m" => ["listen 0 /m"];
        "-incoming unix:/m,x" => ["listen 0 /m,x"];
        "-incoming fd:5" => ["descriptor 5"];
        "-incoming file:/s,offset=0x10" => ["file /s r"];
        r#"-incoming {"channel-type":"main","addr":{"transport":"socket","type":"unix","path":"/m"}}"#
            => ["listen 0 /m"];
        r#"-incoming [{"channel-type":"main","addr":{"transport":"file","filename":"/s","offset":1}},{"channel-type":"cpr","addr":{"transport":"socket","type":"unix","path":"/c"}}]"#
            => ["file /s r", "listen 0 /c"];
        "-loadvm snapshot1" => [];
    }
    refuses! {
        "-incoming exec:cat" => "shell command";
        "-incoming tcp::4444" => "host's network";
        "-incoming rdma:h:1" => "host's network";
        "-incoming nonsense" => "no migration source";
        r#"-incoming {"channel-type":"main","addr":{"transport":"exec","args":["sh"]}}"# => "shell command";
    }
}

#[test]
fn qemus_own_process() {
    names! {
        "-pidfile p -D log -d int,cpu_reset -dump-vmstate v" => ["output p", "output log", "output v"];
        "-trace virtio*,file=t,events=e" => ["output t", "file e r"];
        "-trace help" => [];
        "-plugin /p.so,arg=1" => ["library /p.so"];
        "-icount shift=auto,rr=record,rrfile=r" => ["output r"];
        "-icount shift=auto,rr=replay,rrfile=r" => ["file r r"];
        "-add-fd fd=5,set=1,opaque=a/b" => ["descriptor 5"];
        "-sandbox on,spawn=deny -msg timestamp=on -name guest=a/b -compat deprecated-input=reject" => [];
        "-run-with exit-with-parent=on -semihosting-config enable=on,target=native" => [];
        "-version -h" => [];
    }
    refuses! {
        "-daemonize" => "its user and its supervisor";
        "-chroot /x" => "its user and its supervisor";
        "-runas nobody" => "its user and its supervisor";
        "-run-with chroot=/x" => "its user and its supervisor";
        "-run-with user=nobody" => "its user and its supervisor";
        "-readconfig f" => "not the files it names";
        "-writeconfig f" => "not the files it names";
        "-D log.%d" => "process's number";
        "-plugin /p.so,arg=/x" => "does not know \"arg\"";
        "-perfmap" => "profilers";
        "-xen-domid 1" => "Xen";
        "-accel xen" => "KVM or TCG";
        "-iscsi user=u" => "host's network";
        "-nonsense" => "no option \"-nonsense\"";
        "---drive x" => "no option";
        "- x" => "no option";
        "-drive" => "needs a value";
    }
}

#[test]
fn accelerators() {
    let facts = |line: &str| {
        let reading = read_line(line).expect("it is understood");
        (reading.kvm, reading.executable_memory, reading.accelerator_stated)
    };
    assert_eq!(facts(""), (false, true, false));
    assert_eq!(facts("-enable-kvm"), (true, false, true));
    assert_eq!(facts("-accel kvm"), (true, false, true));
    assert_eq!(facts("-accel kvm -accel tcg,thread=multi"), (true, true, true));
    assert_eq!(facts("-machine q35,accel=kvm:tcg"), (true, true, true));
    assert_eq!(facts("-machine accel=tcg"), (false, true, true));
    assert_eq!(facts("-accel qtest"), (false, false, true));
    names! { "-accel kvm,device=/dev/kvm2" => ["device /dev/kvm2 w"]; }
}

#[test]
fn displays_and_temporary_files_that_nobody_asked_for() {
    let reading = |line: &str| read_line(line).expect("it is understood");
    assert!(reading("-nodefaults").default_display);
    assert!(!reading("-display none").default_display);
    assert!(!reading("-nographic").default_display);
    assert!(!reading("-vnc unix:/v").default_display);
    assert!(!reading("-hda a").temporary_files);
    assert!(reading("-snapshot").temporary_files);
    assert!(reading("-drive file=a,snapshot=on").temporary_files);
    assert!(reading("-drive file=fat:rw:d,format=raw").temporary_files);
}

#[test]
fn listening_sockets_are_replaced_where_they_stand() {
    let rewritten = |text: &str| line(&read_line(text).expect("it is understood").arguments);
    let same = "-m 64 -drive file=a,,b,format=raw -chardev socket,id=c,path=/s -device x,y=z";
    assert_eq!(rewritten(same), same);
    assert_eq!(
        rewritten("-chardev socket,id=c,path=/a,,b,server=on,wait=off"),
        "-chardev socket,id=c,path={0},server=on,wait=off"
    );
    assert_eq!(
        rewritten("-serial unix:/a,,b,server=on -monitor mon:unix:/m,server"),
        "-serial unix:{0},server=on -monitor mon:unix:{1},server"
    );
    assert_eq!(rewritten("-vnc unix:/a,,b,share=ignore"), "-vnc unix:{0},share=ignore");
    assert_eq!(rewritten("-vnc vnc=unix:/a"), "-vnc vnc=unix:{0}");
    assert_eq!(
        rewritten("-display vnc=unix:/a,,b,share=ignore"),
        "-display vnc=unix:{0},share=ignore"
    );
    assert_eq!(rewritten("-incoming unix:/m,x"), "-incoming unix:{0}");
    assert_eq!(rewritten("-spice addr=/s,unix=on"), "-spice addr={0},unix=on");
    assert_eq!(
        rewritten(
            r#"-netdev {"id":"n","type":"stream","server":true,"addr":{"type":"unix","path":"/\"s"}}"#
        ),
        r#"-netdev {"id":"n","type":"stream","server":true,"addr":{"type":"unix","path":"{0}"}}"#
    );
    assert_eq!(rewritten("a.img -S"), "-hda a.img -S");
}

#[test]
fn formats_can_be_stated_afterwards() {
    let stated = |text: &str| {
        let mut reading = read_line(text).expect("it is understood");
        let last = reading.found.len() - 1;
        assert!(reading.state_format(last, ImageFormat::Qcow2), "{text}");
        assert!(!reading.state_format(last, ImageFormat::Raw), "it is stated once: {text}");
        let line = line(&reading.arguments);
        let again = read_line(&line).expect("it is still understood");
        assert_eq!(thing(&again.found[last].what), thing(&reading.found[last].what), "{line}");
        line
    };
    assert_eq!(stated("-drive file=a,,b"), "-drive format=qcow2,file=a,,b");
    assert_eq!(stated("-drive file=a,"), "-drive format=qcow2,file=a,");
    assert_eq!(stated("-hdb a,b"), "-drive file=a,,b,format=qcow2,index=1,media=disk");
    assert_eq!(stated("--cdrom a"), "-drive file=a,format=qcow2,index=2,media=cdrom");
    assert_eq!(stated("-S a"), "-S -drive file=a,format=qcow2,index=0,media=disk");
    assert_eq!(stated("-fda x -pflash a"), "-fda x -drive file=a,format=qcow2,if=pflash");
    assert_eq!(
        stated("-drive format=qcow2,file=a,backing.file.filename=b"),
        "-drive backing.driver=qcow2,format=qcow2,file=a,backing.file.filename=b"
    );
    assert_eq!(
        stated(r#"-drive file=json:{"file":{"filename":"a"}}"#),
        r#"-drive format=qcow2,file=json:{"file":{"filename":"a"}}"#
    );
    let mut raw = reading(&["-hda", "a"]);
    assert!(raw.state_format(0, ImageFormat::Raw));
    assert_eq!(thing(&raw.found[0].what), "image a raw w");
    let mut reading = reading(&["-kernel", "k", "-drive", "file=a,format=raw"]);
    assert!(!reading.state_format(0, ImageFormat::Raw));
    assert!(!reading.state_format(1, ImageFormat::Qcow2));
    assert!(!reading.state_format(2, ImageFormat::Qcow2));
}

#[test]
fn origins_are_the_users_words() {
    let origin = |line: &str| read_line(line).expect("it is understood").found[0].origin.0.clone();
    assert_eq!(origin("-m 64 -drive format=raw,file=a"), "-drive file=a (argument 4)");
    assert_eq!(origin("-hda a.img"), "-hda a.img (argument 2)");
    assert_eq!(origin("-S a.img"), "disk image a.img (argument 2)");
    assert_eq!(
        origin(
            r#"--blockdev {"driver":"raw","node-name":"r","file":{"driver":"file","filename":"a"}}"#
        ),
        "--blockdev file.filename=a (argument 2)"
    );
    assert_eq!(origin("-serial unix:/s,server=on"), "-serial path=/s (argument 2)");
    assert_eq!(origin("-nographic"), "-nographic (argument 1)");
}

#[test]
fn errors_name_the_argument() {
    let error = read_line("-m 64 -chardev pty,id=c").expect_err("it is refused");
    assert_eq!(error.number, 4);
    assert_eq!(
        error.to_string(),
        "argument 4 (-chardev pty,id=c): pty: a pseudo-terminal that the machine makes is in a \
         /dev/pts of its own, where nobody else can open it"
    );
    assert!(error.hint().contains("unix socket"));
    for secret in ["-object secret,id=s,data=hush,x=y", "-spice port=1,password=hush"] {
        let error = read_line(secret).expect_err("it is refused").to_string();
        assert!(!error.contains("hush"), "{error}");
    }
    let error = read(&["-name".into(), "x".into(), "-a\u{1b}[31m".into()]).expect_err("unknown");
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
}

#[test]
fn limits() {
    let many = vec!["-S".to_owned(); MAX_ARGUMENTS];
    assert!(read(&many).is_ok());
    let too_many = vec!["-S".to_owned(); MAX_ARGUMENTS + 1];
    assert!(matches!(read(&too_many).expect_err("too many").problem, Problem::TooMuch { .. }));
    let long = ["-append".to_owned(), "x".repeat(MAX_BYTES - 7)];
    assert!(read(&long).is_ok());
    let too_long = ["-append".to_owned(), "x".repeat(MAX_BYTES - 6)];
    assert!(matches!(read(&too_long).expect_err("too long").problem, Problem::TooMuch { .. }));
    let keys = format!("null,{}", "a=b,".repeat(5000));
    assert!(read(&["-chardev".into(), keys]).is_err());
    assert!(read(&["-append".into(), "a\0b".into()]).is_err());
}

#[test]
fn a_whole_command_line() {
    names! {
        "-name web -machine q35,accel=kvm -cpu host -m 4G -smp 4 -nodefaults -display none \
         -drive if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd \
         -drive if=pflash,format=raw,unit=1,file=vars.fd \
         -blockdev driver=qcow2,node-name=root,file.driver=file,file.filename=root.qcow2 \
         -device virtio-blk-pci,drive=root,bootindex=1 \
         -netdev user,id=net,hostfwd=tcp:127.0.0.1:2222-:22 -device virtio-net-pci,netdev=net \
         -chardev socket,id=tpm,path=swtpm.sock -tpmdev emulator,id=tpm0,chardev=tpm \
         -device tpm-crb,tpmdev=tpm0 -object rng-builtin,id=rng -device virtio-rng-pci,rng=rng \
         -qmp unix:qmp.sock,server=on,wait=off -serial mon:stdio" => [
            "image /usr/share/OVMF/OVMF_CODE.fd raw r",
            "image vars.fd raw w",
            "image root.qcow2 qcow2 w",
            "connect swtpm.sock",
            "listen 0 qmp.sock",
            "stream Input",
            "stream Output",
        ];
    }
}

#[test]
fn beside_other_arguments_stands_only_what_decides_nothing_of_theirs() {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (name, why) in qemu::BESIDE {
        let option = qemu::options().find(|option| option.names.contains(name)).expect(name);
        assert!(option.refused.is_none() && option.takes_value && !why.is_empty(), "{name}");
    }
    let read = |line: &str| qemu::read_beside(&words(line));
    assert_eq!(read("-fw_cfg name=a,file=/b -d int").unwrap().found.len(), 1);
    for line in ["-machine pc", "-d int -accel tcg", "--m 1G", "-qmp stdio", "-S", "disk.img"] {
        let problem = read(line).unwrap_err().problem;
        assert!(problem.hint().contains("svirt exec"), "{line}: {problem}");
    }
    // A value is no option, and an option is read as it always is.
    read("-fw_cfg name=-machine,string=-accel").unwrap();
    assert!(read("-drive file=/a,teapot=/b").is_err());
}
