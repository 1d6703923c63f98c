#!/usr/bin/env bash
# start-rgw.sh DIR PORT: Ceph's S3 server on the loopback address, from nothing, with its data in memory.
#
# For the tests against a real server: one monitor, one object store, one gateway; up in about 15 seconds, 145 MB.
# Packages: apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw
# Prints the variables the tests want. PORT and PORT+1 are used. Stop with: kill $(cat DIR/run/{rgw,osd,mon}.started)
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
port=$2
cluster=$(cat /proc/sys/kernel/random/uuid)
cd "$folder"
rm -rf mon osd rgw run log keyring map
mkdir -p mon osd rgw run log
export CEPH_CONF=$folder/ceph.conf
cat > ceph.conf <<END
[global]
fsid = $cluster
mon_host = v2:127.0.0.1:$((port + 1))
mon_initial_members = a
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = false
keyring = $folder/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 4294967296
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
run_dir = $folder/run
admin_socket = $folder/run/\$name.asok
log_file = $folder/log/\$name.log
pid_file = $folder/run/\$name.pid
mon_data = $folder/mon
osd_data = $folder/osd
mon_data_avail_crit = 1
osd_class_load_list = *
osd_class_default_list = *
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_data = $folder/rgw
rgw_thread_pool_size = 32
END
monmaptool --create --addv a "[v2:127.0.0.1:$((port + 1))]" --fsid "$cluster" map > log/setup 2>&1
authority() { ceph-authtool keyring --gen-key "$@" >> log/setup 2>&1; }
ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *' >> log/setup 2>&1
authority -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
authority -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
authority -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
ceph-mon --mkfs -i a --monmap map --keyring keyring >> log/setup 2>&1
start() { name=$1; shift; setsid "$@" < /dev/null > "log/$name.out" 2>&1 & echo $! > "run/$name.started"; }
start mon ceph-mon -f -i a
timeout 60 ceph auth import -i keyring >> log/setup 2>&1
identity=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph osd new "$identity" >> log/setup 2>&1
ceph-osd --mkfs -i 0 --osd-uuid "$identity" --keyring keyring >> log/setup 2>&1
start osd ceph-osd -f -i 0
start rgw radosgw -f -n client.rgw
for _ in $(seq 120); do curl -s -o /dev/null "http://127.0.0.1:$port/" && break; sleep 0.5; done
radosgw-admin -n client.rgw user create --uid=tests --display-name=tests --access-key=test-access \
  --secret-key=test-secret >> log/setup 2>&1
curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user test-access:test-secret -X PUT \
  -H "x-amz-content-sha256: $(printf '' | sha256sum | cut -d' ' -f1)" \
  "http://127.0.0.1:$port/mitune-tests" > /dev/null
echo "export MITUNE_TEST_S3=http://127.0.0.1:$port MITUNE_TEST_S3_KEY=test-access MITUNE_TEST_S3_SECRET=test-secret"
