# What programs do with libvirt's binding for Perl: a domain's document, and its name.
use strict;
use warnings;
use Sys::Virt;

my ($file, $name) = @ARGV;
open(my $in, '<', $file) or die $!;
my $document = do { local $/; <$in> };
my $c = Sys::Virt->new();
sub same { my ($what, $is, $shall) = @_; die "$what: $is, not $shall" unless $is eq $shall; }

same('type', $c->get_type(), 'QEMU');
same('domains', $c->num_of_domains() + $c->num_of_defined_domains(), 0);
same('networks', $c->num_of_networks() + $c->num_of_storage_pools() + $c->num_of_secrets(), 0);
same('listed', scalar(my @none = $c->list_all_domains()), 0);
eval { $c->get_domain_by_name($name); };
same('missing', $@->code, Sys::Virt::Error::ERR_NO_DOMAIN);

my $d = $c->define_domain($document);
same('defined', join(',', $c->list_defined_domain_names(10)), $name);
$d->create(Sys::Virt::Domain::START_PAUSED);
my ($state, $reason) = $d->get_state();
same('state', $state, Sys::Virt::Domain::STATE_PAUSED);
same('ids', join(',', $c->list_domain_ids(10)), $d->get_id());
$d->resume();
same('vcpus', $d->get_info()->{nrVirtCpu}, 2);
same('capacity', $d->get_block_info('vda')->{capacity}, 1 << 20);
same('read', $d->block_stats('vda')->{wr_bytes}, 0);
my @figures = $c->get_all_domain_stats(Sys::Virt::Domain::STATS_BLOCK | Sys::Virt::Domain::STATS_VCPU);
same('figures', $figures[0]->{data}->{'block.0.name'}, 'vda');
$d->destroy();
$d->undefine();
print "done\n";
