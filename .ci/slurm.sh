#!/bin/sh
# slurm.sh COMMAND...: runs a command in a Slurm cluster of three nodes, all on this machine, which it makes for that. As root;
# needs slurmctld, slurmd (built to run several on a machine, as Debian's is), slurm-client and munge.
set -eu
for program in slurmctld slurmd munged salloc; do
  command -v "$program" >/dev/null || {
    echo "slurm.sh: there is no $program; on Debian: apt-get install slurmctld slurmd slurm-client munge" >&2
    exit 1
  }
done
if [ "$(id -u)" -ne 0 ]; then
  echo 'slurm.sh: run it as root' >&2
  exit 1
fi

folder=$(mktemp -d)
port=$((20000 + $$ % 20000))
host=$(hostname -s)
stop() {
  for file in "$folder"/*.pid; do
    [ ! -f "$file" ] || kill "$(cat "$file")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

mkdir -p "$folder/state" "$folder/n1" "$folder/n2" "$folder/n3"
dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 2>/dev/null
chmod 600 "$folder/munge.key"
export SLURM_CONF="$folder/slurm.conf"
cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n[1-3] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 3))] CPUs=2
PartitionName=all Nodes=ALL Default=YES State=UP
END
munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
  --log-file="$folder/munge.log" --seed-file="$folder/munge.seed" --force 2>/dev/null
slurmctld -c
for node in n1 n2 n3; do slurmd -N "$node"; done
i=0
while [ "$(sinfo -h -t idle -o %D 2>/dev/null)" != 3 ]; do
  i=$((i + 1))
  if [ "$i" -gt 300 ]; then
    cat "$folder"/*.log >&2
    exit 1
  fi
  sleep 0.1
done
"$@"
