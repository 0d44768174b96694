//! What calls are about: domains and what else has a name, and what is known of them.

use crate::{
    list::{List, Opaque},
    param::Param,
    record::records,
    text::{CharArray, Chars},
};
use uuid::Uuid;

/// The longest name of a security model, in bytes with its end (`VIR_SECURITY_MODEL_BUFLEN`).
pub const SECURITY_MODEL: usize = 257;
/// The longest label (`VIR_SECURITY_LABEL_BUFLEN`).
pub const SECURITY_LABEL: usize = 4097;
/// The longest domain of interpretation (`VIR_SECURITY_DOI_BUFLEN`).
pub const SECURITY_DOI: usize = 257;

records! {
    /// A machine, as libvirt's clients know it.
    Domain {
        /// Unique among those that live, and among those that are defined.
        name: String,
        /// The same for ever.
        uuid: Uuid,
        /// Positive while it runs, otherwise -1.
        id: i32,
    }

    /// A network.
    Network {
        /// Its name.
        name: String,
        /// Its number.
        uuid: Uuid,
    }

    /// A port of a network.
    NetworkPort {
        /// The network.
        network: Network,
        /// Its number.
        uuid: Uuid,
    }

    /// A pool of volumes.
    StoragePool {
        /// Its name.
        name: String,
        /// Its number.
        uuid: Uuid,
    }

    /// A volume.
    StorageVolume {
        /// The name of its pool.
        pool: String,
        /// Its name there.
        name: String,
        /// What it is known by everywhere.
        key: String,
    }

    /// A device of the host.
    NodeDevice {
        /// Its name.
        name: String,
    }

    /// A filter of networks.
    Filter {
        /// Its name.
        name: String,
        /// Its number.
        uuid: Uuid,
    }

    /// A filter where it is used.
    FilterBinding {
        /// The port's device.
        device: String,
        /// The filter's name.
        filter: String,
    }

    /// A network interface of the host.
    Interface {
        /// Its name.
        name: String,
        /// Its address.
        mac: String,
    }

    /// A secret.
    Secret {
        /// Its number.
        uuid: Uuid,
        /// What kind of thing it opens.
        usage_type: i32,
        /// Which one.
        usage: String,
    }

    /// A snapshot of a domain.
    Snapshot {
        /// Its name.
        name: String,
        /// Whose it is.
        domain: Domain,
    }

    /// A checkpoint of a domain's disks.
    Checkpoint {
        /// Its name.
        name: String,
        /// Whose it is.
        domain: Domain,
    }

    /// What the host has (`virNodeInfo`).
    NodeInfo {
        /// Its kind of processor.
        model: CharArray<32>,
        /// Memory, in KiB.
        memory: u64,
        /// Processors that are active.
        cpus: i32,
        /// How fast they are, in MHz; 0 where that is not known.
        mhz: i32,
        /// NUMA nodes; 1 where there is nothing of the kind.
        nodes: i32,
        /// Sockets in a node.
        sockets: i32,
        /// Cores in a socket.
        cores: i32,
        /// Threads in a core.
        threads: i32,
    }

    /// What a domain uses (`virDomainInfo`).
    DomainInfo {
        /// Its state.
        state: u8,
        /// The most memory that it may have, in KiB.
        max_memory: u64,
        /// What it has, in KiB.
        memory: u64,
        /// Virtual processors.
        vcpus: u16,
        /// Processor time that it has used, in nanoseconds.
        cpu_time: u64,
    }

    /// How a virtual processor is (`virVcpuInfo`).
    VcpuInfo {
        /// Which one.
        number: u32,
        /// 0 off, 1 running, 2 blocked.
        state: i32,
        /// Processor time that it has used, in nanoseconds.
        cpu_time: u64,
        /// The processor that it is on, or -1.
        cpu: i32,
    }

    /// A thread for input and output (`virDomainIOThreadInfo`).
    IoThreadInfo {
        /// Which one.
        number: u32,
        /// The host's processors that it may use.
        processors: Opaque<2048>,
    }

    /// A disk that has failed (`virDomainDiskError`).
    DiskError {
        /// What the definition calls it.
        disk: String,
        /// 1 for any reason, 2 because the host has no room.
        error: i32,
    }

    /// A file system of a guest (`virDomainFSInfo`).
    FileSystemInfo {
        /// Where the guest has it.
        mounted_at: String,
        /// What the guest calls it.
        name: String,
        /// Its kind.
        kind: String,
        /// The disks that it lies on.
        disks: List<String, 256>,
    }

    /// A label, and whether it is enforced (`virSecurityLabel`).
    SecurityLabel {
        /// The label.
        label: Chars<SECURITY_LABEL>,
        /// 1 or 0.
        enforcing: i32,
    }

    /// A model and its domain of interpretation (`virSecurityModel`).
    SecurityModel {
        /// What the model is called; `none` where there is none.
        model: Chars<SECURITY_MODEL>,
        /// The domain of interpretation.
        doi: Chars<SECURITY_DOI>,
    }

    /// How far a job is (`virDomainJobInfo`), in milliseconds and bytes.
    JobInfo {
        /// 0 none, 1 bounded, 2 unbounded, 3 completed, 4 failed, 5 cancelled.
        kind: i32,
        /// Since it began.
        time_elapsed: u64,
        /// Until it ends, where that is known.
        time_remaining: u64,
        /// All that there is to be done.
        data_total: u64,
        /// What was done.
        data_processed: u64,
        /// What is left.
        data_remaining: u64,
        /// The same of memory.
        memory_total: u64,
        /// Done.
        memory_processed: u64,
        /// Left.
        memory_remaining: u64,
        /// The same of files.
        file_total: u64,
        /// Done.
        file_processed: u64,
        /// Left.
        file_remaining: u64,
    }

    /// One figure of a domain's memory (`virDomainMemoryStat`).
    MemoryStat {
        /// Which one.
        tag: i32,
        /// In KiB, or a count.
        value: u64,
    }

    /// How large a disk is (`virDomainBlockInfo`), in bytes.
    BlockInfo {
        /// What it takes of the storage.
        allocation: u64,
        /// What the guest sees.
        capacity: u64,
        /// How long its container is.
        physical: u64,
    }

    /// What a disk has done (`virDomainBlockStats`); -1 where it is not known.
    BlockStats {
        /// Reads.
        read_requests: i64,
        /// Bytes read.
        read_bytes: i64,
        /// Writes.
        write_requests: i64,
        /// Bytes written.
        write_bytes: i64,
        /// Errors.
        errors: i64,
    }

    /// What an interface has done (`virDomainInterfaceStats`); -1 where it is not known.
    InterfaceStats {
        /// Bytes received.
        received_bytes: i64,
        /// Packets received.
        received_packets: i64,
        /// Errors there.
        received_errors: i64,
        /// What was dropped there.
        received_drops: i64,
        /// Bytes sent.
        sent_bytes: i64,
        /// Packets sent.
        sent_packets: i64,
        /// Errors there.
        sent_errors: i64,
        /// What was dropped there.
        sent_drops: i64,
    }

    /// A figure of the host's.
    NodeStat {
        /// What it is.
        field: String,
        /// Nanoseconds or KiB.
        value: u64,
    }

    /// All that is counted of one domain.
    DomainStats {
        /// Which one.
        domain: Domain,
        /// The figures, under libvirt's names.
        params: List<Param, 262_144>,
    }

    /// An address of a guest.
    Address {
        /// 0 for IPv4, 1 for IPv6.
        family: i32,
        /// The address as text.
        address: String,
        /// How much of it is the network's, in bits.
        prefix: u32,
    }

    /// A guest's interface and its addresses.
    InterfaceAddresses {
        /// What the host calls it.
        name: String,
        /// Its hardware address.
        mac: Option<String>,
        /// Its addresses.
        addresses: List<Address, 2048>,
    }

    /// A lease of an address.
    Lease {
        /// The bridge.
        interface: String,
        /// When it ends, in seconds since 1970.
        expires: i64,
        /// 0 for IPv4, 1 for IPv6.
        family: i32,
        /// The hardware address.
        mac: Option<String>,
        /// The association's number.
        association: Option<String>,
        /// The address as text.
        address: String,
        /// How much of it is the network's, in bits.
        prefix: u32,
        /// What the guest calls itself.
        host_name: Option<String>,
        /// The client's number.
        client: Option<String>,
    }

    /// One end of a connection to a screen.
    GraphicsAddress {
        /// 0 IPv4, 1 IPv6, 2 a socket of the host.
        family: i32,
        /// The address.
        node: String,
        /// The port.
        service: String,
    }

    /// Who is at a screen.
    GraphicsIdentity {
        /// What kind of name it is.
        kind: String,
        /// The name.
        name: String,
    }
}
