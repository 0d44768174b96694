//! What libvirt has and sVirt has not: counted, listed and looked for, truthfully.

use super::{Answer, Call};
use crate::failure::no_support;
use std::fmt::Display;
use svirt_rpc::{
    Checkpoint, Code, Domain, Error, Filter, FilterBinding, Interface, List, Network, NetworkPort,
    NodeDevice, Origin, Secret, Snapshot, StoragePool, StorageVolume, table,
};
use uuid::Uuid;

impl table::Elsewhere for Call {
    fn connect_list_defined_networks(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn connect_list_networks(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn network_lookup_by_name(&mut self, name: String) -> Answer<Network> {
        Err(missing(("Network", "network"), Code::NoNetwork, Origin::Network, ("name", &name)))
    }

    fn network_lookup_by_uuid(&mut self, uuid: Uuid) -> Answer<Network> {
        Err(missing(("Network", "network"), Code::NoNetwork, Origin::Network, ("uuid", &uuid)))
    }

    fn connect_num_of_defined_networks(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_num_of_networks(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_num_of_storage_pools(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_storage_pools(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn connect_num_of_defined_storage_pools(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_defined_storage_pools(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn storage_pool_create_xml(&mut self, _xml: String, _flags: u32) -> Answer<StoragePool> {
        Err(no_pools("virStoragePoolCreateXML"))
    }

    fn storage_pool_define_xml(&mut self, _xml: String, _flags: u32) -> Answer<StoragePool> {
        Err(no_pools("virStoragePoolDefineXML"))
    }

    fn storage_pool_lookup_by_name(&mut self, name: String) -> Answer<StoragePool> {
        Err(missing(
            ("Storage pool", "storage pool"),
            Code::NoStoragePool,
            Origin::Storage,
            ("name", &name),
        ))
    }

    fn storage_pool_lookup_by_uuid(&mut self, uuid: Uuid) -> Answer<StoragePool> {
        Err(missing(
            ("Storage pool", "storage pool"),
            Code::NoStoragePool,
            Origin::Storage,
            ("uuid", &uuid),
        ))
    }

    fn storage_vol_lookup_by_key(&mut self, key: String) -> Answer<StorageVolume> {
        let message = format!("Storage volume not found: no storage vol with matching key {key}");
        Err(Error::new(Code::NoStorageVolume, message).by(Origin::Storage))
    }

    fn storage_vol_lookup_by_path(&mut self, path: String) -> Answer<StorageVolume> {
        Err(missing(
            ("Storage volume", "storage vol"),
            Code::NoStorageVolume,
            Origin::Storage,
            ("path", &path),
        ))
    }

    fn node_num_of_devices(&mut self, _kind: Option<String>, _flags: u32) -> Answer<i32> {
        Ok(0)
    }

    fn node_list_devices(
        &mut self,
        _kind: Option<String>,
        _most: i32,
        _flags: u32,
    ) -> Answer<List<String, 65_536>> {
        Ok(List::default())
    }

    fn node_device_lookup_by_name(&mut self, name: String) -> Answer<NodeDevice> {
        Err(missing(
            ("Node device", "node device"),
            Code::NoNodeDevice,
            Origin::NodeDevice,
            ("name", &name),
        ))
    }

    fn connect_num_of_interfaces(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_interfaces(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn interface_lookup_by_name(&mut self, name: String) -> Answer<Interface> {
        Err(no_interface(&format!("named '{name}'")))
    }

    fn interface_lookup_by_mac_string(&mut self, mac: String) -> Answer<Interface> {
        Err(no_interface(&format!("with MAC address '{mac}'")))
    }

    fn connect_num_of_defined_interfaces(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_defined_interfaces(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn connect_num_of_secrets(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_secrets(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn secret_lookup_by_uuid(&mut self, uuid: Uuid) -> Answer<Secret> {
        Err(missing(("Secret", "secret"), Code::NoSecret, Origin::Secret, ("uuid", &uuid)))
    }

    fn secret_lookup_by_usage(&mut self, _kind: i32, usage: String) -> Answer<Secret> {
        Err(missing(("Secret", "secret"), Code::NoSecret, Origin::Secret, ("usage", &usage)))
    }

    fn nwfilter_lookup_by_name(&mut self, name: String) -> Answer<Filter> {
        Err(missing(
            ("Network filter", "nwfilter"),
            Code::NoFilter,
            Origin::Filter,
            ("name", &name),
        ))
    }

    fn nwfilter_lookup_by_uuid(&mut self, uuid: Uuid) -> Answer<Filter> {
        Err(missing(
            ("Network filter", "nwfilter"),
            Code::NoFilter,
            Origin::Filter,
            ("uuid", &uuid),
        ))
    }

    fn connect_num_of_nwfilters(&mut self) -> Answer<i32> {
        Ok(0)
    }

    fn connect_list_nwfilters(&mut self, _most: i32) -> Answer<List<String, 16_384>> {
        Ok(List::default())
    }

    fn domain_snapshot_num(&mut self, domain: Domain, _flags: u32) -> Answer<i32> {
        self.daemon.machine(&domain)?;
        Ok(0)
    }

    fn domain_snapshot_list_names(
        &mut self,
        domain: Domain,
        _most: i32,
        _flags: u32,
    ) -> Answer<List<String, 16_384>> {
        self.daemon.machine(&domain)?;
        Ok(List::default())
    }

    fn domain_snapshot_lookup_by_name(
        &mut self,
        domain: Domain,
        name: String,
        _flags: u32,
    ) -> Answer<Snapshot> {
        self.daemon.machine(&domain)?;
        Err(missing(
            ("Domain snapshot", "domain snapshot"),
            Code::NoSnapshot,
            Origin::Qemu,
            ("name", &name),
        ))
    }

    fn domain_has_current_snapshot(&mut self, domain: Domain, _flags: u32) -> Answer<i32> {
        self.daemon.machine(&domain).map(|_| 0)
    }

    fn domain_snapshot_current(&mut self, domain: Domain, _flags: u32) -> Answer<Snapshot> {
        self.daemon.machine(&domain)?;
        let message = "Domain snapshot not found: the domain does not have a current snapshot";
        Err(Error::new(Code::NoSnapshot, message))
    }

    fn domain_list_all_snapshots(
        &mut self,
        domain: Domain,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Snapshot, 16_384>, i32)> {
        self.daemon.machine(&domain)?;
        Ok((List::default(), 0))
    }

    fn connect_list_all_storage_pools(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<StoragePool, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_networks(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Network, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_interfaces(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Interface, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_node_devices(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<NodeDevice, 65_536>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_nwfilters(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Filter, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_secrets(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Secret, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn connect_list_all_nwfilter_bindings(
        &mut self,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<FilterBinding, 16_384>, u32)> {
        Ok((List::default(), 0))
    }

    fn network_list_all_ports(
        &mut self,
        network: Network,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<NetworkPort, 16_384>, u32)> {
        Err(missing(
            ("Network", "network"),
            Code::NoNetwork,
            Origin::Network,
            ("name", &network.name),
        ))
    }

    fn domain_list_all_checkpoints(
        &mut self,
        domain: Domain,
        _wanted: i32,
        _flags: u32,
    ) -> Answer<(List<Checkpoint, 16_384>, i32)> {
        self.daemon.machine(&domain)?;
        Ok((List::default(), 0))
    }

    fn domain_checkpoint_lookup_by_name(
        &mut self,
        domain: Domain,
        name: String,
        _flags: u32,
    ) -> Answer<Checkpoint> {
        self.daemon.machine(&domain)?;
        Err(missing(
            ("Domain checkpoint", "domain checkpoint"),
            Code::NoCheckpoint,
            Origin::Qemu,
            ("name", &name),
        ))
    }

    fn domain_backup_get_xml_desc(&mut self, domain: Domain, _flags: u32) -> Answer<String> {
        self.daemon.machine(&domain)?;
        let message = "Domain backup job id not found: no domain backup job present";
        Err(Error::new(Code::NoBackup, message))
    }
}

/// virt-install and virt-manager make a pool of every directory that a disk of theirs is in, and say why that fails.
fn no_pools(call: &str) -> Error {
    no_support(&format!(
        "{call} (there are no storage pools: a domain's document names its disks' files)"
    ))
    .by(Origin::Storage)
}

/// It is looked for, and is not there.
fn missing(what: (&str, &str), code: Code, origin: Origin, by: (&str, &dyn Display)) -> Error {
    let ((title, what), (by, wanted)) = (what, by);
    let message = format!("{title} not found: no {what} with matching {by} '{wanted}'");
    Error::new(code, message).by(origin)
}

fn no_interface(which: &str) -> Error {
    let message = format!("Interface not found: couldn't find interface {which}");
    Error::new(Code::NoInterface, message).by(Origin::Interface)
}
