//! Every call that is understood, once: its number, its arguments, its answer, and what somebody must be
//! allowed who makes it. Whoever answers calls implements [`Service`], a trait for each section of the table,
//! from which nothing can be left out.
//!
//! A call that is not here is answered with "unknown procedure", and clients do without it.

use crate::{error::Error, list::*, nouns::*, param::Param, xdr::*};
use uuid::Uuid;

/// What somebody must be allowed to make a call, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: it says who one is, and opens and closes the connection.
    Greet,
    /// To see what there is, but nothing of what guests hold.
    Look,
    /// To sit at a machine: its screen and console.
    Use,
    /// To start, stop and pause machines.
    Run,
    /// To say what machines are: which files and devices of the host they reach.
    Define,
    /// To say anything to a hypervisor.
    All,
}

/// A row of the table.
#[derive(Debug)]
pub struct Procedure {
    /// Whose procedure it is.
    pub program: Program,
    /// What it is about: one of the traits that [`Service`] consists of.
    pub section: &'static str,
    /// Its number there.
    pub number: u32,
    /// Its name, as libvirt's in small letters.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// Who may make it.
    pub access: Access,
    /// Its arguments' names and types.
    pub arguments: &'static [(&'static str, &'static str)],
    /// Its answer's type.
    pub reply: &'static str,
    shapes: fn(&mut String, &mut String),
    again: [Again; 2],
}

/// Reads a message, and writes what was read.
type Again = fn(&[u8]) -> Result<Vec<u8>, Malformed>;

impl Procedure {
    /// The row of a number.
    pub fn find(program: Program, number: u32) -> Option<&'static Self> {
        PROCEDURES.iter().find(|row| row.program == program && row.number == number)
    }

    /// Reads its arguments, and writes what was read: the same bytes, but for those that mean nothing.
    ///
    /// # Errors
    /// They are not its arguments.
    pub fn arguments_again(&self, payload: &[u8]) -> Result<Vec<u8>, Malformed> {
        (self.again[0])(payload)
    }

    /// The same of its answer.
    ///
    /// # Errors
    /// It is not its answer.
    pub fn reply_again(&self, payload: &[u8]) -> Result<Vec<u8>, Malformed> {
        (self.again[1])(payload)
    }

    /// What its arguments and its answer are on the wire, in the words of the protocol's definition.
    pub fn shapes(&self) -> (String, String) {
        let (mut arguments, mut reply) = (String::new(), String::new());
        (self.shapes)(&mut arguments, &mut reply);
        (arguments, reply)
    }
}

macro_rules! programs {
    ($($(#[$meta:meta])* $program:ident = $number:literal {
        $($(#[doc = $chapter:literal])+ $section:ident {
            $($(#[doc = $about:literal])+
            $row:literal $name:ident($($argument:ident: $type:ty),*) -> $reply:ty, $access:ident;)+
        })+
    })+) => {
        /// Sets of procedures.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Program {
            $($(#[$meta])* $program = $number,)+
        }

        impl Program {
            /// The program of a number.
            pub fn find(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$program),)+
                    _ => None,
                }
            }
        }

        $($(
            $(#[doc = $chapter])+
            ///
            /// One method for each of its calls.
            pub trait $section {
                $(
                    $(#[doc = $about])+
                    ///
                    /// # Errors
                    /// Whatever the client is to be told.
                    fn $name(&mut self, $($argument: $type),*) -> Result<$reply, Error>;
                )+
            }
        )+)+

        /// Whoever answers all calls.
        pub trait Service: Sized $($(+ $section)+)+ {}

        impl<S: Sized $($(+ $section)+)+> Service for S {}

        /// The table.
        pub static PROCEDURES: &[Procedure] = &[$($($(Procedure {
            program: Program::$program,
            section: stringify!($section),
            number: $row,
            name: stringify!($name),
            about: concat!($($about),+),
            access: Access::$access,
            arguments: &[$((stringify!($argument), stringify!($type))),*],
            reply: stringify!($reply),
            shapes: |arguments, reply| {
                <($($type,)*)>::shape(arguments);
                <$reply>::shape(reply);
            },
            again: [again::<($($type,)*)>, again::<$reply>],
        },)+)+)+];

        /// Reads a call's arguments, has it answered, and writes the answer.
        ///
        /// # Errors
        /// The arguments cannot be read, or whatever the service says.
        pub fn dispatch<S: Service>(
            service: &mut S,
            procedure: &Procedure,
            payload: &[u8],
        ) -> Result<Vec<u8>, Error> {
            match (procedure.program, procedure.number) {
                $($($((Program::$program, $row) => {
                    let ($($argument,)*) = from_bytes::<($($type,)*)>(payload)?;
                    Ok(to_bytes(&service.$name($($argument),*)?)?)
                })+)+)+
                (_, number) => Err(Error::unknown("procedure", number)),
            }
        }
    };
}

/// A map of processors, a bit for each.
type CpuMap = Opaque<2048>;
/// Maps of processors, one after the other.
type CpuMaps = Opaque<8_388_608>;
type Names = List<String, 16_384>;
type DeviceNames = List<String, 65_536>;

programs! {
    /// What every driver answers.
    Remote = 0x2000_8086 {
        /// The connection itself: opening it, who answers, and what that can do.
        Connection {
            /// Opens the connection for a URI.
            1 connect_open(uri: Option<String>, flags: u32) -> (), Greet;
            /// Closes it.
            2 connect_close() -> (), Greet;
            /// What the driver is called.
            3 connect_get_type() -> String, Look;
            /// The hypervisor's version: a million for each major, a thousand for each minor.
            4 connect_get_version() -> u64, Look;
            /// How many virtual processors a domain may have.
            5 connect_get_max_vcpus(kind: Option<String>) -> i32, Look;
            /// What the host and the driver can do, as XML.
            7 connect_get_capabilities() -> String, Look;
            /// What the host is called.
            59 connect_get_hostname() -> String, Look;
            /// Whether the driver has a feature.
            60 connect_supports_feature(feature: i32) -> i32, Greet;
            /// The ways to say who one is.
            66 auth_list() -> List<i32, 20>, Greet;
            /// The URI of this connection.
            110 connect_get_uri() -> String, Look;
            /// The host's security model.
            122 node_get_security_model() -> SecurityModel, Look;
            /// What a definition is as a command line.
            136 connect_domain_xml_to_native(format: String, xml: String, flags: u32) -> String, Define;
            /// Whether nobody can listen.
            149 connect_is_secure() -> i32, Look;
            /// The library's version.
            157 connect_get_lib_version() -> u64, Look;
            /// The kinds of processor that there are.
            312 connect_get_cpu_model_names(architecture: String, wanted: i32, flags: u32) -> (List<String, 8192>, i32), Look;
            /// What the emulator can do, as XML.
            342 connect_get_domain_capabilities(emulator: Option<String>, architecture: Option<String>, machine: Option<String>, kind: Option<String>, flags: u32) -> String, Look;
            /// Tells when the connection ends.
            360 connect_register_close_callback() -> (), Greet;
            /// No longer.
            361 connect_unregister_close_callback() -> (), Greet;
        }

        /// What the host has, and how it is used.
        Host {
            /// What the host has.
            6 node_get_info() -> NodeInfo, Look;
            /// The free memory of some of its cells, in bytes.
            101 node_get_cells_free_memory(first: i32, most: i32) -> List<u64, 1024>, Look;
            /// The host's free memory, in bytes.
            102 node_get_free_memory() -> u64, Look;
            /// What the host's firmware says of itself, as XML.
            203 connect_get_sysinfo(flags: u32) -> String, Look;
            /// What the host's processors do.
            227 node_get_cpu_stats(cpu: i32, most: i32, flags: u32) -> (List<NodeStat, 16>, i32), Look;
            /// What the host's memory does.
            228 node_get_memory_stats(most: i32, cell: i32, flags: u32) -> (List<NodeStat, 16>, i32), Look;
            /// Which processors are there and on.
            293 node_get_cpu_map(map: i32, online: i32, flags: u32) -> (CpuMap, u32, i32), Look;
        }

        /// Which domains there are, and how each is.
        Domains {
            /// Whether it starts with the host.
            15 domain_get_autostart(domain: Domain) -> i32, Look;
            /// What it uses.
            16 domain_get_info(domain: Domain) -> DomainInfo, Look;
            /// What kind of system it runs: `hvm`.
            19 domain_get_os_type(domain: Domain) -> String, Look;
            /// The names of domains that do not run.
            21 connect_list_defined_domains(most: i32) -> Names, Look;
            /// The domain that runs under a number.
            22 domain_lookup_by_id(id: i32) -> Domain, Look;
            /// The domain of a name.
            23 domain_lookup_by_name(name: String) -> Domain, Look;
            /// The domain of a UUID.
            24 domain_lookup_by_uuid(uuid: Uuid) -> Domain, Look;
            /// How many domains do not run.
            25 connect_num_of_defined_domains() -> i32, Look;
            /// The numbers of domains that run.
            37 connect_list_domains(most: i32) -> List<i32, 16_384>, Look;
            /// How many domains run.
            51 connect_num_of_domains() -> i32, Look;
            /// A domain's label.
            121 domain_get_security_label(domain: Domain) -> SecurityLabel, Look;
            /// Whether a domain runs.
            150 domain_is_active(domain: Domain) -> i32, Look;
            /// Whether it is defined.
            151 domain_is_persistent(domain: Domain) -> i32, Look;
            /// Whether its definition was changed since it was started, as clients mean it who wrote it themselves.
            202 domain_is_updated(domain: Domain) -> i32, Look;
            /// Its state and the reason.
            212 domain_get_state(domain: Domain, flags: u32) -> (i32, i32), Look;
            /// Whether the monitor answers: state, details, milliseconds.
            229 domain_get_control_info(domain: Domain, flags: u32) -> (u32, u32, u64), Look;
            /// Domains, all or those that the flags name.
            273 connect_list_all_domains(wanted: i32, flags: u32) -> (List<Domain, 16_384>, u32), Look;
            /// What the guest calls itself.
            277 domain_get_hostname(domain: Domain, flags: u32) -> String, Look;
            /// Its label under each model.
            278 domain_get_security_label_list(domain: Domain) -> (List<SecurityLabel, 64>, i32), Look;
            /// What is to be said of a domain: weakenings among it.
            426 domain_get_messages(domain: Domain, flags: u32) -> List<String, 2048>, Look;
        }

        /// What domains are: their documents, and what is said in them.
        Definitions {
            /// Adds a device to a running domain.
            8 domain_attach_device(domain: Domain, xml: String) -> (), Define;
            /// Defines a domain, or defines it anew.
            11 domain_define_xml(xml: String) -> Domain, Define;
            /// Takes a device from a running domain.
            13 domain_detach_device(domain: Domain, xml: String) -> (), Define;
            /// A domain's definition as XML.
            14 domain_get_xml_desc(domain: Domain, flags: u32) -> String, Look;
            /// The most memory that it may have, in KiB.
            17 domain_get_max_memory(domain: Domain) -> u64, Look;
            /// The most virtual processors that it may have.
            18 domain_get_max_vcpus(domain: Domain) -> i32, Look;
            /// Which processors a virtual one may use.
            26 domain_pin_vcpu(domain: Domain, vcpu: u32, map: CpuMap) -> (), Run;
            /// Whether it is to start with the host.
            29 domain_set_autostart(domain: Domain, autostart: i32) -> (), Define;
            /// The most memory that it may have, in KiB.
            30 domain_set_max_memory(domain: Domain, memory: u64) -> (), Define;
            /// How many virtual processors it has.
            32 domain_set_vcpus(domain: Domain, count: u32) -> (), Run;
            /// Forgets its definition.
            35 domain_undefine(domain: Domain) -> (), Define;
            /// Adds a device.
            160 domain_attach_device_flags(domain: Domain, xml: String, flags: u32) -> (), Define;
            /// Takes a device away.
            161 domain_detach_device_flags(domain: Domain, xml: String, flags: u32) -> (), Define;
            /// How many virtual processors it has.
            199 domain_set_vcpus_flags(domain: Domain, count: u32, flags: u32) -> (), Run;
            /// The same, asked.
            200 domain_get_vcpus_flags(domain: Domain, flags: u32) -> i32, Look;
            /// Forgets its definition, and what the flags name.
            231 domain_undefine_flags(domain: Domain, flags: u32) -> (), Define;
            /// What somebody noted about it.
            264 domain_set_metadata(domain: Domain, kind: i32, text: Option<String>, key: Option<String>, uri: Option<String>, flags: u32) -> (), Define;
            /// The same, asked.
            265 domain_get_metadata(domain: Domain, kind: i32, uri: Option<String>, flags: u32) -> String, Look;
            /// Defines a domain.
            350 domain_define_xml_flags(xml: String, flags: u32) -> Domain, Define;
            /// Another name for a domain.
            358 domain_rename(domain: Domain, name: Option<String>, flags: u32) -> i32, Define;
        }

        /// Starting, pausing and ending them.
        Lives {
            /// Starts a defined domain.
            9 domain_create(domain: Domain) -> (), Run;
            /// Starts a domain that is not kept.
            10 domain_create_xml(xml: String, flags: u32) -> Domain, Define;
            /// Ends a domain at once.
            12 domain_destroy(domain: Domain) -> (), Run;
            /// Asks the guest to start again.
            27 domain_reboot(domain: Domain, flags: u32) -> (), Run;
            /// Lets it go on.
            28 domain_resume(domain: Domain) -> (), Run;
            /// What memory it has, in KiB.
            31 domain_set_memory(domain: Domain, memory: u64) -> (), Run;
            /// Asks the guest to end.
            33 domain_shutdown(domain: Domain) -> (), Run;
            /// Holds it.
            34 domain_suspend(domain: Domain) -> (), Run;
            /// Starts a defined domain.
            196 domain_create_with_flags(domain: Domain, flags: u32) -> Domain, Run;
            /// What memory it has, in KiB.
            204 domain_set_memory_flags(domain: Domain, memory: u64, flags: u32) -> (), Run;
            /// Interrupts the guest in a way that it cannot mask.
            210 domain_inject_nmi(domain: Domain, flags: u32) -> (), Run;
            /// Ends a domain at once, or politely.
            234 domain_destroy_flags(domain: Domain, flags: u32) -> (), Run;
            /// Starts the guest again without asking it.
            245 domain_reset(domain: Domain, flags: u32) -> (), Run;
            /// Asks the guest to end.
            258 domain_shutdown_flags(domain: Domain, flags: u32) -> (), Run;
        }

        /// Keeping what they have in memory, and letting them go on from there.
        Saves {
            /// Lets a saved domain go on.
            54 domain_restore(from: String) -> (), Define;
            /// Keeps its memory in a file and ends it.
            55 domain_save(domain: Domain, to: String) -> (), Define;
            /// How far a job is.
            163 domain_get_job_info(domain: Domain) -> JobInfo, Look;
            /// Ends a job.
            164 domain_abort_job(domain: Domain) -> (), Run;
            /// Keeps its memory where the next start finds it, and ends it.
            182 domain_managed_save(domain: Domain, flags: u32) -> (), Run;
            /// Whether there is such memory.
            183 domain_has_managed_save_image(domain: Domain, flags: u32) -> i32, Look;
            /// Forgets it.
            184 domain_managed_save_remove(domain: Domain, flags: u32) -> (), Run;
            /// Keeps its memory in a file and ends it.
            232 domain_save_flags(domain: Domain, to: String, xml: Option<String>, flags: u32) -> (), Define;
            /// Lets a saved domain go on.
            233 domain_restore_flags(from: String, xml: Option<String>, flags: u32) -> (), Define;
            /// The definition within a file of saved memory.
            235 domain_save_image_get_xml_desc(file: String, flags: u32) -> String, Define;
            /// Another definition for it.
            236 domain_save_image_define_xml(file: String, xml: String, flags: u32) -> (), Define;
            /// The definition within the memory that the next start finds.
            388 domain_managed_save_get_xml_desc(domain: Domain, flags: u32) -> String, Define;
            /// How far a job is, or how the last one went.
            298 domain_get_job_stats(domain: Domain, flags: u32) -> (i32, List<Param, 64>), Look;
        }

        /// What is counted of them.
        Figures {
            /// Its virtual processors, and which of the host's they may use.
            20 domain_get_vcpus(domain: Domain, most: i32, map_length: i32) -> (List<VcpuInfo, 16_384>, CpuMaps), Look;
            /// How the host shares processors out, and how many figures there are of that.
            56 domain_get_scheduler_type(domain: Domain) -> (String, i32), Look;
            /// Those figures.
            57 domain_get_scheduler_parameters(domain: Domain, most: i32) -> List<Param, 16>, Look;
            /// What a disk has done.
            64 domain_block_stats(domain: Domain, path: String) -> BlockStats, Look;
            /// What an interface has done.
            65 domain_interface_stats(domain: Domain, device: String) -> InterfaceStats, Look;
            /// What its memory does.
            159 domain_memory_stats(domain: Domain, most: u32, flags: u32) -> List<MemoryStat, 1024>, Look;
            /// How large a disk is.
            194 domain_get_block_info(domain: Domain, path: String, flags: u32) -> BlockInfo, Look;
            /// How the host shares processors out.
            223 domain_get_scheduler_parameters_flags(domain: Domain, most: i32, flags: u32) -> List<Param, 16>, Look;
            /// Which of the host's processors its virtual ones may use.
            230 domain_get_vcpu_pin_info(domain: Domain, most: i32, map_length: i32, flags: u32) -> (CpuMaps, i32), Look;
            /// What a disk has done.
            243 domain_block_stats_flags(domain: Domain, path: String, most: i32, flags: u32) -> (List<Param, 16>, i32), Look;
            /// Which disks have failed.
            263 domain_get_disk_errors(domain: Domain, most: u32, flags: u32) -> (List<DiskError, 256>, i32), Look;
            /// What processors do for it.
            262 domain_get_cpu_stats(domain: Domain, most: u32, first: i32, count: u32, flags: u32) -> (List<Param, 2048>, i32), Look;
            /// All that is counted of some domains, or of all.
            344 connect_get_all_domain_stats(domains: List<Domain, 16_384>, kinds: u32, flags: u32) -> List<DomainStats, 16_384>, Look;
            /// The guest's addresses.
            353 domain_interface_addresses(domain: Domain, source: u32, flags: u32) -> List<InterfaceAddresses, 2048>, Look;
        }

        /// Which share of the host they have: all that there is, where nobody else wants it.
        Shares {
            /// What memory of the host it may take.
            198 domain_get_memory_parameters(domain: Domain, most: i32, flags: u32) -> (List<Param, 16>, i32), Look;
            /// How fast a disk may be.
            253 domain_get_block_io_tune(domain: Domain, disk: Option<String>, most: i32, flags: u32) -> (List<Param, 32>, i32), Look;
            /// How it lies on NUMA nodes.
            255 domain_get_numa_parameters(domain: Domain, most: i32, flags: u32) -> (List<Param, 16>, i32), Look;
            /// How fast an interface may be.
            257 domain_get_interface_parameters(domain: Domain, device: String, most: i32, flags: u32) -> (List<Param, 16>, i32), Look;
            /// Which of the host's processors its VMM may use.
            280 domain_get_emulator_pin_info(domain: Domain, map_length: i32, flags: u32) -> (CpuMaps, i32), Look;
            /// Its threads for input and output.
            351 domain_get_iothread_info(domain: Domain, flags: u32) -> (List<IoThreadInfo, 16_384>, u32), Look;
            /// Which events of processors are counted for it.
            365 domain_get_perf_events(domain: Domain, flags: u32) -> List<Param, 64>, Look;
            /// How its memory is kept from the host.
            396 domain_get_launch_security_info(domain: Domain, flags: u32) -> List<Param, 64>, Look;
        }

        /// What a program within a guest would be asked: nobody speaks with one.
        Agent {
            /// Tells the guest's file systems that nothing more is needed of what they do not use.
            294 domain_fstrim(domain: Domain, mounted_at: Option<String>, least: u64, flags: u32) -> (), Use;
            /// Has file systems stand still.
            335 domain_fsfreeze(domain: Domain, mounted_at: List<String, 256>, flags: u32) -> i32, Use;
            /// Has them go on.
            336 domain_fsthaw(domain: Domain, mounted_at: List<String, 256>, flags: u32) -> i32, Use;
            /// What time it is there.
            337 domain_get_time(domain: Domain, flags: u32) -> (i64, u32), Look;
            /// Sets its clock.
            338 domain_set_time(domain: Domain, seconds: i64, nanoseconds: u32, flags: u32) -> (), Use;
            /// Its file systems.
            349 domain_get_fsinfo(domain: Domain, flags: u32) -> (List<FileSystemInfo, 256>, u32), Look;
            /// What it says of itself.
            418 domain_get_guest_info(domain: Domain, kinds: u32, flags: u32) -> List<Param, 2048>, Look;
        }

        /// What a person sees of them, and types.
        Screens {
            /// Its console, as a stream.
            201 domain_open_console(domain: Domain, device: Option<String>, flags: u32) -> (), Use;
            /// Its screen, as a stream; the answer is the picture's type.
            211 domain_screenshot(domain: Domain, screen: u32, flags: u32) -> Option<String>, Use;
            /// Keys that are pressed, one after the other.
            226 domain_send_key(domain: Domain, set: u32, hold: u32, keys: List<u32, 16>, flags: u32) -> (), Use;
            /// A connection to its screen, as a descriptor.
            343 domain_open_graphics_fd(domain: Domain, index: u32, flags: u32) -> (), Use;
        }

        /// Being told what happens.
        Events {
            /// Tells of every domain that starts or ends, under the first of the calls for that.
            105 connect_domain_event_register() -> i32, Look;
            /// No longer.
            106 connect_domain_event_deregister() -> i32, Look;
            /// Tells of networks.
            313 connect_network_event_register_any(event: i32, network: Option<Network>) -> i32, Look;
            /// No longer.
            314 connect_network_event_deregister_any(callback: i32) -> (), Look;
            /// Tells of a domain, or of all.
            316 connect_domain_event_callback_register_any(event: i32, domain: Option<Domain>) -> i32, Look;
            /// No longer.
            317 connect_domain_event_callback_deregister_any(callback: i32) -> (), Look;
            /// Tells of pools.
            368 connect_storage_pool_event_register_any(event: i32, pool: Option<StoragePool>) -> i32, Look;
            /// No longer.
            369 connect_storage_pool_event_deregister_any(callback: i32) -> (), Look;
            /// Tells of devices of the host.
            374 connect_node_device_event_register_any(event: i32, device: Option<NodeDevice>) -> i32, Look;
            /// No longer.
            375 connect_node_device_event_deregister_any(callback: i32) -> (), Look;
            /// Tells of secrets.
            380 connect_secret_event_register_any(event: i32, secret: Option<Secret>) -> i32, Look;
            /// No longer.
            381 connect_secret_event_deregister_any(callback: i32) -> (), Look;
        }

        /// What libvirt has and sVirt has not: networks, pools, devices of the host, filters, secrets,
        /// snapshots. Each is counted, listed and looked for, truthfully.
        Elsewhere {
            /// The names of networks that are not active.
            36 connect_list_defined_networks(most: i32) -> Names, Look;
            /// The names of networks that are active.
            38 connect_list_networks(most: i32) -> Names, Look;
            /// The network of a name.
            46 network_lookup_by_name(name: String) -> Network, Look;
            /// The network of a UUID.
            47 network_lookup_by_uuid(uuid: Uuid) -> Network, Look;
            /// How many networks are not active.
            50 connect_num_of_defined_networks() -> i32, Look;
            /// How many networks are active.
            52 connect_num_of_networks() -> i32, Look;
            /// How many pools are active.
            71 connect_num_of_storage_pools() -> i32, Look;
            /// The names of pools that are active.
            72 connect_list_storage_pools(most: i32) -> Names, Look;
            /// How many pools are not.
            73 connect_num_of_defined_storage_pools() -> i32, Look;
            /// The names of pools that are not.
            74 connect_list_defined_storage_pools(most: i32) -> Names, Look;
            /// Starts a pool that is not kept.
            76 storage_pool_create_xml(xml: String, flags: u32) -> StoragePool, Define;
            /// Defines a pool.
            77 storage_pool_define_xml(xml: String, flags: u32) -> StoragePool, Define;
            /// The pool of a name.
            84 storage_pool_lookup_by_name(name: String) -> StoragePool, Look;
            /// The pool of a UUID.
            85 storage_pool_lookup_by_uuid(uuid: Uuid) -> StoragePool, Look;
            /// The volume of a key.
            96 storage_vol_lookup_by_key(key: String) -> StorageVolume, Look;
            /// The volume at a path.
            97 storage_vol_lookup_by_path(path: String) -> StorageVolume, Look;
            /// How many devices the host has, of a kind.
            111 node_num_of_devices(kind: Option<String>, flags: u32) -> i32, Look;
            /// Their names.
            112 node_list_devices(kind: Option<String>, most: i32, flags: u32) -> DeviceNames, Look;
            /// The device of a name.
            113 node_device_lookup_by_name(name: String) -> NodeDevice, Look;
            /// How many interfaces of the host are active.
            126 connect_num_of_interfaces() -> i32, Look;
            /// Their names.
            127 connect_list_interfaces(most: i32) -> Names, Look;
            /// The interface of a name.
            128 interface_lookup_by_name(name: String) -> Interface, Look;
            /// The interface of an address.
            129 interface_lookup_by_mac_string(mac: String) -> Interface, Look;
            /// How many interfaces of the host are not active.
            137 connect_num_of_defined_interfaces() -> i32, Look;
            /// Their names.
            138 connect_list_defined_interfaces(most: i32) -> Names, Look;
            /// How many secrets there are.
            139 connect_num_of_secrets() -> i32, Look;
            /// Their UUIDs.
            140 connect_list_secrets(most: i32) -> Names, Look;
            /// The secret of a UUID.
            141 secret_lookup_by_uuid(uuid: Uuid) -> Secret, Look;
            /// The secret of what it is for.
            147 secret_lookup_by_usage(kind: i32, usage: String) -> Secret, Look;
            /// The filter of a name.
            175 nwfilter_lookup_by_name(name: String) -> Filter, Look;
            /// The filter of a UUID.
            176 nwfilter_lookup_by_uuid(uuid: Uuid) -> Filter, Look;
            /// How many filters there are.
            178 connect_num_of_nwfilters() -> i32, Look;
            /// Their names.
            179 connect_list_nwfilters(most: i32) -> Names, Look;
            /// How many snapshots it has.
            187 domain_snapshot_num(domain: Domain, flags: u32) -> i32, Look;
            /// Their names.
            188 domain_snapshot_list_names(domain: Domain, most: i32, flags: u32) -> Names, Look;
            /// A snapshot by its name.
            189 domain_snapshot_lookup_by_name(domain: Domain, name: String, flags: u32) -> Snapshot, Look;
            /// Whether it goes on from a snapshot.
            190 domain_has_current_snapshot(domain: Domain, flags: u32) -> i32, Look;
            /// The snapshot that it goes on from.
            191 domain_snapshot_current(domain: Domain, flags: u32) -> Snapshot, Look;
            /// Its snapshots.
            274 domain_list_all_snapshots(domain: Domain, wanted: i32, flags: u32) -> (List<Snapshot, 16_384>, i32), Look;
            /// Pools.
            281 connect_list_all_storage_pools(wanted: i32, flags: u32) -> (List<StoragePool, 16_384>, u32), Look;
            /// Networks.
            283 connect_list_all_networks(wanted: i32, flags: u32) -> (List<Network, 16_384>, u32), Look;
            /// Interfaces of the host.
            284 connect_list_all_interfaces(wanted: i32, flags: u32) -> (List<Interface, 16_384>, u32), Look;
            /// Devices of the host.
            285 connect_list_all_node_devices(wanted: i32, flags: u32) -> (List<NodeDevice, 65_536>, u32), Look;
            /// Filters.
            286 connect_list_all_nwfilters(wanted: i32, flags: u32) -> (List<Filter, 16_384>, u32), Look;
            /// Secrets.
            287 connect_list_all_secrets(wanted: i32, flags: u32) -> (List<Secret, 16_384>, u32), Look;
            /// Where a filter is used.
            401 connect_list_all_nwfilter_bindings(wanted: i32, flags: u32) -> (List<FilterBinding, 16_384>, u32), Look;
            /// The ports of a network.
            404 network_list_all_ports(network: Network, wanted: i32, flags: u32) -> (List<NetworkPort, 16_384>, u32), Look;
            /// A domain's checkpoints.
            413 domain_list_all_checkpoints(domain: Domain, wanted: i32, flags: u32) -> (List<Checkpoint, 16_384>, i32), Look;
            /// A checkpoint by its name.
            415 domain_checkpoint_lookup_by_name(domain: Domain, name: String, flags: u32) -> Checkpoint, Look;
            /// What is being backed up.
            422 domain_backup_get_xml_desc(domain: Domain, flags: u32) -> String, Look;
        }
    }

    /// What only QEMU's driver answers.
    Qemu = 0x2000_8087 {
        /// QEMU itself.
        Monitor {
            /// Says something to the monitor.
            1 domain_monitor_command(domain: Domain, command: String, flags: u32) -> String, All;
            /// Says something to a program within the guest.
            3 domain_agent_command(domain: Domain, command: String, timeout: i32, flags: u32) -> Option<String>, All;
        }
    }
}

#[cfg(test)]
mod tests;
