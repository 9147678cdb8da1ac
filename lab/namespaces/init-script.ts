/** What the first process inside is called in its arguments, before the run id. */
export const initName = "lab-init";

/**
 * The first process inside: it prepares what only this mount namespace sees, starts the program, waits for it, and buries
 * orphans. Its end is the end of every process, mount and link inside. Its standard input comes from the supervisor:
 * a line is a signal for the program, the end of the input is the end of the supervisor, and so of everything.
 *
 * - /run is empty, for sockets at fixed places.
 * - /var/lib and /var/log are what they were, but what is written there (a kubelet has fixed places there) stays in memory.
 * - The kernel's settings that a kubelet would change are files of ours with what it wants to find: they hold for the whole
 *   machine, so changing them is not for us.
 *
 * `$1` is the run's id, the rest the command.
 */
export const initScript = `
set -e
mount --make-rshared /
mount -t tmpfs -o mode=755 "$1" /run
for folder in lib log; do
  mkdir -p "/run/lab/$folder/upper" "/run/lab/$folder/work"
  mount -t overlay -o "lowerdir=/var/$folder,upperdir=/run/lab/$folder/upper,workdir=/run/lab/$folder/work" "$1" "/var/$folder"
done
mkdir -p /run/lab/sysctl
setting() {
  [ -e "/proc/sys/$1" ] || return 0
  file="/run/lab/sysctl/$(echo "$1" | tr / -)"
  echo "$2" > "$file"
  mount --bind "$file" "/proc/sys/$1"
}
setting vm/overcommit_memory 1
setting vm/panic_on_oom 0
setting kernel/panic 10
setting kernel/panic_on_oops 1
setting kernel/keys/root_maxkeys 1000000
setting kernel/keys/root_maxbytes 25000000
ip link set lo up
set +e
shift
exec 3<&0 < /dev/null
"$@" 3<&- &
program=$!
{
  while read -r signal; do kill -s "$signal" "$program"; done
  kill -KILL "$program"
} <&3 3<&- 2> /dev/null &
exec 3<&-
# Not a word about how it ended: the exit code says that.
wait "$program" 2> /dev/null
`;
